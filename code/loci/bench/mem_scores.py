"""What [mem] vectors hold and what can be answered from them, as entries of the ledger."""

from collections import defaultdict
from collections.abc import Sequence

from loci.bench.score import exact
from loci.bench.statistics import estimate, paired_difference

RIGHT = 0.99  # mean accuracy up to which a length counts as held
PAIRS = (  # of direct questions and other wordings
    ("mem", "none"),
    ("mem", "mem_other"),
    ("mem", "mem_random"),
    ("mem", "gold"),
    ("mem_said", "gold"),
    ("gold_mem", "gold"),
    ("prefix_study", "prefix_next"),
    ("prefix_study", "prefix_study_other"),
    ("prefix_next", "prefix_next_other"),
    ("prefix_study", "prefix_start"),
    ("prefix_study", "all"),
)
TURN_PAIRS = (("mem", "reset"), ("mem", "latest"), ("reset", "latest"), ("mem", "all"))


def capacity_entries(items: Sequence[dict], about: str, source: str) -> dict[str, dict]:
    """<about>.<kind>.n<length>.accuracy, .said (share of tokens in place when the model goes on by itself), .said_exact, .first,
    .nats (without less with), .nats_bare, .steps; <about>.<kind>.capacity_tokens. A text is the unit."""
    records: dict[tuple[str, int, str], list] = defaultdict(list)
    for one in items:
        key, length = (one["text"], str(one["length"])), one["length"]
        bare, behind = sum(one["nats_bare"]), sum(one["nats"])
        found = {
            "accuracy": one["right"] / length,
            "said": one["said_right"] / length,
            "said_exact": float(one["said_until"] == length),
            "first": float(one["first_right"]),
            "nats": bare - behind,
            "nats_bare": bare,
            "steps": float(one["steps_in_all"]),
        }
        if length > 1:  # as published: the first token is neither trained nor scored
            found["accuracy_published"] = (one["right"] - one["first_right"]) / (length - 1)
        for name, value in found.items():
            records[one["kind"], length, name].append((*key, value))
    shares = ("accuracy", "said", "said_exact", "first", "accuracy_published")
    ledger = {
        f"{about}.{kind}.n{length}.{name}": estimate(of, proportion=name in shares).entry(source)
        for (kind, length, name), of in records.items()
    }
    for kind in dict.fromkeys(one["kind"] for one in items):
        held = [
            length
            for one, length, name in records
            if one == kind and name == "accuracy" and ledger[f"{about}.{kind}.n{length}.accuracy"]["value"] >= RIGHT
        ]
        texts = len({one["text"] for one in items if one["kind"] == kind and one["length"] == min(i["length"] for i in items)})
        ledger[f"{about}.{kind}.capacity_tokens"] = {"value": max(held, default=0), "n": texts, "source": source}
        most = (
            max(one["steps_in_all"] for one in items if one["kind"] == kind and one["length"] <= max(held, default=0))
            if held
            else 0
        )
        ledger[f"{about}.{kind}.capacity_steps_most"] = {"value": most, "n": texts, "source": source}
        stored = [ledger[f"{about}.{kind}.n{length}.nats"] for one, length, name in records if (one, name) == (kind, "nats")]
        ledger[f"{about}.{kind}.nats_most"] = {**max(stored, key=lambda entry: entry["value"]), "source": source}
    return ledger


def bare_entries(items: Sequence[dict], about: str, source: str) -> dict[str, dict]:
    """<about>.<kind>.bare_nats_per_token: without vectors, over the longest cut of its kind that was tried."""
    most = {kind: max(one["length"] for one in items if one["kind"] == kind) for kind in {one["kind"] for one in items}}
    records = defaultdict(list)
    for one in items:
        if one["length"] == most[one["kind"]]:
            records[one["kind"]].append((one["text"], one["text"], sum(one["nats_bare"]) / one["length"]))
    found = {kind: estimate(of, proportion=False) for kind, of in sorted(records.items())}
    return {f"{about}.{kind}.bare_nats_per_token": one.entry(source) for kind, one in found.items()}


def answer_entries(answers: Sequence[dict], base: str, source: str) -> dict[str, dict]:
    """mem.<memory>.<base>.<kind>.exact, and paired differences <one>_minus_<other>; of turns mem_turns...."""
    records: dict[tuple[str, str], list] = defaultdict(list)
    for one in answers:
        right = float(exact(one["prediction"], one["accepted"], "question"))
        records[one["kind"], one["memory"]].append((one["uid"], one["qid"], right))
    ledger = {}
    for (kind, memory), of in records.items():
        ledger[_key(kind, memory, base)] = estimate(of).entry(source)
    for kind in dict.fromkeys(one for one, _ in records):
        for left, right in TURN_PAIRS if kind == "turn" else PAIRS:
            gap = paired_difference(records[kind, left], records[kind, right])
            ledger[_key(kind, f"{left}_minus_{right}", base)] = gap.entry(source)
    return ledger


def _key(kind: str, memory: str, base: str) -> str:
    return f"mem_turns.{memory}.{base}.exact" if kind == "turn" else f"mem_asked.{memory}.{base}.{kind}.exact"
