"""What a memory of text recalls for every question: one record a question, and what telling, asking and keeping cost.

No language model is needed here. A record holds the lines that the reader will get, so the reader's step does not know
memories, and whoever doubts an answer can read what stood in its prompt.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from loci.bench.score import contains_any
from loci.bench.statistics import estimate
from loci.bench.told import query_of
from loci.memories.base import Recall
from loci.memories.text_trace import TextMemory, TextTrace
from loci.models.encoder import Encoder
from loci.worlds.dialogue_records import Conversation
from loci.worlds.records import Question


@dataclass
class Costs:
    """Measured times of one memory and user: milliseconds a note of writing, milliseconds of each recall; bytes kept."""

    write_ms: float
    recall_ms: list[float]
    nbytes: int


def told_to(memory: TextMemory, told: Callable[[TextMemory], TextTrace]) -> tuple[TextTrace, float]:
    """What the memory keeps of everything that the user said, and the milliseconds that telling took."""
    start = time.perf_counter()
    trace = told(memory)
    return trace, 1000 * (time.perf_counter() - start)


def recall_all(
    memory: TextMemory,
    trace: TextTrace,
    questions: list[Question],
    keys: list[str],
    conversation: Conversation | None = None,
) -> tuple[list[dict], list[float]]:
    """Records of all questions, and the milliseconds of each recall. keys: of all notes in the order of telling, which is the
    order of the lines in a prompt that keeps it."""
    position = {key: at for at, key in enumerate(keys)}
    records, spent = [], []
    for question in questions:
        query = query_of(question, conversation)
        start = time.perf_counter()
        recall = memory.recall(trace, query)
        spent.append(1000 * (time.perf_counter() - start))
        records.append(
            {
                "memory": memory.name,
                "uid": trace.owner,
                "qid": question.qid,
                "kind": question.kind,
                **as_read(recall, position),
                "needed": list(query.needed),
            }
        )
    return records, spent


def as_read(recall: Recall, position: dict[str, int]) -> dict:
    """A recall as the reader's step takes it. position: of each note in the order of telling, by key."""
    return {
        "lines": list(recall.lines),
        "dates": list(recall.dates),
        "told": recall.told,
        "positions": [max(position[key] for key in keys_of_line) for keys_of_line in recall.sources],
        "sources": [list(keys) for keys in recall.sources],
    }


def cost_entries(costs: dict[str, Costs], prefix: str, source: str) -> tuple[dict[str, dict], dict[str, dict]]:
    """Ledger entries of bytes a user, and of milliseconds of writing a note and of recalling. costs: by user id."""
    sizes = [(uid, "bytes", float(cost.nbytes)) for uid, cost in costs.items()]
    spent = [milliseconds for cost in costs.values() for milliseconds in cost.recall_ms]
    writing = float(np.mean([cost.write_ms for cost in costs.values()]))
    times = {f"{prefix}.write_ms_per_note": {"value": writing, "n": len(costs), "source": source}}
    times |= _percentiles(spent, f"{prefix}.recall_ms", source)
    return {f"{prefix}.bytes": estimate(sizes, proportion=False).entry(source)}, times


def _percentiles(spent: list[float], key: str, source: str) -> dict[str, dict]:
    return {
        f"{key}_p{share}": {"value": float(np.percentile(spent, share)), "n": len(spent), "source": source} for share in (50, 95)
    }


def read_questions(encoder: Encoder, questions: Iterable[Question], prefix: str, source: str) -> dict[str, dict]:
    """Let the encoder read every question, one by one; ledger entries of the milliseconds that takes.

    It is the same for every memory that searches by vectors. Read beforehand, it is no part of their own recall times.
    """
    already = len(encoder.query_ms)
    for text in tqdm(dict.fromkeys(question.text for question in questions), desc="questions", unit="question"):
        encoder.query(text)
    return _percentiles(encoder.query_ms[already:], f"{prefix}.encoder.query_ms", source)


def recalled_share(record: dict) -> float:
    """Share of the needed notes that are among the sources of the recalled lines; 0 for a question that needs none."""
    found = {key for keys in record["sources"] for key in keys}
    return sum(key in found for key in record["needed"]) / max(1, len(record["needed"]))


def holds(record: dict, values: list[str]) -> bool:
    """Whether any of the values stands in a recalled line as whole words: a leak, or something that should be forgotten."""
    return any(contains_any(line, values) for line in record["lines"])
