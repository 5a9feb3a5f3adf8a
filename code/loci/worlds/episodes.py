"""Episodes: one person's talk in which facts are told and changed among chat, and questions about what holds, measured in tokens.

Attributes and wordings are those of data/timeline.json, of each attribute the first eight values. The text is a sequence of
tokens of a closed vocabulary: lower-case words, marks, and each value as one token. Values are drawn uniformly, never the present
one again, so that a guesser who sees only the question is right once in eight.

A practice episode is short and asks about several attributes. A test episode asks one question after a gap of exactly so many
tokens since the asked attribute was told, which it was once and then `updates` times more; other attributes change all the while.
The three splits share no random numbers, only wordings.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from loci.errors import UserError
from loci.paths import DATA
from loci.results import read_json
from loci.worlds.timeline import Attribute, attributes

VALUES = 8
SPLITS = ("train", "dev", "test")
PAD = "<pad>"
_FILE = DATA / "timeline.json"
_LONGEST = 40  # tokens: what is left when the last sentences are chosen by their length
_GAP_UPDATES = 0.25  # share of the sentences in a gap that change another attribute

Words = tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """A question about the present value of an attribute. earlier: values that held before, without the present one."""

    attribute: str
    words: Words
    answer: str
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True)
class Practice:
    """Words to learn from; answers: the place of the last word of each question, and what is to be said after it."""

    words: Words
    answers: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Episode:
    """What a test user says, the question, and what holds at its end: the present value of each attribute."""

    uid: str
    gap: int
    updates: int
    words: Words
    asked: Asked
    holds: dict[str, str]


@cache
def values_of(key: str) -> tuple[str, ...]:
    """The values of an attribute, as tokens."""
    return tuple(value.casefold() for value in list(attributes()[key].pool)[:VALUES])


@cache
def _owners() -> dict[str, str]:
    return {value: key for key in attributes() for value in values_of(key)}


def attribute_of(value: str) -> str:
    """The attribute that a value belongs to, "" for any other word; no value belongs to two."""
    return _owners().get(value, "")


@cache
def vocabulary() -> Words:
    """All tokens, in order; the first is padding."""
    found = {word for plan in attributes().values() for text in _wordings(plan) for word in pieces(text)}
    found |= {word for same in _chat().values() for words in same for word in words}
    found |= {value for key in attributes() for value in values_of(key)}
    return (PAD, *sorted(found))


@cache
def _numbers() -> dict[str, int]:
    return {word: at for at, word in enumerate(vocabulary())}


def numbers(words: Words, where: str = "text") -> list[int]:
    """Token ids of words; UserError names the first that is not in the vocabulary."""
    known = _numbers()
    for word in words:
        if word not in known:
            raise UserError(where, f"the word '{word}' is not in the closed vocabulary", "use the words of data/timeline.json")
    return [known[word] for word in words]


def pieces(text: str) -> Words:
    """Words, marks and values of a text, in lower case; a value of several words is one piece."""
    return tuple(_pattern().findall(text.casefold()))


@cache
def _pattern() -> re.Pattern:
    values = sorted((value for key in attributes() for value in values_of(key)), key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, values))})\b|\w+(?:['’]\w+)*|[^\w\s]")


def practice(split: str, seed: int, number: int, length: int) -> Practice:
    """Practice episode `number`, at most `length` words: some attributes are told, changed and asked about among chat. No answer
    stands in the text, so that nothing but the telling can be remembered."""
    rng = _rng(split, seed, f"practice:{number}")
    keys = rng.sample(list(attributes()), rng.randint(2, len(attributes())))
    chat, ask = rng.choice((0.0, 0.2, 0.5, 0.8)), rng.uniform(0.2, 0.7)
    words: list[str] = []
    holds: dict[str, str] = {}
    answers = []
    while True:
        asked = rng.choice(list(holds)) if holds and rng.random() < ask else ""
        talked = rng.random() < chat
        if talked:
            said, change = _chatted(rng), {}
        else:
            said, change = (question_of(asked, rng), {}) if asked else _told(rng, rng.choice(keys), holds)
        if len(words) + len(said) > length:
            return Practice(tuple(words), tuple(answers))
        words += said
        holds |= change
        if asked and not talked:
            answers.append((len(words) - 1, holds[asked]))


def episode(split: str, seed: int, number: int, gap: int, updates: int, history: int) -> Episode:
    """Test episode `number` of a cell. All attributes are told in the first `history` words, the asked one `updates` + 1 times
    and last; `gap` words follow. Both numbers are met exactly; UserError where the history is too short."""
    rng = _rng(split, seed, f"{gap}:{updates}:{number}")
    key = rng.choice(list(attributes()))
    others = [other for other in attributes() if other != key]
    order = [key] * updates + others  # what is told before the last statement, in random order
    rng.shuffle(order)
    holds: dict[str, str] = {}
    told, past = [], []
    for name in [*order, key]:
        if name == key and key in holds:
            past.append(holds[key])
        said, change = _told(rng, name, holds)
        told.append(said)
        holds |= change
    room = history - sum(map(len, told))
    sentences = told[:-1]
    for said in _filled(rng, room, lambda: _chatted(rng), f"episodes.history: {history}"):
        sentences.insert(rng.randint(0, len(sentences)), said)
    words = [word for said in [*sentences, told[-1]] for word in said]

    def later() -> Words:
        said, change = _sentence(rng, others, holds, _GAP_UPDATES)
        holds.update(change)
        return said

    words += [word for said in _filled(rng, gap, later, f"episodes.gap: {gap}") for word in said]
    earlier = tuple(dict.fromkeys(value for value in reversed(past) if value != holds[key]))
    asked = Asked(key, question_of(key, rng), holds[key], earlier)
    return Episode(f"{split}{seed}.g{gap}.u{updates}.{number}", gap, updates, tuple(words), asked, dict(holds))


def question_of(key: str, rng: random.Random) -> Words:
    """One of the wordings that ask for the present value."""
    return pieces(rng.choice(attributes()[key].now))


def _rng(split: str, seed: int, what: str) -> random.Random:
    if split not in SPLITS:
        raise UserError(f"split: {split}", "is not known", f"use one of {', '.join(SPLITS)}")
    return random.Random(f"episodes:{split}:{seed}:{what}")


def _sentence(rng: random.Random, keys: list[str], holds: dict[str, str], rate: float) -> tuple[Words, dict[str, str]]:
    return _told(rng, rng.choice(keys), holds) if rng.random() < rate else (_chatted(rng), {})


def _told(rng: random.Random, key: str, holds: dict[str, str]) -> tuple[Words, dict[str, str]]:
    """A sentence that gives an attribute another value, and that value."""
    plan, old = attributes()[key], holds.get(key)
    new = rng.choice([value for value in values_of(key) if value != old])
    wording = rng.choice(plan.updates if old else plan.first)
    return tuple({"{old}": old, "{new}": new, "{now}": new}.get(word, word) for word in _parts(wording)), {key: new}


@cache
def _parts(wording: str) -> Words:
    """Pieces of a wording, its placeholders in lower case and whole."""
    found = re.split(r"(\{\w+\})", wording)
    return tuple(word for part in found for word in ((part.casefold(),) if part.startswith("{") else pieces(part)))


def _filled(rng: random.Random, room: int, make, where: str) -> Iterator[Words]:
    """Sentences of exactly `room` words together: made ones, then one or two of chat whose lengths are what is left."""
    lengths = _chat()
    while room > _LONGEST:
        said = make()
        room -= len(said)
        yield said
    if room in lengths:
        yield rng.choice(lengths[room])
    elif room:
        pairs = [(one, room - one) for one in lengths if room - one in lengths]
        if not pairs:
            raise UserError(where, f"leaves {room} words, which no sentences fill", "use another number")
        for one in rng.choice(pairs):
            yield rng.choice(lengths[one])


def _chatted(rng: random.Random) -> Words:
    return rng.choice(_all_chat())


@cache
def _all_chat() -> list[Words]:
    chat = read_json(_FILE, "restore it from the repository")["chat"]
    return [
        pieces(opening + body + ending) for opening in chat["openings"] for body in chat["bodies"] for ending in chat["endings"]
    ]


@cache
def _chat() -> dict[int, list[Words]]:
    """Sentences about nothing, by their length."""
    found: dict[int, list[Words]] = {}
    for words in _all_chat():
        found.setdefault(len(words), []).append(words)
    return dict(sorted(found.items()))


def _wordings(plan: Attribute) -> list[str]:
    return [re.sub(r"\{\w+\}", " ", text) for text in (*plan.first, *plan.updates, *plan.now)]
