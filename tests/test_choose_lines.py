"""How many lines an index finds for a reader: the choice on hand-made answers, and the step on tiny models."""

import pytest
import yaml
from fake_encoder import FakeEncoder
from steps_path import dies_after, load_step

from loci.bench.line_choice import best_depth, share_right
from loci.models.encoder import Encoder
from loci.paths import CONFIG
from loci.results import read_result
from loci.worlds.people import build_users


class Answers:
    """Stands for a bench whose reader is right about so many questions of each kind, by number of lines."""

    def __init__(self, right: dict[int, dict[str, int]]):
        self.right = right

    def answers(self, _condition, _user, _facts, questions, depth):
        left, out = dict(self.right[depth]), []
        for one in questions:
            out.append({"qid": one.qid, "prediction": one.accepted[0] if left[one.kind] > 0 else "no idea"})
            left[one.kind] -= 1
        return out


def test_kinds_count_alike_and_the_smallest_of_equals_is_taken():
    (user,) = build_users(count=1, dev=1, seed=0)
    questions = [one for one in user.questions if one.kind == "paraphrase"][:4] + [
        one for one in user.questions if one.kind == "indirect"
    ][:2]
    questions.append(next(one for one in user.questions if one.kind == "direct"))
    bench = Answers(
        {1: {"paraphrase": 4, "indirect": 0}, 2: {"paraphrase": 2, "indirect": 2}, 3: {"paraphrase": 2, "indirect": 2}}
    )
    found = {depth: share_right(bench, "j", [(user, [], questions)], depth) for depth in (3, 2, 1)}
    assert found == {3: 0.75, 2: 0.75, 1: 0.5} and best_depth(found) == 2


@pytest.mark.parametrize("reader", ["recite", "answer"])
def test_the_step_tries_every_number_and_goes_on(tmp_path, tiny_folder, monkeypatch, reader):
    settings = yaml.safe_load((CONFIG / "smoke.yaml").read_text())
    settings["layered"] |= {"questions": {"indirect": 2, "paraphrase": 1}, "max_tokens": 8}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.setattr(Encoder, "load", lambda *_arguments: FakeEncoder())
    model, adapter = (
        ["--config", str(tmp_path / "small.yaml"), "--model", str(tiny_folder), "--reader", reader],
        str(tmp_path / "r.safetensors"),
    )
    load_step("train_reader").main([*model, "--out", str(tmp_path / "r.json"), "--adapter", adapter])

    def choose(out: str) -> dict:
        more = ["--adapter", adapter, "--users", "2", "--lines", "2", "1"]
        load_step("choose_lines").main([*model, *more, "--out", str(tmp_path / out / "l.json")])
        return read_result(tmp_path / out / "l.json")["metrics"]

    whole = choose("one")
    assert set(whole["tried"]) == {"1", "2"} and whole["questions"] == 6
    best = max(whole["tried"].values())
    assert whole["lines"] == min(int(depth) for depth, share in whole["tried"].items() if share == best)
    with dies_after(monkeypatch):
        choose("two")
    assert not (tmp_path / "two" / "l.json").exists() and choose("two") == whole
