"""What shared readers are taught, all of it about other users than those who are asked.

Three readers, one line of answer each:

    recite   Question: Which city do I call home?
             Thought: The city I live in is Graz. Answer: Graz
    answer   facts, the question, and the answer alone (the published recipe)
    trace    facts, the question, the reasoning without the sentences it rests on, the answer (published as teacher traces)

`recite` begins a sentence whose trigger a row answers to: the row fires on tokens that the reader has just said, and what it
says is then in the reader's own context. Values are never taught there: most lessons hold them as given, without
learning them, the others say "not known" in their place. What no row answers is therefore not known. In a share of its
lessons the facts stand in front of the question, as in all of the other two: the same reader reads a prompt. Half of these
prompts hold the needed facts among others, in any order; the other half what an index finds, as retrieval will show them.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from loci.bench.arithmetic import drills, reasoned
from loci.errors import UserError
from loci.models.tuning import Example
from loci.worlds.records import Fact, Question, User

READERS = ("recite", "answer", "trace")
NOT_KNOWN = "not known"
SUMS = "sums"  # lessons that are about nobody
NAMED = ("spouse_name", "sibling_name")  # whom a chained question of the personal world can name, in the order of search
_MOST_OTHERS = 3  # facts in front of a question beside the needed ones
_SHOWN = 0.35  # share of lessons in reciting that have facts in front of the question
_TOLD = 0.85  # of the others, those that know the values
_RECALLED = 0.5  # of lessons with facts in front, those with the lines that an index finds
_MISSING = 0.25  # of the others, those that lack a needed one
_ANSWER = " Answer:"


@dataclass(frozen=True)
class Piece:
    """A piece of a lesson's text, and whether it is learnt."""

    text: str
    learnt: bool


def asked(question: str, lines: tuple[str, ...] = (), recited: bool = True) -> str:
    """The prompt of a question, after facts where there are some; the reader's line goes on behind it."""
    facts = "".join(f"{line}\n" for line in ("Facts about me:", *lines)) if lines else ""
    return f"{facts}Question: {question}\n{'Thought:' if recited else 'Answer:'}"


def said(line: str) -> tuple[str, str]:
    """(what was recited and reasoned, the answer) of a line after "Thought:"; no answer where it never came to one."""
    thought, mark, answer = f" {line.lstrip()}".rpartition(_ANSWER)  # after a forced recitation the answer comes at once
    return (thought.strip(), answer.strip()) if mark else (line.strip(), "")


def lessons_of(
    reader: str,
    user: User,
    per_kind: dict[str, int],
    seed: int,
    without: tuple[str, ...] = (),
    recalled: Callable[[Question], tuple[str, ...]] | None = None,
) -> list[list[Piece]]:
    """A lesson for each of a sample of the user's questions, `per_kind[kind]` of each kind. without: families that are left out
    (of a kind that becomes short of questions, all that are left).

    Facts in front of a question are what an index recalls of the user's (`recalled`, in half of these lessons where it is given),
    or the needed ones among 0 to 3 others, of which one of the needed is missing in a quarter. Without a needed one the answer
    is not known. `per_kind["sums"]` lessons are sums alone.
    """
    if reader not in READERS:
        raise UserError(f"reader: {reader}", "is not known", f"use one of {', '.join(READERS)}")
    rng = random.Random(f"lessons:{seed}:{user.uid}")
    facts = {fact.key: fact for fact in user.final_facts()}
    asked_kinds = {kind: count for kind, count in per_kind.items() if kind != SUMS}
    lessons = []
    for question, triggers in teachable(user, facts, asked_kinds, without, rng):
        if reader == "recite" and rng.random() >= _SHOWN:
            lessons.append(bare_lesson(question, triggers, facts, rng))
            continue
        needed = [facts[key] for key in question.required_fact_keys]
        if recalled is not None and rng.random() < _RECALLED:
            lines = recalled(question)
            there = {fact.key: fact for fact in needed if fact.statement in lines}
        else:
            lines, there = _shown(needed, list(facts.values()), rng)
        lessons.append(lesson(reader, question, triggers, there, lines, learn_values=True))
    for text, line, answer in drills(rng, per_kind.get(SUMS, 0) if reader != "answer" else 0):
        lessons.append(sum_lesson(text, line, answer))
    return lessons


def bare_lesson(question: Question, triggers: dict[str, str], facts: dict[str, Fact], rng: random.Random) -> list[Piece]:
    """A lesson in reciting without a fact in front: the values stand where rows will say them, and are not learnt; in a share of
    the lessons none is known."""
    tried = {key: facts[key].trigger for key in _searched(question)} | triggers
    told = facts if question.required_fact_keys and rng.random() < _TOLD else {}
    return lesson("recite", question, tried, told, (), learn_values=False)


def sum_lesson(text: str, line: str, answer: str) -> list[Piece]:
    """A lesson that is a sum alone, about nobody."""
    return [Piece(f"Sum: {text}\nThought:", learnt=False), Piece(f" {line}{_ANSWER} {answer}\n", learnt=True)]


def _shown(needed: list[Fact], facts: list[Fact], rng: random.Random) -> tuple[tuple[str, ...], dict[str, Fact]]:
    """(statements in front of a question, the needed facts among them by key): needed ones and others, shuffled."""
    others = [fact for fact in facts if fact not in needed]
    if needed and rng.random() < _MISSING:
        missing = rng.randrange(len(needed))
        needed = [*needed[:missing], *needed[missing + 1 :]]
    shown = needed + rng.sample(others, rng.randint(0 if needed else 1, _MOST_OTHERS))
    rng.shuffle(shown)
    return tuple(fact.statement for fact in shown), {fact.key: fact for fact in needed}


def teachable(
    user: User, facts: dict[str, Fact], per_kind: dict[str, int], without: tuple[str, ...], rng: random.Random
) -> list[tuple[Question, dict[str, str]]]:
    """A sample of questions with the triggers of the sentences that they need: answerable ones, and those of kind unknown."""
    unknown = {
        question.key: question.text for question in user.questions if question.kind == "unknown" and question.form == "statement"
    }
    by_kind: dict[str, list] = {kind: [] for kind in per_kind}
    for question in user.questions:
        if question.form != "question" or question.kind not in by_kind or question.family in without:
            continue
        if question.kind == "unknown":
            by_kind["unknown"].append((question, {question.key: unknown[question.key]}))
        elif question.answer and facts.keys() >= set(question.required_fact_keys):
            by_kind[question.kind].append((question, {key: facts[key].trigger for key in question.required_fact_keys}))
    for kind, found in by_kind.items():
        if per_kind[kind] > len(found) and not without:
            raise UserError(
                f"lessons.{kind}", f"asks for {per_kind[kind]} of {user.uid}'s {len(found)} questions", "ask for fewer"
            )
    return [one for kind, found in by_kind.items() for one in rng.sample(found, min(per_kind[kind], len(found)))]


def _searched(question: Question) -> tuple[str, ...]:
    """Facts that are recited to find out whom a chained question names: one name after the other until it is the one.

    Which of them it is cannot be known before. Where the facts stand in the prompt there is nothing to be searched.
    """
    if question.kind != "chained":
        return ()
    return NAMED[: NAMED.index(question.required_fact_keys[0])]


def lesson(
    reader: str, question: Question, triggers: dict[str, str], there: dict[str, Fact], lines: tuple[str, ...], learn_values: bool
) -> list[Piece]:
    """One lesson. triggers: of the sentences to be recited, by key. there: the facts that can be known, by key; without a
    needed one the answer is not known."""
    keys = question.required_fact_keys
    known = bool(keys) and all(key in there for key in keys)
    pieces = [Piece(asked(question.text, lines, reader != "answer"), learnt=False)]
    if reader == "answer":
        return [*pieces, Piece(f" {question.answer if known else NOT_KNOWN}\n", learnt=True)]
    for key, trigger in triggers.items() if reader == "recite" else ():
        value = there[key].answer if key in there else NOT_KNOWN
        pieces.append(Piece(f" {trigger}", learnt=True))
        pieces.append(Piece(f" {value}", learnt=learn_values or key not in there))
        pieces.append(Piece(".", learnt=True))
    if not known:
        return [*pieces, Piece(f"{_ANSWER} {NOT_KNOWN}\n", learnt=True)]
    return [*pieces, Piece(f"{reasoned(question, there)}{_ANSWER} {question.answer}\n", learnt=True)]


def encoded(pieces: list[Piece], tokenizer) -> Example:
    """Token ids of a lesson; a token is learnt when its last character is part of a learnt piece."""
    text = "".join(piece.text for piece in pieces)
    learnt = [piece.learnt for piece in pieces for _ in piece.text]
    tokens = tokenizer(text, return_offsets_mapping=True)
    return Example(tuple(tokens.input_ids), tuple(end > 0 and learnt[end - 1] for _, end in tokens.offset_mapping))
