r"""Numbers of the paper: every one is a command with a key of the ledger, and none is typed.

In paper/main.tex stands \est{matrix.rows.B.statement.exact}; B is the base model. `definitions` makes the file that LaTeX reads
such commands from, `filled` puts the numbers in their places for the page in HTML. A key that the ledger lacks, or an
interval that an entry lacks, is an error that names the line.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from loci.bench.ledger import Ledger
from loci.errors import UserError

_MINUS = {"tex": "$-$", "html": "\N{MINUS SIGN}"}


def _fixed(value: float, digits: int) -> str:
    # Adding zero takes the sign from what is rounded to nothing.
    return f"{round(value, digits) + 0.0:,.{digits}f}"


def _spread(entry: dict, digits: int) -> str:
    value, low, high = (_fixed(entry[part], digits) for part in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


FORMS: dict[str, Callable[[dict], str]] = {
    "est": lambda entry: _spread(entry, 2),
    "estp": lambda entry: _spread(entry, 3),
    "val": lambda entry: _fixed(entry["value"], 2),
    "valp": lambda entry: _fixed(entry["value"], 3),
    "valt": lambda entry: _fixed(entry["value"], 1),
    "whole": lambda entry: _fixed(entry["value"], 0),
    "sampled": lambda entry: _fixed(entry["n"], 0),
    "kb": lambda entry: _fixed(entry["value"] / 1000, 0),
    "mb": lambda entry: _fixed(entry["value"] / 1e6, 1),
}
_RATIO = "ratio"  # \\ratio{one key/another key}
_USE = re.compile(rf"\\({'|'.join((*FORMS, _RATIO))})\{{([^{{}}]+)\}}")
_COMMENT = re.compile(r"(?<!\\)%.*")


@dataclass(frozen=True)
class Used:
    """form: of FORMS, or a ratio of two values. key: as it is written, with B for the base model."""

    line: int
    form: str
    key: str


def used(source: str) -> Iterator[Used]:
    """Every number of a source in LaTeX, comments left out."""
    for at, line in enumerate(source.splitlines(), 1):
        for match in _USE.finditer(_COMMENT.sub("", line)):
            yield Used(at, match[1], match[2])


def shown(one: Used, ledger: Ledger, base: str, name: str, medium: str) -> str:
    """A number as it is to stand in the text. medium: 'tex' or 'html'. name: of the source, for errors."""
    where, keys = f"{name}:{one.line}: {one.key}", one.key.split("/")
    entries = [ledger.get(f".{key}.".replace(".B.", f".{base}.")[1:-1]) for key in keys]
    if None in entries:
        raise UserError(where, "is not in the ledger", "run the rule that measures it, or mend the key")
    if len(keys) != 1 + (one.form == _RATIO):
        raise UserError(where, rf"is not what \{one.form} takes", r"give \ratio two keys with a slash, the others one key")
    if one.form == _RATIO:
        return _fixed(entries[0]["value"] / entries[1]["value"], 1)
    entry = entries[0]
    try:
        text = FORMS[one.form](entry)
    except KeyError as fault:
        raise UserError(where, f"has no {fault.args[0]}", rf"use \val in the place of \{one.form}") from None
    return text.replace("-", _MINUS[medium])


def definitions(source: str, ledger: Ledger, base: str, name: str) -> str:
    """LaTeX that defines every number that a source uses, in the order of its keys."""
    found = {(one.form, one.key): shown(one, ledger, base, name, "tex") for one in used(source)}
    lines = ["% Made by make_paper.py from the ledger; do not edit."]
    for form in (*FORMS, _RATIO):
        lines.append(rf"\newcommand{{\{form}}}[1]{{\ifcsname loci:{form}:#1\endcsname\csname loci:{form}:#1\endcsname\else")
        lines.append(r"  \errmessage{This number is not in numbers.tex: run make paper}\fi}")
    lines += [rf"\expandafter\gdef\csname loci:{form}:{key}\endcsname{{{text}}}" for (form, key), text in sorted(found.items())]
    return "\n".join(lines) + "\n"


def filled(source: str, ledger: Ledger, base: str, name: str) -> str:
    """The source with its numbers in their places."""
    lines = []
    for at, line in enumerate(source.splitlines(), 1):
        text = _COMMENT.sub("", line)
        lines.append(_USE.sub(lambda match: shown(Used(at, match[1], match[2]), ledger, base, name, "html"), text))  # noqa: B023
    return "\n".join(lines) + "\n"


_SILENT = re.compile(
    r"\\(?:cite[tp]?|ref|label|input|includegraphics|bibliography(?:style)?|usepackage|documentclass|begin|end|setlength|url|href)"
    r"(?:\[[^\]]*\])?\{[^{}]*\}(?:\{[^{}]*\})?"
)


def typed_digits(source: str, allowed: set[str]) -> list[tuple[int, str]]:
    """(line, word) of every digit between \\begin{document} and the bibliography that is no number of the ledger, no name of
    `allowed` words, and no argument of a command that prints none."""
    out, inside = [], False
    for at, line in enumerate(source.splitlines(), 1):
        if r"\begin{document}" in line:
            inside = True
        elif inside:
            text = _SILENT.sub("", _USE.sub("", _COMMENT.sub("", line)))
            words = (word.strip("(),.;:?!~{}[]") for word in re.split(r"[\s~]+", text))
            out += [(at, word) for word in words if re.search(r"\d", word) and word not in allowed]
    return out
