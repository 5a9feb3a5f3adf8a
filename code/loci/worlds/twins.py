"""What is known about a pair of twins before anybody asks them anything."""

from dataclasses import dataclass

from loci.worlds.plans import SET_OF, World
from loci.worlds.pools import Option
from loci.worlds.records import Change, Fact, Question

Asked = tuple[list[Question], list[Question]]  # the questions of one twin and of the other


@dataclass(frozen=True)
class Twins:
    """Two users of one split. Everything about them is a pair: (of one twin, of the other)."""

    world: World
    split: str
    number: int  # of the pair, within its split
    uids: tuple[str, str]
    values: tuple[dict[str, Option], dict[str, Option]]  # by key; canaries have none
    facts: tuple[dict[str, Fact], dict[str, Fact]]  # by key, in the order in which they are told
    changes: tuple[tuple[Change, ...], tuple[Change, ...]]

    @property
    def wording_set(self) -> str:
        """The set of wordings in which they are asked."""
        return SET_OF[self.split]

    @property
    def changed(self) -> set[str]:
        """Keys of the facts that change, the same for both."""
        return {change.key for change in self.changes[0]}
