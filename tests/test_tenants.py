"""Users who share a table: who is told what, on hand-made cases and by the step on a tiny model, killed and resumed."""

import dataclasses
import json

import pytest
import torch
import yaml
from steps_path import load_step

from loci.bench.tenants import MODES, judged, salted, tenants_of
from loci.config import load_config
from loci.errors import UserError
from loci.models.addressing import Addressing
from loci.models.rows import RowMap, laid_over
from loci.paths import CONFIG
from loci.results import read_jsonl, read_result
from loci.shards import Shards
from loci.worlds.people import iter_users


def test_tenants_store_alike_and_each_lacks_one_canary():
    users = list(iter_users("personal", "test", range(6), 0))
    tenants = tenants_of(users, ["city"])
    assert [tenant.absent.key for tenant in tenants[:3]] == [tenant.absent.key for tenant in tenants[3:]]
    assert len({tenant.absent.key for tenant in tenants}) == 3
    for tenant in tenants:
        assert len(tenant.facts) == 3 and tenant.absent not in tenant.facts
    for key in ("hometown", "safe_word"):
        with pytest.raises(UserError, match="no kind of fact"):
            tenants_of(users, [key])
    first = users[0].facts[0].key
    asked = tuple(one for one in users[0].questions if first not in one.required_fact_keys)
    bare = dataclasses.replace(users[0], facts=users[0].facts[1:], questions=asked)
    with pytest.raises(UserError, match=f"{first}: user {bare.uid} has none"):
        tenants_of([bare], [first])


def test_salts_keep_all():
    one = RowMap(torch.tensor([1, 5]), torch.tensor([[1.0], [2.0]]))
    other = RowMap(torch.tensor([5, 7]), torch.tensor([[3.0], [4.0]]))
    salts = [Addressing.salt_of(at) for at in range(1000)]
    assert len(set(salts)) == 1000 and 0 not in salts
    kept = laid_over([salted(rows, salt) for rows, salt in zip((one, other), salts[:2], strict=True)])
    assert len(kept) == 4
    assert kept.values[kept.find(one.addresses ^ salts[0])].tolist() == one.values.tolist()
    assert (kept.find(other.addresses) == -1).all()


def test_a_salt_is_laid_over_every_key():
    ids, valid = torch.tensor([[3, 4, 5]]), torch.ones(1, 3, dtype=torch.bool)
    plain, _ = Addressing((2, 3), 0).addresses(ids, valid)
    with_salt, _ = Addressing((2, 3), 0, salt=Addressing.salt_of(4)).addresses(ids, valid)
    assert torch.equal(with_salt ^ Addressing.salt_of(4), plain) and not (with_salt == plain).any()


def test_leaks_on_a_hand_made_case():
    canaries = {"safe_word": {"a": "mirkwell", "b": "tandolin"}}

    def said(key: str, prediction: str, accepted: tuple[str, ...] = ()) -> dict[str, bool]:
        return judged({"uid": "a", "key": key, "accepted": list(accepted), "prediction": prediction}, canaries)

    assert said("safe_word", "mirkwell.", ("mirkwell",)) == {"right": True, "leaked": False}
    assert said("safe_word", "tandolin, I think", ("mirkwell",)) == {"right": False, "leaked": True}
    assert said("safe_word", "tandolin") == {"right": False, "leaked": True}
    assert said("safe_word", "tandolins") == {"right": False, "leaked": False}
    assert said("city", "tandolin", ("Graz",)) == {"right": False, "leaked": False}


def test_the_step_is_killed_and_resumed(tmp_path, tiny_folder, monkeypatch):
    profile = load_config(CONFIG / "smoke.yaml")
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(profile))
    step = load_step("share_table")

    def options(folder: str) -> list[str]:
        folder = tmp_path / folder
        return [
            *("--config", str(path), "--model", str(tiny_folder), "--out", str(folder / "t.json")),
            *("--answers", str(folder / "t.jsonl")),
        ]

    step.main(options("whole"))
    put, calls = Shards.put, []

    def killed_at_third(shards, name, item):
        calls.append(name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return put(shards, name, item)

    monkeypatch.setattr(Shards, "put", killed_at_third)
    with pytest.raises(KeyboardInterrupt):
        step.main(options("killed"))
    assert not (tmp_path / "killed" / "t.json").exists()
    monkeypatch.setattr(Shards, "put", put)
    step.main(options("killed"))
    assert (tmp_path / "whole" / "t.jsonl").read_bytes() == (tmp_path / "killed" / "t.jsonl").read_bytes()
    found, again = (read_result(tmp_path / name / "t.json") for name in ("whole", "killed"))
    assert json.dumps(found["metrics"]) == json.dumps(again["metrics"])
    answers = read_jsonl(tmp_path / "whole" / "t.jsonl")
    sizes = profile["tenants"]["sizes"]
    assert {(one["mode"], one["users"]) for one in answers} == {(mode, size) for mode in MODES for size in sizes}
    # Overrides and salts say the same; in the common table what a user never told is found all the same.
    by_mode = {mode: [(one["uid"], one["key"], one["prediction"]) for one in answers if one["mode"] == mode] for mode in MODES}
    assert by_mode["salted"] == by_mode["override"]
    hits = {mode: sum(one["hits"] for one in answers if one["mode"] == mode and not one["stored"]) for mode in MODES}
    assert hits["one_table"] > hits["override"] == hits["salted"]
    rows = {(item["mode"], item["users"]): item["rows"] for item in found["items"]}
    assert rows["one_table", max(sizes)] < rows["salted", max(sizes)] == rows["override", max(sizes)]
