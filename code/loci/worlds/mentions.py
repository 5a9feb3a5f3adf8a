"""Mentions: a phrase for a stored fact ("my dentist"), questions that hold it word for word, sentences that do so in passing."""

from dataclasses import dataclass
from functools import cache

from loci.paths import DATA
from loci.results import read_json
from loci.worlds.checks import distinct, located, member, require
from loci.worlds.records import Fact

_FILE = DATA / "mentions.json"
SETS = ("study", "dev", "test", "elsewhere")


@dataclass(frozen=True)
class Mentions:
    """phrases: by key of a fact. wordings: of each of `SETS`, with {} in the place of the phrase."""

    phrases: dict[str, str]
    wordings: dict[str, tuple[str, ...]]

    def texts(self, key: str, name: str) -> list[str]:
        """The wordings of a set about one fact."""
        return [wording.format(self.phrases[key]) for wording in self.wordings[name]]


@cache
def load_mentions() -> Mentions:
    """The authored mentions; UserError for a fault in their file."""
    return located(str(_FILE), mentions_of, read_json(_FILE, "restore it from the repository"))


def mentions_of(authored: dict) -> Mentions:
    """Mentions of a parsed file. No wording stands in two sets, and each has the phrase in it once."""
    phrases = member(authored, "mentions", dict)
    wordings = {name: tuple(member(authored, name, list)) for name in SETS}
    distinct((text.casefold() for texts in wordings.values() for text in texts), "wordings", "wording")
    for name, texts in wordings.items():
        for text in texts:
            require(text.count("{}") == 1, name, f"'{text}' does not hold its phrase once", "write {} once")
    distinct(phrases.values(), "mentions", "phrase")
    return Mentions(phrases, wordings)


def mentioned(facts: tuple[Fact, ...]) -> list[Fact]:
    """The facts that have a phrase."""
    return [fact for fact in facts if fact.key in load_mentions().phrases]
