"""A whole run beside the reference: agreement, differences, what is lacking, and what is noted."""

import json

import pytest
import yaml
from steps_path import load_step

from loci.bench.ledger import write_ledger
from loci.bench.staleness import VERIFIED
from loci.definitions import working_tree
from loci.errors import UserError
from loci.results import result, write_json, write_jsonl

KNOWN = {
    "score_live": ["results/laptop/live/live.json"],
    "ask_live": ["results/laptop/live/asked.s0.json", "results/laptop/live/asked.s0.jsonl", "results/laptop/live/asked.s1.json"],
    "draw_live": ["results/laptop/figures/live.pdf"],
    "make_people": ["data/generated/laptop/people.json"],
}
SAID = [{"qid": at, "prediction": "yes"} for at in range(50)]


def live(value: float, step: str, code_hash: str = "", key: str = "live.state") -> dict:
    entry = {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 40, "source": "live.json"}
    return result("live", {}, None, {key: entry}, [], {"step": step, "git_commit": None, "code_hash": code_hash})


@pytest.fixture
def told(tmp_path, monkeypatch):
    """The step on a run with one result of the present code, one of other code, raw answers, and one result lacking."""
    step, reference, run = load_step("compare_run"), tmp_path / "reference", tmp_path / "run"
    monkeypatch.setattr(step, "outputs_by_rule", lambda folder, profile: KNOWN)
    write_json(reference / "live" / "live.json", live(0.5, "score_live.py"))
    for seed in (0, 1):
        write_json(reference / "live" / f"asked.s{seed}.json", live(0.5, "ask_live.py", key=f"asked.s{seed}"))
    write_jsonl(reference / "live" / "asked.s0.jsonl", SAID)
    write_ledger(reference / "summary.json", live(0.5, "")["metrics"], "laptop")
    claim = {"id": "one", "kind": "result", "sentence": "{x}", "source": "us", "measures": {"x": "[live.state]"}}
    claims = {"base": "tiny", "claims": [claim | {"predicate": "x > 0.3", "profile": "laptop"}]}
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump(claims), encoding="utf-8")
    write_json(run / "live" / "live.json", live(0.5, "score_live.py", working_tree().hash("code/steps/score_live.py")))
    write_json(run / "live" / "asked.s0.json", live(0.51, "ask_live.py", "of other code", "asked.s0"))
    write_jsonl(run / "live" / "asked.s0.jsonl", SAID)
    options = ["--run", str(run), "--reference", str(reference), "--claims", str(tmp_path / "claims.yaml")]
    return lambda *more: step.main([*options, *more])


def test_a_run_that_agrees_says_so_and_what_it_lacks(told, tmp_path, capsys):
    told()
    out = capsys.readouterr().out
    assert "score_live: live.json: 1 metrics; tolerance: deterministic; agrees" in out
    assert "ask_live: asked.s0.jsonl: 1.0000 of 50 records equal" in out and "claims that change: 0" in out
    assert out.endswith("2 rules compared, 1 files of the reference are not in the run; all agree\n")
    assert not (tmp_path / "reference" / VERIFIED).exists(), "noted only where it is asked for"


def test_what_agrees_is_noted_where_the_present_code_made_it(told, tmp_path, capsys):
    told("--record")
    assert "1 results noted as made again; 1 that agree are of other code" in capsys.readouterr().out
    assert list(json.loads((tmp_path / "reference" / VERIFIED).read_text("utf-8"))) == ["live/live.json"]


def test_differences_are_told_with_claims_and_nothing_of_that_rule_is_noted(told, tmp_path, capsys):
    now = working_tree().hash("code/steps/score_live.py")
    write_json(tmp_path / "run" / "live" / "live.json", live(0.3, "score_live.py", now))
    with pytest.raises(SystemExit) as end:
        told("--record")
    out = capsys.readouterr().out
    assert end.value.code == 1 and "live.json: metrics.live.state.value: committed 0.5, made again 0.3" in out
    assert "claims that change: 1" in out and "1 differ: score_live" in out
    assert json.loads((tmp_path / "reference" / VERIFIED).read_text("utf-8")) == {}


def test_nothing_to_compare_is_one_line(told, tmp_path):
    for path in (tmp_path / "run" / "live").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="run: has no result that the reference has too; finish the run"):
        told()
    with pytest.raises(UserError, match="nowhere: no such folder; make reproduce"):
        told("--run", str(tmp_path / "nowhere"))
