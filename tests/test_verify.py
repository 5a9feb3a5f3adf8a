"""verify and why with a workflow that is played: agreement, differences, claims that change, and what cannot be verified."""

import gzip
import json
from subprocess import CompletedProcess

import pytest
import yaml
from steps_path import load_step

from loci import workflow
from loci.bench.capacity import read_grid
from loci.bench.confirming import uses_torch
from loci.bench.ledger import write_ledger
from loci.bench.parts import lay_part, lessened, read_parts
from loci.bench.staleness import VERIFIED
from loci.config import load_config
from loci.definitions import working_tree
from loci.errors import UserError
from loci.paths import CONFIG, ROOT
from loci.results import result, sha256_file, write_bytes, write_json, write_jsonl
from loci.workflow import Planned, last_line, missing_inputs, rules_of

KNOWN = {
    "score_live": ["results/laptop/live/live.json"],
    "ask_live": ["results/laptop/live/asked.s0.json", "results/laptop/live/asked.s0.jsonl"],
    "make_people": ["data/generated/laptop/people.json"],
    "draw_live": ["results/laptop/figures/live.pdf"],
    "score_locomo": ["results/laptop/locomo/locomo.json"],
}
ANSWERS = [{"qid": at, "prediction": "yes"} for at in range(50)]
PEOPLE = b'{"users": []}\n'


def live(value: float, step: str = "score_live.py", **inputs: str) -> dict:
    entry = {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 40, "source": "live.json"}
    about = {"step": step, "git_commit": None, "code_hash": "", "input_sha256": inputs}
    return result("score_live", {}, None, {"live.state": entry}, [], about)


@pytest.fixture
def played(tmp_path, monkeypatch):
    """The step, its options, and `makes`: what the played rule writes, by file; `says`: how it ends."""
    step, reference = load_step("verify"), tmp_path / "reference"
    write_bytes(tmp_path / "people.json", PEOPLE)
    write_json(reference / "live" / "live.json", live(0.5, users=sha256_file(tmp_path / "people.json")))
    write_json(reference / "live" / "asked.s0.json", live(0.5, "ask_live.py"))
    packed = gzip.compress("".join(f"{json.dumps(one)}\n" for one in ANSWERS).encode())
    write_bytes(reference / "live" / "asked.s0.jsonl.gz", packed)
    write_json(reference / "locomo" / "locomo.json", live(0.5))
    write_ledger(reference / "summary.json", live(0.5)["metrics"], "laptop")
    claim = {"id": "one", "kind": "result", "sentence": "{x}", "source": "us", "measures": {"x": "[live.state]"}}
    claims = {"base": "tiny", "claims": [claim | {"predicate": "x > 0.3", "profile": "laptop"}]}
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump(claims), encoding="utf-8")
    monkeypatch.setattr(step, "outputs_by_rule", lambda folder, profile: KNOWN)
    makes, says, ran = {}, {"returncode": 0, "stderr": ""}, []

    def snakemake(folder, profile, *arguments):
        ran.append(arguments)
        for file in arguments[arguments.index("--") + 1 :]:
            assert not (folder / file).exists(), "what is made again was removed first"
            if file in makes:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                writer = write_jsonl if file.endswith("l") else write_bytes if isinstance(makes[file], bytes) else write_json
                writer(folder / file, makes[file])
        return CompletedProcess([], says["returncode"], "", says["stderr"])

    monkeypatch.setattr(step, "snakemake", snakemake)
    common = ["--reference", str(reference), "--claims", str(tmp_path / "claims.yaml")]
    return step, common, makes, says, ran


def test_a_result_that_comes_out_again_agrees(played, capsys):
    step, common, makes, _, ran = played
    makes["results/laptop/live/live.json"] = live(0.5)
    step.main(["--rule", "score_live", *common])
    out = capsys.readouterr().out
    assert "tolerance: deterministic; agrees" in out and "claims that change: 0" in out
    assert out.endswith("agrees with the reference\n")
    assert ran[0][: ran[0].index("--")] == ("--allowed-rules", "score_live", "make_people"), "no other rule than those of data"


def test_a_difference_is_told_with_the_claim_that_changes_and_status_1(played, capsys):
    step, common, makes, _, _ = played
    makes["results/laptop/live/live.json"] = live(0.35)
    with pytest.raises(SystemExit) as end:
        step.main(["--rule", "score_live", *common])
    out = capsys.readouterr().out
    assert end.value.code == 1 and "metrics.live.state.value: committed 0.5, made again 0.35 (apart by -0.15)" in out
    assert "claims that change: 1" in out and "one: holds with 0.500 [0.400, 0.600] (n = 40), now undecided with 0.350" in out


def test_raw_answers_may_differ_by_a_share(played, capsys):
    step, common, makes, _, _ = played
    makes["results/laptop/live/asked.s0.json"] = live(0.51, "ask_live.py")
    makes["results/laptop/live/asked.s0.jsonl"] = [*ANSWERS[:-1], {"qid": 49, "prediction": "no"}]
    step.main(["--rule", "ask_live", *common])
    assert "0.9800 of 50 records equal; tolerance: asked of a model; agrees" in capsys.readouterr().out
    makes["results/laptop/live/asked.s0.jsonl"] = [{"qid": at, "prediction": "no"} for at in range(50)]
    with pytest.raises(SystemExit):
        step.main(["--rule", "ask_live", *common])
    assert "share of equal records" in capsys.readouterr().out


def test_data_are_compared_by_the_hashes_that_results_name(played, capsys):
    step, common, makes, _, _ = played
    makes["data/generated/laptop/people.json"] = PEOPLE
    step.main(["--rule", "make_people", *common])
    assert "the very file" in capsys.readouterr().out
    makes["data/generated/laptop/people.json"] = b"{}\n"
    with pytest.raises(SystemExit) as end:
        step.main(["--rule", "make_people", *common])
    assert end.value.code == 1


def test_what_agreed_is_noted_and_what_did_not_is_not(played, tmp_path):
    step, common, makes, _, _ = played
    makes["results/laptop/live/live.json"] = live(0.5)
    step.main(["--rule", "score_live", "--record", *common])
    noted = json.loads((tmp_path / "reference" / VERIFIED).read_text("utf-8"))
    assert list(noted) == ["live/live.json"]
    assert noted["live/live.json"]["sha256"] == sha256_file(tmp_path / "reference" / "live" / "live.json")


def grid(*seeds: int, step: str = "sweep_grid.py", off: float = 0.0) -> dict:
    items = [{"table": "tiny", "seed": seed, "bits": seed / 7 + off} for seed in seeds]
    return result("sweep_grid", {}, None, {}, items, {"step": step, "git_commit": None, "code_hash": "", "input_sha256": {}})


def test_a_part_is_compared_item_by_item_and_noted_as_such(played, tmp_path, monkeypatch, capsys):
    step, common, makes, _, _ = played
    file, said = "results/laptop/live/live.json", "results/laptop/live/asked.s0.jsonl"
    monkeypatch.setattr(step, "read_parts", lambda path, rule: {"profile": {"threads": 2}})
    write_json(tmp_path / "reference" / "live" / "live.json", grid(0, 1, 2, step="score_live.py"))
    makes[file] = grid(2, 0, step="score_live.py")
    step.main(["--rule", "score_live", "--part", "--record", *common])
    out = capsys.readouterr().out
    assert "2 of 3 items; tolerance: deterministic; agrees" in out and out.endswith(
        "score_live: a part of it agrees with the reference\n"
    )
    path = tmp_path / "reference" / VERIFIED
    noted = json.loads(path.read_text("utf-8"))
    assert noted["live/live.json"]["items"] == [2, 3]
    makes[file] = grid(2, step="score_live.py", off=0.1)
    with pytest.raises(SystemExit):
        step.main(["--rule", "score_live", "--part", "--record", *common])
    assert "items[0].bits: committed 0.2857142857142857, made again 0.385" in capsys.readouterr().out
    assert json.loads(path.read_text("utf-8")) == noted, "what differs is not noted"
    makes[file] = grid(step="score_live.py")
    with pytest.raises(SystemExit):
        step.main(["--rule", "score_live", "--part", "--record", *common])
    assert "items: committed '3 of them', made again 'nothing'" in capsys.readouterr().out
    makes[file] = grid(0, 1, 2, step="score_live.py")
    step.main(["--rule", "score_live", "--record", *common])
    whole = json.loads(path.read_text("utf-8"))
    assert "items" not in whole["live/live.json"]
    step.main(["--rule", "score_live", "--part", "--record", *common])
    assert json.loads(path.read_text("utf-8")) == whole, "what has agreed whole stays so"
    makes |= {"results/laptop/live/asked.s0.json": live(0.5, "ask_live.py"), said: ANSWERS[40:]}
    step.main(["--rule", "ask_live", "--part", "--record", *common])
    assert json.loads(path.read_text("utf-8")) == whole, "a result without items is not confirmed by a part"
    assert "1.0000 of 10 records among the 50 committed ones" in capsys.readouterr().out
    for wrong in ([{"qid": 3, "prediction": "no"}, *ANSWERS[40:]], []):
        makes[said] = wrong
        with pytest.raises(SystemExit):
            step.main(["--rule", "ask_live", "--part", *common])


MISSING = "MissingInputException in rule ask_live in file rules/live.smk, line 31:\nMissing input files for rule ask_live:\n"


@pytest.mark.parametrize(
    ("rule", "stderr", "message"),
    [
        ("scroe_live", "", "RULE=scroe_live: no such rule; did you mean 'score_live'"),
        ("", "", "no such rule"),
        ("draw_live", "", "none of its results is committed"),
        ("score_locomo", "", "needs LOCOMO's file"),
        ("ask_live", MISSING + "    affected files:\n        results/a.safetensors\n", "results/a.safetensors"),
        ("ask_live", MISSING + "    affected files:\n        models/b/loci_model.json\n", "snakemake --cores 1 -- models/b"),
    ],
)
def test_what_cannot_be_verified_here_is_one_line(played, rule, stderr, message):
    step, common, _, says, _ = played
    says |= {"returncode": 1, "stderr": stderr}
    with pytest.raises(UserError) as fault:
        step.main(["--rule", rule, *common])
    assert message in str(fault.value) and "\n" not in str(fault.value)


def test_a_rule_that_fails_ends_with_status_1_and_its_message(played, capsys):
    step, common, _, says, _ = played
    says |= {"returncode": 1, "stderr": "something\nerror: a.json: no such file\nExiting\n"}
    with pytest.raises(SystemExit) as end:
        step.main(["--rule", "score_live", *common])
    assert end.value.code == 1 and "score_live: failed: a.json: no such file" in capsys.readouterr().out


SUMMARY = """Building DAG of jobs...
output_file\tdate\trule\tlog-file(s)\tstatus\tplan
results/laptop/live/live.json\t-\tscore_live\t\tmissing\tupdate pending
results/laptop/live/asked.s0.jsonl\t-\task_live\t\tmissing\tupdate pending
results/laptop/live/asked.s0.json\t-\task_live\t\tmissing\tupdate pending
"""
DRY = """Building DAG of jobs...
[Fri Nov 27 14:52:49 2026]
Job 3: python code/steps/ask_live.py --config config/laptop.yaml --out results/laptop/live/asked.s0.json
Reason: Missing output files: results/laptop/live/asked.s0.json
[Fri Nov 27 14:52:49 2026]
Job 0: python benchmarks/row_write.py --out results/laptop/bench/row_write.json
Reason: Params have changed since last execution: before: a; now: b
Reasons:
    (check individual jobs above for details)
"""


def test_every_part_is_of_a_rule_and_makes_settings_smaller(tmp_path):
    parts = yaml.safe_load((CONFIG / "sweep_parts.yaml").read_text("utf-8"))
    assert parts.keys() <= rules_of("extra") | rules_of("pretrain")
    for rule in parts:
        folder = tmp_path / rule
        folder.mkdir()
        (folder / "config").symlink_to(CONFIG)
        lay_part(folder / "config", read_parts(CONFIG / "sweep_parts.yaml", rule), "laptop")
        load_config(folder / "config" / "laptop.yaml")
        smaller = [path for path in (folder / "config").iterdir() if not path.is_symlink()]
        assert len(smaller) == 1 and smaller[0].read_bytes() != (CONFIG / smaller[0].name).read_bytes()
    assert read_grid(tmp_path / "sweep_capacity" / "config" / "sweep_capacity.yaml").seeds == (0, 1)
    with pytest.raises(
        UserError, match=r"RULE=score_live: has no part in sweep_parts\.yaml; leave PART out, or choose of sweep_capacity"
    ):
        read_parts(CONFIG / "sweep_parts.yaml", "score_live")
    with pytest.raises(UserError, match=r"a\.yaml: b: is no setting there; use one of a"):
        lessened({"a": 1}, {"b": 2}, "a.yaml")
    with pytest.raises(UserError, match=r"a\.yaml: a: holds no 'y'; use some of x"):
        lessened({"a": {"x": 1}}, {"a": ["y"]}, "a.yaml")


def test_what_snakemake_lists_and_plans_is_read(monkeypatch, tmp_path):
    said = {}
    monkeypatch.setattr(workflow, "snakemake", lambda *arguments: CompletedProcess([], said["code"], said["out"], said["err"]))
    said |= {"code": 0, "out": SUMMARY, "err": ""}
    assert workflow.outputs_by_rule(tmp_path, "laptop") == {
        "ask_live": ["results/laptop/live/asked.s0.json", "results/laptop/live/asked.s0.jsonl"],
        "score_live": ["results/laptop/live/live.json"],
    }
    said |= {"out": "", "err": DRY}
    jobs = workflow.plan(tmp_path, "laptop")
    assert [(job.step, job.reason.split(":")[0]) for job in jobs] == [
        ("ask_live", "Missing output files"),
        ("row_write", "Params have changed since last execution"),
    ]
    said |= {"code": 2, "err": "error: profile 'lptop': unknown; choose one of gpu, laptop, smoke\n"}
    for call in (workflow.outputs_by_rule, workflow.plan):
        with pytest.raises(UserError, match="choose one of gpu, laptop, smoke"):
            call(tmp_path, "lptop")


def test_a_laid_out_project_is_linked_and_holds_no_generated_data(tmp_path):
    workflow.link_project(tmp_path)
    assert (tmp_path / "code").is_symlink() and (tmp_path / "data" / "people").is_symlink()
    assert not (tmp_path / "data" / "generated").exists() and not (tmp_path / "results").exists()


def test_messages_of_snakemake_are_read():
    assert last_line(CompletedProcess([], 1, "", "")) == "snakemake said nothing"
    assert missing_inputs(CompletedProcess([], 1, "", "all is well")) == []


def test_steps_that_reach_torch_are_known():
    now = working_tree(ROOT)
    assert uses_torch("ask_rows.py", now) and not uses_torch("score_matrix.py", now)


def test_why_tells_jobs_by_step_in_plain_words():
    step = load_step("why")
    jobs = [
        Planned("ask_live", "…", "Missing output files: a.json, b.jsonl; Input files updated by another job: c.json"),
        Planned("ask_live", "…", "Params have changed since last execution: before: code, now: code"),
        Planned("score_live", "…", "Something new in Snakemake: d.json"),
    ]
    causes = "their results are missing, and what they read is made again, and their code, data or settings have changed"
    assert step.told(jobs) == [f"ask_live (2 jobs): {causes}", "score_live (1 job): something new in Snakemake"]


def test_why_names_what_would_run_and_how_committed_results_stand(monkeypatch, tmp_path, capsys):
    step = load_step("why")
    monkeypatch.setattr(step, "outputs_by_rule", lambda folder, profile: KNOWN)
    asked = []
    monkeypatch.setattr(step, "plan", lambda folder, profile, *targets: asked.append(targets) or [])
    write_json(tmp_path / "reference" / "live" / "live.json", live(0.5))
    monkeypatch.setattr(step, "REFERENCE", tmp_path / "reference")
    step.main(["--rule", "score_live", "--folder", str(tmp_path)])
    out = capsys.readouterr().out
    assert asked == [("results/laptop/live/live.json",)] and "nothing would run" in out
    assert "committed live/live.json: stale: the commit that made it is not in this clone" in out
    with pytest.raises(UserError, match="did you mean 'score_live'"):
        step.main(["--rule", "scor_live", "--folder", str(tmp_path)])
