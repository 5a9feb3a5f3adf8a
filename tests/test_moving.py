"""Rows elsewhere: carried by their n-grams, mapped, repeated text, tuning as a control, and the step."""

import copy
import dataclasses

import pytest
import torch
from grafts import SPEC, grafted
from steps_path import dies_after, load_step

from loci.bench.glass_box import says
from loci.bench.inside_findings import inside_block
from loci.bench.ledger import Ledger, write_ledger
from loci.bench.moving import bare, carried, explained, fitted_map, repeated, tune_model, tune_table
from loci.bench.rows_elsewhere import Bench, long, stack
from loci.bench.style import plt
from loci.config import load_config
from loci.errors import UserError
from loci.memories.row_examples import Sentence, encode_sentence, written_keys
from loci.memories.row_strategies import addresses_of
from loci.memories.row_writer import initial_rows
from loci.models.base import load_base
from loci.models.probing import Probe
from loci.paths import CONFIG
from loci.results import read_result
from loci.worlds.people import build_users
from loci.worlds.records import Fact, save_users

SENTENCES = [Sentence("My dentist is", "Okafor"), Sentence("My sister lives in", "Rome")]


def encoded(llama) -> list:
    return [encode_sentence(llama.tokenizer, "", one) for one in SENTENCES]


def drawn(graft, sentences) -> object:
    return initial_rows(addresses_of(graft, sentences), graft.spec.row_width, 1.0, torch.Generator().manual_seed(3))


def test_rows_are_carried_to_the_addresses_of_the_same_words(llama):
    with grafted(llama) as source, grafted(llama, dataclasses.replace(SPEC, seed=6)) as target:
        sentences = encoded(llama)
        rows = drawn(source, sentences)
        moved = carried(rows, source, target, sentences)
        assert not torch.isin(moved.addresses, rows.addresses).any() and len(moved) == len(rows)
        for one in sentences:
            old, new = (written_keys(graft, one) for graft in (source, target))
            assert torch.equal(rows.values[rows.find(old)], moved.values[moved.find(new)])
        again = carried(moved, target, source, sentences)
        assert torch.equal(again.addresses, rows.addresses) and torch.equal(again.values, rows.values)


def test_a_linear_map_is_found_where_there_is_one():
    generator = torch.Generator().manual_seed(0)
    rows, turn = torch.randn(50, 8, generator=generator), torch.randn(8, 8, generator=generator)
    found = fitted_map(rows, rows @ turn, 1e-6)
    assert torch.allclose(found, turn, atol=1e-3)
    held = torch.randn(9, 8, generator=generator)
    assert explained(held @ found, held @ turn) > 0.999
    noise = torch.randn(50, 8, generator=generator)
    assert explained(held @ fitted_map(rows, noise, 0.1), torch.randn(9, 8, generator=generator)) < 0.3, "there is none"
    assert explained(held, held) == 1 and explained(held * 0, held) == 0 and explained(-held, held) == -3


def test_repetition_is_of_runs_of_four():
    assert repeated([1, 2, 3]) == 0 and repeated([1, 2, 3, 4, 5]) == 0
    assert repeated([1, 2, 3, 4] * 2) == pytest.approx(1 / 5) and repeated([7] * 8) == pytest.approx(4 / 5)


def reads(probe, ids: list[int], rows=None):
    plain = probe.read(ids)
    return plain if rows is None else probe.read(ids, probe.adds(rows, ids, plain.stream[probe.layer]).vectors)


def test_controls_are_tuned_until_they_say_it_and_touch_their_part_alone(tiny_root):
    llama = load_base("tiny", tiny_root / "tiny")
    sentences, before = encoded(llama), copy.deepcopy(llama.model.state_dict())
    with grafted(llama) as graft:
        projections = graft.w_key.clone(), graft.w_value.clone()
        rows, steps, met = tune_table(graft, drawn(graft, sentences), sentences, 0.03, 1.0, 300)
        assert met and 0 < steps < 300 and not torch.equal(graft.w_value, projections[1])
        assert all(torch.equal(weight, before[name]) for name, weight in llama.model.state_dict().items())
        assert all(says(reads(Probe(graft), one.ids, rows), bare(one)) for one in sentences)
        assert not rows.values.requires_grad and not graft.w_value.requires_grad
    steps, met = tune_model(llama.model, sentences, 0.003, 1.0, 300)
    assert met and steps < 300 and not any(weight.requires_grad for weight in llama.model.parameters())
    with grafted(llama) as graft:
        assert all(says(reads(Probe(graft), one.ids), bare(one)) for one in sentences)
    assert tune_model(llama.model, [encode_sentence(llama.tokenizer, "", Sentence("A b c", "Xyz"))], 1e-9, 1.0, 2) == (2, False)


def settings() -> dict:
    return load_config(CONFIG / "smoke.yaml")


def patient_bench(tiny_root) -> tuple[Bench, list[Fact]]:
    """A bench on which rows of two facts are written until these are said, and the facts."""
    profile = settings()
    profile["inside"]["depths"]["most"] = 300
    profile["engram"] |= {"orders": [5, 14], "row_dim": 32}
    facts = [Fact("a", "Bo", "My pet answers to Bo.", ("Bo",)), Fact("b", "Rome", "My sister lives in Rome.", ("Rome",))]
    return Bench(load_base("tiny", tiny_root / "tiny"), profile), facts


def test_the_last_of_two_domains_stands_and_salts_keep_both(tiny_root):
    bench, facts = patient_bench(tiny_root)
    same = [Fact("a", "Zed", "My pet answers to Zed.", ("Zed",)), Fact("b", "Oslo", "My sister lives in Oslo.", ("Oslo",))]
    for one in stack(bench, facts, {"shared": same}, 0):
        assert one["alone.first.says"] == one["shared.stacked.second.says"] == 1
        assert one["shared.stacked.first.says"] == one["shared.unread.first.says"] == 0
        assert one["shared.salted.first.says"] == one["shared.salted.second.says"] == 1 and 0 < one["shared.shared_rows"] < 1


def test_long_text_goes_on_from_the_trigger_or_from_the_whole_sentence(tiny_root):
    bench, facts = patient_bench(tiny_root)
    measures, texts = long(bench, facts, 8, 0)
    for one, found, encoded in zip(texts, measures, bench.encoded(facts), strict=True):
        for name, start in (("none", encoded.ids[: encoded.answer_start]), ("told.none", encoded.ids)):
            ids = torch.tensor([start])
            whole = bench.base.model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False, pad_token_id=0
            )
            kept = [token for token in whole[0, ids.shape[1] :].tolist() if token != bench.tokenizer.eos_token_id]
            assert one[name] == bench.tokenizer.decode(kept) and found[f"{name}.tokens"] == len(kept)
        assert found["rows.used.says"] == 1 and "told.rows.used.says" not in found  # what was told says nothing by being there


def test_weights_are_tuned_in_one_copy_that_comes_back_as_the_base_was(tiny_root):
    base = load_base("tiny", tiny_root / "tiny")
    before = {name: weight.clone() for name, weight in base.model.state_dict().items()}
    bench = Bench(base, settings())
    first = bench.untuned()
    encoded = bench.encoded([Fact("a", "Bo", "My pet answers to Bo.", ("Bo",))])
    assert tune_model(first, encoded, 0.01, 1.0, 3)[0] > 0
    assert not torch.equal(first.get_input_embeddings().weight, base.model.get_input_embeddings().weight)
    second = bench.untuned()
    assert second is first and all(torch.equal(weight, before[name]) for name, weight in second.state_dict().items())


def test_a_killed_step_goes_on_and_ends_the_same(tiny_root, tmp_path, monkeypatch):
    save_users(tmp_path / "people.json", build_users(8, 0, dev=4))
    step, out = load_step("move_rows"), tmp_path / "killed" / "o.json"
    options = ["--config", str(CONFIG / "smoke.yaml"), "--users", str(tmp_path / "people.json")]
    options += ["--model", str(tiny_root / "tiny")]
    with dies_after(monkeypatch):
        step.main([*options, "--out", str(out)])
    assert not out.exists()
    step.main([*options, "--out", str(out)])
    step.main([*options, "--out", str(tmp_path / "whole" / "o.json")])
    found = [read_result(path) for path in (out, tmp_path / "whole" / "o.json")]
    assert found[0]["metrics"] == found[1]["metrics"] and found[0]["items"] == found[1]["items"]
    names = {key.removeprefix("inside.") for key in found[0]["metrics"]}
    wanted = {
        f"transfer.tiny.{target}.{how}.says" for target in ("projections", "tuned") for how in ("as_is", "mapped", "native")
    }
    wanted |= {f"tuned.tiny.{name}.unrelated.kl" for name in ("rows", "table", "model")}
    wanted |= {"stack.tiny.disjoint.stacked.first.says", "stack.tiny.shared.salted.second.says", "long.tiny.rows.used.says"}
    wanted |= {"long.tiny.told.delta_repeated", "long.tiny.told.rows.nats", "long.tiny.none.tokens"}
    read = [item["texts"] for item in found[0]["items"] if item["study"] == "long"]
    assert read and all(set(texts) == {"rows", "none", "told.rows", "told.none"} for texts in read)
    assert wanted <= names


def test_rates_of_tuning_are_chosen_on_development_users(tiny_root, tmp_path):
    users = build_users(8, 0, dev=4)
    save_users(tmp_path / "people.json", users)
    step, out = load_step("move_rows"), tmp_path / "c.json"
    options = ["--config", str(CONFIG / "smoke.yaml"), "--users", str(tmp_path / "people.json"), "--choose"]
    step.main([*options, "--model", str(tiny_root / "tiny"), "--out", str(out)])
    found = read_result(out)
    assert {item["uid"] for item in found["items"]} == {next(user.uid for user in users if user.split == "dev")}
    assert found["metrics"]["inside.chosen.model.rate"]["value"] == settings()["inside"]["moved"]["tried"][0]["model"]

    def item(rate: float, said: float, moved: float) -> dict:
        measures = {
            f"{part}.{name}": value
            for part in ("model", "table")
            for name, value in (("bare.says", said), ("unrelated.kl", moved))
        }
        return {"uid": "u", "rates": {"model": rate, "table": 10 * rate}, "measures": measures}

    best = step.best_rates([item(0.1, 0.5, 0.0), item(0.2, 1.0, 0.3), item(0.4, 1.0, 0.2), item(0.8, 1.0, 0.9)], "c.json")
    assert {key: entry["value"] for key, entry in best.items()} == {
        "inside.chosen.model.rate": 0.4,
        "inside.chosen.table.rate": 4.0,
    }


@pytest.fixture
def ledger(tmp_path):
    """Every key that the figure and the findings ask for, by hand."""
    keys = [key.format(base="b") for _, _, found in load_step("draw_elsewhere").PANELS.values() for key in found.values()]
    for target in ("projections", "tuned"):
        keys += [f"transfer.b.{target}.{how}.steps" for how in ("refitted", "native")]
    keys += [
        "mention.b.passing.at_hits",
        *(f"long.b.{name}" for name in ("delta_nats", "told.delta_nats", "told.delta_repeated")),
        *(f"long.b.told.{arm}.repeated" for arm in ("rows", "none")),
        *(f"tuned.b.{name}.middle.says" for name in ("rows", "table", "model")),
    ]
    found = {
        f"inside.{key}": {"value": at / 100, "low": at / 100, "high": at / 90, "n": 16, "source": "x"}
        for at, key in enumerate(keys)
    }
    write_ledger(tmp_path / "summary.json", found)
    return tmp_path / "summary.json", found


def test_the_figure_draws_what_is_in_the_ledger(ledger, tmp_path):
    path, found = ledger
    step = load_step("draw_elsewhere")
    for axes, (_, _, keys) in zip(step.draw(Ledger(path), "b").axes, step.PANELS.values(), strict=True):
        wanted = [found[f"inside.{key.format(base='b')}"]["value"] for key in keys.values()]
        assert list(axes.containers[0].lines[0].get_xdata()) == wanted
        assert [text.get_text() for text in axes.get_yticklabels()] == list(keys)
    plt.close("all")
    made = []
    for name in ("a", "b"):
        step.main(["--ledger", str(path), "--base", "b", "--out", str(tmp_path / f"{name}.pdf"), str(tmp_path / f"{name}.png")])
        made.append([(tmp_path / f"{name}.{kind}").read_bytes() for kind in ("pdf", "png")])
    assert made[0] == made[1]
    with pytest.raises(UserError, match="holds no rows at mentions of other"):
        step.draw(Ledger(path), "other")
    del found["inside.mention.b.rows.kept"]
    write_ledger(path, found)
    assert "… of what the prompt answers" not in [
        text.get_text() for text in step.draw(Ledger(path), "b").axes[0].get_yticklabels()
    ]
    plt.close("all")


def test_findings_are_of_the_ledger(ledger):
    path, found = ledger
    text = "\n".join(inside_block(Ledger(path), "b"))
    assert "Rows at mentions" in text and "Tuning instead" in text
    for name in ("delta_nats", "told.delta_nats", "told.delta_repeated", "told.rows.repeated"):
        assert f"{found[f'inside.long.b.{name}']['value']:.2f}" in text
