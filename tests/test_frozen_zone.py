"""Triplets in a zone before a frozen model: the mask in two calls against one dense pass, decoding, training, and the steps."""

import json
import random

import pytest
import torch
import yaml
from fake_encoder import FakeEncoder
from steps_path import load_step

from loci.bench import zone_training
from loci.bench.layer_asking import limits_of
from loci.bench.lessons import NOT_KNOWN
from loci.bench.reader import Reader
from loci.bench.zone_asking import ZoneBeginning, answers, prompt_of
from loci.bench.zone_training import ZoneSettings, layers_of, loss_of, step_of, train_zone
from loci.config import load_config
from loci.errors import UserError
from loci.models.encoder import Encoder
from loci.models.engram import EngramSpec, Graft
from loci.models.frozen_zone import FrozenZone, triplet_ids
from loci.models.tuning import Example, marked_logits
from loci.paths import CONFIG
from loci.results import read_jsonl, read_result, sha256_text
from loci.worlds.people import build_users, iter_users
from loci.worlds.records import save_users

HOW = ZoneSettings(96, 1, 1, 0.01, 0.2, {"direct": 2, "paraphrase": 2, "unknown": 1}, 1)


@pytest.fixture(scope="module")
def pupil():
    return next(iter_users("personal", "train", range(1), 0))


@pytest.fixture
def zone(llama):
    torch.manual_seed(0)
    return FrozenZone(llama.model.get_input_embeddings(), HOW.longest)


def test_zone_and_tokens_are_one_dense_pass_under_the_two_zone_mask(llama, zone, pupil):
    facts = pupil.final_facts()[:3]
    examples = [Example((1, 70, 71, 72), (False, False, True, True)), Example((5, 80, 81), (False, True, True))]
    with torch.no_grad():
        found, wanted = marked_logits(llama.model, examples, 258, layers_of(zone, llama, facts))
        ids = triplet_ids([("me", fact.trigger, fact.answer) for fact in facts], llama.tokenizer, HOW.longest)
        memory = zone.spelt(ids, llama.model.get_input_embeddings()).vectors * zone.size
        count, dense = memory.shape[1], []
        for one in examples:
            tokens = llama.model.get_input_embeddings()(torch.tensor([one.ids]))
            size = count + len(one.ids)
            seen = torch.ones(size, size).tril().bool()
            seen[:count, :count] = True
            mask = torch.zeros(1, 1, size, size).masked_fill(~seen, torch.finfo(torch.float32).min)
            logits = llama.model(inputs_embeds=torch.cat([memory, tokens], 1), attention_mask=mask).logits[0, count:]
            dense += [logits[at - 1] for at, learnt in enumerate(one.marked) if learnt]
        assert torch.allclose(found, torch.stack(dense), atol=1e-4) and wanted.tolist() == [71, 72, 80, 81]
        plain, _ = marked_logits(llama.model, examples, 258)
        assert not torch.allclose(plain, found, atol=1e-2), "what stands in the zone is read"


def test_parts_become_ids_with_the_latest_last(llama):
    ids = triplet_ids([("me", "a", "bc"), ("me", "de", "f")], llama.tokenizer, 4)
    assert ids.age.tolist() == [[1, 0]] and not ids.denied.any()
    assert ids.parts[0, 0, 2].tolist() == [*llama.tokenizer(" bc", add_special_tokens=False).input_ids, -1]
    with pytest.raises(UserError, match=r"triplet part 'far too long': has 13 tokens, at most 4 fit; make zone\.longest larger"):
        triplet_ids([("me", "far too long", "x")], llama.tokenizer, 4)


def test_answers_are_those_of_full_passes(llama, zone, pupil):
    settings = load_config(CONFIG / "smoke.yaml")
    graft = Graft(llama.model, llama.tokenizer, EngramSpec(1))
    questions = [one for one in pupil.questions if one.kind == "direct" and one.form == "question"][:3]
    limits = limits_of(settings, llama.tokenizer) | {"short": 5}
    with torch.no_grad():
        layers = layers_of(zone, llama, pupil.final_facts()[:4])
    said = answers("t", pupil, questions, layers, graft, llama.tokenizer, limits, 2)
    assert [one["qid"] for one in said] == sorted(one.qid for one in questions)
    for question in questions:
        text, tokens = prompt_of(question, Reader.load()), []
        ids = llama.tokenizer(text).input_ids
        for _ in range(5):
            whole = Example((*ids, *tokens, 0), (False,) * (len(ids) + len(tokens)) + (True,))
            with torch.no_grad():
                token = int(marked_logits(llama.model, [whole], 258, layers)[0].argmax())
            if token in limits["ends"]:
                break
            tokens.append(token)
        (one,) = [answer for answer in said if answer["qid"] == question.qid]
        assert one["prediction"] == llama.tokenizer.decode(tokens, skip_special_tokens=True).partition("\n")[0].strip()
        assert one["prompt_tokens"] == len(ids) + layers[0][0].shape[2]
    graft.detach()
    with pytest.raises(UserError, match=r"zone: has 3 positions; tell facts that take at least"):
        ZoneBeginning([(keys[:, :, :3], values[:, :, :3]) for keys, values in layers])


def test_what_was_left_out_is_not_known(llama, pupil):
    told, lessons = step_of(pupil, HOW, random.Random(1), llama.tokenizer)
    assert 0 < len(told) < len(pupil.final_facts()) and len(lessons) == 6
    learnt = [
        llama.tokenizer.decode([token for token, marked in zip(one.ids, one.marked, strict=True) if marked]) for one in lessons
    ]
    assert sum(NOT_KNOWN in text for text in learnt) >= 1 and all(text.startswith(" ") and text.endswith("\n") for text in learnt)
    everything, lessons = step_of(pupil, ZoneSettings(96, 1, 1, 0.01, 0.0, {"direct": 3}, 0), random.Random(1), llama.tokenizer)
    assert len(everything) == len(pupil.final_facts()) and len(lessons) == 3
    values = {fact.answer for fact in everything}
    for one in lessons:
        text = llama.tokenizer.decode([token for token, marked in zip(one.ids, one.marked, strict=True) if marked])
        assert text.strip() in values


def test_a_zone_learns_and_the_base_stays_as_it_was(llama, zone, pupil):
    before = sha256_text(str([weight.sum().item() for weight in llama.model.parameters()]))
    how = ZoneSettings(96, 1, 25, 0.003, 0.0, {"direct": 6}, 0)
    steps = [step_of(pupil, how, random.Random(seed), llama.tokenizer) for seed in range(4)]

    def loss() -> float:
        with torch.no_grad():
            return sum(loss_of(zone, llama, *step).item() for step in steps)

    first = loss()
    assert len(train_zone(zone, llama, [pupil], how, 0)) == 25 and loss() < 0.98 * first
    assert sha256_text(str([weight.sum().item() for weight in llama.model.parameters()])) == before


def test_a_killed_training_goes_on_to_the_same_bytes(llama, pupil, tmp_path, monkeypatch):
    monkeypatch.setattr(zone_training, "_EVERY", 2)
    how, runs = ZoneSettings(96, 1, 5, 0.01, 0.2, {"direct": 2}, 1), []
    for killed in (False, True):
        torch.manual_seed(0)
        zone = FrozenZone(llama.model.get_input_embeddings(), how.longest)
        if killed:

            def dies(step, *_):
                if step == 3:
                    raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                train_zone(zone, llama, [pupil], how, 0, tmp_path / "half.safetensors", dies)
            torch.manual_seed(0)
            zone = FrozenZone(llama.model.get_input_embeddings(), how.longest)
        losses = train_zone(zone, llama, [pupil], how, 0, tmp_path / "half.safetensors" if killed else None)
        runs.append((losses, {name: weight.clone() for name, weight in zone.state_dict().items()}))
    assert runs[0][0] == runs[1][0] and all(torch.equal(runs[0][1][name], runs[1][1][name]) for name in runs[0][1])
    told = step_of(pupil, how, random.Random(0), llama.tokenizer)
    assert loss_of(zone, llama, *told).requires_grad


def test_the_steps_from_training_to_scores(tiny_root, tmp_path, monkeypatch):
    settings = yaml.safe_load((CONFIG / "smoke.yaml").read_text(encoding="utf-8"))
    settings["layered"] |= {"questions": {"indirect": 2, "paraphrase": 1}}
    settings["people"] |= {"test_users": 2}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    save_users(tmp_path / "people.json", build_users(count=4, dev=2, train=0, seed=0))
    common, model = ["--config", str(tmp_path / "small.yaml")], ["--model", str(tiny_root / "tiny")]
    users, out = (
        ["--users", str(tmp_path / "people.json")],
        {name: str(tmp_path / name) for name in ("z.json", "a.json", "a.jsonl")},
    )
    load_step("train_zone").main([*common, *model, "--out", out["z.json"], "--weights", str(tmp_path / "z.safetensors")])
    ask = [*common, *users, *model, "--trained", out["z.json"], "--out", out["a.json"], "--answers", out["a.jsonl"]]
    load_step("ask_zone").main(ask)
    said = list(read_jsonl(tmp_path / "a.jsonl", ""))
    assert {one["memory"] for one in said} == {"t", "ts"} and {one["uid"] for one in said} == {"u002", "u003"}
    own = [one for one in said if one["memory"] == "t"]
    with (tmp_path / "beside.jsonl").open("w", encoding="utf-8") as stream:
        for name in ("c", "i", "ja", "golda", "k", "a"):
            stream.writelines(json.dumps({**one, "memory": name, "prediction": "wrong"}) + "\n" for one in own)
    score = [
        *common,
        *users,
        "--answers",
        out["a.jsonl"],
        "--beside",
        str(tmp_path / "beside.jsonl"),
        "--out",
        str(tmp_path / "s.json"),
    ]
    load_step("score_zone").main(score)
    metrics = read_result(tmp_path / "s.json")["metrics"]
    assert {key.split(".")[1] for key in metrics} == {
        "t",
        "ts",
        *(f"t_minus_{name}" for name in ("ts", "c", "i", "ja", "golda", "k")),
    }
    assert metrics["layered.t_minus_c.tiny.direct.exact"]["value"] == metrics["layered.t.tiny.direct.exact"]["value"]
    assert metrics["layered.t.tiny.prompt_tokens"]["value"] > read_result(tmp_path / "a.json")["items"][0]["positions"] / 2
    monkeypatch.setattr(Encoder, "load", lambda *_arguments: FakeEncoder())
    adapter = ["--adapter", str(tmp_path / "reader.safetensors")]
    taught = ["--reader", "answer", "--out", str(tmp_path / "r.json"), *adapter]
    load_step("train_reader").main([*common, *model, *taught])
    with pytest.raises(UserError, match="was trained with another reader, or none"):
        load_step("ask_zone").main([*ask, *adapter])
    out2 = [str(tmp_path / name) for name in ("z2.json", "z2.safetensors", "a2.json", "a2.jsonl")]
    load_step("train_zone").main([*common, *model, *adapter, "--out", out2[0], "--weights", out2[1]])
    read_with = [*common, *users, *model, *adapter, "--trained", out2[0], "--out", out2[2], "--answers", out2[3]]
    load_step("ask_zone").main(read_with)
    assert {one["memory"] for one in read_jsonl(out2[3], "")} == {"ta", "tas"}
    at = score.index("--beside")
    load_step("score_zone").main([*score[:at], out2[3], *score[at:]])
    metrics = read_result(tmp_path / "s.json")["metrics"]
    assert {"layered.ta_minus_tas.tiny.direct.exact", "layered.ta_minus_t.tiny.direct.exact"} <= metrics.keys()
    (tmp_path / "z.safetensors").write_bytes(b"other")
    with pytest.raises(UserError, match=r"z\.safetensors: missing or not the weights that the result names"):
        load_step("ask_zone").main(ask)
