"""Greedy answers: cached, batched and reused, they are those of one full forward a token."""

from dataclasses import replace

import pytest
import torch
from grafts import PAD, grafted, plain_logits, rows_ending_at, single_logits, token_ids

from loci.bench.decode import Beginnings, PromptBatch, newline_tokens
from loci.models.base import Base
from loci.models.engram import Graft
from loci.models.rows import RowBatch, RowMap
from loci.models.tiny import byte_tokenizer

PROMPTS = ("My cat is called", "The unit of time is", "If", "Well, my cat is called Tom and my dog is named")
LENGTH = 10


def greedy(base: Base, ids: list[int], graft: Graft | None = None, rows: RowMap | None = None) -> list[int]:
    """LENGTH tokens, each from one full forward over the whole sequence."""
    ids, start = list(ids), len(ids)
    while len(ids) < start + LENGTH:
        tokens = torch.tensor([ids])
        logits = plain_logits(base, tokens, torch.ones_like(tokens))[0] if rows is None else single_logits(graft, rows, ids)
        ids.append(int(logits[-1].argmax()))
    return ids[start:]


def prompts_of(base: Base) -> list[list[int]]:
    return [token_ids(base, text) for text in PROMPTS]


def answers(batch: PromptBatch, rows: RowBatch) -> list[list[int]]:
    return [decoded.tokens for decoded in batch.answer(rows)]


def users_of(graft: Graft, prompts: list[list[int]]) -> list[RowMap]:
    """Rows strong enough to change what is said: user 0 late in prompt 0, user 1 early in two, user 2 in prompt 3."""
    places = [[(prompts[0], [14, 15])], [(prompts[0], [6]), (prompts[1], [3, 18])], [(prompts[3], [40])]]
    return [strong_rows(graft, place, seed) for seed, place in enumerate(places)]


def strong_rows(graft: Graft, places: list, seed: int) -> RowMap:
    rows = rows_ending_at(graft, places, seed)
    return rows.with_values(20 * rows.values)


def test_without_rows_it_is_plain_greedy_decoding(base: Base) -> None:
    prompts = prompts_of(base)
    wanted = [greedy(base, prompt) for prompt in prompts]
    with grafted(base) as graft:
        batch = PromptBatch(graft, prompts, PAD, set(), LENGTH)
        decoded = batch.answer(RowBatch.shared(graft.empty_rows(), len(prompts)))
    assert [one.tokens for one in decoded] == wanted
    assert {(one.prompt_hits, one.answer_hits) for one in decoded} == {(0, 0)}
    for prompt, one in zip(prompts, decoded, strict=True):
        logits = base.model(torch.tensor([prompt + one.tokens])).logits[0, len(prompt) - 1 : -1]
        said = logits.log_softmax(-1)[range(LENGTH), one.tokens]
        assert one.log_prob == pytest.approx(said.mean().item(), abs=1e-4)


def test_what_ends_an_answer_counts_in_its_probability(llama: Base) -> None:
    prompt = prompts_of(llama)[0]
    first = greedy(llama, prompt)[0]
    with grafted(llama) as graft:
        (ended,) = PromptBatch(graft, [prompt], PAD, {first}, LENGTH).answer(RowBatch.shared(graft.empty_rows(), 1))
        logits = llama.model(torch.tensor([prompt])).logits[0, -1]
    assert ended.tokens == [] and ended.log_prob == pytest.approx(logits.log_softmax(-1)[first].item(), abs=1e-4)


def test_a_batch_answers_as_each_prompt_alone(base: Base) -> None:
    prompts = prompts_of(base)
    with grafted(base) as graft:
        for rows in (graft.empty_rows(), *users_of(graft, prompts)):
            together = answers(PromptBatch(graft, prompts, PAD, set(), LENGTH), RowBatch.shared(rows, len(prompts)))
            alone = [answers(PromptBatch(graft, [prompt], PAD, set(), LENGTH), RowBatch.shared(rows, 1))[0] for prompt in prompts]
            assert together == alone


def test_with_rows_it_is_greedy_decoding_through_a_fresh_session(base: Base) -> None:
    """Rows hit early in the prompt, at its last token, and in what the model would say without them."""
    prompts = prompts_of(base)
    plain = [greedy(base, prompt) for prompt in prompts]
    changed = 0
    with grafted(base) as graft:
        in_answers = strong_rows(graft, [(prompts[0] + plain[0], [len(prompts[0]) + 1, len(prompts[0]) + 4])], seed=7)
        for rows in (*users_of(graft, prompts), in_answers):
            wanted = [greedy(base, prompt, graft, rows) for prompt in prompts]
            changed += wanted != plain
            decoded = PromptBatch(graft, prompts, PAD, set(), LENGTH).answer(RowBatch.shared(rows, len(prompts)))
            assert [one.tokens for one in decoded] == wanted
    assert decoded[0].answer_hits > 0
    assert changed >= 2


def test_users_mixed_in_one_batch_answer_as_alone(base: Base) -> None:
    prompts = prompts_of(base)
    with grafted(base) as graft:
        users = users_of(graft, prompts)
        slots = [1, 2, -1, 0, 0, 1]
        mixed = [prompts[at] for at in (0, 3, 0, 0, 1, 1)]
        found = answers(PromptBatch(graft, mixed, PAD, set(), LENGTH), RowBatch(users, torch.tensor(slots)))
        for prompt, slot, tokens in zip(mixed, slots, found, strict=True):
            assert tokens == greedy(base, prompt, graft, users[slot] if slot >= 0 else graft.empty_rows())


def test_hits_are_counted_in_prompt_and_answer(llama: Base) -> None:
    """All four orders are written at two prompt positions and at two answer tokens: n-grams are counted, not positions."""
    prompt = token_ids(llama, "QWERTYUIOP")
    with grafted(llama) as graft:
        said = greedy(llama, prompt)
        whole = prompt + said
        quiet = rows_ending_at(graft, [(whole, [4, 9, 11, 13])])
        quiet = quiet.with_values(torch.zeros_like(quiet.values))  # read, but without effect
        (decoded,) = PromptBatch(graft, [prompt], PAD, set(), LENGTH).answer(RowBatch.shared(quiet, 1))
        session = graft.session(RowBatch.shared(quiet, 1))
        ids = torch.tensor([whole])
        found = session.look_up(ids, torch.ones_like(ids, dtype=torch.bool))[0] >= 0
    assert decoded.tokens == said
    assert decoded.prompt_hits == int(found[: len(prompt)].sum()) == 8
    assert decoded.answer_hits == int(found[len(prompt) : -1].sum()) >= 8


def test_answers_stop_before_the_first_newline(base: Base) -> None:
    prompts = prompts_of(base)
    with grafted(base) as graft:
        nothing = RowBatch.shared(graft.empty_rows(), len(prompts))
        whole = answers(PromptBatch(graft, prompts, PAD, set(), LENGTH), nothing)
        newline = whole[0][4]
        stopped = answers(PromptBatch(graft, prompts, PAD, {newline}, LENGTH), nothing)
        assert stopped == [tokens[: tokens.index(newline)] if newline in tokens else tokens for tokens in whole]
        assert len(stopped[0]) <= 4
        first = {tokens[0] for tokens in whole}
        assert answers(PromptBatch(graft, prompts, PAD, first, LENGTH), nothing) == [[]] * len(prompts)


@pytest.mark.parametrize("limit", [1, 5])
def test_answers_stop_at_the_limit(llama: Base, limit: int) -> None:
    prompts = prompts_of(llama)
    with grafted(llama) as graft:
        batch = PromptBatch(graft, prompts, PAD, set(), limit)
        decoded = batch.answer(RowBatch.shared(graft.empty_rows(), len(prompts)))
    assert [len(one.tokens) for one in decoded] == [limit] * len(prompts)


def test_prompts_read_once_serve_many_memories_in_any_order(base: Base) -> None:
    prompts = prompts_of(base)
    with grafted(base) as graft:
        memories = [RowBatch.shared(rows, len(prompts)) for rows in (graft.empty_rows(), *users_of(graft, prompts))]
        fresh = [PromptBatch(graft, prompts, PAD, set(), LENGTH).answer(rows) for rows in memories]
        batch = PromptBatch(graft, prompts, PAD, set(), LENGTH)
        order = [0, 1, 2, 3, 2, 0, 3, 1, 1]
        for at in order:
            for again, once in zip(batch.answer(memories[at]), fresh[at], strict=True):
                assert replace(again, log_prob=0) == replace(once, log_prob=0)
                assert again.log_prob == pytest.approx(once.log_prob, abs=1e-5), "smaller batches round otherwise"
    assert len({str(one) for one in fresh}) == len(memories), "the memories differ in what they answer"


def test_newline_tokens_are_line_breaks_and_ends_of_text() -> None:
    assert newline_tokens(byte_tokenizer()) == {10, 256, 257, 258}


def test_a_shared_beginning_is_read_once_and_changes_nothing(base: Base) -> None:
    shared = "Question: Who waters the plants in June?\nAnswer: Lena\n\n"
    prompts = [base.tokenizer(shared + tail).input_ids for tail in ("My cat", "I live in a small", "The")]
    with grafted(base) as graft:
        batch = PromptBatch(graft, prompts, base.tokenizer.pad_token_id, newline_tokens(base.tokenizer), 6)
        together = batch.answer(RowBatch.shared(graft.empty_rows(), len(prompts)))
        for prompt, found in zip(prompts, together, strict=True):
            alone = PromptBatch(graft, [prompt], base.tokenizer.pad_token_id, newline_tokens(base.tokenizer), 6)
            assert alone.answer(RowBatch.shared(graft.empty_rows(), 1))[0].tokens == found.tokens


def test_several_shared_beginnings_rows_and_early_ends_in_one_batch(base: Base) -> None:
    """Two groups that begin alike and one prompt of its own; answers of different lengths, so that the batch shrinks."""
    heads = ("Well, my cat is called Tom and my dog is named Rex. ", "Question: Who waters the plants?\n\n")
    texts = [head + tail for head in heads for tail in ("My cat", "I live in a small", "The")] + ["If"]
    prompts = [token_ids(base, text) for text in texts]
    plain = [greedy(base, prompt) for prompt in prompts]
    ends = {plain[0][2], plain[4][5]}
    with grafted(base) as graft:
        # Hits: inside a shared beginning, at the end of one prompt, in an answer alone, and nowhere.
        places = [(prompts[0], [14, 20]), (prompts[4], [len(prompts[4]) - 1]), (prompts[6] + plain[6], [len(prompts[6]) + 3])]
        for rows in (graft.empty_rows(), strong_rows(graft, places, seed=3)):
            wanted = []
            for prompt in prompts:
                said = greedy(base, prompt, graft, rows)
                wanted.append(said[: next((at for at, token in enumerate(said) if token in ends), LENGTH)])
            assert answers(PromptBatch(graft, prompts, PAD, ends, LENGTH), RowBatch.shared(rows, len(prompts))) == wanted
            assert len({len(tokens) for tokens in wanted}) > 1, "some answers end before others"


def test_beginnings_kept_between_batches_change_no_answer(base: Base) -> None:
    start = "The facts are these: my cat is called Tom, my dog is named Rex, my bird is Kiwi. "
    asked = [start + end for end in ("My cat is", "My dog is named", "My bird is", "Tom is", "Rex is")]
    prompts = [token_ids(base, text) for text in asked]
    read = []
    with grafted(base) as graft:
        rows = RowBatch.shared(graft.empty_rows(), 2)
        alone = [answers(PromptBatch(graft, prompts[at : at + 2], PAD, set(), LENGTH), rows) for at in (0, 2, 3)]
        beginnings, decoder = Beginnings(), graft.model.get_decoder()
        hook = decoder.register_forward_pre_hook(
            lambda _module, given, inputs: read.append((given or (inputs["input_ids"],))[0].shape[-1]), with_kwargs=True
        )
        together = [answers(PromptBatch(graft, prompts[at : at + 2], PAD, set(), LENGTH, beginnings), rows) for at in (0, 2, 3)]
        hook.remove()
    assert together == alone
    assert sum(length >= len(start) for length in read) == 1, "the beginning was read more than once"
