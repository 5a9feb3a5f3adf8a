"""Prompts into units of work: lines that fit, what is read together, and answers as from each prompt alone."""

import pytest
from grafts import PAD, grafted

from loci.bench.asking import answer_unit, prompt_of, units
from loci.bench.decode import PromptBatch
from loci.bench.reader import Reader
from loci.errors import UserError
from loci.models.base import Base
from loci.models.rows import RowBatch
from loci.models.tiny import byte_tokenizer
from loci.worlds.records import Question

LINES = [f"My item number {at} is blue." for at in range(20)]


def question(form: str = "question", text: str = "Who is my dentist?") -> Question:
    return Question(f"q.{text}", "direct", "dentist", text, "Lee", ("Lee",), (), form=form)


def record(lines: list[str], told: bool = False) -> dict:
    return {"lines": lines, "positions": list(range(len(lines))), "told": told}


@pytest.mark.parametrize(("told", "kept"), [(False, LINES[:3]), (True, LINES[-3:])])
def test_lines_that_do_not_fit_are_left_out(told, kept):
    reader, tokenizer = Reader.load(changes={"examples": 0, "not_known_examples": 0, "order": "best_first"}), byte_tokenizer()
    short = prompt_of(record(kept), question(), reader, "", tokenizer, 10_000)
    window = len(short.ids)
    assert prompt_of(record(LINES, told), question(), reader, "", tokenizer, window) == short
    with pytest.raises(UserError, match="tokens without any fact; shorten it"):
        prompt_of(record(LINES), question(), reader, "", tokenizer, 10)


def test_units_hold_every_prompt_once_and_put_together_what_shares_its_lines():
    reader, tokenizer = Reader.load(), byte_tokenizer()
    same = [prompt_of(record(LINES[:2]), question(text=f"What is {at}?"), reader, "", tokenizer, 9000) for at in range(9)]
    other = [prompt_of(record([LINES[at]]), question(), reader, "", tokenizer, 9000) for at in range(5)]
    found = units([*same, *other, *same, *other], 3)
    assert [len(unit) for unit in found] == [9, 3, 2]
    assert {prompt.text for prompt in found[0]} == {prompt.text for prompt in same}
    assert sorted(prompt.text for unit in found for prompt in unit) == sorted(prompt.text for prompt in same + other)


def test_a_unit_answers_as_each_prompt_alone(base: Base, monkeypatch):
    monkeypatch.setattr("loci.bench.asking.TOKENS_AT_ONCE", 2500)  # several batches that share a beginning
    reader = Reader.load(changes={"examples": 2, "facts_per_example": 1})
    asked = [question(text=f"What is item {at} of mine?") for at in range(9)]
    prompts = [prompt_of(record(LINES), one, reader, "", base.tokenizer, 8000) for one in asked]
    with grafted(base) as graft:
        together = [decoded.tokens for decoded in answer_unit(prompts, graft, PAD, set(), 6)]
        empty = RowBatch.shared(graft.empty_rows(), 1)
        alone = [PromptBatch(graft, [list(one.ids)], PAD, set(), 6).answer(empty)[0].tokens for one in prompts]
    assert together == alone
