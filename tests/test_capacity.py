"""The grid of table sizes and training lengths: its file, its entries by hand, and both steps on a tiny model."""

import json

import pytest
from steps_path import load_step

from loci.bench.capacity import grid_entries, read_grid
from loci.errors import UserError
from loci.models.bpe import save_bpe, train_bpe
from loci.worlds.prose import documents
from loci.worlds.prose_files import texts_of, write_documents

GRID = "words: 100\ntables: [none, tiny]\nsteps: [2, 4]\nseeds: [0, 1]\n"


def cell(table: str, steps: int, seed: int, bits: float) -> dict:
    return {"table": table, "steps": steps, "seed": seed, "val_bpb": bits}


def test_entries_by_hand():
    cells = [cell("none", 9, 0, 1.0), cell("none", 9, 1, 1.2), cell("tiny", 9, 0, 0.9), cell("tiny", 9, 1, 1.3)]
    found = grid_entries([*cells, cell("tiny", 3, 0, 2.0)], "x.json")
    assert found["capacity.none.steps9.val_bpb"]["value"] == pytest.approx(1.1)
    gap = found["capacity.tiny_minus_none.steps9.val_bpb"]
    assert gap["value"] == pytest.approx(0.0) and gap["n"] == 2 and gap["low"] < -1 < 1 < gap["high"]
    assert found["capacity.tiny.steps3.val_bpb"]["n"] == 1
    assert "capacity.tiny_minus_none.steps3.val_bpb" not in found  # the dense model was not trained so long


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("words: 1\n", r"grid.yaml: does not hold words, tables, steps, seeds; see config/sweep_capacity.yaml"),
        (GRID.replace("[2, 4]", "[2, 2]"), r"grid.yaml: steps: is no list of different values; give at least one"),
        (GRID.replace("[0, 1]", "[]"), r"grid.yaml: seeds: is no list of different values; give at least one"),
        (GRID.replace("tiny", "huge"), r"grid.yaml: tables: huge is not known; use none, tiny, small"),
    ],
)
def test_a_wrong_grid_is_named(tmp_path, text, message):
    (tmp_path / "grid.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        read_grid(tmp_path / "grid.yaml")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("capacity")
    for split, count in (("train", 12), ("heldout", 8)):
        stream = documents(0, split, 0)
        write_documents(folder / f"{split}.parquet", [next(stream) for _ in range(count)], {"split": split})
    save_bpe(train_bpe(texts_of(folder / "train.parquet"), 400), folder / "bpe.json")
    (folder / "grid.yaml").write_text(GRID)
    return folder


def run(folder, table: str, out, **changed) -> dict:
    given = {
        "config": "config/smoke.yaml",
        "sweep": folder / "grid.yaml",
        "table": table,
        "corpus": folder / "train.parquet",
        "held-out": folder / "heldout.parquet",
        "tokenizer": folder / "bpe.json",
        "out": out / f"{table}.json",
    } | changed
    load_step("sweep_capacity").main([part for name, value in given.items() for part in (f"--{name}", str(value))])
    return json.loads((out / f"{table}.json").read_text())


def test_columns_are_trained_resumed_and_joined(made, tmp_path, monkeypatch):
    columns = {table: run(made, table, tmp_path) for table in ("none", "tiny")}
    for table, column in columns.items():
        assert [(one["steps"], one["seed"]) for one in column["items"]] == [(2, 0), (2, 1), (4, 0), (4, 1)]
        assert all(one["table"] == table and one["val_bpb"] > 0 and set(one["novel"]) == {"names", "wordings", "both"}
                   for one in column["items"])  # fmt: skip
        assert len(column["provenance"]["seconds"]) == 4
    # What is drawn first is alike, and a table that starts at zero changes little in two steps.
    assert columns["none"]["items"][0]["parameters"]["attached"] == 0 < columns["tiny"]["items"][0]["parameters"]["attached"]
    monkeypatch.setattr("loci.models.trainer.Trainer.train", lambda *_: pytest.fail("a kept training ran again"))
    assert run(made, "none", tmp_path)["items"] == columns["none"]["items"]
    load_step("score_capacity").main(["--columns", *(str(tmp_path / f"{name}.json") for name in columns), "--out", str(tmp_path / "c.json")])  # fmt: skip  # noqa: E501
    joined = json.loads((tmp_path / "c.json").read_text())
    bits = {(one["table"], one["seed"]): one["val_bpb"] for one in joined["items"] if one["steps"] == 4}
    gaps = [bits["tiny", seed] - bits["none", seed] for seed in (0, 1)]
    assert joined["metrics"]["capacity.tiny_minus_none.steps4.val_bpb"]["value"] == pytest.approx(sum(gaps) / 2, abs=1e-5)


def test_what_does_not_fit_is_refused(made, tmp_path):
    with pytest.raises(UserError, match=r"--table huge: is not in the grid; use one of none, tiny"):
        run(made, "huge", tmp_path)
    (tmp_path / "long.yaml").write_text(GRID.replace("[2, 4]", "[2, 100000]"))
    with pytest.raises(UserError, match=r"train.parquet: has \d+ windows, 100000 steps read more; make it with more words"):
        run(made, "none", tmp_path, sweep=tmp_path / "long.yaml")
    column = run(made, "none", tmp_path)
    (tmp_path / "other.json").write_text(json.dumps(column | {"config": column["config"] | {"table": "tiny", "precision": "x"}}))
    with pytest.raises(UserError, match=r"other.json: was trained with other settings than .*none.json; run sweep_capacity.py"):
        load_step("score_capacity").main(
            ["--columns", str(tmp_path / "none.json"), str(tmp_path / "other.json"), "--out", str(tmp_path / "c.json")]
        )
    with pytest.raises(UserError, match="--columns: lack the dense model, or a table; give the column none"):
        load_step("score_capacity").main(["--columns", str(tmp_path / "none.json"), "--out", str(tmp_path / "c.json")])
    assert not (tmp_path / "c.json").exists()
