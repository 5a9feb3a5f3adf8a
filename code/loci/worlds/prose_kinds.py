"""The kinds of document, each told in its own way: notes, chronicles, dialogues, letters, reading passages.

Every kind names a year before the first fact that can change, and again whenever time moves on. A triplet of such a fact
carries the year named last, so that a reader can always know it.
"""

import random
from collections.abc import Callable, Sequence
from functools import partial

from loci.worlds.chance import between, pick
from loci.worlds.prose_grammar import PAST, PRESENT
from loci.worlds.prose_lexicon import Entity, frames
from loci.worlds.prose_questions import converse, examine
from loci.worlds.prose_records import Sentence
from loci.worlds.prose_teller import Teller
from loci.worlds.prose_world import World
from loci.worlds.prose_writer import LINE, PARAGRAPH, Writer

_PERIODS = (1, 1, 2, 2, 3, 4, 5, 7, 10, 14)  # parts of a document, each with its own year
_LEAPS = (1, 1, 2, 2, 3, 4)  # years between them
_RUNS = (2, 4)  # subjects talked about in a part
_RUN = (2, 5)  # sentences about one of them
_SUBJECTS_TRIED = 3
_TURNS = (4, 10)
_ASKING_RATE = 0.45  # of the turns ask something
_CHAT_RATE = 0.35  # of the others begin with chatter
_QUESTIONS = (3, 8)


class _Maker:
    """What all kinds share: one world, one writer, one teller."""

    def __init__(self, world: World, writer: Writer, periods: Sequence[int]):
        self.rng, self.world, self.writer = world.rng, world, writer
        self.teller = Teller(world, writer, world.rng)
        self.periods = pick(world.rng, periods)

    def part(self, period: int) -> None:
        """The sentences of one part, after its opening."""
        if period:
            self.teller.news(3)
        for _ in range(between(self.rng, *_RUNS)):
            self.run()

    def run(self) -> None:
        """Some sentences about one subject."""
        for _ in range(_SUBJECTS_TRIED):
            subject = self.teller.next_subject()
            if self.teller.say(subject):
                break
        for _ in range(between(self.rng, *_RUN) - 1):
            if not self.teller.say(subject):
                break

    def advance(self) -> int:
        """Let some years pass, and say how many."""
        years = pick(self.rng, _LEAPS)
        self.world.clock += years
        return years


def tell(
    kind: str,
    rng: random.Random,
    names_held: bool,
    wordings_held: bool,
    periods: Sequence[int] = _PERIODS,
    about: frozenset[str] | None = None,
) -> Teller:
    """Tell a whole document of a kind of `TELLINGS`; its text stands in the teller's writer. periods: numbers of parts that it
    may have, each as likely as another. about: ids of the relations that it tells of, None for all."""
    how, tense = TELLINGS[kind]
    world = World(rng, names_held, about)
    maker = _Maker(world, Writer(world, rng, wordings_held, tense), periods)
    how(maker)
    return maker.teller


def _told(kind: str, rng: random.Random, names_held: bool, wordings_held: bool) -> list[Sentence]:
    return tell(kind, rng, names_held, wordings_held).writer.sentences


def _reading(rng: random.Random, names_held: bool, wordings_held: bool) -> list[Sentence]:
    """Notes or a chronicle, then questions about it with their answers."""
    teller = tell(pick(rng, ("notes", "chronicle")), rng, names_held, wordings_held)
    teller.writer.formal = True
    asked: set[tuple] = set()
    for _ in range(between(rng, *_QUESTIONS)):
        examine(teller, asked)
    return teller.writer.sentences


def _notes(maker: _Maker) -> None:
    """Notes in the present tense, continued years later."""
    for period in range(maker.periods):
        if period:
            maker.advance()
        maker.writer.separate(PARAGRAPH)
        maker.writer.plain(pick(maker.rng, frames()["notes"]["next" if period else "first"]), Y=maker.world.clock)
        maker.part(period)


def _chronicle(maker: _Maker) -> None:
    """A story in the past tense, with dates and spans of time."""
    times = frames()["time"]
    for period in range(maker.periods):
        maker.writer.separate(PARAGRAPH)
        years = maker.advance() if period else 0
        # Now and then the year itself, so that counting never goes on for long.
        openings = times["start"] if not years or maker.rng.random() < 0.4 else times["later"][str(years)]
        maker.teller.start_period(pick(maker.rng, openings).replace("{Y}", str(maker.world.clock)))
        maker.part(period)


def _letters(maker: _Maker) -> None:
    """Letters between two people, with I and you."""
    pair = _two_people(maker)
    for period in range(maker.periods):
        if period:
            maker.advance()
        _letter(maker, *(pair if period % 2 == 0 else pair[::-1]), period)


def _dialogue(maker: _Maker) -> None:
    """Conversations between two people, with questions, answers and denials."""
    first, second = _two_people(maker)
    for period in range(maker.periods):
        writer = maker.writer
        if period:
            maker.advance()
        writer.speaker = writer.listener = maker.world.avoid = None
        writer.separate(PARAGRAPH)
        scene = pick(maker.rng, frames()["scenes"]["next" if period else "first"])
        writer.introduce(first, second)
        writer.plain(scene, A=first.name, B=second.name, Y=maker.world.clock)
        _talk(maker, first, second, period)


def _two_people(maker: _Maker) -> tuple[Entity, Entity]:
    people = maker.world.cast.get("person", [])
    while len(people) < 2:
        maker.world.draw("person")
        people = maker.world.cast["person"]
    maker.teller.focus = people[0]
    return people[0], people[1]


def _letter(maker: _Maker, author: Entity, reader: Entity, period: int) -> None:
    writer, authored, rng = maker.writer, frames()["letters"], maker.rng
    writer.speaker = writer.listener = maker.world.avoid = None
    writer.separate(PARAGRAPH)
    writer.introduce(author, reader)
    heading = pick(rng, authored["next" if period else "first"])
    writer.plain(heading, A=author.name, B=reader.name, D=pick(rng, authored["dates"]), Y=maker.world.clock)
    writer.separate(LINE)
    writer.plain(pick(rng, authored["greetings"]), b=reader.short[0])
    writer.separate(LINE)
    writer.speaker, writer.listener = author, reader
    maker.world.avoid, maker.teller.focus = reader, author
    writer.plain(pick(rng, authored["beginnings"]))
    maker.part(period)
    writer.plain(pick(rng, authored["endings"]))
    writer.separate(LINE)
    writer.plain(pick(rng, authored["closings"]), a=author.short[0])


def _talk(maker: _Maker, first: Entity, second: Entity, period: int) -> None:
    speaker, listener, rng = first, second, maker.rng
    for turn in range(between(rng, *_TURNS)):
        _turn(maker, speaker, listener)
        maker.teller.focus = speaker
        if period and turn == 0:
            maker.writer.plain(pick(rng, frames()["hello"]))
            maker.teller.news(2)
        elif rng.random() < _ASKING_RATE and converse(maker.teller, speaker, listener, partial(_turn, maker, listener, speaker)):
            speaker, listener = listener, speaker
        else:
            if rng.random() < _CHAT_RATE:
                maker.writer.plain(pick(rng, frames()["chat"]))
            subject = maker.teller.next_subject()
            said = [maker.teller.say(subject) for _ in range(between(rng, 1, 2))]
            if not any(said):
                maker.writer.plain(pick(rng, frames()["chat"]))
        speaker, listener = listener, speaker


def _turn(maker: _Maker, speaker: Entity, listener: Entity) -> None:
    writer = maker.writer
    writer.speaker, writer.listener, maker.world.avoid = speaker, listener, listener
    writer.separate(LINE, f"{speaker.short[0]}: ")


TELLINGS: dict[str, tuple[Callable[[_Maker], None], int]] = {
    "notes": (_notes, PRESENT),
    "chronicle": (_chronicle, PAST),
    "dialogue": (_dialogue, PRESENT),
    "letters": (_letters, PRESENT),
}
# In this order, so that a document's number decides its kind in the same way everywhere.
KINDS: dict[str, Callable[[random.Random, bool, bool], list[Sentence]]] = {
    **{kind: partial(_told, kind) for kind in TELLINGS},
    "reading": _reading,
}
