"""Answers whose rightness is known without a judge: by written rules from a gold answer, or because they were made to be wrong.

Right are the gold answer itself and what certain rules make of it: other forms of a date or a number, a list in another order,
words from a table, a sentence around it, a hedge. Wrong are answers that were written to be wrong (files of the audit), dates
moved, the answer to another question about the other speaker, and refusals. Votes of a model are never taken for the truth.

Every wrong answer stands once more as right, against itself as gold, and every right one once more as wrong, against another
gold: whoever sees the answer alone stays at chance (`mirrored`).
"""

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache

from loci.bench.dates import spans
from loci.bench.locomo_metrics import f1
from loci.bench.numbers import WORDS
from loci.paths import DATA
from loci.results import read_json
from loci.worlds.locomo import ADVERSARIAL, MONTHS, Conversation, LocomoQuestion

RIGHT = ("verbatim", "plain", "framed", "hedged", "date", "order", "number", "words")
WRONG = ("specific", "vague", "swapped", "shifted", "replaced", "refusal")
LABELLED = "labelled"  # by hand
_FILE = DATA / "locomo" / "judge_words.json"
_ALIKE = 0.3  # official F1 of two gold answers from which on one may pass for the other


@dataclass(frozen=True)
class Case:
    """One answer to one question against a gold answer, whether it is right, and by which rule that is known."""

    conversation: str
    qid: str
    category: int
    gold: str
    answer: str
    right: bool
    kind: str


def cases_of(conversation: Conversation, wrong: Mapping[str, Mapping[str, str]], seed: int = 0) -> list[Case]:
    """All cases of a conversation's questions of categories 1 to 4 whose gold nobody rejects. wrong: answers that were made to be
    wrong, {"specific" or "vague": {question id: answer}}; for what is not there, rules make some."""
    asked = [one for one in conversation.questions if one.category != ADVERSARIAL and not one.corrupt]
    found = []
    for question in asked:
        rng = random.Random(f"judge:{seed}:{question.id}")
        about = (question.conversation, question.id, question.category, question.answer)
        found += [Case(*about, text, True, kind) for kind, text in right_answers(question, rng)]
        made = {kind: texts[question.id] for kind, texts in wrong.items() if question.id in texts}
        found += [Case(*about, text, False, kind) for kind, text in wrong_answers(question, asked, conversation, made, rng)]
    return found


def right_answers(question: LocomoQuestion, rng: random.Random) -> Iterator[tuple[str, str]]:
    """(rule, answer) of everything that the rules make of the gold answer and that says the same."""
    gold = question.answer.split(";")[0].strip() if question.category == 3 else question.answer
    yield "verbatim", gold
    yield "plain", gold.rstrip(".").lower()
    yield "framed", rng.choice(_words()["frames"]).format(gold.rstrip("."))
    yield "hedged", rng.choice(_words()["hedges"]).format(gold.rstrip("."))
    parts = [part.strip() for part in gold.split(",") if part.strip()]
    dates = spans(gold)
    if len(dates) == 1 and dates[0].first == dates[0].last and not dates[0].yearless and "before" not in gold.lower():
        day = dates[0].first
        month = MONTHS[day.month - 1]
        forms = (f"{month} {day.day}, {day.year}", f"on {day.day} {month[:3]} {day.year}", day.isoformat())
        yield "date", rng.choice(forms)
    elif question.category == 1 and len(parts) > 1:
        *first, last = rng.sample(parts, len(parts))
        yield "order", f"{', '.join(first)} and {last}"
    for said, other in (("number", _renumbered(gold)), ("words", _reworded(gold))):
        if other != gold:
            yield said, other


def wrong_answers(
    question: LocomoQuestion,
    asked: Sequence[LocomoQuestion],
    conversation: Conversation,
    made: Mapping[str, str],
    rng: random.Random,
) -> Iterator[tuple[str, str]]:
    """(rule, answer) of wrong answers."""
    speakers = {turn.dia_id: turn.speaker for turn in conversation.turns}
    about = {speakers[dia_id] for dia_id in question.evidence}
    unlike = [one for one in asked if one.category == question.category and f1(one.answer, question.answer) < _ALIKE]
    others = [one for one in unlike if about and not about & {speakers[dia_id] for dia_id in one.evidence}]
    yield from made.items()
    if "specific" not in made and unlike:
        yield "specific", rng.choice(unlike).answer
    if "vague" not in made:
        yield "vague", rng.choice(_words()["vague"][str(question.category)])
    if others:
        yield "swapped", rng.choice(others).answer
    if (moved := _moved(question.answer, rng)) != question.answer:
        yield "shifted", moved
    if (other := _replaced(question.answer, [one.answer for one in unlike], rng)) != question.answer:
        yield "replaced", other
    yield "refusal", rng.choice(_words()["refusals"])


def mirrored(cases: Iterable[Case], seed: int = 0) -> list[Case]:
    """Cases in which every answer is right once and wrong once: (gold, right answer) and the same answer against another gold
    of its category and conversation; (gold, wrong answer) and that answer against itself. Refusals are left out: as gold they
    mean nothing."""
    cases, out = [case for case in cases if case.kind != "refusal"], []
    golds: dict[tuple[str, int], list[str]] = {}
    for case in cases:
        golds.setdefault((case.conversation, case.category), []).append(case.gold)
    rng = random.Random(f"mirrored:{seed}")
    for case in cases:
        if not case.right:
            out += [case, replace(case, gold=case.answer, right=True, kind=f"mirrored {case.kind}")]
            continue
        others = [gold for gold in golds[case.conversation, case.category] if f1(gold, case.gold) < _ALIKE]
        if others:
            out += [case, replace(case, gold=rng.choice(others), right=False, kind=f"mirrored {case.kind}")]
    return out


@cache
def _words() -> dict:
    return read_json(_FILE, "restore it from the repository")


def _renumbered(text: str) -> str:
    """The first number of a text in its other form: 3 for three, two for 2; dates are left alone."""
    if spans(text):
        return text
    if match := re.search(rf"\b({'|'.join(WORDS)})\b", text, re.IGNORECASE):
        return text[: match.start()] + str(WORDS.index(match[0].lower()) + 1) + text[match.end() :]
    if match := re.search(r"(?<![\w.,:])([1-9]|1[0-2])(?![\w.,:])", text):
        return text[: match.start()] + WORDS[int(match[0]) - 1] + text[match.end() :]
    return text


def _reworded(text: str) -> str:
    """A text with every word of the table replaced by the other one of its pair."""
    for one, other in _words()["alike"]:
        for old, new in ((one, other), (other, one)):
            if re.search(rf"\b{re.escape(old)}\b", text):
                text = re.sub(rf"\b{re.escape(old)}\b", new, text)
                break
    return text


def _replaced(text: str, others: Sequence[str], rng: random.Random) -> str:
    """A text of several words with one that counts (longer than three letters, no date) replaced by one of another text."""
    words, pool = text.split(), sorted({word for other in others for word in _content(other)} - set(_content(text)))
    places = [at for at, word in enumerate(words) if _content(word)]
    if len(words) < 2 or not places or not pool or spans(text):
        return text
    at = rng.choice(places)
    return " ".join([*words[:at], rng.choice(pool), *words[at + 1 :]])


def _content(text: str) -> list[str]:
    """Words of a text that say something: longer than three letters, and neither numbers nor months."""
    found = (word.strip(".,;:!?\"'()") for word in text.split())
    return [word for word in found if len(word) > 3 and word.isalpha() and word.capitalize() not in MONTHS]


def _moved(text: str, rng: random.Random) -> str:
    """A text whose only date is another one: some days away where it names a day, else another month or year."""
    found = spans(text)
    if len(found) != 1 or found[0].yearless or re.search(r"before|after|week|weekend", text, re.IGNORECASE):
        return text
    span, sign = found[0], rng.choice((-1, 1))
    if span.first == span.last:
        day = span.first + timedelta(sign * rng.randint(4, 25))
        return f"{day.day} {MONTHS[day.month - 1]} {day.year}"
    if (span.last - span.first).days < 31:
        return f"{MONTHS[(span.first.month - 1 + sign * rng.randint(1, 4)) % 12]} {span.first.year}"
    return str(span.first.year + sign)
