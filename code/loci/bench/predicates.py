"""The small language of claims: arithmetic on ledger entries with their intervals, and comparisons of three outcomes.

    [layered.k_minus_e.{base}.direct.exact] > 0 and value[matrix.rows.{base}.bytes] < 5e5

`[key]` is an entry with its interval, `value[key]`, `low[key]`, `high[key]` and `n[key]` are single numbers of it, a bare word
is a measure that the claim has named. `+ - * /` of entries are those of interval arithmetic, which takes them as unrelated: a
difference that was measured in pairs has its own key. A comparison holds only where all of the interval is on its side, is
refuted where all of it is on the other, and is undecided in between; `and`, `or` go on as Kleene's logic does. Nothing is
evaluated by Python, and there are no other words.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from loci.errors import UserError

_REMEDY = "mend it; paper/README.md has the language"
_WORDS = re.compile(
    r"\s*(?:(?P<key>(?:(?:value|low|high|n)\s*)?\[[^\[\]]*\])|(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)"
    r"|(?P<word>[A-Za-z_]\w*)|(?P<sign><=|>=|[<>+\-*/()]))"
)


@dataclass(frozen=True)
class Quantity:
    """A number with the ends of its interval, which are the number itself where it has none; n of the smallest entry in it."""

    value: float
    low: float
    high: float
    n: int | None = None

    @property
    def has_interval(self) -> bool:
        return not self.low == self.value == self.high


@dataclass(frozen=True)
class Expression:
    """A parsed text: `kind` is "number" or "truth", `keys` are those that it reads, `of(find)` is its value, where `find` gives
    what a name or a "[key]" stands for."""

    kind: str
    keys: tuple[str, ...]
    of: Callable[[Callable[[str], Quantity]], Quantity | bool | None]


def parse(text: str, where: str) -> Expression:
    """A UserError names `where`, the place in the text and what was expected there."""
    reader = _Reader(_split(text, where), text, where)
    found = reader.either()
    if reader.ahead is not None:
        raise reader.fault(f"unexpected {reader.ahead[1]!r}")
    return found


def _split(text: str, where: str) -> list[tuple[str, str]]:
    """[(kind of word, word)] of a text."""
    words, at = [], 0
    while text[at:].strip():
        found = _WORDS.match(text, at)
        if not found:
            raise UserError(where, f"cannot read {text[at:].strip()[:20]!r} in {text!r}", _REMEDY)
        words.append((found.lastgroup, found.group(found.lastgroup)))
        at = found.end()
    return words


class _Reader:
    """Recursive descent, loosest first: or, and, comparison, sum, product, sign, single."""

    def __init__(self, words: list[tuple[str, str]], text: str, where: str):
        self._words, self._text, self._where, self._at = words, text, where, 0

    @property
    def ahead(self) -> tuple[str, str] | None:
        return self._words[self._at] if self._at < len(self._words) else None

    def fault(self, what: str) -> UserError:
        return UserError(self._where, f"{what} in {self._text!r}", _REMEDY)

    def _take(self, *signs: str) -> str | None:
        """The next word where it is one of these."""
        if self.ahead and self.ahead[0] in ("sign", "word") and self.ahead[1] in signs:
            self._at += 1
            return self._words[self._at - 1][1]
        return None

    def either(self) -> Expression:
        return self._joined(self._both, "or", _or)

    def _both(self) -> Expression:
        return self._joined(self._compared, "and", _and)

    def _joined(self, part: Callable[[], Expression], word: str, rule: Callable) -> Expression:
        left = part()
        while self._take(word):
            left = self._pair(left, part(), "truth", "truth", rule, word)
        return left

    def _compared(self) -> Expression:
        left = self._sum()
        if sign := self._take("<", "<=", ">", ">="):
            return self._pair(left, self._sum(), "number", "truth", _COMPARED[sign], sign)
        return left

    def _sum(self) -> Expression:
        return self._chain(self._product, "+", "-")

    def _product(self) -> Expression:
        return self._chain(self._signed, "*", "/")

    def _chain(self, part: Callable[[], Expression], *signs: str) -> Expression:
        left = part()
        while sign := self._take(*signs):
            left = self._pair(left, part(), "number", "number", _ARITHMETIC[sign], sign)
        return left

    def _signed(self) -> Expression:
        if self._take("-"):
            nothing = Expression("number", (), lambda find: Quantity(0.0, 0.0, 0.0))
            return self._pair(nothing, self._signed(), "number", "number", _minus, "-")
        return self._single()

    def _single(self) -> Expression:
        if self._take("("):
            inside = self.either()
            if not self._take(")"):
                raise self.fault("a bracket is not closed")
            return inside
        if self.ahead is None:
            raise self.fault("it ends too early")
        kind, word = self.ahead
        if kind == "sign" or word in ("and", "or"):
            raise self.fault(f"unexpected {word!r}")
        self._at += 1
        if kind == "number":
            number = Quantity(float(word), float(word), float(word))
            return Expression("number", (), lambda find: number)
        if kind == "word":
            return Expression("number", (), lambda find: find(word))
        part, key = (piece.strip() for piece in word[:-1].split("[", 1))
        return Expression("number", (key,), lambda find: _part(find(f"[{key}]"), part))

    def _pair(self, left: Expression, right: Expression, takes: str, gives: str, rule: Callable, sign: str) -> Expression:
        if not left.kind == right.kind == takes:
            raise self.fault(f"{sign!r} stands between two {takes}s" if takes == "number" else f"{sign!r} joins two comparisons")

        def of(find: Callable[[str], Quantity]) -> Quantity | bool | None:
            try:
                return rule(left.of(find), right.of(find))
            except ZeroDivisionError:
                raise self.fault("division by zero") from None

        return Expression(gives, (*left.keys, *right.keys), of)


def _part(entry: Quantity, part: str) -> Quantity:
    if not part:
        return entry
    number = float(getattr(entry, part) if part != "n" else entry.n or 0)
    return Quantity(number, number, number, entry.n)


def _fewer(left: Quantity, right: Quantity) -> int | None:
    known = [one.n for one in (left, right) if one.n is not None]
    return min(known, default=None)


def _plus(left: Quantity, right: Quantity) -> Quantity:
    return Quantity(left.value + right.value, left.low + right.low, left.high + right.high, _fewer(left, right))


def _minus(left: Quantity, right: Quantity) -> Quantity:
    return Quantity(left.value - right.value, left.low - right.high, left.high - right.low, _fewer(left, right))


def _times(left: Quantity, right: Quantity) -> Quantity:
    ends = [one * other for one in (left.low, left.high) for other in (right.low, right.high)]
    return Quantity(left.value * right.value, min(ends), max(ends), _fewer(left, right))


def _over(left: Quantity, right: Quantity) -> Quantity:
    """An interval that holds zero below the line leaves the quotient without ends."""
    if right.low <= 0 <= right.high and right.has_interval:
        value = left.value / right.value if right.value else math.inf
        return Quantity(value, -math.inf, math.inf, _fewer(left, right))
    inverse = Quantity(1 / right.value, 1 / right.high, 1 / right.low, right.n)
    return _times(left, inverse)


def _less(left: Quantity, right: Quantity) -> bool | None:
    return True if left.high < right.low else False if left.low >= right.high else None


def _at_most(left: Quantity, right: Quantity) -> bool | None:
    return True if left.high <= right.low else False if left.low > right.high else None


def _and(left: bool | None, right: bool | None) -> bool | None:
    return False if False in (left, right) else None if None in (left, right) else True


def _or(left: bool | None, right: bool | None) -> bool | None:
    return True if True in (left, right) else None if None in (left, right) else False


_ARITHMETIC = {"+": _plus, "-": _minus, "*": _times, "/": _over}
_COMPARED = {
    "<": _less,
    "<=": _at_most,
    ">": lambda left, right: _less(right, left),
    ">=": lambda left, right: _at_most(right, left),
}
