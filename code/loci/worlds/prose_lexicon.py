"""The authored parts of the prose world: entities with their frequencies, relations with their wordings.

Held out are, of every authored list with a fifth item, the items 5, 10, 15, …: name parts, values and wordings. A
held-out name is made of held-out parts alone, so train never shows any part of it. Closed kinds (days of the week, years)
are in both.
"""

import random
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, product

from loci.paths import DATA
from loci.results import read_json
from loci.worlds.chance import weighted
from loci.worlds.prose_grammar import Mention, Template, compiled, name_mention

HELD_EVERY = 5
_FOLDER = DATA / "prose"
_ZIPF_SHIFT = 8.0


# Equal by identity, as there is one of each: comparing their fields would take most of the time of a document.
@dataclass(frozen=True, slots=True, eq=False)
class Entity:
    """Anything that a triplet can name: `full` on first mention, `short` later on, `pronoun` she, he, they or it."""

    name: str
    kind: str
    pronoun: str
    full: Mention
    short: Mention


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The entities of a kind in order of frequency, drawn with weight 1 / (rank + 8): Zipf's law, as Mandelbrot has it."""

    entities: tuple[Entity, ...]
    cumulative: tuple[float, ...]

    def draw(self, rng: random.Random) -> Entity:
        """One entity; the first is the most frequent."""
        return weighted(rng, self.entities, self.cumulative)


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """A kind of fact, with its wordings by form.

    many: several objects at a time. changes: the object can change in the story. stable: the same in every document.
    symmetric: holds in both directions. kin: any two people have one such relation at most. duty "job" and "post" exclude
    each other for one person. Forms: state, never (not in the whole document), ended (no longer), change, ask, then (ask
    about a year), check (ask for yes or no), doubt (names both entities, states nothing).
    """

    id: str
    subject: str
    object: str
    many: bool
    changes: bool
    stable: bool
    symmetric: bool
    kin: bool
    duty: str
    short: Template
    forms: dict[str, tuple[tuple[Template, ...], tuple[Template, ...]]]  # seen and held-out wordings

    def wordings(self, form: str, held: bool) -> tuple[Template, ...]:
        """The wordings of a form for one side of the split; () where it has none."""
        return self.forms[form][held] if form in self.forms else ()


def is_held(position: int) -> bool:
    """Whether the item at that position of an authored list is held out."""
    return position % HELD_EVERY == HELD_EVERY - 1


@cache
def relations() -> dict[str, Relation]:
    """All relations by id."""
    return {entry["id"]: _relation(entry) for entry in read_json(_FOLDER / "relations.json", "restore it")["relations"]}


@cache
def many_valued() -> frozenset[str]:
    """Ids of the relations that can have several objects at a time."""
    return frozenset(relation.id for relation in relations().values() if relation.many)


@cache
def relations_of(kind: str) -> tuple[Relation, ...]:
    """The relations whose subject is of that kind."""
    return tuple(relation for relation in relations().values() if relation.subject == kind)


@cache
def frames() -> dict:
    """Openings, closings and sentences without facts, as authored."""
    return read_json(_FOLDER / "frames.json", "restore it from the repository")


@cache
def kinds() -> tuple[str, ...]:
    """All kinds of entity that have a pool, for whoever needs a list of all names; a year has none."""
    return ("person", *_names()["kinds"])


@cache
def nouns(kind: str) -> tuple[str, ...]:
    """What an entity of that kind can be called once it is known: "the town"."""
    return tuple(_names()["kinds"].get(kind, {}).get("nouns", ()))


@cache
def pool(kind: str, held: bool) -> Pool:
    """The entities of a kind on one side of the split, in an order of frequency that never changes."""
    made = _people(held) if kind == "person" else _entities(kind, held)
    random.Random(f"prose:{kind}:{held}").shuffle(made)
    return Pool(tuple(made), tuple(accumulate(1 / (rank + _ZIPF_SHIFT) for rank in range(1, len(made) + 1))))


@cache
def stable_object(relation: Relation, subject: Entity, held: bool) -> Entity:
    """The one object that a subject has in every document."""
    return pool(relation.object, held).draw(random.Random(f"prose:{relation.id}:{subject.name}"))


@cache
def year(number: int) -> Entity:
    """A year as the object of a fact."""
    return _entity(str(number), "year")


def _names() -> dict:
    return read_json(_FOLDER / "names.json", "restore it from the repository")


def _side(items: list, held: bool) -> list:
    return [item for position, item in enumerate(items) if is_held(position) == held]


def _people(held: bool) -> list[Entity]:
    authored = _names()["person"]
    families = _side(authored["family"], held)
    made = []
    for pronoun, given_names in authored["given"].items():
        for given, family in product(_side(given_names, held), families):
            made.append(Entity(f"{given} {family}", "person", pronoun, name_mention(f"{given} {family}"), name_mention(given)))
    return made


def _entities(kind: str, held: bool) -> list[Entity]:
    entry = _names()["kinds"][kind]
    if "values" in entry:
        values = entry["values"] if entry.get("closed") else _side(entry["values"], held)
    else:
        values = [entry["form"].format(*parts) for parts in product(_side(entry["first"], held), _side(entry["second"], held))]
    return [_entity(value, kind) for value in values]


def _entity(name: str, kind: str) -> Entity:
    return Entity(name, kind, "it", name_mention(name), name_mention(name))


def _relation(entry: dict) -> Relation:
    forms = {}
    for form in ("state", "never", "ended", "change", "ask", "then", "check", "doubt"):
        if form in entry:
            wordings = [compiled(source) for source in entry[form]]
            forms[form] = (tuple(_side(wordings, False)), tuple(_side(wordings, True)))
    forms["joined"] = tuple(tuple(wording for wording in side if wording.tail) for side in forms["state"])
    flags = (entry.get(flag, False) for flag in ("many", "changes", "stable", "symmetric", "kin"))
    short = compiled(entry.get("short", "{O}"))
    return Relation(entry["id"], entry["subject"], entry["object"], *flags, entry.get("duty", ""), short, forms)
