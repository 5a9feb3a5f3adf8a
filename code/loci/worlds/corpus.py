"""Large bodies of facts of one owner, for density: how many facts can one memory hold?

An n-gram address sees the last few words of a trigger only, so how triggers end is an axis of its own. On the axis
`distinct` each trigger ends with a name and one closing word ("The code word for the Amber Falcon is"), and no two
triggers share the noun and the closing word: whatever is lost when facts are added is not an address shared by
construction. On `shared2`, `shared3` and `shared4` the same facts have a phrase behind the name ("The code word for the
Amber Falcon these days is"), so that whole groups share exactly their last 2, 3 or 4 words. In the published corpora
(arXiv 2606.19172) the two are mixed: most names stand outside the address.

All answers of a corpus differ, so a right answer can only come from its own fact.
"""

import random
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from loci.errors import UserError
from loci.paths import DATA
from loci.worlds.corpus_pools import Kind, Pools, Template, check_nouns, read_inserts, read_pools
from loci.worlds.records import Fact

AXES = ("distinct", "shared2", "shared3", "shared4")
SIZES = {"base": (100, 100), "xl": (1000, 1000), "xxl": (10_000, 0)}  # personal and organisation facts
POOLS = DATA / "corpus"
_PERSONAL, _ORGANISATIONS = ("owner.json", "collections.json"), ("organisations.json",)
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DRAWS = 10_000  # the pools are far larger than the corpus; only an edited, too small pool needs so many draws
_GROUP = 8  # consecutive facts with one closing word that get the same phrase before the next phrase has its turn


@dataclass(frozen=True, slots=True)
class _Slot:
    """A place for one fact: a noun with a closing word, and the templates that end with that word."""

    pools: Pools
    kind: Kind
    noun: str
    templates: tuple[Template, ...]


def build_corpus(count: int, seed: int, axis: str = "distinct", pools: Path = POOLS) -> list[Fact]:
    """`count` personal facts c0000, c0001, … of one owner; a smaller corpus of the same seed begins a larger one.

    All axes have the same names and answers in the same order. Raises UserError for a count below 1 or above what the
    authored parts in the folder `pools` allow.
    """
    return _build("count", count, f"corpus:{seed}", axis, pools, _PERSONAL)


def build_organisations(count: int, seed: int, axis: str = "distinct", pools: Path = POOLS) -> list[Fact]:
    """`count` facts o0000, o0001, … about organisations, in the third person; otherwise as `build_corpus`."""
    return _build("organisations", count, f"organisations:{seed}", axis, pools, _ORGANISATIONS)


def build_named(name: str, seed: int, axis: str = "distinct", pools: Path = POOLS) -> list[Fact]:
    """The corpus of one of the SIZES: personal facts first, then those about organisations.

    Raises UserError where a personal and an organisation fact have one answer, or names share a noun.
    """
    personal, organisations = SIZES[name]
    facts = build_corpus(personal, seed, axis, pools)
    if organisations:
        check_nouns([read_pools(pools / file) for file in _PERSONAL + _ORGANISATIONS])
        facts += build_organisations(organisations, seed, axis, pools)
    answers: dict[str, str] = {}
    for fact in facts:
        other = answers.setdefault(fact.answer.casefold(), fact.key)
        if other != fact.key:
            what = f"lets {fact.key} have the answer '{fact.answer}' of {other}"
            raise UserError(f"{pools / _ORGANISATIONS[0]}: answers", what, "keep its values apart from those of the owner")
    return facts


def _build(where: str, count: int, seed: str, axis: str, folder: Path, files: tuple[str, ...]) -> list[Fact]:
    pools = [read_pools(folder / file) for file in files]
    check_nouns(pools)
    rng = random.Random(seed)
    slots = []
    for at, pool in enumerate(pools):
        mine = [slot for kind in pool.kinds for slot in _slots(pool, kind)]
        # File after file, each shuffled on its own: what a later file holds never moves a fact of the first.
        (random.Random(f"{seed}:{pool.path.name}") if at else rng).shuffle(mine)
        slots += mine
    if not 1 <= count <= len(slots):
        raise UserError(where, f"is {count}", f"use a number of facts from 1 to {len(slots)}")
    phrases = _Phrases(axis, folder)
    taken: set[str] = set()
    return [_fact(f"{seed[0]}{at:04d}", slot, phrases, taken, rng) for at, slot in enumerate(slots[:count])]


def _slots(pools: Pools, kind: Kind) -> list[_Slot]:
    by_closing: dict[str, list[Template]] = {}
    for template in kind.templates:
        by_closing.setdefault(template.closing, []).append(template)
    return [_Slot(pools, kind, noun, tuple(templates)) for noun in kind.nouns for templates in by_closing.values()]


class _Phrases:
    """Puts the phrase between name and closing word that makes a group of triggers end alike; none for `distinct`."""

    def __init__(self, axis: str, folder: Path):
        if axis not in AXES:
            raise UserError("axis", f"'{axis}' is not known", f"use one of {', '.join(AXES)}")
        shared = axis.removeprefix("shared")
        self._inserts = read_inserts(folder / "shared.json", int(shared)) if shared != axis else {}
        self._seen: Counter[tuple[str, str]] = Counter()

    def place(self, template: Template) -> str:
        """The template's text for the next fact that has it."""
        if not self._inserts:
            return template.text
        head, _, closing = template.text.rpartition(" ")
        group = (template.tense, closing)
        phrases = self._inserts[template.tense]
        phrase = phrases[self._seen[group] // _GROUP % len(phrases)]
        self._seen[group] += 1
        return f"{head} {phrase} {closing}"


def _fact(key: str, slot: _Slot, phrases: _Phrases, taken: set[str], rng: random.Random) -> Fact:
    template = rng.choice(slot.templates)
    trigger = phrases.place(template).format(slot.kind.entity.format(rng.choice(slot.kind.adjectives), slot.noun))
    for _ in range(_DRAWS):
        answer, *variants = _draw(slot.pools.answers[template.answer_kind], rng)
        if answer not in taken:
            taken.add(answer)
            return Fact(key, answer, f"{trigger} {answer}.", tuple(dict.fromkeys((answer, *variants))))
    where = f"{slot.pools.path}: answers.{template.answer_kind}"
    raise UserError(where, "has too few values for so many facts", "add values or make fewer facts")


def _draw(rule: dict, rng: random.Random) -> list[str]:
    """One answer with its accepted variants, by a rule: word lists to combine, a number of so many digits, or a date."""
    if "parts" in rule:
        return [rule["form"].format(*(rng.choice(part) for part in rule["parts"]))]
    if "digits" in rule:
        digits = rng.randint(*rule["digits"])
        number = str(rng.randint(10 ** (digits - 1), 10**digits - 1))
        return [rule.get("form", "{}").format(number), number]
    first, last = (date(year, 1, 1) for year in rule["years"])
    day = first + timedelta(days=rng.randrange((last - first).days))
    # Spelled here and not by strftime, whose month names follow the machine's locale.
    month = _MONTHS[day.month - 1]
    return [f"{day.day} {month} {day.year}", f"{month} {day.day}, {day.year}"]
