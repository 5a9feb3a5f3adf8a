"""Variants of shared readers: which are trained, what is counted, and the step on a tiny model, killed and resumed."""

import pytest
import yaml
from fake_encoder import FakeEncoder
from steps_path import dies_after, load_step

from loci.bench.layer_bench import shape_of
from loci.errors import UserError
from loci.models.adapters import LoraSlot
from loci.models.base import load_base
from loci.models.encoder import Encoder
from loci.paths import CONFIG
from loci.results import read_jsonl, read_result
from loci.worlds.records import Question

SWEEP = {
    "users": 1,
    "pupils": 1,
    "questions": {"direct": 1, "indirect": 8},
    "variants": {
        "unseen": {"without": ["age"], "rank": 2},
        "traces": {"reader": "trace"},
        "medical": {"world": "medical"},
        "odd": {"speed": 3},
        "mute": {"reader": "mute"},
    },
}


@pytest.fixture(autouse=True)
def encoder(monkeypatch):
    monkeypatch.setattr(Encoder, "load", lambda *_: FakeEncoder())


@pytest.fixture
def files(tmp_path):
    settings = yaml.safe_load((CONFIG / "smoke.yaml").read_text())
    settings["layered"] |= {"max_tokens": 8}
    settings["reader"] |= {"epochs": 1, "users": 1}
    settings["write"] |= {"max_visits": 2}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(SWEEP))
    return tmp_path


def run(files, tiny_folder, variant: str, folder: str, *more: str):
    out = files / folder / f"{variant}.json"
    arguments = ["--config", str(files / "small.yaml"), "--sweep", str(files / "sweep.yaml"), "--model", str(tiny_folder)]
    arguments += ["--variant", variant, "--out", str(out), "--answers", str(out.with_suffix(".jsonl")), *more]
    load_step("sweep_shared").main(arguments)
    return read_result(out), read_jsonl(out.with_suffix(".jsonl"))


def test_every_variant_of_the_repository_can_be_read():
    step, path = load_step("sweep_shared"), CONFIG.parent / "config" / "sweep_shared.yaml"
    names = yaml.safe_load(path.read_text())["variants"]
    found = {name: step.read_variant(path, name)[1] for name in names}
    assert [name for name, one in found.items() if not one.trained] == ["frozen", "medical"]
    assert {one.reader for one in found.values()} == set(step.CONDITIONS)


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("none", "has no 'none'"),
        ("odd", "field that is not known"),
        ("mute", "'mute'"),
        ("medical", "does not fit variant medical"),
    ],
)
def test_a_variant_that_cannot_be_run_is_one_clear_line(files, tiny_folder, variant, message):
    with pytest.raises(UserError, match=message):
        run(files, tiny_folder, variant, "out")
    assert not (files / "out").exists()


def test_an_empty_sweep_is_refused(files):
    (files / "sweep.yaml").write_text("users: 2\nvariants: {}\n")
    with pytest.raises(UserError, match="empty or missing"):
        load_step("sweep_shared").read_variant(files / "sweep.yaml", "rank4")


def test_a_split_by_family_is_killed_and_resumed(files, tiny_folder, monkeypatch):
    with dies_after(monkeypatch):
        run(files, tiny_folder, "unseen", "killed")
    assert not (files / "killed" / "unseen.json").exists()
    found, answers = run(files, tiny_folder, "unseen", "killed")
    scores = found["metrics"]["scores"]
    assert {"k.indirect.unseen.exact", "k.indirect.seen.exact", "gold.indirect.age.exact", "k.indirect.recited"} <= set(scores)
    assert scores["k.indirect.unseen.exact"]["n"] + scores["k.indirect.seen.exact"]["n"] == 8
    assert {one["memory"] for one in answers} == {"ke", "k", "kgold", "gold", "j"}


def test_people_of_another_world_are_asked_by_a_given_reader(files, tiny_folder):
    settings = yaml.safe_load((files / "small.yaml").read_text())
    adapter = files / "reader.safetensors"
    slot = LoraSlot(load_base(settings["base"]["name"], tiny_folder), shape_of(settings, "recite"))
    slot.save(slot.new(0), adapter)
    found, answers = run(files, tiny_folder, "medical", "other", "--adapter", str(adapter))
    assert found["config"]["variant"] == {"world": "medical"} and {one["uid"] for one in answers} == set(found["config"]["users"])


def test_an_unknown_is_right_when_the_answer_says_so():
    questions = {
        "u.1": Question("u.1", "unknown", "k", "What is it?", "", (), ()),
        "u.2": Question("u.2", "direct", "k", "What is it?", "Graz", ("Graz",), ()),
    }
    answers = [
        {"memory": "k", "uid": uid, "qid": qid, "prediction": said}
        for uid, qid, said in (("u", "u.1", "not known"), ("v", "u.1", "Graz"), ("u", "u.2", "Graz"), ("v", "u.2", "not known"))
    ]
    found = load_step("sweep_shared").summed(answers, questions, [], ())
    assert {name: one["value"] for name, one in found.items()} == {"k.unknown.exact": 0.5, "k.direct.exact": 0.5}
