"""A large body of facts of one owner, for density: how many facts can one memory hold?

An n-gram address sees the last few words of a trigger only. So each trigger ends with an entity and one closing word
("The code word for the Amber Falcon is"), and no two triggers share the noun and the closing word. Whatever is lost
when facts are added is then not an address shared by construction. All answers differ as well, so a right answer can
only come from its own fact.
"""

import random
from dataclasses import dataclass
from datetime import date, timedelta

from loci.errors import UserError
from loci.paths import DATA
from loci.results import read_json
from loci.worlds.records import Fact

_FILE = DATA / "corpus" / "owner.json"
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DRAWS = 10_000  # the pools are far larger than the corpus; only an edited, too small pool needs so many draws


@dataclass(frozen=True, slots=True)
class _Slot:
    """A place for one fact: a noun with a closing word, and the templates that end with that word."""

    entity: str
    adjectives: tuple[str, ...]
    noun: str
    templates: tuple[tuple[str, str], ...]  # (text with {} for the entity, kind of answer)


def build_corpus(count: int, seed: int) -> list[Fact]:
    """`count` facts c0000, c0001, … of one owner; a smaller corpus of the same seed is the beginning of a larger one.

    Raises UserError for a count below 1 or above what the authored parts allow.
    """
    authored = read_json(_FILE, "restore it from the repository")
    slots = [slot for kind in authored["kinds"] for slot in _slots(kind)]
    if not 1 <= count <= len(slots):
        raise UserError("count", f"is {count}", f"use a number of facts from 1 to {len(slots)}")
    rng = random.Random(f"corpus:{seed}")
    rng.shuffle(slots)
    taken: set[str] = set()
    return [_fact(f"c{index:04d}", slot, authored["answers"], taken, rng) for index, slot in enumerate(slots[:count])]


def _slots(kind: dict) -> list[_Slot]:
    by_closing: dict[str, list[tuple[str, str]]] = {}
    for text, answer_kind in kind["templates"]:
        by_closing.setdefault(text.split()[-1], []).append((text, answer_kind))
    adjectives = tuple(kind["adjectives"])
    return [
        _Slot(kind["entity"], adjectives, noun, tuple(templates)) for noun in kind["nouns"] for templates in by_closing.values()
    ]


def _fact(key: str, slot: _Slot, rules: dict[str, dict], taken: set[str], rng: random.Random) -> Fact:
    text, answer_kind = rng.choice(slot.templates)
    trigger = text.format(slot.entity.format(rng.choice(slot.adjectives), slot.noun))
    for _ in range(_DRAWS):
        answer, *variants = _draw(rules[answer_kind], rng)
        if answer not in taken:
            taken.add(answer)
            return Fact(key, answer, f"{trigger} {answer}.", tuple(dict.fromkeys((answer, *variants))))
    raise UserError(f"{_FILE}: answers.{answer_kind}", "has too few values for so many facts", "add values or make fewer facts")


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
