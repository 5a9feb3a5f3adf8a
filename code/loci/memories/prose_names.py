"""What the names of one document tell each other: one name is of one kind, and stands in other places too.

A tagger decides word by word. Over a document its evidence adds up: the kind of a name is the likeliest over all places where it
stands, a longer form of a name beats a shorter one, and a name that was found somewhere is found everywhere.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from loci.memories.prose_words import NameList, Span, Words

_TITLE = re.compile(r"\bThe(?: N)+ of(?: the)?(?: N)+")
_KNOWN = 0.95  # share of listed names from which on the others are doubted
_UNLIKELY = -5.0  # logarithm of the least probability of a kind that is looked at


@dataclass(frozen=True)
class Customs:
    """How names of a kind are written: `small`, with a small first letter; `articled`, some with "the"; `always`, all of them;
    `titles`, with "The" and "of"."""

    small: frozenset[str]
    articled: frozenset[str]
    always: frozenset[str]
    titles: frozenset[str]

    @classmethod
    def of(cls, names: Mapping[str, str]) -> "Customs":
        """The customs of known names, given with their kinds."""
        small: dict[str, Counter] = defaultdict(Counter)
        the: dict[str, Counter] = defaultdict(Counter)
        titles: dict[str, Counter] = defaultdict(Counter)
        for name, kind in names.items():
            small[kind][name[0].islower()] += 1
            the[kind][name.startswith("the ")] += 1
            titles[kind][name.startswith("The ") and " of " in name] += 1
        return cls(
            frozenset(kind for kind, counts in small.items() if counts[True] > counts[False]),
            frozenset(kind for kind, counts in the.items() if counts[True]),
            frozenset(kind for kind, counts in the.items() if not counts[False]),
            frozenset(kind for kind, counts in titles.items() if not counts[False]),
        )


def agreed(spans: list[list[Span]], bodies: Sequence[Words], kinds: Sequence[str], customs: Customs) -> list[list[Span]]:
    """The spans of a document's sentences, made to agree; `kinds` is the order of their scores.

    Where nearly all names with a capital are listed, a small word that is not listed is taken for no name.
    """
    spans = [_with_titles(of, body, kinds, customs) for of, body in zip(spans, bodies, strict=True)]
    capital = [
        _is_listed(span) for of, body in zip(spans, bodies, strict=True) for span in of if body.words[span.last - 1][0].isupper()
    ]
    if capital and sum(capital) > _KNOWN * len(capital):
        spans = [
            [span for span in of if _is_listed(span) or not _is_small(body, span)] for of, body in zip(spans, bodies, strict=True)
        ]
    else:
        spans = _found_again(spans, bodies, kinds)
    total = _totals(spans, bodies)
    people = {key.split()[0] for key, scores in total.items() if " " in key and kinds[int(scores.argmax())] == "person"}
    out = []
    for of, body in zip(spans, bodies, strict=True):
        out.append([])
        for span in of:
            key = _key(body, span)
            if key in people:
                out[-1].append(replace(span, kind="person"))
                continue
            scores = total[key] - np.logaddexp.reduce(total[key])
            best = int(scores.argmax())
            others = tuple((kinds[i], float(scores[i])) for i in np.flatnonzero(scores > _UNLIKELY) if i != best)
            first = span.first
            if kinds[best] in customs.always and first and body.words[first - 1].casefold() == "the":
                first -= 1
            out[-1].append(replace(span, first=first, kind=kinds[best], others=others))
    return out


def _with_titles(spans: list[Span], body: Words, kinds: Sequence[str], customs: Customs) -> list[Span]:
    """The spans, with "The … of …" as one where a kind of names is written so."""
    if len(customs.titles) != 1:
        return spans
    (title,) = customs.titles
    scores = tuple(0.0 if kind == title else _UNLIKELY for kind in kinds)
    shape = " ".join(word if word in ("The", "of", "the") else "N" if word[0].isupper() else "-" for word in body.words)
    found = []
    for match in _TITLE.finditer(shape):
        first = shape[: match.start()].count(" ")
        found.append(Span(first, first + match[0].count(" ") + 1, title, scores))
    rest = [span for span in spans if all(span.last <= one.first or one.last <= span.first for one in found)]
    return sorted(rest + found, key=lambda one: one.first)


def _found_again(spans: list[list[Span]], bodies: Sequence[Words], kinds: Sequence[str]) -> list[list[Span]]:
    """The spans, and wherever else their names with a capital stand; of two that overlap the longer one."""
    total = _totals(spans, bodies)
    names = {
        body.between(span.first, span.last)
        for of, body in zip(spans, bodies, strict=True)
        for span in of
        if not _is_small(body, span)
    }
    again = NameList({name: kinds[int(total[name.casefold()].argmax())] for name in sorted(names)})
    out = []
    for of, body in zip(spans, bodies, strict=True):
        more = [
            replace(span, scores=tuple(total[_key(body, span)]))
            for span in again.spans(body)
            if _key(body, span) in total and body.words[span.last - 1][0].isupper()
        ]
        kept: list[Span] = []
        for span in sorted([*of, *more], key=lambda one: one.first - one.last):  # stable: what was tagged here comes first
            if all(span.last <= other.first or other.last <= span.first for other in kept):
                kept.append(span)
        out.append(sorted(kept, key=lambda one: one.first))
    return out


def _totals(spans: list[list[Span]], bodies: Sequence[Words]) -> dict[str, np.ndarray]:
    """For each name the sum of its scores."""
    total: dict[str, np.ndarray] = {}
    for of, body in zip(spans, bodies, strict=True):
        for span in of:
            key = _key(body, span)
            total[key] = total.get(key, 0) + np.array(span.scores)
    return total


def _is_listed(span: Span) -> bool:
    return max(span.scores) == 0


def _is_small(body: Words, span: Span) -> bool:
    """Whether a name has no capital, but for one at the beginning of a sentence."""
    return all(body.words[i].islower() or i == 0 for i in range(span.first, span.last))


def _key(body: Words, span: Span) -> str:
    return body.between(span.first, span.last).casefold()
