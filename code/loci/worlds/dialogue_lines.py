"""What people say in conversations: the authored lines (data/dialogue), and how they are drawn.

Scripts are short exchanges whose lines begin with "U: " (the user) or "P: " (the partner). Lines for "any" partner go
with friends and assistants, the others with one kind only.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

from loci.paths import DATA
from loci.results import read_json

PARTNERS = ("friend", "assistant")
_FOLDER = DATA / "dialogue"
_REMEDY = "restore it from the repository"


@dataclass(frozen=True, slots=True)
class KeyLines:
    """How people speak about one kind of fact. `topic` names it without its value, from the user's mouth."""

    topic: str
    your_topic: str  # the same from the partner's mouth
    asks: tuple[str, ...]
    leads: tuple[str, ...]  # what the user says before this fact, and …
    tails: tuple[str, ...]  # … after it; both empty where nothing is written for the key
    other: str  # the fact of somebody else, with {who}, {whose} and {answer}; "" where nobody can tell one
    slips: bool  # whether a slip of the tongue is believable
    needs_lead: bool  # whether a volunteered fact is only understood behind one of its own leads


class Deck:
    """Lines drawn like cards: in random order, none twice before all are used, and only those that `allowed` lets through.

    Where it lets none through, a card is taken all the same: a conversation must go on.
    """

    def __init__(self, cards: tuple, rng: random.Random, allowed: Callable[[str], bool]):
        self._left, self._used = rng.sample(cards, len(cards)), []
        self._rng, self._allowed = rng, allowed

    def draw(self):
        """The next card: a text, or a tuple of texts."""
        if not any(map(self._fits, self._left)):
            self._shuffle()
        card = next(filter(self._fits, self._left), self._left[0])
        self._left.remove(card)
        self._used.append(card)
        return card

    def _fits(self, card: str | tuple[str, ...]) -> bool:
        return self._allowed(card if isinstance(card, str) else " ".join(card))

    def _shuffle(self) -> None:
        # The newer half of the used cards comes last, so that no line is soon heard again.
        half = len(self._used) // 2
        for cards in (self._used[:half], self._used[half:]):
            self._left += self._rng.sample(cards, len(cards))
        self._used = []


@cache
def key_lines(key: str) -> KeyLines:
    """The lines of a key; a key that nobody has written for is asked about by its own words."""
    authored = _read("keys")
    entry = authored["keys"].get(key, {})
    words = " ".join(re.findall("[a-z]+", key.lower())) or "notes"
    topic = entry.get("topic", authored["generic"]["topic"])
    mine, yours = (topic.format(my=my, i=i, words=words) for my, i in (("my", "I"), ("your", "you")))
    asks = tuple(ask.format(topic=yours) for ask in entry.get("asks", authored["generic"]["asks"]))
    leads, tails = (tuple(entry.get(part, ())) for part in ("leads", "tails"))
    traits = entry.get("other", ""), entry.get("slips", True), entry.get("needs_lead", False)
    return KeyLines(mine, yours, asks, leads, tails, *traits)


def related_keys() -> tuple[tuple[str, str], ...]:
    """Pairs of keys that people tell in one breath."""
    return tuple((first, second) for first, second in _read("keys")["related"])


def generic_lines(part: str) -> tuple[str, ...]:
    """What can be said before (part "leads") or after (part "tails") any fact."""
    return tuple(_read("keys")["generic"][part])


def others() -> tuple[str, ...]:
    """People whose facts are told, with a capital: "My cousin"."""
    return tuple(_read("lines")["others"])


def friends() -> tuple[str, ...]:
    """First names of partners who are friends."""
    return tuple(_read("lines")["friends"])


def assistant() -> str:
    """The name of a partner that is an assistant."""
    return _read("lines")["assistant"]


def deck_lines(name: str, partner: str) -> tuple[str, ...]:
    """The lines of one deck that fit this kind of partner."""
    return _for_partner(_read("lines")["decks"][name], partner)


def recalls() -> tuple[tuple[str, str], ...]:
    """The partner comes back to a fact, with {topic}, and the user's answer that all is as it was."""
    return tuple((question, answer) for question, answer in _read("lines")["recalls"])


def chat_scripts(partner: str) -> tuple[tuple[str, ...], ...]:
    """Exchanges about nothing that anybody has to remember."""
    return tuple(map(tuple, _for_partner(_read("chat")["scripts"], partner)))


def framing_scripts(part: str, occasion: str, partner: str) -> tuple[tuple[str, ...], ...]:
    """How a session begins (part "openers") or ends (part "closers") on an occasion, such as "morning"."""
    return tuple(map(tuple, _for_partner(_read("lines")[part][occasion], partner)))


@lru_cache(maxsize=20_000)
def bare(text: str) -> str:
    """Lower-case words with one space between and around them, so that `" tap " in bare(text)` finds whole words."""
    return " ".join(["", *re.findall(r"[^\W_]+", text.lower()), ""])


def _for_partner(lines: dict[str, list], partner: str) -> tuple:
    return (*lines["any"], *lines[partner])


@cache
def _read(name: str) -> dict:
    return read_json(_FOLDER / f"{name}.json", _REMEDY)
