"""Tables of the explorer: which rows and columns there are, and the numbers in them. Nothing here knows HTML."""

from dataclasses import dataclass

from loci.bench.layer_titles import TITLES
from loci.bench.ledger import Ledger
from loci.bench.style import name_of, ordered
from loci.errors import UserError

STATUSES = ("holds", "fails", "not testable here")
_LOW = {"updated.stale": "old value said", "deleted.stale": "deleted value said", "other.leak": "others’ values said"}
_KINDS = ("statement", "midconv", "direct", "paraphrase", "indirect", "chained", "updated", "deleted", "unknown")
_TITLES = {"midconv": "mid-conversation"}
_COSTS = {"question.context_tokens": "tokens added to the prompt", "bytes": "bytes a user"}
_LAYERED = {"indirect.macro": "indirect, mean of families", "prompt_tokens": "tokens in the prompt"}
_LOCOMO = {
    "f1": ("official F1", "share"),
    "f1.corrected": ("F1, corrected gold", "share"),
    "judged_corrected": ("judged right, corrected", "share"),
    "turn.recall_at_10": ("cited turns among 10", "share"),
    "declines": ("declines an answerable question", "low"),
    "words": ("words of an answer", "number"),
    "prompt_tokens": ("tokens in the prompt", "number"),
    "bytes": ("bytes a conversation", "number"),
}
_LOCOMO_SOURCES = {"locomo": "LOCOMO", "standin": "Stand-in for LOCOMO"}
_WRITES = {"matrix": "Told in clean sentences", "matrix_dialogue": "Told in conversations"}
_CONTROLS = ("none", "gold", "all", "recent", "prior", "recite", "recite_gold", "oracle_rows")


@dataclass(frozen=True)
class Column:
    """kind: "share" (a bar, more is better), "low" (a bar, less is better), "number" (no bar)."""

    measure: str
    title: str
    kind: str


@dataclass(frozen=True)
class Table:
    """rows: (id, name, group). entries: (row id, measure) -> ledger entry. cells of raw answers are named
    '<experiment>|<row id>|<measure>'."""

    experiment: str
    title: str
    columns: list[Column]
    rows: list[tuple[str, str, str]]
    entries: dict[tuple[str, str], dict]


def group_of(memory: str) -> str:
    """What kind of row of a table a memory is: control, text in the prompt, or inside the model."""
    if memory in _CONTROLS or memory.endswith(("_donor", "_random", "_wte")):
        return "control"
    return "inside the model" if "rows" in memory else "text in the prompt"


def tables_of(ledger: Ledger, base: str) -> list[Table]:
    """Both matrices, the layered conditions and, where they were run, LOCOMO's memories; UserError without a matrix."""
    tables = []
    for experiment, title in _WRITES.items():
        named = [(one, name_of(one), group_of(one)) for one in ordered(ledger.memories(experiment, base))]
        columns = [Column(f"{kind}.exact", _TITLES.get(kind, kind), "share") for kind in _KINDS]
        columns += [Column(measure, heading, "low") for measure, heading in _LOW.items()]
        columns += [Column(measure, heading, "number") for measure, heading in _COSTS.items()]
        tables.append(_filled(ledger, experiment, title, columns, named, f".{base}."))
    if not all(table.rows for table in tables):
        raise UserError("--ledger", "holds no matrix of both writes", "run the rule score_matrix")
    conditions = [(name, words, _layer(name)) for name, words in TITLES.items()]
    columns = [Column(f"{kind}.exact", _TITLES.get(kind, kind), "share") for kind in _KINDS]
    columns.insert(5, Column("indirect.macro", _LAYERED["indirect.macro"], "share"))
    columns += [Column("updated.stale", _LOW["updated.stale"], "low")]
    columns += [Column("prompt_tokens", _LAYERED["prompt_tokens"], "number")]
    tables.append(_filled(ledger, "layered", "Readers and rows", columns, conditions, f".{base}."))
    for source, title in _LOCOMO_SOURCES.items():
        found = [(one, name_of(one), group_of(one)) for one in ordered(ledger.parts(f"{source}.", ".prompt_tokens"))]
        columns = [Column(measure, *about) for measure, about in _LOCOMO.items()]
        tables.append(_filled(ledger, source, title, columns, found, "."))
    return [table for table in tables if table.rows]


def _layer(condition: str) -> str:
    if condition in ("a", "e", "ke", "s", "ks", "kgold", "gold", "golda", "gold0"):
        return "control"
    return "text in the prompt" if condition in ("g", "h", "i", "j", "ja") else "inside the model"


def _filled(ledger: Ledger, experiment: str, title: str, columns: list[Column], rows: list, between: str) -> Table:
    """The table with what the ledger has; rows and columns without any number are left out."""
    entries = {}
    for row, *_ in rows:
        for column in columns:
            if entry := ledger.get(f"{experiment}.{row}{between}{column.measure}"):
                entries[row, column.measure] = entry
    rows = [one for one in rows if any(row == one[0] for row, _ in entries)]
    columns = [one for one in columns if any(measure == one.measure for _, measure in entries)]
    return Table(experiment, title, columns, rows, entries)


def claims_of(record: object, where: object) -> list[dict]:
    """The claims of a results file, or of a plain list, as {id, kind, sentence, source, published, status, reason, value, low,
    high, n}; what is missing is None. UserError for a record that holds none."""
    found = record
    for name in ("claims", "items"):
        if isinstance(found, dict) and isinstance(found.get(name), list):
            found = found[name]
    if not isinstance(found, list) or not all(isinstance(one, dict) and one.get("id") for one in found):
        raise UserError(f"{where}: claims", "holds no list of claims with ids", "run check_claims.py again")
    names = ("id", "kind", "sentence", "source", "published", "status", "reason", "value", "low", "high", "n")
    claims = [{name: one.get(name) for name in names} for one in found]
    for one in claims:
        if isinstance(one["published"], dict):  # a figure, and the words in which it was published
            one["published"] = one["published"].get("says", one["published"].get("value"))
    return claims
