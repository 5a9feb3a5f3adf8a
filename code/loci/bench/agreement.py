"""Whether a result that was made again agrees with the committed one, within tolerances that are stated here.

Times, machines and versions stand in `provenance`, which is not compared; of speed benchmarks, whose times stand among their
metrics, those are left out by name. Steps without torch are deterministic: everything is equal but for the last of the six
digits that are written. What a model says can change at near ties with another processor or batch, so a share of the raw
answers may differ; what was trained first may be further apart.
"""

import re
from dataclasses import dataclass

from loci.results import sha256_text

_TIMED = re.compile(r"(^|[._])(seconds|ms|wall|speedup|tokens_per_s|peak_memory\w*)($|[._])|seconds_|_ms(_|$)|_seconds")
_SCORES = ("score_", "make_", "describe_", "judge_")  # read what was said, even where they import torch
_TRAINS = (  # how the names of steps begin that fit something first
    *("train_", "pretrain", "tune_", "write_", "fit_", "sweep_", "cram_", "answer_mem", "mqar"),
    *("grow_layered", "stress_", "density"),
)


@dataclass(frozen=True)
class Tolerance:
    """numbers: largest difference of two; relative: the same as a share of the committed one, whichever allows more; answers:
    smallest share of raw records that must be equal."""

    name: str
    numbers: float
    relative: float
    answers: float


EXACT = Tolerance("deterministic", 1e-9, 1e-5, 1.0)
ASKED = Tolerance("asked of a model", 0.02, 0.02, 0.98)
TRAINED = Tolerance("trained first", 0.05, 0.05, 0.9)


@dataclass(frozen=True)
class Difference:
    """One place of a file where both differ by more than is allowed."""

    where: str
    committed: object
    fresh: object

    def __str__(self) -> str:
        apart = ""
        if _are_numbers(self.committed, self.fresh):
            apart = f" (apart by {self.fresh - self.committed:+.4g})"
        return f"{self.where}: committed {_short(self.committed)}, made again {_short(self.fresh)}{apart}"


def tolerance_of(step: str, uses_torch: bool) -> Tolerance:
    """What is allowed of a step's results."""
    if not uses_torch or step.startswith(_SCORES):
        return EXACT
    return TRAINED if step.startswith(_TRAINS) else ASKED


def differences(committed: object, fresh: object, allowed: Tolerance, where: str = "") -> list[Difference]:
    """Every place where two values of the same shape differ too much; a key or an item that one of them lacks is a place."""
    if isinstance(committed, dict) and isinstance(fresh, dict):
        found = []
        for key in dict.fromkeys([*committed, *fresh]):
            place = f"{where}.{key}" if where else str(key)
            if _TIMED.search(str(key)) or place == "provenance":
                continue
            if key not in committed or key not in fresh:
                found.append(Difference(place, committed.get(key, _NOTHING), fresh.get(key, _NOTHING)))
            else:
                found += differences(committed[key], fresh[key], allowed, place)
        return found
    if isinstance(committed, list) and isinstance(fresh, list):
        if len(committed) != len(fresh):
            return [Difference(f"{where} (length)", len(committed), len(fresh))]
        pairs = enumerate(zip(committed, fresh, strict=True))
        return [one for at, (old, new) in pairs for one in differences(old, new, allowed, f"{where}[{at}]")]
    if _are_numbers(committed, fresh):
        far = abs(fresh - committed) > max(allowed.numbers, allowed.relative * abs(committed))
        return [Difference(where, committed, fresh)] if far else []
    same = type(committed) is type(fresh) and committed == fresh  # 1 and true are not the same
    return [] if same else [Difference(where, committed, fresh)]


def answers_apart(committed: list[dict], fresh: list[dict], allowed: Tolerance, where: str) -> tuple[float, list[Difference]]:
    """The share of raw records that are equal, and what is wrong with it. Withheld answers are compared by their hashes."""
    if len(committed) != len(fresh):
        return 0.0, [Difference(f"{where} (records)", len(committed), len(fresh))]
    pairs = list(zip(committed, (_withheld(new, old) for old, new in zip(committed, fresh, strict=True)), strict=True))
    same = [not differences(old, new, EXACT) for old, new in pairs]
    share = sum(same) / len(same) if same else 1.0
    if share >= allowed.answers:
        return share, []
    first = differences(*pairs[same.index(False)], EXACT, f"{where}: record {same.index(False) + 1}")
    return share, [Difference(f"{where} (share of equal records)", 1.0, share), *first[:1]]


def _withheld(fresh: dict, committed: dict) -> dict:
    if "prediction_sha256" not in committed or "prediction" not in fresh:
        return fresh
    kept = {name: value for name, value in fresh.items() if name != "prediction"}
    return kept | {"prediction_sha256": sha256_text(fresh["prediction"])}


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


_NOTHING = _Nothing()


def _are_numbers(*values: object) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
