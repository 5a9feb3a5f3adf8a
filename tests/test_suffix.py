"""The active suffix: recomputing only what rows change gives what the full forward gives."""

import pytest
import torch
from grafts import CLOSE, grafted, left_padded, rows_ending_at, rows_logits, single_logits, token_ids

from loci.memories.row_examples import ContextExamples, encode_sentence
from loci.memories.row_examples import Sentence as S
from loci.models.base import Base
from loci.models.engram import EngramSpec, Graft, decoder_layers
from loci.models.rows import RowBatch, RowMap
from loci.models.suffix import ActiveSuffix, CachedSequences, find_rows
from loci.models.upper import UpperStack

LAYERS = pytest.mark.parametrize("layer", [0, 2, 3], ids=["first", "middle", "last"])
CONTEXT = "One wind was cold. My cat is called Tom. "
SENTENCES = [S("My dog is named", "Rex"), S("My boat is in", "Split, near a market"), S("I work for", "a museum")]


def spec(layer: int, orders: tuple[int, ...] = (2, 3, 4, 5)) -> EngramSpec:
    return EngramSpec(layer, orders, heads=4, row_dim=16)


def encoded(base: Base, context: str) -> list:
    return [encode_sentence(base.tokenizer, context, sentence) for sentence in SENTENCES]


def last_triggers(base: Base, context: str = "") -> list[tuple[list[int], range]]:
    """Where the facts are read: the last trigger token and the answer tokens of each sentence."""
    return [(item.ids, range(item.answer_start - 1, len(item.ids))) for item in encoded(base, context)]


def assert_equal_to_full_forward(
    graft: Graft, sequences: list[list[int]], table: RowMap, latest: list[int], starts: list[int]
) -> None:
    """Every active position of every sequence, in several choices of sequences, against one full forward each."""
    head = graft.model.get_output_embeddings()
    suffix = ActiveSuffix(CachedSequences(UpperStack(graft), sequences), table, torch.tensor(latest))
    assert suffix.start.tolist() == starts
    assert suffix.active.tolist() == [len(ids) - start for ids, start in zip(sequences, starts, strict=True)]
    full = [single_logits(graft, table, ids) for ids in sequences]
    everything = list(range(len(sequences)))
    for chosen in (everything, everything[::-1], everything[-1:], everything[:1]):
        with torch.no_grad():
            logits = head(suffix.forward(table.values, torch.tensor(chosen)))
        assert logits.shape[1] == int(suffix.active[chosen].max())
        for row, sequence in zip(logits, chosen, strict=True):
            active = int(suffix.active[sequence])
            torch.testing.assert_close(row[:active], full[sequence][starts[sequence] :], atol=CLOSE, rtol=0)


@LAYERS
def test_sentences_after_a_shared_context(base: Base, layer: int) -> None:
    items = encoded(base, CONTEXT)
    with grafted(base, spec(layer, (4, 5))) as graft:
        table = rows_ending_at(graft, [(item.ids, range(item.answer_start + 1, len(item.ids))) for item in items])
        latest = [item.answer_start - 1 for item in items]
        assert_equal_to_full_forward(graft, [item.ids for item in items], table, latest, latest)


@LAYERS
@pytest.mark.parametrize("place", [13, 33], ids=["early", "late"])
def test_another_trigger_of_the_table_inside_the_shared_context(base: Base, layer: int, place: int) -> None:
    items = encoded(base, CONTEXT)
    with grafted(base, spec(layer, (4, 5))) as graft:
        table = rows_ending_at(graft, [*last_triggers(base, CONTEXT), (items[0].ids, [place, place + 1])])
        sequences, latest = [item.ids for item in items], [item.answer_start - 1 for item in items]
        assert place < CachedSequences(UpperStack(graft), sequences).shared
        assert_equal_to_full_forward(graft, sequences, table, latest, [place] * 3)


@LAYERS
def test_another_trigger_inside_one_sentence_before_its_own(base: Base, layer: int) -> None:
    items = encoded(base, CONTEXT)
    early = items[1].sentence_start + 6
    with grafted(base, spec(layer, (4, 5))) as graft:
        table = rows_ending_at(graft, [*last_triggers(base, CONTEXT), (items[1].ids, [early])])
        latest = [item.answer_start - 1 for item in items]
        assert_equal_to_full_forward(graft, [item.ids for item in items], table, latest, [latest[0], early, latest[2]])


@LAYERS
def test_hits_in_context_for_some_and_in_the_sentence_for_others(base: Base, layer: int) -> None:
    """Sequences share only "The ", so a hit in what follows belongs to one of them."""
    texts = ["The wind was cold. My dog is named Rex", "The hill. My dog is named Rex", "The wide old road to the river", "The "]
    sequences = [token_ids(base, text) for text in texts]
    with grafted(base, spec(layer, (3, 5))) as graft:
        table = rows_ending_at(graft, [(sequences[0], [7, 20]), (sequences[1], [8]), (sequences[2], [29])])
        starts = [7, 8, 12, 3]
        assert_equal_to_full_forward(graft, sequences, table, [30, 25, 12, 3], starts)


@LAYERS
def test_a_hit_on_the_very_first_token_leaves_nothing_to_keep(base: Base, layer: int) -> None:
    sequences = [token_ids(base, text) for text in ("My dog", "My cat is called", "Your dog")]
    with grafted(base, spec(layer, (1, 2))) as graft:
        table = rows_ending_at(graft, [(sequences[0], [0, 5]), (sequences[1], [9])])
        assert_equal_to_full_forward(graft, sequences, table, [3, 3, 3], [0, 0, 3])


@LAYERS
@pytest.mark.parametrize("hits", [[20, 25], [5, 30], [34]])
def test_a_single_sequence_has_no_shared_context(base: Base, layer: int, hits: list[int]) -> None:
    ids = token_ids(base, "In 1997 the brown fox jumped over a big dog.")
    with grafted(base, spec(layer)) as graft:
        table = rows_ending_at(graft, [(ids, hits)])
        assert_equal_to_full_forward(graft, [ids], table, [27], [min(27, *hits)])


@LAYERS
def test_equal_sequences_and_one_that_is_the_beginning_of_another(base: Base, layer: int) -> None:
    text = "My dog is named Rex"
    sequences = [token_ids(base, part) for part in (text, text, text[:16])]
    with grafted(base, spec(layer)) as graft:
        table = rows_ending_at(graft, [(sequences[0], [14, 16])])
        assert_equal_to_full_forward(graft, sequences, table, [16, 15, 15], [14] * 3)


@LAYERS
def test_sequences_without_a_hit_equal_the_base_model(base: Base, layer: int) -> None:
    sequences = [token_ids(base, text) for text in ("My dog is named Rex", "My boat is in Split")]
    with grafted(base, spec(layer)) as graft:
        table = rows_ending_at(graft, [(token_ids(base, "QxQxQx"), range(6))])
        assert_equal_to_full_forward(graft, sequences, table, [10, 12], [10, 12])


@LAYERS
def test_hidden_states_at_the_targets_of_facts(base: Base, layer: int) -> None:
    for context in ("", CONTEXT):
        items = encoded(base, context)
        with grafted(base, spec(layer)) as graft:
            table = rows_ending_at(graft, last_triggers(base))
            cached = CachedSequences(UpperStack(graft), [item.ids for item in items])
            examples = ContextExamples(cached, items, table)
            full = [single_logits(graft, table, item.ids) for item in items]
            for chosen in ([0, 1, 2], [2, 0], [1]):
                with torch.no_grad():
                    hidden, targets, owner = examples.hidden_at_targets(table.values, torch.tensor(chosen))
                    logits = graft.model.get_output_embeddings()(hidden)
                for sentence in chosen:
                    item, mine = items[sentence], owner == sentence
                    assert targets[mine].tolist() == item.following
                    torch.testing.assert_close(logits[mine], full[sentence][item.answer_start - 1 :], atol=CLOSE, rtol=0)
                assert len(owner) == sum(len(items[at].ids) - items[at].answer_start + 1 for at in chosen)


@LAYERS
def test_gradients_equal_those_of_the_full_forward(base: Base, layer: int) -> None:
    items = encoded(base, CONTEXT)
    with grafted(base, spec(layer)) as graft:
        table = rows_ending_at(graft, last_triggers(base))
        examples = ContextExamples(CachedSequences(UpperStack(graft), [item.ids for item in items]), items, table)
        values = table.values.clone().requires_grad_(True)
        hidden, targets, _ = examples.hidden_at_targets(values, torch.arange(3))
        torch.nn.functional.cross_entropy(graft.model.get_output_embeddings()(hidden), targets, reduction="sum").backward()
        found = values.grad.to_dense()

        values = table.values.clone().requires_grad_(True)
        for item in items:
            ids = torch.tensor([item.ids])
            session = graft.session(RowBatch.shared(RowMap(table.addresses, values), 1))
            logits = session.forward(ids, torch.ones_like(ids)).logits[0, item.answer_start - 1 :]
            wanted = torch.tensor(item.following)
            torch.nn.functional.cross_entropy(logits, wanted, reduction="sum").backward()
        torch.testing.assert_close(found, values.grad, atol=1e-5, rtol=1e-3)
        assert bool(values.grad.any(1).all())


@LAYERS
def test_what_lies_below_the_layer_does_not_depend_on_rows(base: Base, layer: int) -> None:
    """The stream that enters the grafted block: bit-equal with and without rows, and what the cache holds."""
    items = encoded(base, CONTEXT)
    ids, mask = left_padded([item.ids for item in items])
    entering: list[torch.Tensor] = []
    watch = decoder_layers(base.model)[layer].register_forward_pre_hook(lambda _block, args: entering.append(args[0]))
    try:
        with grafted(base, spec(layer)) as graft:
            table = rows_ending_at(graft, [*last_triggers(base), (items[0].ids, range(4, 12))])
            rows_logits(graft, RowBatch.shared(table, 3), ids, mask)
            rows_logits(graft, RowBatch.shared(graft.empty_rows(), 3), ids, mask)
            with_rows, without = entering
            cached = CachedSequences(UpperStack(graft), [item.ids for item in items])
            for at, item in enumerate(items):
                hidden = cached.hidden(torch.tensor([at]), torch.arange(len(item.ids))[None])[0]
                torch.testing.assert_close(hidden, with_rows[at, -len(item.ids) :], atol=CLOSE, rtol=0)
    finally:
        watch.remove()
    assert torch.equal(with_rows, without)


def test_keys_and_values_of_the_prefix_do_not_depend_on_the_choice(base: Base) -> None:
    items = encoded(base, CONTEXT)
    with grafted(base, spec(2)) as graft:
        cached = CachedSequences(UpperStack(graft), [item.ids for item in items])
        assert 0 < cached.shared < min(len(item.ids) for item in items)
        for length in (0, 1, cached.shared, cached.shared + 5):
            prefix = cached.prefix(torch.tensor([2, 0]), length)
            assert prefix.get_seq_length() == length
            key = torch.zeros(2, 1, 1, 1).expand(2, cached.context.layers[2][0].shape[1], 1, cached.context.layers[2][0].shape[3])
            assert prefix.update(key, key, 3)[0].shape[2] == length + 1
            assert prefix.update(key, key, 3)[0].shape[2] == length + 1, "the prefix never grows"


def test_an_empty_table_is_no_rows(base: Base) -> None:
    sequences = [token_ids(base, text) for text in ("My dog is named Rex", "My boat is in Split")]
    with grafted(base, spec(2)) as graft:
        assert_equal_to_full_forward(graft, sequences, graft.empty_rows(), [10, 12], [10, 12])


def test_find_rows_agrees_with_the_session(base: Base) -> None:
    ids = encoded(base, CONTEXT)[1].ids
    with grafted(base, spec(2)) as graft:
        table = rows_ending_at(graft, last_triggers(base))
        session = graft.session(RowBatch.shared(table, 1))
        tokens = torch.tensor([ids])
        assert torch.equal(find_rows(graft, table, ids), session.look_up(tokens, torch.ones_like(tokens, dtype=torch.bool))[0])


def test_the_gain_of_the_final_norm_is_what_the_norm_does(base: Base) -> None:
    with grafted(base) as graft:
        gain = UpperStack(graft).final_gain()
    decoder, hidden = base.model.get_decoder(), torch.randn(3, 64, generator=torch.Generator().manual_seed(3))
    norm = getattr(decoder, "norm", None) or decoder.final_layer_norm
    centred = hidden - hidden.mean(-1, keepdim=True) if hasattr(norm, "bias") else hidden
    wanted = centred / centred.square().mean(-1, keepdim=True).sqrt() * gain + getattr(norm, "bias", 0)
    assert torch.allclose(norm(hidden), wanted, atol=1e-4)
