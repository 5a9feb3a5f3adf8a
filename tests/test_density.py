"""Tables of n facts: which are written, how their answers are scored, and the steps on a tiny model, killed and resumed."""

import json

import pytest
import yaml
from steps_path import load_step

from loci.bench.tables import tables_of
from loci.config import load_config
from loci.errors import UserError
from loci.models.engram import EngramSpec
from loci.paths import CONFIG
from loci.results import read_jsonl, read_result
from loci.shards import Shards


def test_variants_change_one_thing_each():
    settings = load_config(CONFIG / "laptop.yaml")
    spec, density = EngramSpec.of(settings["engram"]), settings["density"]
    tables = tables_of(density, spec)
    assert len({table.name for table in tables}) == len(tables)
    assert [table.facts for table in tables if table.main] == density["sizes"]
    assert all(table.axis == "distinct" and table.spec == spec for table in tables if table.main)
    for table in (table for table in tables if not table.main):
        changed = [table.axis != "distinct", table.spec.orders != spec.orders, table.spec.heads != spec.heads]
        assert table.facts == density["variants"]["size"] and sum(changed) <= 1
        assert table.spec.layer == spec.layer and table.spec.seed == spec.seed


def answer(table: str, form: str, asked: str, prediction: str, first: int, tokens: int = 1) -> dict:
    about = {"key": prediction, "accepted": ["Graz", "Graz, Austria"], "answer_tokens": tokens, "hits": 1}
    return {
        "table": table,
        "format": form,
        "asked": asked,
        "prediction": prediction,
        "first_token": first,
        "gold_first_token": 7,
        **about,
    }


def test_scores_on_a_hand_made_case():
    side = {"hit_rate": 0.5, "dnats_at_hits": 1.5, "dbpb": 0.25}
    tables = [{"table": "n4", "n": 4, "bytes": {"float32": 800, "int8": 220}, "side_effects": side}]
    said = [("Graz", 7), ("Graz, Austria", 7), ("Grazing", 7), ("Linz", 8)]
    answers = [answer("n4", "float32", "bare", text, first, 1 + (first == 8)) for text, first in said]
    answers += [answer("n4", "int8", "bare", "Graz", 7), answer("n4", "float32", "midconv", "", None)]
    found = load_step("score_density").entries(tables, answers, "b", "x.json")
    values = {name.removeprefix("density.rows.b.n4."): entry["value"] for name, entry in found.items()}
    assert values == {
        "exact": 0.5,
        "exact_one_token": pytest.approx(2 / 3),
        "exact_more_tokens": 0.0,
        "first_token": 0.75,
        "int8.exact": 1.0,
        "int8.exact_one_token": 1.0,
        "int8.first_token": 1.0,
        "midconv.exact": 0.0,
        "midconv.exact_one_token": 0.0,
        "midconv.first_token": 0.0,
        "bytes_per_100_facts": 20000,
        "int8.bytes_per_100_facts": 5500,
        **side,
    }
    assert found["density.rows.b.n4.exact"]["n"] == 4 and 0 < found["density.rows.b.n4.exact"]["low"] < 0.5


@pytest.fixture
def small(tmp_path):
    settings = yaml.safe_load((CONFIG / "smoke.yaml").read_text())
    settings["density"] |= {
        "sizes": [4, 6],
        "midconv": 2,
        "variants": {"size": 4, "axes": ["shared3"], "orders": [], "heads": [1]},
    }
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_a_killed_run_continues_and_ends_at_the_same_answers(tmp_path, small, tiny_folder, monkeypatch):
    def run(folder: str) -> list[str]:
        out = ["--out", str(tmp_path / folder / "d.json"), "--answers", str(tmp_path / folder / "a.jsonl")]
        load_step("density").main(["--config", str(small), "--model", str(tiny_folder), *out])
        return out

    arguments = run("one")
    put = Shards.put

    def dies(self, name, part):
        put(self, name, part)
        if name == "n6":
            raise KeyboardInterrupt
        return part

    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(Shards, "put", dies)
        run("two")
    assert not (tmp_path / "two" / "a.jsonl").exists()
    run("two")
    assert (tmp_path / "one" / "a.jsonl").read_bytes() == (tmp_path / "two" / "a.jsonl").read_bytes()
    written = read_result(tmp_path / "one" / "d.json")
    assert [item["table"] for item in written["items"]] == ["n4", "n6", "n4.shared3", "n4.heads1"]
    assert set(written["items"][0]["bytes"]) == {"float32", "float16", "int8"} and set(written["items"][2]["bytes"]) <= {
        "float32"
    }
    said = list(read_jsonl(tmp_path / "one" / "a.jsonl", ""))
    assert len(said) == (4 + 6) * 3 + 2 * 4 + 4 * 2
    scored = ["--tables", arguments[1], "--answers", arguments[3], "--out", str(tmp_path / "s.json")]
    load_step("score_density").main(scored)
    assert "density.rows.tiny.n6.int8.exact" in read_result(tmp_path / "s.json")["metrics"]
    said[0]["prediction"] = "another"
    (tmp_path / "one" / "a.jsonl").write_text("".join(json.dumps(one) + "\n" for one in said))
    with pytest.raises(UserError, match="holds other answers than those"):
        load_step("score_density").main(scored)
