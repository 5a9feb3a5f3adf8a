"""The authored parts of the corpora, read and checked: names of things, sentence templates, rules for answers.

A pools file holds `kinds` of things (a name is an adjective and a noun; templates put it in front of one closing word)
and `answers`, rules by kind of answer. What goes wrong in a file that somebody edited is told by file and field.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loci.errors import UserError
from loci.results import read_json
from loci.worlds.checks import distinct, each, located, member, pool, require

TENSES = ("now", "past")
_TEMPLATE = re.compile(r"[^{}]*\{\} [^\s{}]+")
_REMEDY = "restore it from the repository"


@dataclass(frozen=True, slots=True)
class Template:
    """A sentence up to its answer: `text` has {} for the name and one closing word behind it."""

    text: str
    answer_kind: str
    tense: str  # which inserts fit: "now" or "past"

    @property
    def closing(self) -> str:
        """The last word of the trigger."""
        return self.text.rpartition(" ")[2]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing: how it is named ("the {} {}", an adjective and a noun) and what is said about it."""

    name: str
    entity: str
    adjectives: tuple[str, ...]
    nouns: tuple[str, ...]
    templates: tuple[Template, ...]


@dataclass(frozen=True, slots=True)
class Pools:
    """One pools file. A rule of `answers` has word lists to combine ("parts"), a number of "digits", or "years" of a date."""

    path: Path
    kinds: tuple[Kind, ...]
    answers: dict[str, dict]


def read_pools(path: Path) -> Pools:
    """The checked pools of one file; UserError with file, field and remedy for anything that cannot be used."""
    return located(str(path), _pools, read_json(path, _REMEDY), path)


def read_inserts(path: Path, length: int) -> dict[str, tuple[str, ...]]:
    """By tense, the phrases of `length` - 1 words that stand between name and closing word, so that `length` words are shared.

    No two of them end alike: else two groups would share more than the closing word.
    """
    return located(str(path), _inserts, read_json(path, _REMEDY), str(length))


def check_nouns(pools: list[Pools]) -> None:
    """UserError for a noun that two kinds have, in one file or in two: their triggers could end alike."""
    owners: dict[str, str] = {}
    for where, noun in _nouns(pools):
        owner = owners.setdefault(noun.casefold(), where)
        require(owner == where, where, f"'{noun}' is a noun of {owner} too", "make each one different")


def _nouns(pools: list[Pools]) -> Iterator[tuple[str, str]]:
    for one in pools:
        for kind in one.kinds:
            yield from ((f"{one.path}: kinds.{kind.name}.nouns", noun) for noun in kind.nouns)


def _pools(obj: object, path: Path) -> Pools:
    answers = member(obj, "answers", dict)
    for name in answers:
        located(f"answers.{name}", _check_rule, answers[name])
    kinds = each(obj, "kinds", lambda one: _kind(one, answers))
    distinct((kind.name for kind in kinds), "kinds", "kind")
    return Pools(path, tuple(kinds), answers)


def _kind(obj: object, answers: dict[str, dict]) -> Kind:
    entity = member(obj, "entity", str)
    require(entity.count("{}") == 2, "entity", f"'{entity}' has not two places", "write {} for the adjective and {} for the noun")
    adjectives, nouns = pool(obj, "adjectives"), pool(obj, "nouns")
    templates = tuple(
        located(f"templates[{at}]", _template, one, answers) for at, one in enumerate(member(obj, "templates", list))
    )
    distinct((template.text for template in templates), "templates", "text")
    return Kind(member(obj, "kind", str), entity, adjectives, nouns, templates)


def _template(obj: object, answers: dict[str, dict]) -> Template:
    parts = isinstance(obj, list) and len(obj) == 3 and all(isinstance(part, str) for part in obj)
    require(parts, "value", "is not a list of three texts", "write [text, kind of answer, tense]")
    template = Template(*obj)
    shaped = _TEMPLATE.fullmatch(template.text) is not None
    require(shaped, "text", f"'{template.text}' does not end with the name and one word", "write it as '… {} is'")
    known = template.answer_kind in answers
    require(known, "answer", f"'{template.answer_kind}' is not among the answers", f"use one of {', '.join(answers)}")
    require(template.tense in TENSES, "tense", f"'{template.tense}' is not known", f"use one of {', '.join(TENSES)}")
    return template


def _check_rule(rule: object) -> None:
    require(isinstance(rule, dict), "value", "is not an object", "use {...}")
    shapes = [name for name in ("parts", "digits", "years") if name in rule]
    require(len(shapes) == 1, "value", f"has {' and '.join(shapes) or 'no rule'}", "give one of parts, digits and years")
    if shapes == ["parts"]:
        places = member(rule, "form", str).count("{}")
        parts = member(rule, "parts", list)
        require(places == len(parts), "form", f"has {places} places for {len(parts)} parts", "write one {} a part")
        for at in range(len(parts)):
            pool({f"parts[{at}]": parts[at]}, f"parts[{at}]")
    else:
        first, last = _pair(rule, shapes[0])
        require(1 <= first <= last, shapes[0], f"runs from {first} to {last}", "give two rising whole numbers above 0")


def _pair(rule: dict, name: str) -> tuple[int, int]:
    values = member(rule, name, list)
    whole = len(values) == 2 and all(type(value) is int for value in values)
    require(whole, name, f"is {values}", "give two whole numbers")
    return values[0], values[1]


def _inserts(obj: object, length: str) -> dict[str, tuple[str, ...]]:
    inserts = {tense: pool(member(obj, tense, dict), length) for tense in TENSES}
    for tense, phrases in inserts.items():
        for phrase in phrases:
            fits = len(phrase.split()) == int(length) - 1
            require(fits, f"{tense}.{length}", f"'{phrase}' has not {int(length) - 1} words", "reword it")
    endings = [phrase.split()[-1] for phrases in inserts.values() for phrase in phrases]
    twice = sorted({ending for ending in endings if endings.count(ending) > 1})
    if twice:
        raise UserError(f"{'|'.join(TENSES)}.{length}", f"two phrases end with '{twice[0]}'", "make each ending different")
    return inserts
