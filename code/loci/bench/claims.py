"""Claims that run: what others have published, what we correct, what we found, each with a predicate over the ledger.

A claim *holds* where the whole interval is on its side. It *fails* otherwise, and says whether it is refuted or undecided, or
it is *not testable here*: for a reason that the claim itself declares, or because the run whose ledger it is made none of the
results file that the committed ledger has the key from. No sentence holds a typed result: its places are filled from the ledger.
The published figure is data, with its source. A key that is missing for no such reason is an error.
"""

import difflib
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import yaml

from loci.bench.ledger import Ledger
from loci.bench.predicates import Expression, Quantity, parse
from loci.errors import UserError
from loci.results import read_text, rounded

KINDS = {"published": "published claims", "correction": "our corrections", "result": "our new results"}
HOLDS, FAILS, UNTESTABLE = "holds", "fails", "not testable here"
STATUSES = (HOLDS, FAILS, UNTESTABLE)
NAMES = ("SmolLM2-135M", "Gemma 3 270M")  # whose digits are no results
_TEXT = {"type": "string", "minLength": 1}
_SCHEMA = {
    "type": "object",
    "required": ["base", "claims"],
    "additionalProperties": False,
    "properties": {
        "base": _TEXT,
        "claims": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "kind", "sentence", "source", "profile"],
                "additionalProperties": False,
                "properties": {
                    "id": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
                    "kind": {"enum": list(KINDS)},
                    "sentence": _TEXT,
                    "source": _TEXT,
                    "profile": _TEXT,
                    "headline": {"const": True},
                    "published": {
                        "type": "object",
                        "required": ["says"],
                        "additionalProperties": False,
                        "properties": {"value": {"type": "number"}, "says": _TEXT},
                    },
                    "measures": {"type": "object", "minProperties": 1, "additionalProperties": _TEXT},
                    "predicate": _TEXT,
                    "needs": {
                        "type": "object",
                        "required": ["because"],
                        "additionalProperties": False,
                        "properties": {"because": _TEXT},
                    },
                },
            },
        },
    },
}
_STAND_INS = {"locomo": "standin", "judge": "standin_judge"}  # how keys begin where LOCOMO's file is not given
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # where PyYAML has its parser in C
_NOTHING = 1e-9  # a difference below it is one of rounding
_COUNTS = 10  # whole numbers from here on are counts
_PLACE = re.compile(r"\{(\w+)(?:\.(value|n))?\}")
_RESULT = re.compile(r"(?<![A-Za-z0-9])\d")  # BM25 and F1 are names


@dataclass(frozen=True)
class Claim:
    """One claim, parsed: measures in the order of the file, the first is the one that is reported."""

    where: str
    record: dict
    measures: dict[str, Expression]
    predicate: Expression | None

    @property
    def keys(self) -> list[str]:
        """Every ledger key that it reads."""
        parts = [*self.measures.values(), *([self.predicate] if self.predicate else [])]
        return list(dict.fromkeys(key for part in parts for key in part.keys))


def load_claims(path: Path) -> list[Claim]:
    """All claims of a file; UserError names the file, the claim and what is wrong with it."""
    try:
        record = yaml.load(read_text(path, "restore it from the repository"), Loader=_LOADER)
    except yaml.YAMLError as fault:
        raise UserError(path, f"invalid YAML ({' '.join(str(fault).split())})", "mend the file") from None
    faults = sorted(jsonschema.Draft202012Validator(_SCHEMA).iter_errors(record), key=lambda fault: list(map(str, fault.path)))
    if faults:
        raise _as_user_error(path, record, faults[0])
    for name, count in Counter(one["id"] for one in record["claims"]).items():
        if count > 1:
            raise UserError(f"{path}: {name}", "is the id of two claims", "give each its own")
    return [_claim(path, one, record["base"]) for one in record["claims"]]


def _as_user_error(path: Path, record: object, fault: jsonschema.ValidationError) -> UserError:
    steps = list(fault.absolute_path)
    where = ".".join(map(str, steps)) or "top level"
    if len(steps) > 1 and steps[0] == "claims":
        claim = record["claims"][steps[1]]
        name = claim.get("id", f"claim {steps[1] + 1}") if isinstance(claim, dict) else f"claim {steps[1] + 1}"
        where = ": ".join([str(name), *map(str, steps[2:])])
    return UserError(f"{path}: {where}", fault.message, "paper/README.md has the fields")


def _claim(path: Path, record: dict, base: str) -> Claim:
    """Parsed, and checked as far as no ledger is needed."""
    where = f"{path}: {record['id']}"
    measures = {
        name: parse(text.replace("{base}", base), f"{where}: {name}") for name, text in record.get("measures", {}).items()
    }
    for name, expression in measures.items():
        if expression.kind != "number" or name == "published":
            raise UserError(f"{where}: {name}", "is no measure", "give it another name and a number, not a comparison")
    if "predicate" not in record:
        if "needs" not in record:
            raise UserError(where, "has no predicate", "add one, or say in `needs` why nothing here can test it")
        return Claim(where, record, measures, None)
    if "needs" in record:
        raise UserError(f"{where}: needs", "says that nothing can test it, beside a predicate", "delete one of them")
    predicate = parse(record["predicate"].replace("{base}", base), f"{where}: predicate")
    if predicate.kind != "truth" or not measures:
        raise UserError(f"{where}: predicate", "compares nothing that is measured", "add a comparison and at least one measure")
    if record["kind"] == "published" and "published" not in record:
        raise UserError(f"{where}: published", "missing", "say what they have published")
    places = {name for name, _ in _PLACE.findall(record["sentence"])}
    used = places | set(re.findall(r"[A-Za-z_]\w*", re.sub(r"\w*\s*\[[^\]]*\]", " ", record["predicate"])))
    known = {*measures, *(["published"] if "value" in record.get("published", {}) else [])}
    for name in used - known - {"and", "or", "published"}:
        raise UserError(f"{where}: {name}", "is no measure of this claim", _near(name, sorted(known)))
    if "published" in used - known:
        raise UserError(f"{where}: published", "has no value", "add published.value")
    for name in set(measures) - used:
        raise UserError(f"{where}: {name}", "is measured and not used", "name it in the sentence or in the predicate")
    return Claim(where, record, measures, predicate)


def _near(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known[:8]) or 'none'}"


def typed_numbers(claim: Claim) -> list[str]:
    """Digits of the sentence that are typed: neither a place that the ledger fills, nor part of a name."""
    text = _PLACE.sub(" ", claim.record["sentence"])
    for name in NAMES:
        text = text.replace(name, " ")
    return [text[found.start() :].split()[0] for found in _RESULT.finditer(text)]


def check(claims: Iterable[Claim], ledger: Ledger, profile: str, whole: Ledger | None = None) -> list[dict]:
    """The verdict on every claim of a profile. A ledger of another profile, or of an unknown one, is refused. whole: the ledger
    of all results, where `ledger` may be of a run that made some of them only."""
    if ledger.profile != profile:
        found = f"is a ledger of the profile {ledger.profile}" if ledger.profile else "does not say its profile"
        raise UserError(f"{ledger.path}: profile", f"{found}, the claims are asked of {profile}", f"give the ledger of {profile}")
    chosen = [claim for claim in claims if claim.record["profile"] == profile]
    if not chosen:
        raise UserError(f"{ledger.path}: profile", f"no claim is made of {profile}", "add one, or check another profile")
    return [judge(claim, ledger, whole) for claim in chosen]


def _left_out(key: str, ledger: Ledger, whole: Ledger) -> str | None:
    """Why the run of a ledger did not measure what `whole` has; None where that has no such key, or the run made its file."""
    if (known := whole.get(key)) is None:
        return None
    stand_in = _STAND_INS.get(key.split(".")[0])
    if stand_in and any(one.startswith(f"{stand_in}.") for one in ledger.keys()):  # noqa: SIM118, not a dict
        return "LOCOMO's file was not given to this run; a stand-in took its place"
    if any(ledger[one]["source"] == known["source"] for one in ledger.keys()):  # noqa: SIM118, not a dict
        return None
    return f"{known['source']} is no part of this run; `make sweeps` or `make benchmarks` makes it"


def judge(claim: Claim, ledger: Ledger, whole: Ledger | None = None) -> dict:
    """One claim against the ledger: its fields, status, reason, the measured value with interval and n, the filled sentence."""
    record = claim.record
    about = {name: record[name] for name in ("id", "kind", "profile", "source")} | {
        "published": record.get("published"),
        "predicate": record.get("predicate"),
        "keys": claim.keys,
        "headline": record.get("headline", False),
    }
    if typed := typed_numbers(claim):
        raise UserError(f"{claim.where}: sentence", f"holds a typed number ({typed[0]})", "put a place such as {ours} there")
    missing = [key for key in claim.keys if (ledger.get(key) or {}).get("value") is None]
    reason = record["needs"]["because"] if claim.predicate is None else None
    for key in missing:
        reason = _left_out(key, ledger, whole) if whole else None
        if not reason:
            # Parts of keys are told apart before letters are, so that the suggestion is of the same family.
            everything = ledger.keys()
            family = [one for one in everything if one.split(".")[0] == key.split(".")[0]] or everything
            raise UserError(f"{claim.where}: {key}", f"no such key in {ledger.path}", _near(key, family))
    if reason:
        blank = _PLACE.sub("…", record["sentence"])
        found = {"sentence": blank, "status": UNTESTABLE, "outcome": None, "reason": reason, "measures": {}}
        return about | found | dict.fromkeys(("value", "low", "high", "n", "certainty"))
    names: dict[str, Quantity] = {}

    def find(word: str) -> Quantity:
        if word.startswith("["):
            return _quantity(ledger[word[1:-1]])
        return names[word]

    for name, expression in claim.measures.items():
        names[name] = expression.of(find)
    if "value" in record.get("published", {}):
        figure = float(record["published"]["value"])
        names["published"] = Quantity(figure, figure, figure)
    verdict = claim.predicate.of(find)
    first = names[next(iter(claim.measures))]
    shown = {name: _numbers(names[name]) for name in claim.measures}
    bare = [name for name in claim.measures if not names[name].has_interval]
    return about | {
        "sentence": filled(record["sentence"], names),
        "status": HOLDS if verdict else FAILS,
        "outcome": {True: HOLDS, False: "refuted", None: "undecided"}[verdict],
        "reason": {
            True: "",
            False: "refuted: what is measured lies on the other side",
            None: "undecided: an interval reaches to both sides",
        }[verdict],
        "measures": shown,
        **_numbers(first),
        "certainty": "of the interval" if not bare else "of the value alone" if len(bare) == len(claim.measures) else "of both",
    }


def _quantity(entry: dict) -> Quantity:
    value = entry["value"]
    low, high = (entry.get(end) if entry.get(end) is not None else value for end in ("low", "high"))
    return Quantity(float(value), float(low), float(high), entry.get("n"))


def _numbers(found: Quantity) -> dict:
    return rounded({"value": found.value, "low": found.low, "high": found.high, "n": found.n})


def filled(sentence: str, names: dict[str, Quantity]) -> str:
    """{name}: value and interval; {name.value}: the value alone; {name.n}: of how many."""

    def put(place: re.Match) -> str:
        found, part = names[place.group(1)], place.group(2)
        if part == "n":
            return "–" if found.n is None else f"{found.n:,}"
        return number(found.value) if part == "value" or not found.has_interval else spread(found)

    return _PLACE.sub(put, sentence)


def spread(found: Quantity) -> str:
    """0.981 [0.960, 1.000]."""
    digits = _digits(found.value)
    return f"{number(found.value, digits)} [{number(found.low, digits)}, {number(found.high, digits)}]"


def number(value: float, digits: int | None = None) -> str:
    """Three decimals, fewer of large numbers, none of whole ones from ten on, two digits of tiny ones."""
    if not math.isfinite(value):
        return "without end"
    if digits is None:
        digits = 0 if abs(value) >= _COUNTS and value == round(value) else _digits(value)
    return f"{round(value, digits) + 0.0:,.{digits}f}"


def _digits(value: float) -> int:
    if not math.isfinite(value) or abs(value) < _NOTHING:
        return 3
    size = math.floor(math.log10(abs(value)))
    return 1 - size if size < -2 else max(0, 2 - max(size, -1))


def counts(judged: list[dict]) -> dict[str, dict[str, int]]:
    """How many claims of each kind hold, fail, are not testable here."""
    found = Counter((one["kind"], one["status"]) for one in judged)
    return {kind: {status: found[kind, status] for status in STATUSES} for kind in KINDS}


def changes(before: list[dict], after: list[dict]) -> list[str]:
    """Claims whose outcome two ledgers give differently, in words."""
    was = {one["id"]: one for one in before}
    pairs = [(was[one["id"]], one) for one in after if one["outcome"] != was[one["id"]]["outcome"]]
    return [f"{old['id']}: {_outcome(old)} with {measured(old)}, now {_outcome(new)} with {measured(new)}" for old, new in pairs]


def _outcome(judged: dict) -> str:
    return judged["outcome"] or UNTESTABLE


def measured(judged: dict) -> str:
    """The reported value of a verdict with its interval and n; a dash where nothing was measured."""
    if judged["value"] is None:
        return "–"
    ends = [math.nan if judged[end] is None else judged[end] for end in ("low", "high")]
    found = Quantity(judged["value"], *ends, judged["n"])
    shown = spread(found) if found.has_interval else number(found.value)
    return f"{shown} (n = {found.n:,})" if found.n else shown


def headlines_block(judged: list[dict]) -> list[str]:
    """The claims that a reader should know first, for README.md; one that does not hold says so."""
    return [
        f"- {one['sentence']}" + ("" if one["status"] == HOLDS else f" *{one['outcome'] or one['status']}*")
        for one in judged
        if one["headline"]
    ]


def claims_block(judged: list[dict]) -> list[str]:
    """Counts by kind, for README.md."""
    lines = ["| claims | hold | fail: refuted | fail: undecided | not testable here |", "|---|---|---|---|---|"]
    for kind, title in KINDS.items():
        of = [one for one in judged if one["kind"] == kind]
        outcomes = [sum(one["outcome"] == which for one in of) for which in (HOLDS, "refuted", "undecided", None)]
        lines.append(f"| {title} | {' | '.join(map(str, outcomes))} |")
    return lines


def failing_block(judged: list[dict]) -> list[str]:
    """The published claims that fail, beside what was published, for docs/findings.md."""
    return [
        f"- {one['sentence']} Published: {one['published']['says']} ({one['source']}). *{one['outcome']}*"
        for one in judged
        if one["kind"] == "published" and one["status"] == FAILS
    ]
