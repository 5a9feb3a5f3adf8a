"""Writing facts into rows: what is written is said, by every strategy in its own way, and bad facts are refused."""

from itertools import pairwise

import pytest
import torch
from grafts import CLOSE, PAD, SPEC, grafted, keys_of, token_ids
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from loci.bench.decode import PromptBatch
from loci.errors import UserError
from loci.memories import row_strategies, row_writer
from loci.memories.row_examples import ContextExamples, Sentence, encode_sentence, written_keys
from loci.memories.row_strategies import CLOSED_FORM, OPTIMISED, Writer, randomised, write_closed_form, write_optimised
from loci.memories.row_writer import WriteReport, WriteSettings
from loci.models.base import Base
from loci.models.engram import Graft, decoder_layers, gather_rows
from loci.models.rows import RowBatch, RowMap
from loci.models.suffix import CachedSequences, find_rows
from loci.models.tiny import byte_tokenizer
from loci.models.upper import UpperStack

FACTS = [
    Sentence("My dentist is", "Dr. Okafor"),
    Sentence("My sister lives in", "Denver"),
    Sentence("I was born on", "3 May 1987"),
    Sentence("My cat is called", "Zoë"),
    Sentence("I work for", "Boeing"),
    Sentence("My favourite food", "is ramen"),
]
CONTEXTS = ["The weather is fine today.\n", "Q: What now?\nA: Nothing much.\n", "User: hello there\nAssistant: hi\nUser: "]
UNSEEN = ["Chess is an old game with many openings.\n", "A list: one, two, three. And then, "]
SETTINGS = WriteSettings(rate=0.5, max_steps=400)
TWINS = [Sentence("My aunt lives in", "Oslo"), Sentence("Her uncle lives in", "Rome")]  # the last 9 tokens are the same


@pytest.fixture
def graft(llama: Base):
    with grafted(llama) as attached:
        yield attached


@pytest.fixture
def writer(llama: Base, graft: Graft) -> Writer:
    return Writer(UpperStack(graft), llama.tokenizer)


def said(writer: Writer, rows: RowMap, context: str, facts: list[Sentence] = FACTS) -> list[str]:
    """What greedy decoding says after each trigger, cut to the length of the answer and its stop."""
    graft, tokenizer = writer.upper.graft, writer.tokenizer
    prompts = [tokenizer(context + fact.trigger, add_special_tokens=False).input_ids for fact in facts]
    decoded = PromptBatch(graft, prompts, PAD, set(), 14).answer(RowBatch.shared(rows, len(facts)))
    return [tokenizer.decode(one.tokens)[: len(fact.answer) + 2] for one, fact in zip(decoded, facts, strict=True)]


def whole_answers(facts: list[Sentence] = FACTS) -> list[str]:
    return [f" {fact.answer}" + ("\n" if fact.answer[-1].isdigit() else ".") for fact in facts]


def encoded(writer: Writer, facts: list[Sentence], context: str = "") -> list:
    return [encode_sentence(writer.tokenizer, context, fact) for fact in facts]


def shared_addresses(writer: Writer, facts: list[Sentence]) -> set[int]:
    first, second = (set(written_keys(writer.upper.graft, item).tolist()) for item in encoded(writer, facts))
    return first & second


def content(rows: RowMap) -> tuple[bytes, bytes]:
    return rows.addresses.numpy().tobytes(), rows.values.numpy().tobytes()


# What is learnt


def test_encoding_tells_context_trigger_and_answer_apart(llama: Base) -> None:
    for context in ("", "Über allem. ", "東京\n", "Ends in é"):
        for fact in (*FACTS, Sentence("Ma ville est", "Orléans"), Sentence("私は", "東京 に いる")):
            item = encode_sentence(llama.tokenizer, context, fact)
            bounds = [0, item.sentence_start, item.answer_start, len(item.ids)]
            parts = [llama.tokenizer.decode(item.ids[start:end]) for start, end in pairwise(bounds)]
            assert parts == [context, fact.trigger, f" {fact.answer}"]


def test_written_keys_are_the_ngrams_within_the_sentence_that_predict_the_answer(graft: Graft, llama: Base) -> None:
    for fact in (*FACTS, Sentence("Pi", "3.14")):
        item = encode_sentence(llama.tokenizer, "", fact)
        keys, _ = keys_of(graft, item.ids)
        wanted = [
            int(keys[position, at])
            for position in range(item.answer_start - 1, len(item.ids))
            for at, order in enumerate(SPEC.orders)
            if order <= position + 1
        ]
        for context in ("", *CONTEXTS, *UNSEEN):
            assert written_keys(graft, encode_sentence(llama.tokenizer, context, fact)).tolist() == wanted


# Joint OPT


def test_joint_rows_say_each_whole_answer(writer: Writer) -> None:
    rows, report = write_optimised("rows_joint", writer, FACTS, [], SETTINGS, seed=0)
    assert report.unmet == 0
    assert 0 < report.steps < SETTINGS.max_steps
    assert report.steps <= report.examples <= report.steps * len(FACTS)
    assert said(writer, rows, "") == whole_answers()
    assert said(writer, writer.upper.graft.empty_rows(), "") != whole_answers()


def test_contextual_rows_say_them_after_contexts_unseen_in_writing(writer: Writer) -> None:
    rows, report = write_optimised("rows", writer, FACTS, CONTEXTS, SETTINGS, seed=0)
    assert report.unmet == 0
    for context in ("", *CONTEXTS, *UNSEEN):
        assert said(writer, rows, context) == whole_answers()


def test_all_strategies_write_the_same_addresses(writer: Writer) -> None:
    once = WriteSettings(max_steps=1)
    tables = [write_optimised(strategy, writer, FACTS, CONTEXTS, once, 0)[0] for strategy in OPTIMISED]
    tables += [write_closed_form(strategy, writer, FACTS, 1.0) for strategy in CLOSED_FORM]
    for table in tables:
        assert torch.equal(table.addresses, tables[0].addresses)
        assert table.values.shape == (len(table), SPEC.row_width)


@pytest.mark.parametrize("strategy", OPTIMISED)
def test_a_seed_fixes_every_byte(writer: Writer, strategy: str) -> None:
    few = WriteSettings(batch=3, max_steps=6)
    first, again, other = (write_optimised(strategy, writer, FACTS, CONTEXTS, few, seed) for seed in (1, 1, 2))
    assert content(first[0]) == content(again[0])
    assert first[1] == again[1]
    assert content(first[0])[0] == content(other[0])[0]
    assert content(first[0])[1] != content(other[0])[1]


@pytest.mark.parametrize("strategy", OPTIMISED)
def test_one_step_leaves_every_fact_unmet(writer: Writer, strategy: str) -> None:
    _, report = write_optimised(strategy, writer, FACTS, CONTEXTS, WriteSettings(batch=2, max_steps=1), seed=0)
    assert report == WriteReport(steps=1, examples=2, unmet=len(FACTS))


def test_facts_that_cannot_both_be_said_are_given_up(writer: Writer) -> None:
    clash = [Sentence("My cat is called", "Tim"), *FACTS]
    settings = WriteSettings(rate=0.5, max_steps=2000, stubborn=60)
    rows, report = write_optimised("rows_joint", writer, clash, [], settings, seed=0)
    assert 1 <= report.unmet <= 2 and report.steps < 200, "without a limit every step would be taken"
    rest = [fact for fact in FACTS if fact.trigger != "My cat is called"]
    assert said(writer, rows, "", rest) == whole_answers(rest)


@pytest.mark.parametrize("steps", [12, 24, 36])
@pytest.mark.parametrize("strategy", ["rows", "rows_joint"])
def test_unmet_is_what_a_check_of_every_context_finds(writer: Writer, strategy: str, steps: int) -> None:
    rows, report = write_optimised(strategy, writer, FACTS, CONTEXTS, WriteSettings(max_steps=steps), seed=0)
    below = set()
    for context in ["", *CONTEXTS] if strategy == "rows" else [""]:
        items = encoded(writer, FACTS, context)
        group = ContextExamples(CachedSequences(writer.upper, [item.ids for item in items]), items, rows)
        hidden, targets, owner = group.hidden_at_targets(rows.values, torch.arange(len(FACTS)))
        for logits, target, fact in zip(writer.head(hidden), targets.tolist(), owner.tolist(), strict=True):
            wanted, logits[target] = float(logits[target]), -torch.inf
            if wanted - float(logits.max()) < WriteSettings().margin:
                below.add(fact)
    assert report.unmet == len(below)


@pytest.mark.parametrize("rivals", [2, 4])
def test_few_rivals_while_learning_do_not_soften_the_stopping_rule(
    writer: Writer, rivals: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against so few tokens learning looks done too early: only checks of the whole vocabulary may end it."""
    monkeypatch.setattr(row_writer, "_RIVALS", rivals)
    rows, report = write_optimised("rows", writer, FACTS, CONTEXTS, SETTINGS, seed=0)
    assert report.unmet == 0
    for context in ("", *CONTEXTS):
        assert said(writer, rows, context) == whole_answers()


def test_writing_leaves_the_model_without_gradients(writer: Writer) -> None:
    write_optimised("rows_joint", writer, FACTS, [], WriteSettings(max_steps=2), seed=0)
    assert all(parameter.grad is None for parameter in writer.upper.graft.model.parameters())


def test_writing_ends_when_the_watcher_says_so(writer: Writer) -> None:
    seen: list[RowMap] = []

    def third(rows: RowMap) -> bool:
        seen.append(rows)
        return len(seen) == 3

    rows, report = write_optimised("rows", writer, FACTS, CONTEXTS, SETTINGS, seed=0, watch=third)
    assert (report.steps, report.unmet) == (3, len(FACTS))
    assert content(rows) == content(seen[-1])


# OPT: each fact on rows of its own


def test_apart_each_fact_has_private_rows_and_the_last_write_wins(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With rows that say which fact learnt them, the merged table says who wrote each address last."""

    def label_rows(groups, sentences, table, *_rest):
        index = groups[0].suffix.index
        values = torch.full_like(table.values, -1.0)
        for fact in range(sentences):
            mine = index[fact][index[fact] >= 0].unique()
            assert bool((values[mine] == -1).all()), "no row is read by two facts"
            values[mine] = fact
        assert bool((values >= 0).all())
        return table.with_values(values), WriteReport(0, 0, 0)

    monkeypatch.setattr(row_strategies, "optimise", label_rows)
    facts = [*FACTS, *TWINS, *FACTS[:2]]
    rows, _ = write_optimised("rows_opt", writer, facts, [], SETTINGS, seed=0)
    last = {key: at for at, item in enumerate(encoded(writer, facts)) for key in written_keys(writer.upper.graft, item).tolist()}
    wanted = torch.tensor([float(last[key]) for key in rows.addresses.tolist()])
    assert torch.equal(rows.values, wanted[:, None].expand_as(rows.values))
    assert shared_addresses(writer, TWINS)


def test_apart_the_later_of_two_facts_on_one_address_is_said_for_both(writer: Writer) -> None:
    for facts in (TWINS, TWINS[::-1]):
        assert len(shared_addresses(writer, facts)) >= 8, "the trigger's end, and the space after it"
        rows, report = write_optimised("rows_opt", writer, facts, [], SETTINGS, seed=0)
        assert report.unmet == 0, "alone, each fact was learnt"
        first, second = said(writer, rows, "", facts)
        assert first == second == f" {facts[1].answer}."


# Closed forms


@pytest.mark.parametrize("strategy", CLOSED_FORM)
def test_closed_forms_solve_their_equation_for_a_single_fact(llama: Base, writer: Writer, strategy: str) -> None:
    graft, model = writer.upper.graft, llama.model
    fact, scale = Sentence("My cat is called", "Tom"), 3.0
    rows = write_closed_form(strategy, writer, [fact], scale)
    ids = token_ids(llama, f"{fact.trigger} {fact.answer}.")
    stream = []
    watch = decoder_layers(model)[SPEC.layer].register_forward_pre_hook(lambda _block, args: stream.append(args[0][0]))
    with torch.no_grad():
        model(input_ids=torch.tensor([ids]))
    watch.remove()
    source = model.get_input_embeddings().weight if strategy == "rows_wte" else model.lm_head.weight * model.model.norm.weight
    index = find_rows(graft, rows, ids)
    positions = range(len(fact.trigger) - 1, len(ids) - 1)
    assert (index >= 0).any(1).nonzero().flatten().tolist() == list(positions)
    for position in positions:
        hidden, unit = stream[0][position], source[ids[position + 1]] / source[ids[position + 1]].norm()
        embedding = gather_rows(rows.values, index[position][None])[0]
        torch.testing.assert_close(graft.w_value @ embedding, scale * hidden.norm() * unit, atol=1e-3, rtol=1e-3)
        gate = graft.gate(hidden, embedding).item()
        if strategy == "rows_dual":  # W_K e is parallel to h, so the score is sqrt(d)
            torch.testing.assert_close(graft.w_key @ embedding, scale * hidden, atol=1e-3, rtol=1e-3)
            assert gate == pytest.approx(torch.sigmoid(torch.tensor(graft.width**0.25)).item(), abs=1e-3)
        else:
            assert gate < 0.9
            smallest = torch.linalg.pinv(graft.w_value) @ (graft.w_value @ embedding)
            torch.testing.assert_close(embedding, smallest, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("strategy", CLOSED_FORM)
def test_closed_forms_average_on_a_shared_address(writer: Writer, strategy: str) -> None:
    together = write_closed_form(strategy, writer, TWINS, 2.0)
    alone = [write_closed_form(strategy, writer, [fact], 2.0) for fact in TWINS]
    shared = shared_addresses(writer, TWINS)
    for at, key in enumerate(together.addresses.tolist()):
        parts = [rows.values[rows.find(torch.tensor(key))] for rows in alone if key in rows.addresses.tolist()]
        assert len(parts) == 1 + (key in shared)
        torch.testing.assert_close(together.values[at], torch.stack(parts).mean(0), atol=CLOSE, rtol=1e-3)


def test_closed_forms_draw_nothing_and_scale(writer: Writer) -> None:
    for strategy in CLOSED_FORM:
        once, again, double = (write_closed_form(strategy, writer, FACTS, scale) for scale in (1.0, 1.0, 2.0))
        assert content(once) == content(again)
        torch.testing.assert_close(double.values, 2 * once.values, atol=CLOSE, rtol=1e-3)


def test_dual_rows_say_a_fact(writer: Writer) -> None:
    rows = write_closed_form("rows_dual", writer, FACTS[:1], 4.0)
    assert said(writer, rows, "", FACTS[:1]) == whole_answers(FACTS[:1])


# Random rows


def test_randomised_keeps_addresses_and_norms_and_nothing_else(writer: Writer) -> None:
    rows, _ = write_optimised("rows_joint", writer, FACTS, [], SETTINGS, seed=0)
    first, again, other = (randomised(rows, seed) for seed in (3, 3, 4))
    assert content(first) == content(again)
    assert content(first)[1] != content(other)[1]
    assert torch.equal(first.addresses, rows.addresses)
    torch.testing.assert_close(first.values.norm(dim=-1), rows.values.norm(dim=-1), atol=0, rtol=1e-5)
    cosine = torch.nn.functional.cosine_similarity(first.values, rows.values)
    assert cosine.mean().abs() < 0.05
    assert said(writer, first, "") != whole_answers()


# Facts that cannot be written


def joining_tokenizer(**parts) -> PreTrainedTokenizerFast:
    """Bytes, and one token for "s" followed by a space."""
    space = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(" ")[0][0]
    symbols = [*sorted(pre_tokenizers.ByteLevel.alphabet()), f"s{space}"]
    core = Tokenizer(models.BPE(vocab={symbol: at for at, symbol in enumerate(symbols)}, merges=[("s", space)]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    for name, part in parts.items():
        setattr(core, name, part)
    return PreTrainedTokenizerFast(tokenizer_object=core)


def test_an_answer_that_joins_its_trigger_is_refused() -> None:
    tokenizer = joining_tokenizer()
    with pytest.raises(UserError, match=r"fact 'My dentist is': answer 'Dr. Okafor': the tokenizer joins it to its trigger"):
        encode_sentence(tokenizer, "", FACTS[0])
    assert encode_sentence(tokenizer, "", FACTS[1]).answer_start == len(FACTS[1].trigger) - 1, '"s " within a trigger is fine'


@pytest.mark.parametrize("answer", ["Denver  ", " Denver", "Denver\x1f", "\u2003Denver"])
def test_an_answer_that_does_not_come_back_is_refused(answer: str) -> None:
    with pytest.raises(UserError, match=r"fact 'I live in': answer .*: the tokenizer cannot round-trip it"):
        encode_sentence(byte_tokenizer(), "", Sentence("I live in", answer))


@pytest.mark.parametrize(
    ("trigger", "answer", "message"),
    [
        ("I live in", "Denver\n", "has a line break"),
        ("I live in", "  ", "is empty"),
        ("", "Denver", "is empty"),
        ("I live in", "<eos>", "control token"),
    ],
)
def test_what_no_reader_could_say_is_refused(trigger: str, answer: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        encode_sentence(byte_tokenizer(), "", Sentence(trigger, answer))


def test_an_answer_that_the_tokenizer_rewrites_is_refused() -> None:
    tokenizer = joining_tokenizer(normalizer=normalizers.Lowercase())
    with pytest.raises(UserError, match=r"fact 'I live in': answer 'Denver': the tokenizer cannot round-trip it"):
        encode_sentence(tokenizer, "", Sentence("I live in", "Denver"))


@pytest.mark.parametrize("strategy", [*OPTIMISED, *CLOSED_FORM])
def test_every_strategy_names_the_fact_that_it_cannot_write(writer: Writer, strategy: str) -> None:
    facts = [*FACTS, Sentence("My ship is", "Argo  ")]
    with pytest.raises(UserError, match=r"fact 'My ship is': answer 'Argo '"):
        if strategy in CLOSED_FORM:
            write_closed_form(strategy, writer, facts, 1.0)
        else:
            write_optimised(strategy, writer, facts, CONTEXTS, SETTINGS, 0)


def test_each_sentence_may_have_a_context_of_its_own_and_a_stop(writer):
    own = [f"Question: {at}?\nThought: " for at in range(len(FACTS))]
    facts = [Sentence(fact.trigger, fact.answer, ";") for fact in FACTS]
    rows, report = write_optimised("rows", writer, facts, [own], SETTINGS, seed=0)
    assert report.unmet == 0
    same, _ = write_optimised("rows", writer, facts, [[CONTEXTS[0]] * len(facts)], WriteSettings(max_steps=2), seed=0)
    shared, _ = write_optimised("rows", writer, facts, [CONTEXTS[0]], WriteSettings(max_steps=2), seed=0)
    assert torch.equal(same.values, shared.values)
    assert torch.equal(rows.addresses, shared.addresses), "addresses do not depend on what precedes a sentence"
    assert (
        encode_sentence(writer.tokenizer, own[0], facts[0]).stop == writer.tokenizer(";", add_special_tokens=False).input_ids[-1]
    )


def test_a_mark_before_every_text_is_read_and_never_written(graft: Graft) -> None:
    marked = byte_tokenizer()
    marked.backend_tokenizer.post_processor = TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 256)])
    plain = byte_tokenizer()
    for context in ("", CONTEXTS[0]):
        with_mark, without = (encode_sentence(one, context, FACTS[0]) for one in (marked, plain))
        assert with_mark.ids == [256, *without.ids] and with_mark.following == without.following
        assert with_mark.sentence_start == without.sentence_start + 1
        assert torch.equal(written_keys(graft, with_mark), written_keys(graft, without))
