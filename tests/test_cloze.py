"""The cloze battery: what its items are, whose continuation is the likeliest, and the step."""

from collections import defaultdict

import pytest
import torch
import yaml
from steps_path import load_step

from loci.bench.arms import Arm
from loci.bench.cloze import CHANCE, items_of, nats
from loci.bench.exam_asking import Contents
from loci.bench.exams import posed
from loci.config import load_config
from loci.errors import UserError
from loci.models.bpe import train_bpe
from loci.paths import CONFIG
from loci.results import read_jsonl, read_result
from loci.worlds.extracted_files import write_extracted
from loci.worlds.prose import document
from loci.worlds.prose_files import read_documents

EXAMS = [document(at, 5, "heldout", "people") for at in range(80)]
GOLD = {one.doc_id: [sentence.triplets for sentence in one.sentences] for one in EXAMS}
WINDOW = 48


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe([one.text for one in EXAMS], 600)


@pytest.fixture(scope="module")
def items(tokenizer):
    return items_of(EXAMS, GOLD, tokenizer, WINDOW, WINDOW, 12)


def test_items_hold_the_right_continuation_first_and_others_of_its_kind(items, tokenizer):
    assert {one.set for one in items} == set(CHANCE) and max(sum(one.set == name for one in items) for name in CHANCE) <= 12
    asked = {one.qid: one for exam in EXAMS for one in posed(exam, tokenizer)}
    answers = {text for one in asked.values() if one.kind == "fact" for text in one.accepted}
    texts = {one.doc_id: one.text for one in EXAMS}
    for item in items:
        said = [tokenizer.decode(list(ids)) for ids in item.continuations]
        assert len(set(said)) == len(said) == round(1 / CHANCE[item.set])
        assert len(item.window.document.ids) - item.window.start <= WINDOW
        if item.set == "grammar":
            text = texts[item.window.document.doc_id]
            assert said[0] in text and said[1] not in text
            assert sum(one != other for one, other in zip(said[0].split(), said[1].split(), strict=True)) == 1
        else:
            question = asked[item.qid]
            assert said[0].strip() in question.accepted and not {one.strip() for one in said[1:]} & set(question.accepted)
            assert {one.strip() for one in said} <= answers
            assert question.is_evicted(WINDOW) == (item.set == "evicted")


def test_models_with_other_windows_get_the_same_items(items, tokenizer):
    wide = items_of(EXAMS, GOLD, tokenizer, 4 * WINDOW, WINDOW, 12)
    assert [(one.qid, one.set, one.continuations) for one in wide] == [(one.qid, one.set, one.continuations) for one in items]
    assert any(len(one.window.standing) < len(other.window.standing) for one, other in zip(wide, items, strict=True))


def test_likelihoods_are_those_of_single_passes(items, tokenizer):
    arm = Arm(WINDOW, "spelt", 8)
    model = arm.model(1, 600, 0).eval()
    with torch.no_grad():
        for block in model.blocks:
            block.out.weight.normal_()  # begins as zeros: nothing that is attended to would count
    chosen = [next(one for one in items if one.set == name and one.window.standing) for name in ("evicted", "grammar")]
    found = nats(model, arm, chosen, Contents("right", {}), tokenizer)
    empty = nats(model, arm, chosen, Contents("none", {}), tokenizer)
    assert [len(of) for of in found] == [4, 2] and found != empty, "what stands in the zone is read"
    for item, of in zip(chosen, empty, strict=True):
        text = item.window.document.ids[item.window.start :]
        for said, value in zip(item.continuations, of, strict=True):
            with torch.no_grad():
                logits = model.logits(model(torch.tensor([[*text, *said[:-1]]])))[0, len(text) - 1 :]
            wanted = torch.nn.functional.cross_entropy(logits, torch.tensor(said)).item()
            assert value == pytest.approx(wanted, abs=1e-4)


def test_the_step_puts_it_to_every_model(tmp_path):
    settings = load_config(CONFIG / "smoke.yaml")
    settings["windowed"] |= {"steps": 4, "batch_tokens": 256}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    for split, words in (("train", 4000), ("heldout", 6000)):
        made = ["--exams", "people", "--tokens", str(words), "--split", split, "--out", str(tmp_path / f"{split}.parquet")]
        load_step("make_prose").main(made)
    bpe = ["--corpus", str(tmp_path / "train.parquet"), "--vocabulary", "400", "--out", str(tmp_path / "bpe.json")]
    load_step("train_bpe").main(bpe)
    exams = list(read_documents(tmp_path / "heldout.parquet"))
    write_extracted(tmp_path / "found.parquet", [(one, [part.triplets for part in one.sentences]) for one in exams])
    common = ["--config", str(tmp_path / "small.yaml"), "--tokenizer", str(tmp_path / "bpe.json")]
    trained = []
    for arm in ("raw_quarter", "quarter_window"):
        out = ["--out", str(tmp_path / f"{arm}.json"), "--weights", str(tmp_path / f"{arm}.safetensors")]
        load_step("train_windowed").main([*common, "--arm", arm, "--corpus", str(tmp_path / "train.parquet"), *out])
        trained.append(str(tmp_path / f"{arm}.json"))
    put = [*common, "--trained", *trained, "--extracted", str(tmp_path / "found.parquet"), "--out", str(tmp_path / "cloze.json")]
    put += ["--answers", str(tmp_path / "cloze.jsonl")]
    load_step("cloze_windowed").main([*put, "--exams", str(tmp_path / "heldout.parquet")])
    metrics = read_result(tmp_path / "cloze.json")["metrics"]
    told = [one for one in read_jsonl(tmp_path / "cloze.jsonl", "") if one["model"] == "raw_quarter" and one["set"] == "evicted"]
    shares = defaultdict(list)  # documents count alike
    for one in told:
        assert len(one["nats"]) == len(set(one["continuations"])) == 4
        shares[one["qid"].rpartition(".")[0]].append(one["nats"][0] < min(one["nats"][1:]))
    mean = sum(sum(part) / len(part) for part in shares.values()) / len(shares)
    assert metrics["cloze.raw_quarter.evicted.exact"]["value"] == pytest.approx(mean, abs=1e-5)
    names = {"raw_quarter", "quarter_window", "quarter_window_shuffled", "quarter_window_masked"}
    assert {key.split(".")[1] for key in metrics if "_minus_" not in key} == names
    gap = metrics["cloze.raw_quarter_minus_quarter_window.evicted.exact"]["value"]
    both = [metrics[f"cloze.{name}.evicted.exact"]["value"] for name in ("raw_quarter", "quarter_window")]
    assert gap == pytest.approx(both[0] - both[1], abs=1e-5) and metrics["cloze.raw_quarter.evicted.exact"]["chance"] == 0.25
    with pytest.raises(UserError, match=r"found\.parquet: lacks document train-0-00000000; extract from .*train\.parquet"):
        load_step("cloze_windowed").main([*put, "--exams", str(tmp_path / "train.parquet")])
