"""Questions with their answers: in a conversation, where they bring up facts, and after a passage, from which they follow."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from loci.worlds.chance import between, pick, shuffled
from loci.worlds.prose_grammar import PAST, Template
from loci.worlds.prose_lexicon import Entity, Relation, frames
from loci.worlds.prose_teller import FRESH, Teller
from loci.worlds.prose_writer import LINE, PARAGRAPH

_KNOWN_RATE = 0.5  # of the questions in a conversation ask about something that was said before, if there is anything
_CHECK_RATE = 0.35  # of them want yes or no
_TRUE_RATE = 0.45  # of those have the answer yes, where there is something known
_IGNORANT_RATE = 0.25  # of the questions about unknown things stay unanswered
_SHORT_RATE = 0.55  # of the answers are no full sentence
_CORRECTED_RATE = 0.6  # of the answers no are followed by what is true
_SILENT_RATE = 0.15  # of the questions about a passage have no answer in it
_TRIES = 6


def converse(teller: Teller, asker: Entity, answerer: Entity, give_word: Callable[[], None]) -> bool:
    """`asker` asks, never about themselves, and after `give_word()` `answerer` answers; False where there is nothing to ask."""
    subject = answerer if teller.rng.random() < 0.3 else teller.next_subject()
    if subject is asker:
        subject = answerer
    every = teller.world.relations_of(subject.kind)
    known = [relation for relation in every if _is_worth_asking(teller, subject, relation)]
    new = [relation for relation in every if relation.many or not teller.world.values(subject, relation)]
    about = known if known and (not new or teller.rng.random() < _KNOWN_RATE) else new
    if not about:
        return False
    relation = pick(teller.rng, about)
    if "check" in relation.forms and teller.rng.random() < _CHECK_RATE:
        _check(teller, subject, relation, asker, give_word)
    else:
        _ask(teller, subject, relation, give_word)
    return True


def _is_worth_asking(teller: Teller, subject: Entity, relation: Relation) -> bool:
    """Whether something is known that was not said just now."""
    values = teller.world.values(subject, relation)
    return bool(values) and all(teller.writer.since(subject, relation, target) >= FRESH for target in values)


@dataclass(frozen=True, slots=True)
class _Exam:
    """A question about a passage. `target` None: the passage does not say. `check`: asks for yes or no, by `polarity`."""

    subject: Entity
    relation: Relation
    wording: Template
    target: Entity | None
    polarity: str = "yes"
    check: bool = False
    year: int | None = None


def examine(teller: Teller, asked: set[tuple]) -> None:
    """One question about the passage so far with its answer, as two labelled lines; nothing where none can be found.

    `asked` keeps a question from coming twice.
    """
    writer, rng = teller.writer, teller.rng
    makers = (_silent,) if rng.random() < _SILENT_RATE else shuffled(rng, _EXAMS)
    for exam in filter(None, (make(teller) for make in makers for _ in range(_TRIES))):
        key = (exam.subject, exam.relation, exam.year, exam.check)
        if key not in asked:
            asked.add(key)
            break
    else:
        return
    # A story in the past has many presents; without a year, the last one is meant.
    end = exam.year is None and exam.relation.changes and writer.tense == PAST
    writer.separate(PARAGRAPH, "Question: ")
    slots = (exam.subject, exam.target if exam.check else None, None)
    writer.fact(exam.wording, slots, (), writer.frame("end") if end else "", exam.year)
    writer.separate(LINE, "Answer: ")
    if exam.target is None:
        writer.add(pick(rng, frames()["silent"]), ())
        return
    triplet = writer.claim(exam.subject, exam.relation, exam.target, exam.polarity)
    triplets = (triplet if exam.year is None else replace(triplet, time=exam.year),)
    if exam.check:
        writer.add(exam.polarity.capitalize(), triplets)
    else:
        writer.short(exam.relation, (exam.subject, exam.target, None), triplets)


def _ask(teller: Teller, subject: Entity, relation: Relation, give_word: Callable[[], None]) -> None:
    world, writer, rng = teller.world, teller.writer, teller.rng
    writer.fact(writer.wording(relation, "ask"), (subject, None, None), (), writer.frame("asking", 0.25))
    give_word()
    values = world.values(subject, relation)
    target = pick(rng, values) if values else None
    if target is None and rng.random() >= _IGNORANT_RATE:
        target = world.state(subject, relation)
    if target is None:
        # Who is asked about themselves may keep it to themselves, but knows it.
        writer.add(pick(rng, frames()["evasive" if subject is writer.speaker else "unknown"]), ())
        return
    world.touch(subject, relation)
    triplets = (writer.claim(subject, relation, target, "yes"),)
    slots = (subject, target, None)
    if rng.random() < _SHORT_RATE:
        writer.short(relation, slots, triplets, stop=".")
    else:
        writer.fact(writer.wording(relation, "state"), slots, triplets)


def _check(teller: Teller, subject: Entity, relation: Relation, asker: Entity, give_word: Callable[[], None]) -> None:
    world, writer, rng = teller.world, teller.writer, teller.rng
    world.avoid = asker  # nobody asks about themselves
    true = [target for target in world.values(subject, relation) if target is not asker]
    if true and rng.random() < _TRUE_RATE:
        target, polarity, answers = pick(rng, true), "yes", "yes"
        world.touch(subject, relation)
    elif former := world.former(subject, relation):
        target, polarity, answers = pick(rng, former), "no", "no_more"
        world.stop(subject, relation, target)
    else:
        target, polarity, answers = world.deny(subject, relation), "no", "no"
    if target is None:
        _ask(teller, subject, relation, give_word)
        return
    wording = writer.wording(relation, "check", without="still" if answers == "no" else "")
    writer.fact(wording, (subject, target, None), (), writer.frame("asking", 0.25))
    give_word()
    writer.add(pick(rng, frames()[answers]), (writer.claim(subject, relation, target, polarity),))
    if polarity == "no" and rng.random() < _CORRECTED_RATE:
        _ = teller.again(subject, relation) or teller.new(subject, relation)


def _present(teller: Teller) -> _Exam | None:
    """What holds at the end."""
    subject, relation = _known(teller)
    values = teller.world.values(subject, relation)
    wording = teller.writer.wording(relation, "ask")
    return _Exam(subject, relation, wording, values[0]) if len(values) == 1 else None


def _past(teller: Teller) -> _Exam | None:
    """What held in a year between two changes, or between the last one and the end."""
    subject, relation = _known(teller)
    spans = teller.world.spans(subject, relation)
    if not spans:
        return None
    first, last, target = pick(teller.rng, spans)
    wording = teller.writer.wording(relation, "then")
    return _Exam(subject, relation, wording, target, year=between(teller.rng, first, last))


def _yes_or_no(teller: Teller) -> _Exam | None:
    """Whether something holds at the end; the passage names what does, so that a no follows."""
    subject, relation = _known(teller)
    values = teller.world.values(subject, relation)
    if "check" not in relation.forms or relation.many or not values:
        return None
    if teller.rng.random() < _TRUE_RATE:
        return _Exam(subject, relation, teller.writer.wording(relation, "check"), values[0], check=True)
    former = teller.world.former(subject, relation)
    target = pick(teller.rng, former) if former else teller.world.deny(subject, relation)
    wording = teller.writer.wording(relation, "check", without="" if former else "still")
    return target and _Exam(subject, relation, wording, target, "no", check=True)


def _silent(teller: Teller) -> _Exam | None:
    """Something that the passage does not say of somebody in it."""
    subject = pick(teller.rng, [subject for subject, _ in teller.world.known.values()])
    open_ = [relation for relation in teller.world.relations_of(subject.kind) if teller.world.is_open(subject, relation)]
    if not open_:
        return None
    relation = pick(teller.rng, open_)
    return _Exam(subject, relation, teller.writer.wording(relation, "ask"), None)


def _known(teller: Teller) -> tuple[Entity, Relation]:
    return pick(teller.rng, list(teller.world.known.values()))


_EXAMS = (_present, _present, _past, _yes_or_no)
