"""Reading JSON that somebody else wrote: every fault becomes a UserError that names the place, and a remedy."""

import unicodedata
from collections.abc import Callable, Iterable
from typing import TypeVar

from loci.errors import UserError

LONGEST_TEXT = 4000  # characters of a fact or a turn; the longest turn of LOCOMO has about 500
LONGEST_QUESTION = 2000
_NAMES = {str: "text", int: "a whole number", list: "a list", dict: "an object"}
_T = TypeVar("_T")


def require(holds: bool, where: str, what: str, remedy: str) -> None:
    """A UserError unless `holds`."""
    if not holds:
        raise UserError(where, what, remedy)


def check_line(where: str, text: str, longest: int) -> None:
    """UserError unless the text is one line of 1 to `longest` characters without control characters."""
    require(bool(text.strip()), where, "is empty", "write something")
    require(len(text) <= longest, where, f"has {len(text)} characters, more than {longest}", "shorten it")
    if not text.isprintable():  # quick, and nearly always enough; it also minds characters that are allowed here
        odd = next((one for one in text if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp")), None)
        require(odd is None, where, f"holds the control character U+{ord(odd or ' '):04X}", "take it out")


def member(obj: object, name: str, kind: type[_T], default: _T | None = None) -> _T:
    """The field `name` of a JSON object, of that type; a UserError where it is missing (without default) or mistyped."""
    require(isinstance(obj, dict), name, "cannot be read, since the record around it is not an object", "use {...}")
    if name not in obj and default is not None:
        return default
    require(name in obj, name, "is missing", f"add it, as {_NAMES[kind]}")
    value = obj[name]
    # A JSON true is an int to Python, but never a number to the person who wrote it.
    right = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
    require(right, name, f"is {_describe(value)}", f"make it {_NAMES[kind]}")
    return value


def texts(obj: object, name: str, default: list | None = None) -> tuple[str, ...]:
    """The field `name` of a JSON object, a list of texts; `default` where it is missing."""
    values = member(obj, name, list, default)
    for index, value in enumerate(values):
        require(isinstance(value, str), f"{name}[{index}]", f"is {_describe(value)}", "make it text")
    return tuple(values)


def pool(obj: object, name: str) -> tuple[str, ...]:
    """The field `name` of a JSON object, a list of texts to draw from: not empty, and nothing in it twice."""
    values = texts(obj, name)
    require(bool(values), name, "is empty", "give at least one")
    for at, value in enumerate(values):
        require(value not in values[:at], f"{name}[{at}]", f"'{value}' occurs twice", "make each one different")
    return values


def each(obj: object, name: str, read: Callable[[object], _T]) -> list[_T]:
    """`read` applied to every element of the list `name`; a fault inside is located by the element's index."""
    return [located(f"{name}[{index}]", read, one) for index, one in enumerate(member(obj, name, list))]


def located(where: str, read: Callable[..., _T], *arguments: object) -> _T:
    """`read(*arguments)`, with `where` put in front of the place that a UserError names."""
    try:
        return read(*arguments)
    except UserError as fault:
        raise UserError(f"{where}: {fault.where}", fault.what, fault.remedy) from None


def distinct(values: Iterable[str], where: str, name: str) -> set[str]:
    """All values as a set; a UserError at `where[index].name` for the first that occurs twice."""
    seen: set[str] = set()
    for index, value in enumerate(values):
        require(value not in seen, f"{where}[{index}].{name}", f"'{value}' occurs twice", "make each one different")
        seen.add(value)
    return seen


def _describe(value: object) -> str:
    return next((name for kind, name in _NAMES.items() if type(value) is kind), repr(value))
