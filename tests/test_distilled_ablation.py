"""The ablation of distilled text: tool runs, questions, conditions that differ in one thing, the step, the timing of recall."""

import importlib.util
import random

import pytest
import yaml
from steps_path import dies_after, load_step

from loci.bench.distilled_ablation import CONDITIONS, PAIRS, SETS, episode, found_by_two_words, presence, store_of
from loci.errors import UserError
from loci.paths import CONFIG, ROOT
from loci.results import read_result
from loci.worlds.tool_output import tool_runs

LENGTH, RUNS = 400, 4


def test_runs_differ_and_hide_their_number():
    runs = tool_runs(40, random.Random(0))
    for part in ("ticket", "path", "number"):
        assert len({getattr(run, part) for run in runs}) == len(runs)
    for run in runs:
        lines = run.output.splitlines()
        assert run.ticket in lines[0] and run.path in lines[0] and 21 <= len(lines) <= 61
        deep = next(at for at, line in enumerate(lines) if run.number in line)
        assert deep >= len(lines) // 2 and run.output.count(run.number) == 1
        assert ("error" in run.output) == run.failed
    assert len({run.failed for run in runs}) == 2


def test_an_episode_asks_what_holds_at_its_end():
    messages, cases = episode(0, 0, LENGTH, RUNS)
    assert len(messages) == LENGTH + RUNS and [one.said for one in messages] == sorted(one.said for one in messages)
    assert {case.kind for case in cases} == set(SETS) and sum(case.kind == "file" for case in cases) == RUNS
    said = " ".join(one.text for one in messages)
    for case in cases:
        assert any(answer in said for answer in case.accepted) or case.kind in ("now", "then"), case
        assert bool(case.stale) == (case.kind in ("now", "then"))
    assert episode(0, 0, LENGTH, RUNS) == (messages, cases) and episode(1, 0, LENGTH, RUNS)[1] != cases


def test_conditions_of_a_pair_differ_in_one_thing():
    for one, other in PAIRS:
        left, right = CONDITIONS[one], CONDITIONS[other]
        parts = [name for name in ("recall", "prune") if getattr(left, name) != getattr(right, name)]
        parts += [name for name in vars(left.how) if getattr(left.how, name) != getattr(right.how, name)]
        assert len(parts) == 1, (one, other)


def test_what_stands_in_a_prompt_depends_on_the_condition():
    messages, cases = episode(0, 0, 120, 3)  # short enough that the only distillations are of two segments
    shares = {}
    for name in ("sections", "bare_stub", "recall_alone"):
        store = store_of(messages, CONDITIONS[name])
        found = list(presence(store, cases, CONDITIONS[name], 400))
        assert all(size <= 400 for *_, size in found)
        of = [present for case, present, _, _ in found if case.kind == "file"]
        shares[name] = sum(of) / len(of)
    assert shares["sections"] > shares["bare_stub"] == 0.0, "a bare stub names no file"
    assert shares["recall_alone"] > 0
    store = store_of(messages, CONDITIONS["sections"])
    with pytest.raises(UserError, match="is told twice"):
        store.add(messages[:1])


def test_archived_rows_are_asked_for_with_words_of_their_own():
    store = store_of(episode(0, 0, 600, RUNS)[0], CONDITIONS["sections_recall"])
    found = list(found_by_two_words(store, 10, random.Random(0)))
    assert len(found) == len(store.distillations(archived=True)) == 10 and sum(one for _, one in found) >= 8
    assert not any(one for _, one in found_by_two_words(store, 0, random.Random(0)))


def test_the_step_resumes_and_compares(tmp_path, monkeypatch):
    settings = yaml.safe_load((CONFIG / "smoke.yaml").read_text())
    settings["distilled"] = {"people": 2, "events": 600, "runs": 3, "budgets": [100]}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(settings))
    command = ["--config", str(tmp_path / "small.yaml"), "--out"]
    step = load_step("ablate_distilled")
    with dies_after(monkeypatch):
        step.main([*command, str(tmp_path / "a" / "d.json")])
    assert not (tmp_path / "a" / "d.json").exists()
    for folder in ("a", "b"):
        step.main([*command, str(tmp_path / folder / "d.json")])
    found, again = (read_result(tmp_path / folder / "d.json")["metrics"] for folder in ("a", "b"))
    assert found == again
    assert found["distilled.sections.b100.file.present"]["n"] == 6 and found["distilled.archived.two_words.found"]["n"] == 20
    gap = found["distilled.sections_minus_flat.b100.now.present"]["value"]
    one, other = (found[f"distilled.{name}.b100.now.present"]["value"] for name in ("sections", "flat"))
    assert gap == pytest.approx(one - other, abs=1e-5)
    assert found["distilled.recent.b100.words"]["value"] <= 100 and "distilled.recent.b100.now.stale" in found


def test_recall_is_timed(tmp_path):
    spec = importlib.util.spec_from_file_location("distilled_recall", ROOT / "benchmarks" / "distilled_recall.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(["--sizes", "1000", "1500", "--questions", "3", "--out", str(tmp_path / "r.json")])
    found = read_result(tmp_path / "r.json")
    costs = found["provenance"]["costs"]
    assert costs["distilled.recall.p95_ms"] == costs["distilled.recall.n1500.p95_ms"]
    assert found["metrics"]["distilled.recall.n1500.bytes"]["value"] > found["metrics"]["distilled.recall.n1000.bytes"]["value"]
    with pytest.raises(UserError, match="are too few to ask about"):
        module.main(["--sizes", "10", "--out", str(tmp_path / "r.json")])


def test_the_figure_draws_what_is_in_the_ledger(tmp_path):
    from loci.bench.ledger import Ledger, write_ledger
    from loci.bench.style import plt

    step = load_step("draw_distilled")
    keys = [f"distilled.{name}.b{budget}.{kind}.present" for name in step.LOOK for budget in (100, 20) for kind in step.SETS]
    keys += [f"distilled.sections.b{budget}.words" for budget in (100, 20)]
    entries = {
        key: {"value": at / 100, "low": at / 100, "high": at / 100 + 0.01, "n": 40, "source": "x.json"}
        for at, key in enumerate(keys)
    }
    write_ledger(tmp_path / "summary.json", entries)
    assert set(step.LOOK) == set(CONDITIONS)
    panels = step.draw(Ledger(tmp_path / "summary.json")).axes
    for axes, kind in zip(panels, SETS, strict=True):
        drawn = [list(container.lines[0].get_ydata()) for container in axes.containers]
        wanted = [[entries[f"distilled.{name}.b{budget}.{kind}.present"]["value"] for budget in (20, 100)] for name in step.LOOK]
        assert drawn == wanted
    plt.close("all")
    write_ledger(tmp_path / "none.json", {"a.b": {"value": 1, "n": 1, "source": "x.json"}})
    with pytest.raises(UserError, match="holds no ablation of distilled text"):
        step.draw(Ledger(tmp_path / "none.json"))
