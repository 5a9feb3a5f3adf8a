"""Score what rows, adapters and the reader's index answered as they grew: exact and wrong answers, contrasts, and costs.

All questions rest on stored facts, so that one which is not answered right is answered wrong or declined as not known.

At each size those users count whom every store that grew to it was made for, so that places stand beside each other over the
same people; a difference is paired by user and counts all whom its two stores share.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from loci.bench.score import exact, says_not_known
from loci.bench.statistics import estimate, paired_difference
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_jsonl, read_result, result, rounded, sha256_file, write_json
from loci.worlds.records import load_users

_CONTRASTS = (("k", "j"), ("k", "jf"), ("kp", "jf"), ("kp", "k"))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument(
        "--grown", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="results of grow_layered.py (JSON)"
    )
    parser.add_argument(
        "--answers", type=Path, nargs="+", required=True, default=argparse.SUPPRESS, help="their raw answers, in order (JSONL)"
    )
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def common_users(found: Sequence[dict]) -> dict[int, set[str]]:
    """{facts: users in all results of that size}; UserError where there are none."""
    users: dict[int, set[str]] = {}
    for about in found:
        facts, here = about["config"]["facts"], {item["uid"] for item in about["items"]}
        users[facts] = users.get(facts, here) & here
    for facts, common in users.items():
        if not common:
            raise UserError("--grown", f"no user has {facts} facts in every store", "run grow_layered.py for the same users")
    return users


def cost_entries(items: list[dict], store: str, base: str, source: str) -> dict[str, dict]:
    """layered_growth.<store>.<base>.n<facts>.bytes and .seconds_per_fact, means over users."""
    found: dict[str, list[tuple[str, str, float]]] = defaultdict(list)
    for item in items:
        name = f"layered_growth.{store}.{base}.n{item['facts']}"
        found[f"{name}.bytes"].append((item["uid"], store, item["bytes"]))
        found[f"{name}.seconds_per_fact"].append((item["uid"], store, item["seconds"] / item["facts"]))
    return {key: estimate(records, proportion=False).entry(source) for key, records in found.items()}


def contrast_entries(scores: dict[tuple, list], base: str, source: str) -> dict[str, dict]:
    """layered.<contrast>.<base>.n<facts>.<kind>.<exact or wrong> of `_CONTRASTS`, paired by user."""
    found = {}
    for ours, theirs in _CONTRASTS:
        for condition, facts, measure in scores:
            if condition == ours and (theirs, facts, measure) in scores:
                gap = paired_difference(scores[ours, facts, measure], scores[theirs, facts, measure])
                found[f"layered.{ours}_minus_{theirs}.{base}.n{facts}.{measure}"] = gap.entry(source)
    return found


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    counts = len(args.grown), len(args.answers)
    if counts[0] != counts[1]:
        raise UserError("--answers", f"are {counts[1]} files for {counts[0]} results", "give one for each, in order")
    inputs = {f"{name}.{at}": path for name in ("grown", "answers") for at, path in enumerate(getattr(args, name))}
    provenance = Provenance(Path(__file__), {"users": args.users, **inputs})
    settings = load_config(args.config)
    base = settings["base"]["name"]
    questions = {question.qid: question for user in load_users(args.users) for question in user.questions}
    scores: dict[tuple[str, int, str], list] = defaultdict(list)
    ledger, costs = {}, {}
    results = [read_result(grown) for grown in args.grown]
    users = common_users(results)
    for about, grown, said in zip(results, args.grown, args.answers, strict=True):
        if about["metrics"]["answers_sha256"] != sha256_file(said):
            raise UserError(said, f"holds other answers than those of {grown}", "run grow_layered.py again")
        store, facts = about["config"]["store"], about["config"]["facts"]
        if "lines" in about["metrics"]:
            chosen = {"value": about["metrics"]["lines"], "n": len(about["metrics"]["tried"]), "source": args.out.name}
            ledger[f"layered_growth.{store}.{base}.n{facts}.lines"] = chosen
        found = cost_entries([item for item in about["items"] if item["uid"] in users[facts]], store, base, args.out.name)
        ledger |= {key: entry for key, entry in found.items() if key.endswith(".bytes")}
        costs |= {key: entry for key, entry in found.items() if not key.endswith(".bytes")}
        for answer in read_jsonl(said, "run grow_layered.py"):
            question = questions[answer["qid"]]
            right = exact(answer["prediction"], question.accepted, question.form)
            found = {"exact": right}
            if question.form == "question":
                found["wrong"] = not right and not says_not_known(answer["prediction"])
            for measure, score in found.items():
                name = (answer["memory"], answer["facts"], f"{question.kind}.{measure}")
                scores[name].append((answer["uid"], answer["qid"], score))
    for (condition, facts, measure), found in sorted(scores.items()):
        common = [one for one in found if one[0] in users[facts]]
        ledger[f"layered.{condition}.{base}.n{facts}.{measure}"] = estimate(common).entry(args.out.name)
    ledger |= contrast_entries(scores, base, args.out.name)
    config = {name: settings[name] for name in ("base", "layered", "layered_growth")}
    record = provenance.record() | {"costs": rounded(costs)}
    write_json(args.out, result("layered_growth", config, None, rounded(ledger), [], record))
    counts = ", ".join(f"{len(common)} with {facts:,} facts" for facts, common in sorted(users.items()))
    print(f"{args.out}: {len(ledger)} numbers about rows, adapters and retrieval as they grow, over users: {counts}")


if __name__ == "__main__":
    run_step(main)
