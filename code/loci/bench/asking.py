"""Prompts into units of work: what is read together, so that what prompts share is read once, within a limit of memory.

Many memories fill the same prompt now and then; it is read once and its answer serves all of them. Prompts with the same
lines before different questions (all facts of a user) form a unit of their own, which keeps that beginning.
"""

import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Protocol

from tqdm import tqdm

from loci.bench.decode import Beginnings, Decoded, PromptBatch, newline_tokens
from loci.bench.reader import Reader
from loci.errors import UserError
from loci.models.engram import Graft
from loci.models.rows import RowBatch
from loci.shards import Shards

TOKENS_AT_ONCE = 36_000  # of keys and values in a batch; 46 kB each for SmolLM2-135M
_SAME_LINES = 8  # prompts with the same lines before the question, from which on they are read together


@dataclass(frozen=True)
class Prompt:
    """One prompt that is to be answered: its text and token ids, and `lines`, what the memory put into it."""

    text: str
    ids: tuple[int, ...]
    form: str
    after_context: bool
    lines: tuple[str, ...]


class Question(Protocol):
    """What a prompt needs of a question."""

    qid: str
    text: str
    form: str


def prompt_of(record: dict, question: Question, reader: Reader, context: str, tokenizer, window: int) -> Prompt:
    """The prompt of one recall (`record` as recall_all makes it), at most `window` tokens long.

    Where it would be longer, lines are left out: the earliest of those in the order of telling, else the least relevant.
    UserError where it is too long without any line.
    """
    lines, positions, told = record["lines"], record["positions"], record["told"]

    def with_lines(count: int) -> Prompt:
        kept = slice(len(lines) - count, None) if told else slice(0, count)
        shown = reader.arranged(lines[kept], positions[kept], told)
        text = reader.prompt(question, shown, context)
        ids = tuple(tokenizer(text).input_ids)
        return Prompt(text, ids, question.form, bool(context), shown)

    whole = with_lines(len(lines))
    if len(whole.ids) <= window:
        return whole
    least, most = 0, len(lines) - 1  # the largest number of lines that fits is between them
    while least < most:
        middle = (least + most + 1) // 2
        if len(with_lines(middle).ids) <= window:
            least = middle
        else:
            most = middle - 1
    prompt = with_lines(least)
    if len(prompt.ids) > window:
        raise UserError(f"question {question.qid}", f"needs {len(prompt.ids)} of {window} tokens without any fact", "shorten it")
    return prompt


def units(prompts: list[Prompt], size: int) -> list[list[Prompt]]:
    """Distinct prompts in units: those that share their lines together, the others `size` at a time, of like length."""
    distinct = list({prompt.text: prompt for prompt in prompts}.values())
    by_lines: dict[tuple, list[Prompt]] = defaultdict(list)
    for prompt in distinct:
        by_lines[prompt.form, prompt.lines].append(prompt)
    shared = [found for (_, lines), found in by_lines.items() if lines and len(found) >= _SAME_LINES]
    together = {prompt.text for found in shared for prompt in found}
    rest = [prompt for prompt in distinct if prompt.text not in together]
    rest.sort(key=lambda prompt: (prompt.form, prompt.after_context, len(prompt.ids), prompt.text))
    alike = [sorted(found, key=lambda prompt: (prompt.after_context, len(prompt.ids), prompt.text)) for found in shared]
    return alike + [rest[at : at + size] for at in range(0, len(rest), size)]


def answer_unit(unit: list[Prompt], graft: Graft, pad_id: int, ends: frozenset[int], max_tokens: int) -> list[Decoded]:
    """The model's own answers to the prompts of a unit, in order; as many at once as TOKENS_AT_ONCE allows."""
    beginnings, answers = Beginnings(), []
    while len(answers) < len(unit):
        left = unit[len(answers) :]
        batch = left[: max(1, TOKENS_AT_ONCE // max(len(prompt.ids) + max_tokens for prompt in left))]
        ids = [list(prompt.ids) for prompt in batch]
        nothing = RowBatch.shared(graft.empty_rows(), len(batch))
        answers += PromptBatch(graft, ids, pad_id, ends, max_tokens, beginnings).answer(nothing)
    return answers


def answered(
    prompts: list[Prompt], shards: Shards, size: int, graft: Graft, tokenizer, max_tokens: int
) -> tuple[dict[str, Decoded], list[dict]]:
    """(answers by prompt text, what each unit took). Equal prompts are read once; a finished unit is a shard."""
    found: dict[str, Decoded] = {}
    timings, ends = [], newline_tokens(tokenizer)
    for at, unit in enumerate(tqdm(units(prompts, size), desc="ask", unit="batch")):
        part = shards.get(f"{at:03d}")
        if part is None:
            start = time.perf_counter()
            said = answer_unit(unit, graft, tokenizer.pad_token_id, ends, max_tokens)
            part = {"answers": [asdict(one) for one in said], "seconds": time.perf_counter() - start}
            shards.put(f"{at:03d}", part)
        found |= {prompt.text: Decoded(**one) for prompt, one in zip(unit, part["answers"], strict=True)}
        timings.append({"unit": at, "questions": len(unit), "seconds": part["seconds"]})
    return found, timings
