"""One user's answer has the same bits alone and among others, and is the one that the bench's decoder gives."""

import threading

import torch
from grafts import CLOSE, PAD, SPEC, rows_ending_at, single_logits, token_ids
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest import fixture, raises

from loci.bench.decode import PromptBatch
from loci.errors import UserError
from loci.models.rows import RowBatch
from loci.serve import exact, slots
from loci.serve.engine import CHUNK, WIDTHS, Busy, Engine, Request, Runner
from loci.serve.exact import exact_widths
from loci.serve.overlay import ServedGraft, width_of
from loci.serve.slots import SlotCache

TEXTS = [
    "My dentist is",
    "The parser reads",
    "x",
    "A statement that is so long that its tokens are read in more than one chunk: my sister's name is",
    "The module defines a class that",
    "My dentist was",
]
LIMIT = 6


@fixture(scope="module", params=["llama", "gpt_neox"])
def world(request, bases):
    """A grafted base, rows of six users who have large random rows at the ends of their texts and in the answers, ids."""
    base = bases[request.param]
    graft = ServedGraft(base.model, base.tokenizer, SPEC)
    ids = [token_ids(base, text) for text in TEXTS]
    rows = [rows_ending_at(graft, [(one, [len(one) - 1])], seed) if seed != 2 else None for seed, one in enumerate(ids)]
    yield base, graft, ids, rows, exact_widths(graft)
    graft.detach()


def asked(world, at: int, limit: int = LIMIT) -> tuple[Request, list[torch.Tensor]]:
    _, _, ids, rows, _ = world
    seen: list[torch.Tensor] = []
    return Request(ids[at], rows[at], limit, lambda tokens: False, watch=lambda logits: seen.append(logits.clone())), seen


def alone(world, at: int) -> list[torch.Tensor]:
    with Engine(world[1], 4, 128, world[4]) as engine:
        request, seen = asked(world, at)
        engine.serve([request])
    return seen


@fixture(scope="module")
def answers(world) -> list[list[torch.Tensor]]:
    """Logits of every request, served alone."""
    return [alone(world, at) for at in range(len(TEXTS))]


def test_answers_are_those_of_the_bench(world, answers):
    _, graft, ids, rows, _ = world
    for at, logits in enumerate(answers):
        own = rows[at] if rows[at] is not None else graft.empty_rows()
        decoded = PromptBatch(graft, [ids[at]], PAD, set(), LIMIT).answer(RowBatch.shared(own, 1))[0]
        assert [int(one.argmax()) for one in logits] == decoded.tokens, TEXTS[at]
        if rows[at] is not None:
            plain = single_logits(graft, graft.empty_rows(), ids[at])[-1]
            assert not torch.allclose(plain, logits[0], atol=CLOSE), "rows that change nothing prove nothing"
            assert torch.allclose(single_logits(graft, own, ids[at])[-1], logits[0], atol=CLOSE)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.integers(0, len(TEXTS) - 1), min_size=2, max_size=14), room=st.integers(2, 32))
def test_any_mixture_gives_every_request_the_bits_that_it_has_alone(world, answers, order, room):
    with Engine(world[1], room, 128, world[4]) as engine:
        requests = [asked(world, at) for at in order]
        engine.serve([request for request, _ in requests])
        for at, (_, seen) in zip(order, requests, strict=True):
            assert torch.equal(torch.stack(seen), torch.stack(answers[at])), TEXTS[at]


def test_requests_that_come_and_go_leave_the_others_alone(world, answers):
    with Engine(world[1], 3, 128, world[4]) as engine:
        stays, seen = asked(world, 0)
        goes, _ = asked(world, 4, 40)
        engine.submit(stays)
        engine.submit(goes)
        engine.step()
        late, seen_late = asked(world, 3)
        engine.submit(late)
        goes.cancelled = True
        while not engine.idle:
            engine.step()
    assert torch.equal(torch.stack(seen), torch.stack(answers[0])) and goes.finish == "cancelled"
    assert torch.equal(torch.stack(seen_late), torch.stack(answers[3])) and late.finish == "length"


def test_the_base_model_is_left_as_it_was(world):
    base, _, ids, *_ = world
    before = {name: value.clone() for name, value in base.model.state_dict().items()}
    attention = base.model.config._attn_implementation
    plain = base.model(torch.tensor([ids[0]])).logits
    alone(world, 0)
    assert base.model.config._attn_implementation == attention
    assert torch.equal(base.model(torch.tensor([ids[0]])).logits, plain)
    assert all(torch.equal(value, before[name]) for name, value in base.model.state_dict().items())


def test_a_stop_ends_an_answer_and_everything_that_is_said_is_told(world):
    with Engine(world[1], 2, 128, world[4]) as engine:
        told: list[int | None] = []
        request = Request(world[2][0], None, 9, lambda tokens: len(tokens) == 3, emit=told.append)
        engine.serve([request])
    assert told == [*request.tokens, None] and len(request.tokens) == 3 and request.finish == "stop"


def test_what_does_not_fit_is_refused(world):
    _, graft, ids, *_ = world
    with Engine(graft, 2, 40, list(WIDTHS), waiting=1) as engine:
        for prompt, limit in (([], 1), ([1] * 39, 2)):
            with raises(UserError, match="tokens"):
                engine.submit(Request(prompt, None, limit, lambda tokens: False))
        engine.submit(Request(ids[0], None, 2, lambda tokens: False))
        with raises(Busy):
            engine.submit(Request(ids[0], None, 2, lambda tokens: False))
    with raises(UserError, match="at most 32 fit"):
        Engine(graft, 33, 40, list(WIDTHS))


def test_a_failing_step_ends_what_was_asked_and_serves_the_next(world, monkeypatch, caplog):
    with Engine(world[1], 2, 128, world[4]) as engine:
        runner = Runner(engine)
        with monkeypatch.context() as broken:
            broken.setattr(engine, "forward", lambda *arguments: 1 / 0)
            failing = _wait(runner, asked(world, 0)[0])
        fine = _wait(runner, asked(world, 0)[0])
        runner.stop()
    assert (failing.finish, fine.finish) == ("failed", "length") and "ZeroDivisionError" in caplog.text


def _wait(runner: Runner, request: Request) -> Request:
    done = threading.Event()
    request.emit = lambda token: done.set() if token is None else None
    runner.submit(request)
    assert done.wait(60)
    return request


def test_widths_that_add_in_another_order_are_found(world, monkeypatch):
    """A product that rounds otherwise for some numbers of rows, as libraries have, costs those widths and nothing else."""
    base, graft, *_, widths = world
    assert widths[-1] == WIDTHS[-1]
    head = base.model.get_output_embeddings()
    plain = head.forward
    monkeypatch.setattr(head, "forward", lambda hidden: plain(hidden) * (1 + 2e-7 * (len(hidden) in (2, 16))))
    assert exact_widths(graft) == [width for width in widths if width not in (2, 16)]


def rows_read(graft, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Hidden states and what is read there, at random."""
    generator = torch.Generator().manual_seed(5)
    widths = (graft.width, graft.w_key.shape[1])
    return tuple(torch.randn(count, width, generator=generator) for width in widths)


def test_a_gate_has_the_same_bits_in_any_company(world):
    """Sigmoids of whole vectors and of what is left over differ in the last bit of some."""
    hidden, read = rows_read(world[1], 600)
    with torch.no_grad():
        together = torch.cat([world[1].steady_value(*pair) for pair in zip(hidden.split(64), read.split(64), strict=True)])
        for count in (2, 8, 24, 48):
            pairs = zip(hidden.split(count), read.split(count), strict=True)
            assert torch.equal(torch.cat([world[1].steady_value(*pair) for pair in pairs]), together)
        assert torch.allclose(together, world[1].gated_value(hidden, read), rtol=1e-5, atol=1e-7)


def test_a_gate_that_rounds_otherwise_for_few_rows_is_found(world, monkeypatch):
    graft, plain = world[1], ServedGraft.steady_value

    def steady(self, hidden: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        rare = (hidden[:, :1] > 2) * (len(hidden) in (2, 16))
        return plain(self, hidden, embedding) * (1 + 2e-7 * rare)

    monkeypatch.setattr(ServedGraft, "steady_value", steady)
    assert exact_widths(graft) == [width for width in world[4] if width not in (2, 16)]


def test_a_machine_on_which_places_matter_is_refused(world, monkeypatch):
    plain = Engine.logits
    moved = torch.linspace(1, 1.001, WIDTHS[-1])[:, None]
    monkeypatch.setattr(exact.Engine, "logits", lambda self, hidden, rows: plain(self, hidden, rows) * moved[: len(rows)])
    with raises(UserError, match="threads"):
        exact_widths(world[1])


def test_sums_over_masked_columns_are_only_shortened_where_they_have_the_same_bits(world, monkeypatch):
    config = world[0].model.config
    assert SlotCache(config, 2, 200).read(3) in (64, 256)
    monkeypatch.setattr(slots, "_masked_columns_change_nothing", lambda heads, shape: False)
    assert SlotCache(config, 2, 200).read(3) == 256


def test_the_least_width_that_holds_them():
    assert [width_of(count, [2, 4, 8]) for count in (1, 2, 3, 8)] == [2, 2, 4, 8] and WIDTHS[-1] > CHUNK


def test_models_with_sliding_layers_are_refused(bases):
    base = bases["gemma3_text"]
    graft = ServedGraft(base.model, base.tokenizer, SPEC)
    try:
        with raises(UserError, match="latest tokens"):
            Engine(graft, 2, 40, list(WIDTHS))
    finally:
        graft.detach()
