"""Two-fact chains: questions that need a second stored fact to reach the first.

A chain is "My dentist is Dr. Orla Quist." and "The practice of Dr. Orla Quist is on Elm Street."; it is asked "On which
street is my dentist's practice?". Person, practice and street are invented, and the street is drawn without regard to
anything else, so neither the question nor what a model knows of the world gives it away. A distractor says the same of
somebody else with another street. The published chains (arXiv 2606.19172) mix two kinds of completion: those that end
like the second fact, so that its rows answer without any chaining, and those that do not. Here the form of each chain
is chosen, and what it does to a tokenizer's suffixes is computed (`loci.worlds.chain_files.label`), never assumed.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from loci.errors import UserError
from loci.paths import DATA
from loci.results import read_json
from loci.worlds.checks import distinct, each, located, member, pool, require
from loci.worlds.records import KINDS, SPLITS, Fact, Question, User

FORMS = ("apart", "alike")
POOLS = DATA / "chains.json"
_WORDINGS = {"train": "write", "dev": "dev", "test": "test"}  # which wordings the users of a split are asked
_DRAWS = 10_000  # the pools are far larger than any set of chains; only an edited, too small pool needs so many draws


@dataclass(frozen=True, slots=True)
class Chain:
    """Two facts that lead to one answer, a distractor, and the questions about them.

    form "apart": the second fact and the composed statement are worded differently. form "alike": both end with the
    same words behind the entity. questions: the composed statement and one question of kind chained, then a control of
    kind direct for each fact alone.
    """

    cid: str
    pair: str
    form: str
    bridge: str
    first: Fact
    second: Fact
    distractor: Fact
    questions: tuple[Question, ...]

    @property
    def facts(self) -> tuple[Fact, Fact, Fact]:
        """What is stored for the chain."""
        return self.first, self.second, self.distractor


@dataclass(frozen=True, slots=True)
class _Pair:
    """A pair of relations: who the bridge is to the user (`role`) and what the second fact says of the bridge.

    All texts have one {}: for the bridge in `fact` and `second`, for "my dentist" in the others. `alike` serves both.
    """

    name: str
    role: str
    bridge: str
    fact: str
    composed: str
    alike: str
    first: str
    second: str
    wordings: dict[str, tuple[str, ...]]
    answers: tuple[tuple[str, ...], ...]  # each with its accepted variants, the answer first


def build_chains(
    count: int, seed: int, uid: str = "owner", split: str = "test", stored: Iterable[str] = (), pools: Path = POOLS
) -> list[Chain]:
    """`count` chains of one user, by turns over all pairs of relations; fewer chains of a seed begin more of them.

    split: of the user; it chooses the wordings and nothing else. stored: triggers that the user has already, which no
    first fact repeats. Answers of a pair are uniform over its pool. Raises UserError for a count below 1 or above what
    the authored names allow, and for a pools file that cannot be used.
    """
    require(split in _WORDINGS, "split", f"'{split}' is not known", f"use one of {', '.join(SPLITS)}")
    authored = _read(pools)
    name = f"chains:{seed}:{uid}"
    rng, wording = random.Random(name), random.Random(f"{name}:{split}")
    slots = list(_slots(authored, frozenset(stored), rng))
    require(1 <= count <= len(slots), "count", f"is {count}", f"use a number of chains from 1 to {len(slots)}")
    entities = _Entities(str(pools), authored.bridges)
    decks = {pair.name: _Deck(pair, rng) for pair in authored.pairs}
    return [
        _chain(uid, f"chain{at:03d}", slot, entities, decks[slot.pair.name], rng, wording, split)
        for at, slot in enumerate(slots[:count])
    ]


def answer_pools(pools: Path = POOLS) -> dict[str, tuple[str, ...]]:
    """The answers that each pair of relations allows: chance is 1 / their number."""
    return {pair.name: tuple(values[0] for values in pair.answers) for pair in _read(pools).pairs}


def with_chains(user: User, chains: list[Chain]) -> User:
    """The user with the facts and questions of the chains behind their own, kind by kind."""
    facts = user.facts + tuple(fact for chain in chains for fact in chain.facts)
    questions = user.questions + tuple(question for chain in chains for question in chain.questions)
    in_order = sorted(questions, key=lambda question: KINDS.index(question.kind))
    return User(user.uid, user.split, facts, tuple(in_order), user.attrs)


@dataclass(frozen=True, slots=True)
class _Authored:
    """The checked pools file. bridges: by kind, how a name is put together and the parts to draw from."""

    relations: tuple[str, ...]
    names: tuple[str, ...]
    bridges: dict[str, tuple[str, list[tuple[str, ...]]]]
    pairs: list[_Pair]


@dataclass(frozen=True, slots=True)
class _Slot:
    pair: _Pair
    holder: str  # "my cousin Ruben", or "" for the user
    form: str

    @property
    def who(self) -> str:
        return f"{self.holder}'s {self.pair.role}" if self.holder else f"my {self.pair.role}"

    @property
    def trigger(self) -> str:
        return f"The {self.pair.role} of {self.holder} is" if self.holder else f"My {self.pair.role} is"


def _slots(authored: _Authored, stored: frozenset[str], rng: random.Random) -> Iterator[_Slot]:
    """First the user's own dentist, tailor and so on, then those of one acquaintance after the other."""
    pairs = authored.pairs
    free = iter(rng.sample(authored.names, len(authored.names)))
    lap = 0
    while True:
        for at in rng.sample(range(len(pairs)), len(pairs)):
            # One chain in three is alike, every pair in turn.
            form = FORMS[(lap + at) % 3 == 2]
            slot = _Slot(pairs[at], "", form)
            if lap or slot.trigger in stored:
                name = next(free, None)
                if name is None:
                    return
                slot = _Slot(pairs[at], f"my {rng.choice(authored.relations)} {name}", form)
            yield slot
        lap += 1


class _Entities:
    """Draws bridge entities, each once; no two second facts of one wording end with the same word of a name."""

    def __init__(self, where: str, rules: dict[str, tuple[str, list[tuple[str, ...]]]]):
        self._where, self._rules = where, rules
        self._names: set[tuple[str, ...]] = set()
        self._endings: set[tuple[str, str]] = set()

    def draw(self, kind: str, template: str, rng: random.Random) -> str:
        form, parts = self._rules[kind]
        for _ in range(_DRAWS):
            name = tuple(rng.choice(part) for part in parts)
            entity = form.format(*name)
            ending = (entity.split()[-1], template.partition("{}")[2])
            if name not in self._names and ending not in self._endings:
                self._names.add(name)
                self._endings.add(ending)
                return entity
        raise UserError(
            f"{self._where}: bridges.{kind}", "has too few names for so many chains", "add names or make fewer chains"
        )


class _Deck:
    """Deals the answers of a pair, chain by chain: each value once before any comes again, and never one's distractor."""

    def __init__(self, pair: _Pair, rng: random.Random):
        self._values = rng.sample(pair.answers, len(pair.answers))
        self._shift = rng.randrange(1, len(self._values))
        self._dealt = 0

    def deal(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The next answer, and another one for the distractor."""
        at, size = self._dealt, len(self._values)
        self._dealt += 1
        return self._values[at % size], self._values[(at + self._shift) % size]


def _chain(
    uid: str, cid: str, slot: _Slot, entities: _Entities, deck: _Deck, rng: random.Random, wording: random.Random, split: str
) -> Chain:
    pair = slot.pair
    said, composed = (pair.fact, pair.composed) if slot.form == "apart" else (pair.alike, pair.alike)
    bridge, other = (entities.draw(pair.bridge, said, rng) for _ in range(2))
    answer, decoy = deck.deal()
    first = Fact(f"{cid}.first", bridge, f"{slot.trigger} {bridge}.", (bridge,))
    second = _second(f"{cid}.second", said, bridge, answer)
    reason = f"So {pair.alike.format(slot.who)} {answer[0]}."
    recitation = " ".join((first.statement, second.statement, reason))

    def ask(
        kind: str, name: str, key: str, text: str, needed: tuple[Fact, ...], recited: str, form: str = "question"
    ) -> Question:
        answer, keys = needed[-1], tuple(fact.key for fact in needed)
        qid = f"{uid}.{kind}.{cid}.{name}"
        more = {"form": form, "family": pair.name, "recitation": recited}
        return Question(qid, kind, key, _capital(text), answer.answer, answer.accepted, keys, **more)

    asked = wording.choice(pair.wordings[_WORDINGS[split]])
    both = (first, second)
    questions = (
        ask("chained", "statement", pair.name, composed.format(slot.who), both, recitation, "statement"),
        ask("chained", "question", pair.name, asked.format(slot.who), both, recitation),
        ask("direct", "first", first.key, pair.first.format(slot.who), (first,), first.statement),
        ask("direct", "second", second.key, pair.second.format(bridge), (second,), second.statement),
    )
    return Chain(cid, pair.name, slot.form, bridge, first, second, _second(f"{cid}.other", said, other, decoy), questions)


def _second(key: str, template: str, entity: str, answer: tuple[str, ...]) -> Fact:
    return Fact(key, answer[0], _capital(f"{template.format(entity)} {answer[0]}."), answer)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _read(path: Path) -> _Authored:
    return located(str(path), _authored, read_json(path, "restore it from the repository"))


def _authored(obj: object) -> _Authored:
    relations, names = located("holders", _holders, member(obj, "holders", dict))
    answers, rules = member(obj, "answers", dict), member(obj, "bridges", dict)
    bridges = {kind: located(f"bridges.{kind}", _rule, rules[kind]) for kind in rules}
    pairs = each(obj, "pairs", lambda one: _pair(one, answers, bridges))
    require(bool(pairs), "pairs", "is empty", "give at least one")
    distinct((pair.role for pair in pairs), "pairs", "role")
    distinct((pair.name for pair in pairs), "pairs", "pair")
    return _Authored(relations, names, bridges, pairs)


def _pair(obj: object, answers: dict, bridges: dict) -> _Pair:
    plain = {name: member(obj, name, str) for name in ("role", "bridge", "fact", "composed", "alike", "first", "second")}
    bridge = plain["bridge"]
    require(bridge in bridges, "bridge", f"'{bridge}' is not among the bridges", f"use one of {', '.join(bridges)}")
    wordings = {split: pool(obj, split) for split in _WORDINGS.values()}
    asked = [text for split in wordings.values() for text in split]
    distinct((text.casefold() for text in asked), "wordings", "text")
    for text in (*asked, *(plain[name] for name in ("fact", "composed", "alike", "first", "second"))):
        require(text.count("{}") == 1, "text", f"'{text}' has not one place", "write one {} in it")
    require(plain["alike"].startswith("{}"), "alike", f"is '{plain['alike']}'", "begin it with {}")
    kind = member(obj, "answers", str)
    require(kind in answers, "answers", f"'{kind}' is not among the answers", f"use one of {', '.join(answers)}")
    values = tuple((value,) if isinstance(value, str) else pool({kind: value}, kind) for value in member(answers, kind, list))
    require(len(values) > 1, f"answers.{kind}", f"has {len(values)} values", "give at least two, for the distractor")
    distinct((value.casefold() for variants in values for value in variants), f"answers.{kind}", "value")
    return _Pair(member(obj, "pair", str), **plain, wordings=wordings, answers=values)


def _holders(obj: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return pool(obj, "relations"), pool(obj, "names")


def _rule(obj: object) -> tuple[str, list[tuple[str, ...]]]:
    form, parts = member(obj, "form", str), member(obj, "parts", list)
    require(form.count("{}") == len(parts) > 0, "form", f"'{form}' does not fit {len(parts)} parts", "write one {} a part")
    return form, [pool({f"parts[{at}]": part}, f"parts[{at}]") for at, part in enumerate(parts)]
