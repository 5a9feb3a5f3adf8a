"""Writing under stress: new values and deletions that move nothing else, the studies' sentences, the step, killed and resumed."""

import dataclasses

import pytest
import torch
from grafts import SPEC, grafted
from steps_path import load_step

from loci.bench.score import exact
from loci.bench.stress import STUDIES, changed_facts, entries, reworded, scores
from loci.config import load_config
from loci.errors import UserError
from loci.memories.row_changes import forgotten, updated
from loci.memories.row_examples import Sentence, encode_sentence
from loci.memories.row_strategies import Writer, addresses_of, write_optimised
from loci.memories.row_writer import WriteSettings
from loci.models.base import Base
from loci.models.rows import RowMap, laid_over
from loci.models.upper import UpperStack
from loci.paths import CONFIG
from loci.results import read_jsonl, read_result
from loci.shards import Shards
from loci.worlds.people import build_users
from loci.worlds.records import Fact, save_users

KEPT = [Sentence("My dentist is", "Dr. Okafor"), Sentence("My sister lives in", "Denver"), Sentence("My aunt lives in", "Oslo")]
OLD, NEW = Sentence("My cousin lives in", "Rome"), Sentence("My cousin lives in", "Prague")
SETTINGS = WriteSettings(rate=0.5, max_steps=400)
CONTEXT = "The weather is fine today.\n"


@pytest.fixture
def writer(llama: Base):
    # A token is a byte here: all of "lives in" share the row of "in", and no other row.
    with grafted(llama, dataclasses.replace(SPEC, orders=(3, 14))) as graft:
        yield Writer(UpperStack(graft), llama.tokenizer)


def written(writer: Writer, sentences: list[Sentence]) -> RowMap:
    return write_optimised("rows", writer, sentences, [CONTEXT], SETTINGS, 0)[0]


def own_addresses(writer: Writer, sentence: Sentence) -> torch.Tensor:
    return addresses_of(writer.upper.graft, [encode_sentence(writer.tokenizer, "", sentence)])


def test_the_last_map_stands():
    one = RowMap(torch.tensor([1, 5]), torch.tensor([[1.0], [2.0]]))
    other = RowMap(torch.tensor([5, 7]), torch.tensor([[3.0], [4.0]]))
    both = laid_over([one, other])
    assert both.addresses.tolist() == [1, 5, 7] and both.values.flatten().tolist() == [1.0, 3.0, 4.0]
    assert laid_over([other, one]).values.flatten().tolist() == [1.0, 2.0, 4.0]
    assert len(laid_over([RowMap.empty(1), RowMap.empty(1)])) == 0


def test_an_update_moves_no_row_of_another_fact(writer):
    before = written(writer, [*KEPT, OLD])
    after, report = updated(writer, before, KEPT, [OLD], [NEW], [CONTEXT], SETTINGS, 0)
    assert report.unmet == 0
    for sentence in KEPT:
        mine = own_addresses(writer, sentence)
        assert torch.equal(after.values[after.find(mine)], before.values[before.find(mine)])
    common = torch.isin(own_addresses(writer, OLD), torch.cat([own_addresses(writer, one) for one in KEPT]))
    assert common.any(), "the case has to have a row that several facts share"
    moved = own_addresses(writer, NEW)[~torch.isin(own_addresses(writer, NEW), before.addresses)]
    assert len(moved) and (after.find(moved) >= 0).all()
    needless = own_addresses(writer, OLD)[~common]
    needless = needless[~torch.isin(needless, own_addresses(writer, NEW))]
    assert len(needless) and (after.find(needless) == -1).all()
    again, _ = updated(writer, before, KEPT, [OLD], [NEW], [CONTEXT], SETTINGS, 0)
    assert torch.equal(after.values, again.values)


def test_a_deletion_drops_what_nothing_else_reads(writer):
    before = written(writer, [*KEPT, OLD])
    after = forgotten(writer, before, KEPT, [OLD])
    needed = torch.cat([own_addresses(writer, one) for one in KEPT]).unique()
    assert torch.equal(after.addresses, needed)
    assert torch.equal(after.values, before.values[before.find(needed)])
    assert len(forgotten(writer, before, [], [*KEPT, OLD])) == 0
    assert forgotten(writer, before, [*KEPT, OLD], []) is not before and len(forgotten(writer, before, KEPT, [])) == len(before)


def test_only_wordings_that_end_with_the_answer_can_be_completed():
    fact = Fact("rent", "900", "My rent is 900.", ("900",), ("I pay 900 dollars.", "Each month I pay 900."))
    assert reworded(fact) == [Sentence("Each month I pay", "900")]


def test_changed_facts_are_those_of_the_end():
    users = build_users(4, 0, dev=2)
    for user in users:
        old, new, gone = changed_facts(user)
        assert [fact.key for fact in old] == [fact.key for fact in new]
        assert all(before.answer != after.answer for before, after in zip(old, new, strict=True))
        assert {fact.key for fact in gone}.isdisjoint(fact.key for fact in user.final_facts())
    with pytest.raises(UserError, match="no update or no deletion"):
        changed_facts(dataclasses.replace(users[0], changes=()))


def test_scores_on_a_hand_made_case():
    def answer(what: str, prediction: str, accepted: list[str], stale: str = "") -> dict:
        one = {"study": "update", "table": "in_place", "uid": "u", "key": what + prediction, "what": what}
        return {**one, "prediction": prediction, "accepted": accepted, "stale": stale}

    found = scores(
        [
            answer("changed", "Prague.", ["Prague"], "Rome"),
            answer("changed", "Rome.", ["Prague"], "Rome"),
            answer("kept", "Denver", ["Denver"]),
            answer("gone", "Romeo", [], "Rome"),
        ]
    )
    right = {name: [one[2] for one in records] for name, records in found.items()}
    assert right == {
        "update.in_place|changed.exact": [True, False],
        "update.in_place|changed.stale": [False, True],
        "update.in_place|kept.exact": [True],
        "update.in_place|gone.stale": [False],
    }
    ledger = entries([answer("kept", "Denver", ["Denver"]), answer("kept", "Oslo", ["Denver"])], "tiny", "stress.json")
    assert ledger["stress.update.in_place.tiny.kept.exact"]["value"] == 0.5


def test_the_step_is_killed_and_resumed(tmp_path, tiny_folder, monkeypatch):
    users = tmp_path / "people.json"
    save_users(users, build_users(6, 0, dev=2))
    step = load_step("stress_rows")

    def options(folder: str) -> list[str]:
        folder = tmp_path / folder
        return [
            *("--config", str(CONFIG / "smoke.yaml"), "--users", str(users), "--model", str(tiny_folder)),
            *("--out", str(folder / "s.json"), "--answers", str(folder / "s.jsonl")),
        ]

    put, calls = Shards.put, []

    def killed_at_third(shards, name, item):
        calls.append(name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return put(shards, name, item)

    monkeypatch.setattr(Shards, "put", killed_at_third)
    with pytest.raises(KeyboardInterrupt):
        step.main(options("killed"))
    assert not (tmp_path / "killed" / "s.json").exists()
    monkeypatch.setattr(Shards, "put", put)
    step.main(options("killed"))
    step.main(options("whole"))
    assert (tmp_path / "whole" / "s.jsonl").read_bytes() == (tmp_path / "killed" / "s.jsonl").read_bytes()
    answers, found = read_jsonl(tmp_path / "whole" / "s.jsonl"), read_result(tmp_path / "whole" / "s.json")
    assert {one["study"] for one in answers} == set(STUDIES)
    tables = {(item["study"], item["table"]) for item in found["items"]}
    assert {table for study, table in tables if study == "deletion"} == {"before", "in_place", "again"}
    kept = {
        table: [
            exact(one["prediction"], one["accepted"], "statement")
            for one in answers
            if (one["study"], one["table"], one["what"]) == ("deletion", table, "kept")
        ]
        for table in ("before", "in_place")
    }
    assert any(kept["before"]) and kept["before"] == kept["in_place"]


def test_rows_of_the_second_base_have_a_layer_of_their_own(tiny_root):
    step, settings = load_step("stress_rows"), load_config(CONFIG / "smoke.yaml")
    base, spec = step.base_and_spec("tiny-gemma", settings, tiny_root / "tiny-gemma")
    assert base.model.config.model_type == "gemma3_text" and spec.layer == settings["stress"]["second"]["layer"]
    with pytest.raises(UserError, match="--base llama: is not in the profile; use tiny or tiny-gemma"):
        step.base_and_spec("llama", settings, None)
