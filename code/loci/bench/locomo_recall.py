"""LOCOMO as memories see it, and how much of the cited evidence they bring back.

A memory is told the dialogue and nothing else: turns with their speaker, the date and time of their session, and the caption of
a picture. No question, no evidence and no phrase of an image search is in it. Recall counts cited turns that exist; questions
without any are left out (the released evaluator counts them as found).
"""

import math
from collections.abc import Iterable, Sequence

from loci.bench.clusters import pooled
from loci.memories.base import Note, Query, Recall
from loci.worlds.locomo import ADVERSARIAL, CATEGORIES, Conversation, LocomoQuestion, turn_text

NDCG = 10  # lines that count


def notes_of(conversation: Conversation) -> list[Note]:
    """Every turn as a note under its id, in order."""
    return [
        Note(turn.dia_id, turn_text(turn), turn.speaker, session.date_time.strftime("%Y-%m-%dT%H:%M"))
        for session in conversation.sessions
        for turn in session.turns
    ]


def query_of(question: LocomoQuestion) -> Query:
    """The question; the control `gold` alone looks at the cited turns."""
    return Query(question.text, question.evidence)


def found_in(recall: Recall, evidence: Sequence[str]) -> tuple[float, bool]:
    """(share of the cited turns that are among the sources, whether all are)."""
    known = {key for keys in recall.sources for key in keys}
    hits = sum(dia_id in known for dia_id in evidence)
    return hits / len(evidence), hits == len(evidence)


def ndcg(recall: Recall, evidence: Sequence[str]) -> float:
    """Normalised discounted cumulative gain of the first ten lines (Järvelin and Kekäläinen, 2002), gain 1 for a line with a
    cited turn that no line before it had."""
    left, gained = set(evidence), 0.0
    for place, keys in enumerate(recall.sources[:NDCG]):
        if left & set(keys):
            gained += 1 / math.log2(place + 2)
            left -= set(keys)
    return gained / sum(1 / math.log2(place + 2) for place in range(min(NDCG, len(evidence))))


def entries(
    scores: dict[str, list[tuple[str, str, float]]],
    questions: dict[str, LocomoQuestion],
    prefix: str,
    source: str,
    proportion: bool = True,
) -> dict[str, dict]:
    """Ledger entries <prefix>.<measure> over ids 1 to 4, and <prefix>.id<category>.<measure>, of scores by measure:
    (conversation, question, score). proportion: they are shares, and no differences."""
    ledger = {}
    for measure, records in scores.items():
        for name, kept in _by_category(records, questions):
            if kept:
                ledger[f"{prefix}{name}.{measure}"] = pooled(kept, proportion).entry(source)
    return ledger


def _by_category(
    records: list[tuple[str, str, float]], questions: dict[str, LocomoQuestion]
) -> Iterable[tuple[str, list[tuple[str, str, float]]]]:
    yield "", [one for one in records if questions[one[1]].category != ADVERSARIAL]
    for category in CATEGORIES:
        yield f".id{category}", [one for one in records if questions[one[1]].category == category]
