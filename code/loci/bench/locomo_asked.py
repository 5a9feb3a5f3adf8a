"""Which questions of LOCOMO are answered by every memory: a frozen list, as many of each category of each conversation.

A question's place in the list comes from the hash of its id, so that the list was fixed before anything was answered, and a
larger slice begins with the smaller one. Category 5 stands apart: its right answer is that nothing was said.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from loci.bench.recalls import as_read
from loci.errors import UserError
from loci.memories.base import Recall
from loci.results import read_jsonl, read_result, sha256_file, sha256_text
from loci.worlds.locomo import MONTHS, Conversation, LocomoQuestion
from loci.worlds.locomo_file import Locomo


@dataclass(frozen=True)
class Asked:
    """A question as the reader's prompt takes it."""

    qid: str
    text: str
    form: str = "question"


def frozen(conversations: Iterable[Conversation], split: str, each: int) -> list[LocomoQuestion]:
    """The first `each` questions of every category of every conversation of a split ("dev" or "test"), by their hash; all of a
    category that has fewer."""
    chosen = []
    for conversation in conversations:
        if conversation.split != split:
            continue
        strata: dict[int, list[LocomoQuestion]] = defaultdict(list)
        for question in conversation.questions:
            strata[question.category].append(question)
        for category in sorted(strata):
            chosen += sorted(strata[category], key=lambda one: sha256_text(f"frozen:{one.id}"))[:each]
    return chosen


def shown(name: str, question: LocomoQuestion, recall: Recall, order: dict[str, int]) -> dict:
    """What a memory recalled for a question, as the reader's step takes it."""
    return {"memory": name, "uid": question.conversation, "qid": question.id, **as_read(recall, order)}


def with_day(line: str, date: str) -> str:
    """A recalled line as the reader gets it, with the day on which it was said: "[8 May 2023] Maren: I moved." """
    day = datetime.fromisoformat(date)
    return f"[{day.day} {MONTHS[day.month - 1]} {day.year}] {line}"


def answers_about(locomo: Locomo, results: Sequence[Path], files: Sequence[Path]) -> tuple[list[dict], list[str]]:
    """(raw answers of several steps, the hashes of their files). UserError where a result is about another file of LOCOMO, or
    where its answers are others than those it was written with."""
    if len(results) != len(files):
        raise UserError("--asked", f"names {len(results)} results for {len(files)} files of answers", "give them in pairs")
    answers, hashes = [], []
    for path, file in zip(results, files, strict=True):
        about = read_result(path)
        if about["config"]["file_sha256"] != locomo.sha256:
            raise UserError(path, "is about another file than the one given", f"run {about['experiment']}.py again")
        if about["metrics"]["answers_sha256"] != sha256_file(file):
            raise UserError(file, f"holds other answers than those of {path}", f"run {about['experiment']}.py again")
        answers += read_jsonl(file, f"run {about['experiment']}.py")
        hashes.append(about["metrics"]["answers_sha256"])
    return answers, hashes
