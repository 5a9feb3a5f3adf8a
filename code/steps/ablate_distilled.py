"""Distilled text, one part at a time: does what was asked still stand in the assembled prompt?

Stubs of tool output that say what was lost against bare ones, four sections against a flat log, an archive against deletion,
recall against none, and the latest messages or recall alone, all at equal budgets of words. No model is asked. A killed run goes
on with the next person.
"""

import argparse
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.distilled_ablation import CONDITIONS, PAIRS, episode, found_by_two_words, presence, store_of
from loci.bench.statistics import estimate, paired_difference
from loci.config import load_config
from loci.errors import run_step
from loci.provenance import Provenance
from loci.results import result, rounded, write_json
from loci.shards import Shards

_SEED = 0
_HITS = 10  # among which an archived distillation has to be


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def of_person(person: int, about: dict) -> list[dict]:
    """What stands in the prompts of one person's questions, under every condition and budget; which archived distillations two of
    their words find."""
    messages, cases = episode(person, _SEED, about["events"], about["runs"])
    out = []
    for name, condition in CONDITIONS.items():
        store = store_of(messages, condition)
        for budget in about["budgets"]:
            for case, present, stale, size in presence(store, cases, condition, budget):
                out.append({"condition": name, "budget": budget, "person": case.person, "case": case.name, "kind": case.kind,
                            "present": present, "stale": stale, "words": size})  # fmt: skip
        if name == "sections_recall":
            rng = random.Random(f"two words:{person}")
            pid = cases[0].person
            out += [{"person": pid, "case": key, "found": found} for key, found in found_by_two_words(store, _HITS, rng)]
        store.close()
    return out


def entries(found: Sequence[dict], source: str) -> dict[str, dict]:
    """distilled.<condition>.b<budget>.<kind>.present, .now.stale and .words; distilled.<one>_minus_<other>... of
    PAIRS; distilled.archived.two_words.found."""
    records: dict[tuple[str, int, str], list[tuple[str, str, float]]] = defaultdict(list)
    words = [(one["person"], one["case"], float(one["found"])) for one in found if "found" in one]
    for one in (one for one in found if "found" not in one):
        item, about = (one["person"], one["case"]), (one["condition"], one["budget"])
        records[*about, f"{one['kind']}.present"].append((*item, float(one["present"])))
        records[*about, "words"].append((*item, float(one["words"])))
        if one["kind"] == "now":
            records[*about, "now.stale"].append((*item, float(one["stale"])))
    ledger = {
        f"distilled.{name}.b{budget}.{measure}": estimate(of, proportion=measure != "words").entry(source)
        for (name, budget, measure), of in records.items()
    }
    for left, right in PAIRS:
        for (name, budget, measure), of in records.items():
            if name == left and measure.endswith("present"):
                gap = paired_difference(of, records[right, budget, measure])
                ledger[f"distilled.{left}_minus_{right}.b{budget}.{measure}"] = gap.entry(source)
    return ledger | ({"distilled.archived.two_words.found": estimate(words).entry(source)} if words else {})


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {})
    about = load_config(args.config)["distilled"]
    shards, found = Shards(Path(__file__), about, args.out.parent / "work"), []
    for person in tqdm(range(about["people"]), desc="distil and ask", unit="person"):
        part = shards.get(str(person)) or shards.put(str(person), {"found": of_person(person, about)})
        found += part["found"]
    ledger = rounded(entries(found, args.out.name))
    write_json(args.out, result("ablate_distilled", {"distilled": about}, _SEED, ledger, [], provenance.record()))
    most = max(about["budgets"])
    told = ", ".join(
        f"{one} less {other} {ledger[f'distilled.{one}_minus_{other}.b{most}.{kind}.present']['value']:+.2f}"
        for one, other, kind in (("sections", "flat", "now"), ("sections", "bare_stub", "file"), ("archived", "deleted", "then"))
    )
    print(f"{args.out}: answers that stand in {most} words: {told}")


if __name__ == "__main__":
    run_step(main)
