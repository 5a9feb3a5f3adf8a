"""An adapter of one's own: what it is taught, bad input, and that serving by hot-swap leaves no trace."""

from dataclasses import replace

import pytest
import torch
from steps_path import load_step

from loci.bench.contamination import TextsBefore, entries_of
from loci.bench.user_lora import FORMATS, Teaching, examples_of, texts_to_keep
from loci.errors import UserError
from loci.models.adapters import LoraSlot, LoraSpec
from loci.models.base import load_base
from loci.worlds.people import build_users

HOW = Teaching("statement", 4, "attention", 0.01, 2, 1.0, 128, 0.0)
USER = next(user for user in build_users(count=3, dev=1, train=0, seed=0) if user.split == "test")


@pytest.fixture
def base(tiny_root):
    return load_base("tiny", tiny_root / "tiny")


def learnt(example, tokenizer) -> str:
    return tokenizer.decode([token for token, marked in zip(example.ids, example.marked, strict=True) if marked])


def test_formats_teach_what_they_say(base):
    facts, counts = USER.final_facts(), {}
    later = {question.text for question in USER.questions if question.kind in ("paraphrase", "indirect", "chained")}
    for name in FORMATS:
        examples = examples_of(USER, replace(HOW, format=name), base.tokenizer, 0)
        counts[name] = len(examples)
        texts = [base.tokenizer.decode(example.ids) for example in examples]
        assert not any(question in text for text in texts for question in later), "a question of the test was taught"
    assert counts["statement"] == counts["sentence"] == len(facts) and counts["both"] == counts["statement"] + counts["question"]
    for how, fact in zip(examples_of(USER, HOW, base.tokenizer, 0), facts, strict=True):
        assert learnt(how, base.tokenizer).strip().startswith(fact.answer)
    whole = examples_of(USER, replace(HOW, format="sentence"), base.tokenizer, 0)[0]
    assert all(whole.marked)
    asked = examples_of(USER, replace(HOW, format="question"), base.tokenizer, 0)[0]
    assert base.tokenizer.decode(asked.ids).startswith("Question: ") and learnt(asked, base.tokenizer).strip() == facts[0].answer


def test_bad_formats_and_users_without_facts_are_refused(base):
    with pytest.raises(UserError, match=r"user_lora\.format: .poem. is not known"):
        replace(HOW, format="poem")
    with pytest.raises(UserError, match="has no facts"):
        examples_of(replace(USER, facts=[], questions=[], changes=[]), HOW, base.tokenizer, 0)


def test_an_empty_sweep_is_refused(tmp_path):
    path = tmp_path / "sweep.yaml"
    for text in ("", "users: 1\nvariants: {}\n", "variants: {a: {}}\n", "users: 1\nvariants: {a: {}}\n", "[]"):
        path.write_text(text)
        with pytest.raises(UserError, match="empty or missing"):
            load_step("sweep_lora").read_sweep(path)


def test_swapping_leaves_no_trace(base):
    slot, text = LoraSlot(base, LoraSpec(4)), torch.tensor([[5, 9, 40, 7]])
    one, two = slot.new(1), slot.new(2)
    for weights in (one, two):
        for name, tensor in weights.tensors.items():
            tensor += 0.05 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(len(name)))

    def logits(weights):
        slot.put(weights)
        with torch.no_grad():
            return base.model(text).logits

    alone, first, other, again, after = (logits(weights) for weights in (None, one, two, one, None))
    assert torch.equal(first, again) and torch.equal(alone, after)
    assert not torch.equal(first, other) and not torch.equal(first, alone)


def test_what_an_adapter_does_to_other_text(base):
    slot = LoraSlot(base, LoraSpec(4))
    before = TextsBefore(slot, {"prose": ["A cat sat on the mat.", "It rained."], "chat": ["How are you?"]}, 16)
    assert before.under(None) == {"prose": 0.0, "chat": 0.0}
    assert before.under(slot.new(0)) == {"prose": 0.0, "chat": 0.0}, "a new adapter changes nothing"
    moved = slot.new(0)
    for tensor in moved.tensors.values():
        tensor += 0.3
    assert all(abs(delta) > 1e-4 for delta in before.under(moved).values())


def test_texts_to_keep_are_none_that_are_measured(base):
    kept = {base.tokenizer.decode(example.ids) for example in texts_to_keep(base.tokenizer, 4096)}
    from loci.worlds.contexts import load_contexts

    assert kept and not kept & {context.text for kinds in load_contexts()["test"].values() for context in kinds}


def test_contamination_entries_on_a_hand_made_case():
    said = [{"question": "q1", "prediction": "", "right": True}, {"question": "q2", "prediction": "", "right": False}]
    items = [
        {"condition": "k", "uid": uid, "delta": {"prose": delta}, "answers": said if uid == "u1" else said[:1]}
        for uid, delta in (("u1", 0.1), ("u2", 0.3))
    ]
    found = entries_of(items, "b", "x.json")
    assert found["contamination.k.b.prose.dbpb"]["value"] == pytest.approx(0.2)
    assert found["contamination.k.b.common.right"]["value"] == 0.75, "users count alike"
