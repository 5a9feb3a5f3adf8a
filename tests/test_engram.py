"""The graft: nothing happens without a hit, the right thing happens at one, and nothing is left behind."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from grafts import (
    CLOSE,
    SPEC,
    grafted,
    kernels,
    left_padded,
    plain_logits,
    rows_ending_at,
    rows_logits,
    single_logits,
    token_ids,
)
from torch.nn import functional as F
from transformers import DynamicCache

from loci.errors import UserError
from loci.memories.row_examples import Sentence
from loci.memories.row_strategies import Writer, write_optimised
from loci.memories.row_writer import WriteSettings
from loci.models.base import Base
from loci.models.engram import EngramSpec, Graft, decoder_layers
from loci.models.rows import RowBatch, RowMap
from loci.models.upper import UpperStack

TEXTS = ("My cat is called Tom and he sleeps.", "Well, my cat is called Tom.", "The unit of time is the second; see below.")
HIT = 15  # position of the last token of "My cat is called" in TEXTS[0]


@pytest.fixture
def batch(base: Base) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask [B, T] of TEXTS."""
    return left_padded([token_ids(base, text) for text in TEXTS])


def fingerprint(base: Base) -> str:
    """SHA-256 over the names and bytes of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, tensor in base.model.state_dict().items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


# No hit, no change


@pytest.mark.parametrize("conv", [None, kernels()], ids=["plain", "convolution"])
def test_empty_table_leaves_the_very_same_logits(base: Base, batch, conv) -> None:
    ids, mask = batch
    before = plain_logits(base, ids, mask)
    with grafted(base, conv=conv) as graft:
        assert torch.equal(rows_logits(graft, RowBatch.shared(graft.empty_rows(), len(ids)), ids, mask), before)
        assert torch.equal(plain_logits(base, ids, mask), before), "outside a session the graft does nothing"


@pytest.mark.parametrize("conv", [None, kernels()], ids=["plain", "convolution"])
def test_rows_that_are_not_hit_leave_the_very_same_logits(base: Base, batch, conv) -> None:
    ids, mask = batch
    before = plain_logits(base, ids, mask)
    with grafted(base, conv=conv) as graft:
        elsewhere = token_ids(base, "QxQxQxQx")
        rows = rows_ending_at(graft, [(elsewhere, range(len(elsewhere)))])
        assert len(rows)
        assert torch.equal(rows_logits(graft, RowBatch.shared(rows, len(ids)), ids, mask), before)


@pytest.mark.parametrize("layer", range(4))
@pytest.mark.parametrize("conv", [None, kernels()], ids=["plain", "convolution"])
def test_logits_change_from_the_first_hit_on_and_not_before(base: Base, layer: int, conv) -> None:
    ids = token_ids(base, TEXTS[0])
    tokens = torch.tensor([ids])
    before = plain_logits(base, tokens, torch.ones_like(tokens))[0]
    with grafted(base, EngramSpec(layer, SPEC.orders, SPEC.heads, SPEC.row_dim), conv) as graft:
        after = single_logits(graft, rows_ending_at(graft, [(ids, [HIT])]), ids)
    assert torch.equal(after[:HIT], before[:HIT])
    assert bool(((after[HIT:] - before[HIT:]).abs().amax(-1) > 0).all())
    assert (after[HIT] - before[HIT]).abs().max() > 0.01


def test_a_written_ngram_fires_behind_padding_as_without_and_never_inside_it(base: Base) -> None:
    ids = token_ids(base, TEXTS[0])
    tokens, mask = left_padded([ids, ids[3:]])
    with grafted(base) as graft:
        rows = rows_ending_at(graft, [(ids, [4, HIT]), ([258] * 6, range(6)), ([258, *ids[3:7]], range(5))])
        session = graft.session(RowBatch.shared(rows, 2))
        session.forward(tokens, mask)
        hits = session.hits[0].int()
        assert hits[0].sum(-1).nonzero().flatten().tolist() == [4, 5, 6, 11, HIT], '"called" begins as "cat" does'
        assert hits[1, 4].tolist() == [1, 0, 0, 0], "only the bigram lies wholly behind the padding"
        assert hits[1, :4].sum() == 0
        assert hits[1, HIT].tolist() == [1, 1, 1, 1]


# Nothing is left behind


def test_detached_model_has_the_same_logits_and_bytes(base: Base, batch) -> None:
    ids, mask = batch
    before, weights = plain_logits(base, ids, mask), fingerprint(base)
    hooks = [len(block._forward_pre_hooks) for block in decoder_layers(base.model)]
    with grafted(base) as graft:
        writer = Writer(UpperStack(graft), base.tokenizer)
        rows, _ = write_optimised("rows_joint", writer, [Sentence("My cat is called", "Tom")], [], WriteSettings(max_steps=3), 0)
        assert not torch.equal(rows_logits(graft, RowBatch.shared(rows, len(ids)), ids, mask), before)
    assert torch.equal(plain_logits(base, ids, mask), before)
    assert fingerprint(base) == weights
    assert [len(block._forward_pre_hooks) for block in decoder_layers(base.model)] == hooks
    assert all(parameter.grad is None for parameter in base.model.parameters())


def test_a_failed_call_leaves_no_rows_in_the_hook(base: Base, batch) -> None:
    ids, mask = batch
    before = plain_logits(base, ids, mask)
    with grafted(base) as graft:
        rows = rows_ending_at(graft, [(token_ids(base, TEXTS[0]), [HIT])])
        with pytest.raises(ValueError, match="exactly one of"):
            graft.session(RowBatch.shared(rows, len(ids))).forward(ids, mask, inputs_embeds=torch.zeros(*ids.shape, 64))
        assert torch.equal(plain_logits(base, ids, mask), before)


def test_two_threads_read_their_own_rows(llama: Base) -> None:
    ids = token_ids(llama, TEXTS[0])
    with grafted(llama) as graft:
        users = [rows_ending_at(graft, [(ids, [HIT])], seed) for seed in range(4)]
        wanted = [single_logits(graft, rows, ids) for rows in users]
        with ThreadPoolExecutor(2) as pool:
            got = list(pool.map(lambda at: single_logits(graft, users[at % 4], ids), range(24)))
    for at, logits in enumerate(got):
        torch.testing.assert_close(logits, wanted[at % 4], atol=CLOSE, rtol=0)


# Cached decoding


@pytest.mark.parametrize("conv", [None, kernels()], ids=["plain", "convolution"])
@pytest.mark.parametrize("pieces", [(20,), (1,), (18, 3, 2)], ids=["prompt then single tokens", "single tokens", "uneven"])
def test_cached_decoding_equals_the_full_forward(base: Base, batch, conv, pieces: tuple[int, ...]) -> None:
    ids, mask = batch
    sequences = [token_ids(base, text) for text in TEXTS]
    with grafted(base, conv=conv) as graft:
        # The first two users have hits in what is read as the prompt and in what is read token by token.
        users = [
            rows_ending_at(graft, [(sequences[0], [5, HIT, 20, 21, 30])], 1),
            rows_ending_at(graft, [(sequences[1], [4, 8, 22, 26])], 2),
            rows_ending_at(graft, [(sequences[2], [3, 30])], 3),
        ]
        rows = RowBatch(users, torch.arange(3))
        full = rows_logits(graft, rows, ids, mask)
        session, cache, logits, at = graft.session(rows), DynamicCache(), [], 0
        lengths = [*pieces, *[1] * (ids.shape[1] - sum(pieces))]
        with torch.no_grad():
            for length in lengths:
                piece = slice(at, at + length)
                output = session.forward(ids[:, piece], mask[:, : at + length], past_key_values=cache, use_cache=True)
                logits.append(output.logits)
                at += length
        cached, real = torch.cat(logits, 1), mask.bool()
        hit_columns = torch.cat(session.hits, 1).any(-1)
        assert bool(hit_columns[:, :20].any(1).all()) and bool(hit_columns[:, 20:].any(1).all())
        torch.testing.assert_close(cached[real], full[real], atol=CLOSE, rtol=0)
        for element, sequence in enumerate(sequences):
            alone = single_logits(graft, users[element], sequence)
            torch.testing.assert_close(full[element, -len(sequence) :], alone, atol=CLOSE, rtol=0)


def test_remembered_tokens_count_as_read(base: Base) -> None:
    ids = torch.tensor([token_ids(base, TEXTS[0])])
    valid = torch.ones_like(ids, dtype=torch.bool)
    with grafted(base) as graft:
        rows = RowBatch.shared(rows_ending_at(graft, [(ids[0].tolist(), [HIT, HIT + 1])]), 1)
        whole = graft.session(rows).look_up(ids, valid)
        for cut in (1, 3, HIT - 1, HIT, HIT + 1):
            session = graft.session(rows)
            session.remember(ids[:, : cut - 1], valid[:, : cut - 1])
            session.remember(ids[:, cut - 1 : cut], valid[:, cut - 1 : cut])
            assert torch.equal(session.look_up(ids[:, cut:], valid[:, cut:]), whole[:, cut:])


# The formula


def reference_rms(vector: torch.Tensor) -> torch.Tensor:
    return vector / (vector.pow(2).mean() + 1e-6).sqrt()


def reference_values(
    graft: Graft, ids: list[int], stored: dict[tuple[int, ...], torch.Tensor], hidden: torch.Tensor
) -> torch.Tensor:
    """What is added to the stream at each position, by loops over positions and orders: hidden [T, d] -> [T, d]."""
    canonical = [int(graft.canonical[token]) for token in ids]
    width, added = hidden.shape[1], torch.zeros_like(hidden)
    for position in range(len(ids)):
        parts = [torch.zeros(graft.spec.row_width) for _ in graft.spec.orders]
        found = False
        for at, order in enumerate(graft.spec.orders):
            ngram = tuple(canonical[position + 1 - order : position + 1]) if order <= position + 1 else None
            if ngram in stored:
                found, parts[at] = True, stored[ngram]
        if found:
            embedding = torch.cat(parts)
            score = torch.dot(reference_rms(hidden[position]), reference_rms(graft.w_key @ embedding)) / width**0.5
            gate = 1 / (1 + torch.exp(-torch.sign(score) * score.abs().sqrt()))
            added[position] = gate * (graft.w_value @ embedding)
    return added


def reference_convolution(values: torch.Tensor, taps: torch.Tensor, dilation: int) -> torch.Tensor:
    """SiLU of the causal depthwise convolution of the normed values, tap by tap: [T, d] -> [T, d]."""
    out = torch.zeros_like(values)
    for position in range(len(values)):
        for tap in range(taps.shape[1]):
            source = position - (taps.shape[1] - 1 - tap) * dilation
            if source >= 0:
                out[position] += taps[:, tap] * reference_rms(values[source])
    return F.silu(out)


@pytest.mark.parametrize("conv", [None, kernels()], ids=["plain", "convolution"])
def test_what_is_added_follows_the_formula(base: Base, conv) -> None:
    text = "My cat is called Tom. my  CAT is called Tom!"
    ids = token_ids(base, text)
    stream: list[torch.Tensor] = []
    block = decoder_layers(base.model)[SPEC.layer]
    watch = [block.register_forward_pre_hook(lambda _block, args: stream.append(args[0][0].clone()))]
    try:
        with grafted(base, conv=conv) as graft:
            watch.append(block.register_forward_pre_hook(lambda _block, args: stream.append(args[0][0].clone())))
            rows = rows_ending_at(graft, [(ids, [0, 1, 2, 7, HIT, HIT + 1, 20])])
            stored = {}
            canonical = graft.canonicalise(torch.tensor(ids)).tolist()
            for position in (0, 1, 2, 7, HIT, HIT + 1, 20):
                for order in (order for order in SPEC.orders if order <= position + 1):
                    ngram = canonical[position + 1 - order : position + 1]
                    key = graft.addressing.addresses(torch.tensor([ngram]), torch.ones(1, order, dtype=torch.bool))[0]
                    stored[tuple(ngram)] = rows.values[rows.find(key[0, -1, SPEC.orders.index(order)])]
            assert len(stored) == len(rows)
            single_logits(graft, rows, ids)
            before, after = stream
            values = reference_values(graft, ids, stored, before)
    finally:
        for handle in watch:
            handle.remove()
    assert int(values.any(1).sum()) > 8, "the other spelling of the sentence reads the same rows"
    wanted = values if conv is None else values + reference_convolution(values, conv, max(SPEC.orders))
    torch.testing.assert_close(after - before, wanted, atol=2e-5, rtol=1e-4)


def test_gradients_reach_the_rows_in_training_mode(base: Base) -> None:
    ids = torch.tensor([token_ids(base, TEXTS[0])])
    mask = torch.ones_like(ids)
    base.model.train()
    try:
        with grafted(base) as graft:
            rows = rows_ending_at(graft, [(ids[0].tolist(), [10, HIT])])

            def loss(values: torch.Tensor) -> torch.Tensor:
                """Of the tokens after the two hits."""
                batch = RowBatch.shared(RowMap(rows.addresses, values), 1)
                logits = graft.session(batch).forward(ids, mask).logits[0, [10, HIT]]
                return F.cross_entropy(logits, ids[0, [11, HIT + 1]], reduction="sum")

            values = rows.values.clone().requires_grad_(True)
            loss(values).backward()
            assert bool(values.grad.any(1).all()), "every row that is read learns"
            steepest = values.grad.abs().flatten().topk(5).indices
            for at in steepest.tolist():
                step = torch.zeros_like(rows.values)
                step.view(-1)[at] = 0.05
                with torch.no_grad():
                    slope = (loss(rows.values + step) - loss(rows.values - step)) / 0.1
                assert slope.item() == pytest.approx(values.grad.flatten()[at].item(), rel=0.02)
    finally:
        base.model.eval()
    assert all(parameter.grad is None for parameter in base.model.parameters())


# Bad grafts


@pytest.mark.parametrize("layer", [-1, 4, 30])
def test_a_layer_outside_the_model_is_refused(base: Base, layer: int) -> None:
    with pytest.raises(UserError, match=rf"engram layer: {layer} is outside the model; choose 0 to 3"):
        Graft(base.model, base.tokenizer, EngramSpec(layer))


@pytest.mark.parametrize("orders", [(), (0, 2), (-1,), (3, 2), (2, 2)])
def test_orders_that_do_not_increase_are_refused(llama: Base, orders: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"engram orders: .* not increasing positive integers"):
        Graft(llama.model, llama.tokenizer, EngramSpec(2, orders))


def test_a_model_without_decoder_blocks_is_refused(llama: Base) -> None:
    class Headless(torch.nn.Module):
        config = llama.model.config

    with pytest.raises(UserError, match=r"Headless: no list of decoder layers found"):
        Graft(Headless(), llama.tokenizer, SPEC)
