"""Comparing models from scratch: probes, parts switched off, what layers would say, n-grams seen before, and the step."""

import math
from itertools import islice

import numpy as np
import pytest
import torch
import yaml
from steps_path import load_step

from loci.bench import pretrained
from loci.bench.pretrained import FACTUAL, READING, Probe, TrigramCounts
from loci.bench.statistics import student, unpaired_difference
from loci.config import load_config
from loci.errors import UserError
from loci.models.architectures import build
from loci.models.bpe import BOS, canonical_of, train_bpe
from loci.models.gpt import Shape
from loci.models.packed import pack, windows_of
from loci.paths import CONFIG
from loci.results import read_result, write_json
from loci.worlds.prose import documents
from loci.worlds.prose_records import NOVELTIES

LENGTH, LONG, VOCABULARY = 48, 300, 600


@pytest.fixture(scope="module")
def text():
    return list(islice(documents(0, "train"), 120))


@pytest.fixture(scope="module")
def tokenizer(text):
    return train_bpe([document.text for document in text], VOCABULARY)


@pytest.fixture(scope="module")
def model(tokenizer):
    """A small Engram model with drawn weights, of which no part is silent."""
    shape, tables = (
        Shape(2, 32, 2, VOCABULARY, LENGTH),
        {"preset": "tiny", "layers": [1], "orders": [2, 3], "heads": 2, "seed": 0},
    )
    made = build("engram", shape, tables, canonical_of(tokenizer), tokenizer.token_to_id(BOS), 0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.2)
    return made.eval()


def test_probes_ask_the_weights_or_the_text(text, tokenizer):
    known = pretrained.stable_facts(text)
    assert {relation for _, relation, _ in known} == {"lies_on", "lies_in", "known_for"}
    probes = pretrained.probes_of(text, tokenizer, LONG, 12, known)
    assert [probe.kind for probe in probes] == [FACTUAL] * 12 + [READING] * 12
    for kind in (FACTUAL, READING):
        assert len({probe.source for probe in probes if probe.kind == kind}) == 12
    for probe in probes:
        answer = tokenizer.decode(probe.ids[-probe.answer :]).strip()
        before = tokenizer.decode(probe.ids[: -probe.answer])
        assert len(probe.ids) <= LONG and answer
        assert (answer.casefold() in before.casefold()) == (probe.kind == READING), (answer, before)
    objects = [name.casefold() for *_, name in known]
    for probe in (one for one in probes if one.kind == FACTUAL):
        answer = tokenizer.decode(probe.ids[-probe.answer :]).strip().casefold()
        assert any(answer in name for name in objects), answer
    with pytest.raises(UserError, match="documents: hold 0 factual, "):
        pretrained.probes_of(text, tokenizer, LONG, 12, set())


def test_nats_are_those_of_the_answer_alone(model):
    probes = [Probe(FACTUAL, (0, 7, 300, 12, 5), 2, "a"), Probe(READING, (0, 9, 9), 1, "b")]
    logits = model.logits(model(torch.tensor([[0, 7, 300, 12]])))[0].log_softmax(-1)
    wanted = [
        -(logits[2, 12] + logits[3, 5]).item() / 2,
        -model.logits(model(torch.tensor([[0, 9]])))[0, 1].log_softmax(-1)[9].item(),
    ]
    assert pretrained.nats(model, probes) == pytest.approx(wanted, abs=1e-5)


def test_what_is_silenced_adds_nothing_and_comes_back(model):
    tokens = torch.tensor([[0, 7, 300, 12, 5, 9]])
    before = model(tokens)
    table, down = model.attached["1"], model.blocks[0].down
    for parts, weights in (([table], [table.rows.weight, table.value.weight]), ([down], [down.weight])):
        with pretrained.silenced(*parts):
            quiet = model(tokens)
        kept = [weight.detach().clone() for weight in weights]
        with torch.no_grad():
            for weight in weights:
                weight.zero_()
            assert torch.allclose(quiet, model(tokens), atol=1e-6) and not torch.allclose(quiet, before, atol=1e-3)
            for weight, value in zip(weights, kept, strict=True):
                weight.copy_(value)
    assert torch.equal(model(tokens), before)


def test_the_last_layer_of_the_lens_is_the_model(model, text, tokenizer):
    batches = list(windows_of(pack((document.text for document in text), tokenizer), LENGTH, 4, 8))
    found = pretrained.lens(model, batches)
    losses = torch.cat([model.loss(batch.tokens, batch.targets) for batch in batches])
    assert len(found) == 3 and found[-1] == pytest.approx(losses.mean().item(), abs=1e-5)
    assert abs(found[0] - found[-1]) > 0.001


def test_trigrams_are_counted_by_what_ends_in_each_target():
    counts = TrigramCounts(torch.tensor([1, 2, 3] * 4 + [7, 8, 9], dtype=torch.int32))
    tokens, targets = torch.tensor([[1, 2, 3, 7], [7, 8, 5, 0]]), torch.tensor([[2, 3, 7, 8], [8, 9, -1, -1]])
    # the first target of a window has no trigram; 1 2 3 stands there four times, 2 3 7 and 3 7 8 and 7 8 9 once
    assert counts.bands(tokens, targets) == ["", "known", "rare", "rare", "", "rare"]
    assert TrigramCounts(torch.tensor([1, 2, 3])).bands(torch.tensor([[4, 5]]), torch.tensor([[5, 6]])) == ["", "new"]


def test_bands_split_the_loss_of_a_batch(model):
    batch = next(windows_of(torch.arange(5, 40, dtype=torch.int32), 8, 2, 2))
    counts = TrigramCounts(torch.cat([torch.arange(5, 10), torch.arange(100, 110)]).int())
    found = pretrained.nats_by_band(model, [batch], counts)
    losses = model.loss(batch.tokens, batch.targets).view(2, 8)
    rare = losses[0, 1:4].mean().item()  # trigrams 5 6 7, 6 7 8, 7 8 9
    assert found["rare"] == pytest.approx([rare], abs=1e-5) and not found["known"] and not found["frequent"]
    others = torch.cat([losses[0, 4:], losses[1, 1:]]).mean().item()
    assert found["new"] == pytest.approx([others], abs=1e-5)


def test_intervals_of_few_runs_and_of_two_groups():
    low, high = student([1.0, 2.0, 3.0])
    assert (low + high) / 2 == pytest.approx(2) and (high - low) / 2 == pytest.approx(4.3027 / math.sqrt(3), rel=1e-4)
    assert student([0.7]) == (0.7, 0.7)
    rng = np.random.default_rng(1)
    left, right = rng.normal(1, 1, 400), rng.normal(0, 1, 300)
    gap = unpaired_difference(left, right)
    assert gap.value == pytest.approx(left.mean() - right.mean()) and gap.n == 300
    assert (gap.high - gap.low) / 2 == pytest.approx(1.96 * math.sqrt(1 / 400 + 1 / 300), rel=0.15)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two models of six steps, and the command line that compares them."""
    folder = tmp_path_factory.mktemp("pretrained")
    for split, words in (("train", 8000), ("heldout", 1500)):
        load_step("make_prose").main(["--tokens", str(words), "--split", split, "--out", str(folder / f"{split}.parquet")])
    settings = load_config(CONFIG / "smoke.yaml")
    (folder / "smoke.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    size = str(settings["pretrain"]["vocabulary"])
    load_step("train_bpe").main(
        ["--corpus", str(folder / "train.parquet"), "--vocabulary", size, "--out", str(folder / "bpe.json")]
    )
    texts = [
        "--corpus",
        str(folder / "train.parquet"),
        "--held-out",
        str(folder / "heldout.parquet"),
        "--tokenizer",
        str(folder / "bpe.json"),
    ]
    common = ["--config", str(folder / "smoke.yaml"), *texts]
    for name in ("dense", "engram"):
        out = ["--out", str(folder / f"{name}.json"), "--weights", str(folder / f"{name}.safetensors")]
        load_step("pretrain").main([*common, "--model", name, *out])
    return folder, [*common, "--out", str(folder / "compared.json"), "--trained"]


def test_models_are_compared_side_by_side(trained):
    folder, command = trained
    load_step("measure_pretrained").main([*command, str(folder / "dense.json"), str(folder / "engram.json")])
    found = read_result(folder / "compared.json")
    ledger = found["metrics"]
    gap = ledger["pretrain.engram.val_bpb"]["value"] - ledger["pretrain.dense.val_bpb"]["value"]
    assert ledger["pretrain.engram_minus_dense.val_bpb"]["value"] == pytest.approx(gap, abs=1e-5)
    cost = {kind: ledger[f"pretrain.engram.silenced_engram.{kind}.dnats"]["value"] for kind in (FACTUAL, READING)}
    assert ledger["pretrain.engram.sensitivity_gap"]["value"] == pytest.approx(cost[FACTUAL] - cost[READING], abs=1e-5)
    assert {
        "pretrain.dense.lens.layer0.nats",
        "pretrain.engram.silenced_mlp0.gap",
        "pretrain.engram_minus_dense.new.dnats",
    } <= set(ledger)
    for novel in NOVELTIES[1:]:
        left, right = (ledger[f"pretrain.{name}.{novel}.val_bpb"]["value"] for name in ("engram", "dense"))
        assert ledger[f"pretrain.engram_minus_dense.{novel}.val_bpb"]["value"] == pytest.approx(left - right, abs=1e-5)
    assert len({ledger[f"pretrain.dense.{novel}.val_bpb"]["value"] for novel in NOVELTIES[1:]}) == 3  # three different texts
    assert set(found["provenance"]["costs"]) == {"pretrain.dense.tokens_per_s", "pretrain.engram.tokens_per_s"}


def test_what_cannot_be_compared_is_one_clear_line(trained):
    folder, command = trained
    step = load_step("measure_pretrained")
    with pytest.raises(UserError, match="--trained: lacks a dense or an Engram model"):
        step.main([*command, str(folder / "dense.json")])
    changed = read_result(folder / "dense.json")
    write_json(folder / "other.json", changed)
    with pytest.raises(UserError, match=r"other\.safetensors: missing or not the weights"):
        step.main([*command, str(folder / "other.json"), str(folder / "engram.json")])
