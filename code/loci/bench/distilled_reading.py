"""Assembled prompts of distilled text before a reader: what is asked, and what its answers say.

That an answer stands in a prompt is what a memory can do; whether it is read is another matter, and a stale value may stand there
too.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from loci.bench.distilled_ablation import CONDITIONS, PAIRS, SETS, Case, episode, store_of
from loci.bench.score import contains_any, exact
from loci.bench.statistics import estimate, paired_difference
from loci.errors import UserError
from loci.memories.distilled import assembled
from loci.results import read_text

_LISTS = {"conditions": tuple(CONDITIONS), "kinds": SETS}
_SIZES = ("people", "budget")
_REMEDY = "see config/sweep_distilled.yaml"


@dataclass(frozen=True)
class Shown:
    """A question with the lines that stand in its prompt; `qid`, `text` and `form` are what a reader's prompt needs of it."""

    condition: str
    case: Case
    lines: tuple[str, ...]
    form: str = "question"

    @property
    def qid(self) -> str:
        return f"{self.case.person}.{self.case.name}.{self.case.kind}"

    @property
    def text(self) -> str:
        return self.case.text


def read_sweep(path: Path) -> dict:
    """What is read; UserError for a field that is missing or holds something else."""
    found = yaml.safe_load(read_text(path, "give config/sweep_distilled.yaml"))
    wanted = sorted((*_LISTS, *_SIZES))
    if not isinstance(found, dict) or sorted(found) != wanted:
        raise UserError(path, f"does not hold {', '.join(wanted)}", _REMEDY)
    for name, known in _LISTS.items():
        if not isinstance(found[name], list) or not found[name] or set(found[name]) - set(known):
            raise UserError(f"{path}: {name}", f"is no list of {', '.join(known)}", _REMEDY)
    for name in _SIZES:
        if type(found[name]) is not int or found[name] < 1:
            raise UserError(f"{path}: {name}", "is no positive whole number", _REMEDY)
    return found


def shown_of(person: int, seed: int, about: Mapping, tried: Mapping) -> Iterator[Shown]:
    """All questions of one person under every condition, in the conditions' order. about: the profile's section `distilled`."""
    messages, cases = episode(person, seed, about["events"], about["runs"])
    chosen = [case for case in cases if case.kind in tried["kinds"]]
    for name in tried["conditions"]:
        condition = CONDITIONS[name]
        store = store_of(messages, condition)
        plain = None if condition.recall else assembled(store, "", tried["budget"], condition.how)
        for case in chosen:
            text = assembled(store, case.text, tried["budget"], condition.how) if plain is None else plain
            yield Shown(name, case, tuple(" ".join(line.split()) for line in text.splitlines() if line.strip()))
        store.close()


def scored(shown: Shown, prediction: str) -> dict:
    """One answer: whether it is right, whether it says what is stale, whether the right one stood in the prompt."""
    case, flat = shown.case, " ".join(shown.lines)
    present = any(value in flat for value in case.accepted) if case.kind == "file" else contains_any(flat, case.accepted)
    return {
        "condition": shown.condition, "person": case.person, "case": case.name, "kind": case.kind, "prediction": prediction,
        "exact": exact(prediction, case.accepted, "question"), "stale": contains_any(prediction, case.stale), "present": present,
    }  # fmt: skip


def entries(answers: Sequence[dict], prefix: str, source: str) -> dict[str, dict]:
    """<prefix>.<condition>.<kind>.exact, .read (exact where the answer stood in the prompt), .now.stale (a stale value is said);
    <prefix>.<one>_minus_<other>.<kind>.exact of the contrasts of PAIRS that were read."""
    found: dict[tuple[str, str], list[tuple[str, str, float]]] = defaultdict(list)
    for one in answers:
        item = one["person"], one["case"]
        found[one["condition"], f"{one['kind']}.exact"].append((*item, float(one["exact"])))
        if one["present"]:
            found[one["condition"], f"{one['kind']}.read"].append((*item, float(one["exact"])))
        if one["kind"] == "now":
            found[one["condition"], "now.stale"].append((*item, float(one["stale"])))
    ledger = {f"{prefix}.{name}.{measure}": estimate(of).entry(source) for (name, measure), of in found.items()}
    for left, right in PAIRS:
        for (name, measure), of in found.items():
            if name == left and measure.endswith("exact") and (right, measure) in found:
                ledger[f"{prefix}.{left}_minus_{right}.{measure}"] = paired_difference(of, found[right, measure]).entry(source)
    return ledger
