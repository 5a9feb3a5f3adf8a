"""The plan of a world: its kinds of fact with values and wordings, as authored in data/people/<world>.json.

Wordings come in three sets that never meet: "write" for memories, readers and adapters to learn from (training users are
asked in it as well), "dev" for choices, "test" for results.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from loci.paths import DATA
from loci.results import read_json
from loci.worlds.canaries import CanaryCode, canary_codes
from loci.worlds.checks import distinct, located, member, require
from loci.worlds.pools import EVERYBODY, Option, of_split, spell_out
from loci.worlds.records import Fact

WORLDS = ("personal", "medical")
SETS = ("write", "dev", "test")
SET_OF = {"train": "write", "dev": "dev", "test": "test"}  # the set of wordings in which a split's users are asked
_SENTENCES = {"write": 2, "dev": 1, "test": 1}
_QUESTIONS = {"write": 1, "dev": 2, "test": 2}  # at least


@dataclass(frozen=True)
class KeyPlan:
    """One kind of fact: sentence template ("My dentist is {}."), other wordings, question wordings, possible values.

    A canary has a `code` in place of options, and `named`, a question about it that names its owner.
    """

    key: str
    statement: str
    direct: str
    sentences: dict[str, tuple[str, ...]]  # by set; templates like `statement`, but the answer may stand anywhere
    questions: dict[str, tuple[str, ...]]  # by set; other wordings of `direct`
    options: tuple[Option, ...]
    may_change: bool = False
    code: CanaryCode | None = None
    named: str = ""

    @property
    def trigger(self) -> str:
        """What stands before the answer in the statement: "My dentist is"."""
        return self.statement.removesuffix("{}.").rstrip(" ")

    def fact(self, option: Option) -> Fact:
        """The fact that a user with this value has; its wordings are those of the set "write"."""
        wordings = self.sentence_wordings("write", option.answer)
        return Fact(self.key, option.answer, self.statement.format(option.answer), option.accepted, wordings)

    def sentence_wordings(self, wording_set: str, answer: str) -> tuple[str, ...]:
        """Other sentences of a set that state this answer: two in "write", one each in "dev" and "test"."""
        return tuple(template.format(answer) for template in self.sentences[wording_set])


@dataclass(frozen=True)
class Wording:
    """Question wordings of one computation, by set, and the line of reasoning (several where it depends on the case)."""

    variant: str
    questions: dict[str, tuple[str, ...]]
    reason: dict[str, str]  # by case; "" where there is only one

    @property
    def family(self) -> str:
        """The family of the computation: "age.spouse" belongs to "age"."""
        return self.variant.split(".")[0]


@dataclass(frozen=True)
class World:
    """Everything authored about one world. `pools[split][key]` are the values that a split's users can have."""

    name: str
    where: str
    keys: tuple[KeyPlan, ...]
    canaries: tuple[KeyPlan, ...]
    never_stored: tuple[KeyPlan, ...]
    exposures: dict[str, tuple[str, ...]]
    wordings: dict[str, Wording]
    pools: dict[str, dict[str, tuple[Option, ...]]]


@cache
def load_world(name: str) -> World:
    """The world of that name; UserError for a name that is not known, or for a fault in its file."""
    require(name in WORLDS, "world", f"'{name}' is not known", f"use one of {', '.join(WORLDS)}")
    path = DATA / "people" / f"{name}.json"
    return read_world(name, read_json(path, "restore it from the repository"), path)


def read_world(name: str, authored: dict, path: Path) -> World:
    """The world of a parsed file; a UserError names the file and the field at fault."""
    return located(str(path), _world, name, authored, str(path))


def canary_option(value: str) -> Option:
    """A canary's value in the form in which other values come."""
    return Option(value, value, (value,), EVERYBODY)


def _world(name: str, authored: dict, where: str) -> World:
    named_pools = member(authored, "pools", dict)
    keys = tuple(_key(entry, named_pools) for entry in member(authored, "keys", list))
    canaries = tuple(_canary(entry) for entry in member(authored, "canaries", list))
    never = tuple(_never(entry) for entry in member(authored, "never_stored", list))
    distinct((plan.key for plan in (*keys, *canaries, *never)), "keys", "key")
    distinct((plan.trigger.lower() for plan in (*keys, *canaries, *never)), "keys", "statement")
    wordings = {entry["variant"]: _wording(entry) for entry in member(authored, "indirect", list)}
    exposures = {group: tuple(things) for group, things in member(authored, "exposures", dict).items()}
    distinct((thing for things in exposures.values() for thing in things), "exposures", "thing")
    groups = any({option.raw for option in plan.options} == exposures.keys() for plan in keys)
    require(groups, "exposures", "are not about the values of any key", "list what belongs to each value of the allergy")
    by_split = {split: {plan.key: of_split(plan.options, split) for plan in keys} for split in SET_OF}
    return World(name, where, keys, canaries, never, exposures, wordings, by_split)


def _key(entry: dict, named_pools: dict[str, list]) -> KeyPlan:
    where = f"keys[{entry['key']}]"
    options = spell_out(entry, named_pools, where)
    return KeyPlan(**_texts(where, entry), options=options, may_change=entry.get("may_change", False))


def _canary(entry: dict) -> KeyPlan:
    where = f"canaries[{entry['key']}]"
    codes = canary_codes()
    require(entry["form"] in codes, f"{where}.form", f"'{entry['form']}' is not known", f"use one of {', '.join(codes)}")
    return KeyPlan(**_texts(where, entry), options=(), code=codes[entry["form"]], named=entry["named"])


def _never(entry: dict) -> KeyPlan:
    options = spell_out({**entry, "shared": True}, {}, f"never_stored[{entry['key']}]")
    return KeyPlan(entry["key"], entry["statement"], entry["direct"], {}, {}, options)


def _texts(where: str, entry: dict) -> dict:
    """The fields of a plan that are wordings."""
    sentences = {name: _set(f"{where}.sentences.{name}", entry["sentences"][name], _SENTENCES[name]) for name in SETS}
    questions = {name: _set(f"{where}.questions.{name}", entry["questions"][name], _QUESTIONS[name]) for name in SETS}
    for name, templates in sentences.items():
        once = all(template.count("{}") == 1 for template in templates)
        require(once, f"{where}.sentences.{name}", "has a sentence without exactly one {}", "put {} where the answer belongs")
    plain = {name: entry[name] for name in ("key", "statement", "direct")}
    return {**plain, "sentences": sentences, "questions": questions}


def _wording(entry: dict) -> Wording:
    where = f"indirect[{entry['variant']}]"
    questions = {name: _set(f"{where}.questions.{name}", entry["questions"][name], 1) for name in SETS}
    reason = entry["reason"]
    return Wording(entry["variant"], questions, {"": reason} if isinstance(reason, str) else reason)


def _set(where: str, wordings: list[str], least: int) -> tuple[str, ...]:
    distinct(wordings, where, "wording")
    require(len(wordings) >= least, where, f"has {len(wordings)} wordings", f"write at least {least}")
    return tuple(wordings)
