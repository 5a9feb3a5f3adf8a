"""Live memory in numbers: from raw answers to ledger entries. No model is needed."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from loci.bench.statistics import estimate, over_seeds, paired_difference

Records = list[tuple[str, str, float]]


def entries(said: Iterable[dict], priors: dict[int, dict[str, str]], bank: int, source: str) -> dict[str, dict]:
    """live.<arm>.current.exact, .stale.rate and .donor.exact, all and by gap (g16) and number of updates (u4); live.prior...: the
    most frequent answer of the training, by its seed; live.bank.reach: share of the questions at whose end the telling is still
    in the bank; live.state_minus_<arm>... in pairs; live.state.s<seed>... of one training, all and by gap.

    stale: a value that held before, counted where there is one. A user is an episode; seeds are trainings.
    """
    records: dict[str, Records] = defaultdict(list)
    said = list(said)
    for one in said:
        right = one["said"] == one["answer"]
        scores = {"current.exact": right, "donor.exact": one["said"] == one["donor"]}
        if one["earlier"]:
            scores["stale.rate"] = one["said"] in one["earlier"]
        if one["arm"] == "state":
            guessed = priors[one["seed"]].get(one["attribute"]) == one["answer"]
            records["live.prior.current.exact"].append((one["uid"], "q", float(guessed)))
            reached = one["gap"] + one["question"] < bank
            records[f"live.bank.g{one['gap']}.reach"].append((one["uid"], "q", float(reached)))
            records["live.bank.reach"].append((one["uid"], "q", float(reached)))
        for measure, score in scores.items():
            for within in ("", f".g{one['gap']}", f".u{one['updates']}"):
                records[f"live.{one['arm']}{within}.{measure}"].append((one["uid"], "q", float(score)))
    ledger = {key: estimate(of).entry(source) for key, of in records.items()}
    for arm in dict.fromkeys(one["arm"] for one in said):
        if arm != "state":
            gap = paired_difference(records["live.state.current.exact"], records[f"live.{arm}.current.exact"])
            ledger[f"live.state_minus_{arm}.current.exact"] = gap.entry(source)
    trained: dict[str, Records] = defaultdict(list)
    for one in said:
        if one["arm"] == "state":
            for within in ("", f".g{one['gap']}"):
                right = float(one["said"] == one["answer"])
                trained[f"live.state.s{one['seed']}{within}.current.exact"].append((one["uid"], "q", right))
    ledger |= {key: estimate(of).entry(source) for key, of in trained.items()}
    return ledger


def cost_entries(records: Sequence[dict], source: str) -> dict[str, dict]:
    """live.<state|attention>.n<length>.bytes (of the first training; all are alike) and .tokens_per_s (mean over trainings), and
    .parameters."""
    ledger = {}
    for name in ("state", "attention"):
        ledger[f"live.{name}.parameters"] = {"value": records[0]["metrics"]["parameters"][name], "n": 1, "source": source}
        for at, one in enumerate(records[0]["metrics"]["bytes"]):
            start = f"live.{name}.n{one['length']}"
            ledger[f"{start}.bytes"] = {"value": one[f"{name}_bytes"], "n": 1, "source": source}
            speeds = [record["provenance"]["speeds"][at][f"{name}_tokens_per_s"] for record in records]
            ledger[f"{start}.tokens_per_s"] = over_seeds(speeds, source)
    return ledger
