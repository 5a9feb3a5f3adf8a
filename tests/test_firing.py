"""Where rows fire: at which token, in which part, whose fact; and the gate is the one that the forward used."""

import pytest
import torch

from loci.bench.firing import firings, owners_of
from loci.bench.layered import firing_entries
from loci.memories.row_examples import Sentence, encode_sentence, written_keys
from loci.models.engram import EngramSpec, Graft
from loci.models.rows import RowMap

SENTENCES = {"city": Sentence("The city I live in is", "Graz"), "pet": Sentence("My pet answers to", "Bo")}


@pytest.fixture
def graft(llama):
    graft = Graft(llama.model, llama.tokenizer, EngramSpec(1, orders=(3, 5), heads=2, row_dim=4))
    yield graft
    graft.detach()


def rows_of(graft, tokenizer, sentences):
    keys = torch.cat([written_keys(graft, encode_sentence(tokenizer, "", one)) for one in sentences]).unique()
    generator = torch.Generator().manual_seed(0)
    return RowMap(keys, torch.randn(len(keys), graft.spec.row_width, generator=generator))


def test_rows_fire_on_what_was_said_and_on_no_question(graft, llama):
    rows, owners = rows_of(graft, llama.tokenizer, SENTENCES.values()), owners_of(graft, llama.tokenizer, SENTENCES)
    prompt = "Question: Where do I live?\nThought:"
    assert firings(graft, llama.tokenizer, prompt, " I do not know.", rows, owners, True) == []
    found = firings(graft, llama.tokenizer, prompt, " The city I live in is Graz.", rows, owners, True)
    assert {one.part for one in found} == {"said"} and {fact for one in found for fact in one.facts} == {"city"}
    before = len(llama.tokenizer(" The city I live in is", add_special_tokens=False).input_ids)
    assert found[0].at == before - 1 and found[0].orders == 2, "the last token of the trigger reads both orders"
    assert all(0 < one.gate < 1 for one in found)
    told = firings(graft, llama.tokenizer, "My pet answers to", " Bo", rows, owners, False)
    assert told[0].part == "prompt" and told[0].facts == ("pet",) and told[0].gate is None


def test_facts_that_end_alike_share_their_rows(graft, llama):
    alike = {"city": Sentence("The city I live in is", "Graz"), "town": Sentence("The town I live in is", "Bonn")}
    owners = owners_of(graft, llama.tokenizer, alike)
    assert ("city", "town") in owners.values() and ("city",) in owners.values()


def test_gates_are_those_of_the_forward(graft, llama, monkeypatch):
    rows, owners = rows_of(graft, llama.tokenizer, SENTENCES.values()), owners_of(graft, llama.tokenizer, SENTENCES)
    used, gate = [], graft.gate
    monkeypatch.setattr(graft, "gate", lambda *inputs: used.append(gate(*inputs)) or used[-1])
    found = firings(graft, llama.tokenizer, "Hello. ", "My pet answers to Bo", rows, owners, True)
    assert len(used) == 2 and torch.allclose(used[0], used[1]) and [one.gate for one in found] == used[0].tolist()


def test_entries_tell_the_needed_facts_apart():
    hit = {"part": "said", "at": 3, "token": " is", "orders": 2, "facts": ["city"], "gate": 0.5}
    item = {"condition": "k", "uid": "u1", "kind": "direct", "form": "question"}
    items = [
        {**item, "qid": "a", "needed": ["city"], "fired": [hit]},
        {**item, "qid": "b", "needed": ["city", "pet"], "fired": [hit, {**hit, "gate": None}]},
        {**item, "qid": "c", "needed": ["pet"], "fired": [hit]},
        {**item, "qid": "d", "needed": ["pet"], "fired": []},
        {**item, "qid": "e", "form": "statement", "needed": ["pet"], "fired": [{**hit, "part": "prompt"}]},
    ]
    ledger = {key.removeprefix("layered.k.b.direct."): one["value"] for key, one in firing_entries(items, "b", "x").items()}
    assert ledger == {"fired_prompt": 0, "fired_said": 0.75, "fired_needed": 0.5, "fired_all": 0.25, "gate": 0.5}
