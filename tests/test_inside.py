"""Inside the write: the probe is the forward, positions are where they are said to be, measures on hand-made cases, the steps."""

import dataclasses

import pytest
import torch
from grafts import SPEC, grafted
from steps_path import dies_after, load_step

from loci.bench.glass_box import (
    OFFSETS,
    PARTS,
    effect,
    effect_parts,
    entries,
    fit_adapter,
    gate_elsewhere,
    in_the_middle,
    lens_series,
    says,
    sentence_encoded,
    table_measures,
    telling,
    until_met,
)
from loci.bench.inside_findings import inside_block
from loci.bench.ledger import Ledger, write_ledger
from loci.bench.style import plt
from loci.config import load_config
from loci.errors import UserError
from loci.memories.row_examples import Sentence
from loci.memories.row_strategies import Writer, randomised, write_closed_form, write_optimised
from loci.memories.row_writer import WriteSettings, initial_rows
from loci.models.adapters import LoraSlot, LoraSpec
from loci.models.base import load_base
from loci.models.probing import Probe, rank_of
from loci.models.rows import RowBatch
from loci.models.tuning import Example, marked_logits
from loci.models.upper import UpperStack
from loci.paths import CONFIG
from loci.results import read_result
from loci.worlds.people import build_users
from loci.worlds.records import Fact, save_users

LONG = dataclasses.replace(SPEC, orders=(4, 9))  # a token is a byte here: shorter n-grams are everywhere
FACT = Fact("pet", "Bo", "My pet answers to Bo.", ("Bo",))
RENT = Fact("rent", "640", "My monthly rent in dollars is 640.", ("640",))


@pytest.fixture
def writer(llama):
    with grafted(llama, LONG) as graft:
        yield Writer(UpperStack(graft), llama.tokenizer)


@pytest.fixture
def written(writer):
    settings = WriteSettings(rate=0.5, max_steps=300)
    return write_optimised("rows_joint", writer, [Sentence(FACT.trigger, FACT.answer)], [], settings, 0)[0]


def test_the_probe_reads_what_the_model_computes(base):
    with grafted(base) as graft:
        ids = base.tokenizer("A pet of mine answers to Bo.").input_ids
        read = Probe(graft).read(ids)
        plain = base.model(input_ids=torch.tensor([ids]), output_hidden_states=True)
        assert torch.equal(read.logits, plain.logits[0]) and read.stream.shape == (5, len(ids), graft.width)
        for at in range(4):  # the model's last hidden state stands behind the final norm
            assert torch.equal(read.stream[at], plain.hidden_states[at][0])
        assert torch.allclose(Probe(graft).lens(read.stream[-1]), read.log_probs, atol=1e-5)


def test_what_is_added_is_what_a_session_adds(writer, written):
    graft, ids = writer.upper.graft, writer.tokenizer("So my pet answers to Bo and to nobody.").input_ids
    probe = Probe(graft)
    plain = probe.read(ids)
    added = probe.adds(written, ids, plain.stream[probe.layer])
    assert added.hit.any() and not added.hit[: len("So my pet answers t")].any()
    assert (added.gate[added.hit] > 0).all() and (added.gate[~added.hit] == 0).all()
    tokens = torch.tensor([ids])
    session = graft.session(RowBatch.shared(written, 1)).forward(tokens, torch.ones_like(tokens)).logits[0]
    assert torch.allclose(probe.read(ids, added.vectors).logits, session, atol=1e-5)
    assert torch.equal(probe.embedding(written, ids, 0), torch.zeros(len(LONG.orders) * LONG.row_width))


def test_places_of_a_trigger_in_the_middle(llama):
    for number, fact in enumerate((FACT, RENT, Fact("allergy", "figs", "I am allergic to figs.", ("figs",)))):
        told, open_ = (in_the_middle(fact, number, told, llama.tokenizer) for told in (True, False))
        shown = llama.tokenizer.decode(told.ids[: told.trigger_end + 1])
        assert shown.endswith(fact.trigger[1:]) and not shown.startswith(fact.trigger)
        assert llama.tokenizer.decode(told.ids[told.part("answer")]).strip() == fact.answer
        assert [at for name in PARTS for at in range(len(told.ids))[told.part(name)]] == list(range(len(told.ids)))
        assert open_.ids[: open_.trigger_end + 1] == told.ids[: told.trigger_end + 1] and not open_.ids[open_.part("answer")]
        assert fact.answer not in llama.tokenizer.decode(open_.ids)
    first = telling(sentence_encoded(RENT, llama.tokenizer), llama.tokenizer)
    assert llama.tokenizer.decode(sentence_encoded(RENT, llama.tokenizer).ids[first]) == "6", "behind the blank"


def test_a_table_is_told_from_its_controls(writer, written):
    probe, encoded = Probe(writer.upper.graft), sentence_encoded(FACT, writer.tokenizer)
    first = telling(encoded, writer.tokenizer)
    drawn = initial_rows(written.addresses, written.values.shape[1], 0.05, torch.Generator().manual_seed(0))
    found = table_measures(probe, encoded, first, written, drawn)
    assert found["said_first"] == 1 and found["plain_first"] == 0 and found["said_nats"] < found["plain_nats"]
    assert found["path.value"] > 0.5 > abs(found["path.gate"]), "an empty value with an open gate says nothing"
    assert len(found["along"]) == len(found["grown"]) == 4 - SPEC.layer and all(0 <= one <= 1 for one in found["along"])
    closed = write_closed_form("rows_unembed", writer, [Sentence(FACT.trigger, FACT.answer)], 4.0)
    without = table_measures(probe, encoded, first, closed, None)
    assert without["value_rank"] == 1 and "path.value" not in without, "the unembedding is what it encodes"
    noise = table_measures(probe, encoded, first, randomised(written, 0), drawn)
    assert noise["said_first"] == 0 and noise["added_to_stream"] > 0
    assert 0 < found["gate.later"] < 1 and found["gate.later"] != found["gate.written"]
    same = table_measures(probe, encoded, first, drawn, drawn)
    assert same["gate.drawn"] == same["gate.written"] and same["path.value"] is None, (
        "nothing was saved, so nothing is shared out"
    )


def test_gates_elsewhere_are_of_rows_that_are_read_and_of_the_own_row(writer, written):
    probe = Probe(writer.upper.graft)
    texts = [writer.tokenizer(text).input_ids for text in ("The cat answers to Bo", "Nothing of the sort.")]
    streams = [probe.read(ids) for ids in texts]
    own = probe.embedding(written, sentence_encoded(FACT, writer.tokenizer).ids, len("My pet answers to") - 1)
    assert own.any()
    found = gate_elsewhere(probe, written, own, streams, texts)
    assert 0 < found["gate.laid_elsewhere"] < 1 and 0 < found["gate.read_elsewhere"] < 1
    assert "gate.read_elsewhere" not in gate_elsewhere(probe, written, own, streams[1:], texts[1:])


def test_rows_are_felt_from_their_trigger_on(writer, written):
    probe = Probe(writer.upper.graft)
    for told in (True, False):
        placed = in_the_middle(FACT, 1, told, writer.tokenizer)
        plain = probe.read(placed.ids)
        moved = probe.read(placed.ids, probe.adds(written, placed.ids, plain.stream[probe.layer]).vectors)
        found = effect_parts(effect(plain, moved, placed.ids), placed)
        assert found["before.kl"] == 0 and not any(found["before.change"])
        assert found["trigger.kl"] > 0 and found["after.kl"] > 0 and ("answer.kl" in found) == told
        assert not any(found["trigger.change"][: SPEC.layer + 1]) and found["trigger.change"][-1] > 0
        assert found["kl_around"][OFFSETS.index(0)] == pytest.approx(found["trigger.kl"])
        assert found["kl_around"][OFFSETS.index(-1)] == 0
        nothing = effect(plain, plain, placed.ids)
        assert not any(part.any() for part in nothing.values())
        if told:
            assert says(moved, placed) and not says(plain, placed)
    series = lens_series(probe, moved.stream[:, placed.trigger_end], placed.ids[0])
    assert len(series["nats"]) == len(series["first"]) == 5


def test_ranks_begin_at_one():
    assert [rank_of(torch.tensor([3.0, 5.0, 5.0, 1.0]), token) for token in range(4)] == [3, 1, 1, 4]


def test_an_adapter_stops_at_the_margin_and_leaves_no_trace(tiny_root):
    base = load_base("tiny", tiny_root / "tiny")
    slot, encoded = LoraSlot(base, LoraSpec(4)), sentence_encoded(FACT, base.tokenizer)
    ids = (*encoded.ids, encoded.stop)
    example = Example(ids, tuple(at >= encoded.answer_start for at in range(len(ids))))
    before = marked_logits(base.model, [example], 0)[0]
    _, steps, met = fit_adapter(slot, encoded, 0.01, 2.0, 200, 0)
    logits, wanted = marked_logits(base.model, [example], 0)
    best, second = logits.topk(2).values.unbind(-1)
    assert met and 0 < steps < 200 and torch.equal(logits.argmax(-1), wanted) and (best - second >= 2).all()
    slot.put(None)
    assert torch.equal(marked_logits(base.model, [example], 0)[0], before)
    assert fit_adapter(slot, encoded, 0.01, 2.0, 1, 0)[1:] == (1, False)


def test_seeds_are_averaged_within_facts_and_only_counts_get_an_interval_for_nothing():
    items = [
        {"fact": fact, "seed": seed, "measures": {"a.first": 1.0, "b.change": [0.0, value], "c": None}}
        for fact, seed, value in (("x", 0, 1.0), ("x", 1, 3.0), ("y", 0, 4.0))
    ]
    found = entries(items, "inside.b", "s.json")
    assert set(found) == {"inside.b.a.first", "inside.b.b.change.0", "inside.b.b.change.1"}
    assert found["inside.b.b.change.1"]["value"] == 3.0 and found["inside.b.b.change.1"]["n"] == 2
    nothing = found["inside.b.b.change.0"]
    assert nothing["low"] == nothing["high"] == 0.0
    assert found["inside.b.a.first"]["low"] < 1.0, "two of two are not all"


def test_depth_is_compared_by_fact_with_seeds_averaged():
    right = {("x", 0, 0): 0.0, ("x", 1, 0): 1.0, ("x", 0, 9): 1.0, ("x", 1, 9): 1.0, ("y", 0, 0): 1.0, ("y", 0, 9): 1.0}
    items = [{"layer": at, "fact": fact, "seed": seed, "measures": {"middle.says": x}} for (fact, seed, at), x in right.items()]
    whole = [{"layer": at, "fact": "all", "seed": 0, "measures": {"steps": 3}} for at in (0, 9)]
    between = [{**one, "layer": 4, "measures": {"middle.says": 0.0}} for one in items]
    found = load_step("write_depths").last_minus_first(items + whole + between, [0, 4, 9], "b", "s.json")
    assert set(found) == {"inside.depth.b.last_minus_first.middle.says"}
    gap = found["inside.depth.b.last_minus_first.middle.says"]
    assert gap["value"] == 0.25 and gap["n"] == 2
    assert -1 <= gap["low"] < 0 < gap["high"] <= 1, "two facts, one of them alike at both depths, decide nothing"


def test_convergence_has_no_visits_to_run_out_of():
    settings = until_met(load_config(CONFIG / "smoke.yaml")["write"], 77)
    assert settings.max_steps == settings.stubborn == 77


@pytest.fixture(scope="module")
def options(tiny_root, tmp_path_factory):
    users = tmp_path_factory.mktemp("users") / "people.json"
    save_users(users, build_users(8, 0, dev=4))
    return ["--config", str(CONFIG / "smoke.yaml"), "--users", str(users), "--model", str(tiny_root / "tiny")]


def without_costs(path) -> dict:
    return {name: value for name, value in read_result(path).items() if name != "provenance"}


@pytest.mark.parametrize("name", ["inspect_rows", "write_depths"])
def test_a_killed_step_goes_on_and_ends_the_same(name, options, tmp_path, monkeypatch):
    step, out = load_step(name), tmp_path / "killed" / "o.json"
    with dies_after(monkeypatch):
        step.main([*options, "--out", str(out)])
    assert not out.exists() and list(out.parent.rglob("*.json"))
    step.main([*options, "--out", str(out)])
    step.main([*options, "--out", str(tmp_path / "whole" / "o.json")])
    whole = without_costs(tmp_path / "whole" / "o.json")
    assert whole == without_costs(out) and whole["items"] and all(one["n"] for one in whole["metrics"].values())


def test_a_layer_outside_the_model_is_refused(options, tmp_path, monkeypatch):
    step = load_step("write_depths")
    settings = load_config(CONFIG / "smoke.yaml")
    settings["inside"]["depths"]["layers"] = [0, 4]
    monkeypatch.setattr(step, "load_config", lambda _: settings)
    with pytest.raises(UserError, match=r"inside\.depths\.layers: 4 is outside the model; choose 0 to 3"):
        step.main([*options, "--out", str(tmp_path / "o.json")])
    assert not any(tmp_path.iterdir())


@pytest.fixture
def ledger(tmp_path):
    """Every key that figure and findings ask for, by hand."""
    figure = load_step("draw_inside")
    keys = [f"inside.b.lens.{arm}.nats.{at}" for arm in figure.LENS for at in range(3)]
    for arm in ("rows", "lora"):
        keys += [f"inside.b.{arm}.open.{part}.change.{at}" for part in figure.REACH for at in range(3)]
        keys += [f"inside.b.{arm}.open.kl_around.{at}" for at in (0, 5, 7)]
        keys += [f"inside.b.{arm}.{key}" for key in ("unrelated.kl", "open.before.kl", "open.after.kl", "middle.says")]
    keys += [f"inside.b.rows.gate.{key}" for key in ("drawn", "written", "laid_elsewhere", "read_elsewhere")]
    keys += [f"inside.b.{table}.{key}_first" for table in ("rows", "rows_unembed", "rows_random") for key in ("value", "said")]
    keys += ["inside.b.rows.direct_first", "inside.b.rows.path.value", "inside.b.rows.path.gate"]
    for layer in (2, 11):
        keys += [f"inside.depth.b.l{layer}.{asked}.says" for asked in figure.DEPTH]
        keys += [f"inside.depth.b.l{layer}.{key}" for key in ("steps", "open.at_hits")]
    found = {
        key: {"value": at / 100, "low": at / 100, "high": at / 99, "n": 16, "source": "x.json"} for at, key in enumerate(keys)
    }
    write_ledger(tmp_path / "summary.json", found)
    return tmp_path / "summary.json", found


def test_the_figure_draws_what_is_in_the_ledger(ledger, tmp_path):
    path, found = ledger
    step = load_step("draw_inside")
    lens, change, around, deep, harm = step.draw(Ledger(path), "b").axes
    for drawn, arm in zip(lens.lines, step.LENS, strict=True):
        assert list(drawn.get_ydata()) == [found[f"inside.b.lens.{arm}.nats.{at}"]["value"] for at in range(3)]
    assert len(change.lines) == 2 * len(step.REACH)
    assert list(around.lines[0].get_xdata()) == [OFFSETS[at] for at in (0, 5, 7)]
    for place, (container, asked) in enumerate(zip(deep.containers, step.DEPTH, strict=True)):
        assert list(container.lines[0].get_xdata()) == pytest.approx([at + 0.3 * (place - 1) for at in (2, 11)])
        assert list(container.lines[0].get_ydata()) == [found[f"inside.depth.b.l{at}.{asked}.says"]["value"] for at in (2, 11)]
    wanted = [found[f"inside.depth.b.l{at}.open.at_hits"]["value"] for at in (2, 11)]
    assert list(harm.containers[0].lines[0].get_ydata()) == wanted
    plt.close("all")
    made = []
    for name in ("a", "b"):
        step.main(["--ledger", str(path), "--base", "b", "--out", str(tmp_path / f"{name}.pdf"), str(tmp_path / f"{name}.png")])
        made.append([(tmp_path / f"{name}.{kind}").read_bytes() for kind in ("pdf", "png")])
    assert made[0] == made[1]
    with pytest.raises(UserError, match="does not say what a write does inside other"):
        step.draw(Ledger(path), "other")


def test_findings_are_of_the_ledger_and_empty_without(ledger, tmp_path):
    path, found = ledger
    text = "\n".join(inside_block(Ledger(path), "b"))
    assert f"{found['inside.b.rows.gate.written']['value']:.2f}" in text and "layer 11" in text
    assert inside_block(Ledger(path), "other") == []
