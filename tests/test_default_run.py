"""What a default run has measured is enough for its claims, figures and captions; studies of `make sweeps` are missed by none."""

import re

import pytest
from steps_path import load_step

from loci.bench.claims import UNTESTABLE, check, load_claims
from loci.bench.ledger import Ledger, collect, write_ledger
from loci.paths import PAPER, REFERENCE
from loci.results import read_json
from loci.workflow import link_project, plan

BASE = "smollm2-135m"
STAND_INS = {"locomo": "standin", "judge": "standin_judge"}


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """The commands of a default run of the laptop profile, by step."""
    folder = tmp_path_factory.mktemp("project")
    link_project(folder)
    return [(job.step, job.command) for job in plan(folder, "laptop")]


@pytest.fixture(scope="module", params=["with LOCOMO", "with its stand-in"])
def ledger(request, planned, tmp_path_factory):
    """The ledger of such a run, from the results of the reference that it would make."""
    (command,) = (command for step, command in planned if step == "collect_ledger")
    names = re.findall(r"results/laptop/(\S+\.json)", command.split(" --")[0])
    entries = collect([REFERENCE / name for name in names])
    if request.param != "with LOCOMO":
        parts = ((key.split(".", 1), one) for key, one in entries.items())
        entries = {f"{STAND_INS.get(first, first)}.{rest}": one for (first, rest), one in parts}
    path = tmp_path_factory.mktemp("run") / "summary.json"
    write_ledger(path, entries, "laptop")
    return Ledger(path)


def test_its_claims_are_checked_and_what_it_did_not_make_is_said(ledger, tmp_path):
    claims, whole = load_claims(PAPER / "claims.yaml"), Ledger(REFERENCE / "summary.json")
    judged = {one["id"]: one for one in check(claims, ledger, "laptop", whole)}
    before = {one["id"]: one for one in read_json(REFERENCE / "claims.json")["claims"]}
    lost = {name: one["reason"] for name, one in judged.items() if one["status"] != before[name]["status"]}
    assert all(one == before[name] for name, one in judged.items() if name not in lost)
    assert 10 < len(lost) < len(judged) / 2 and all(judged[name]["status"] == UNTESTABLE for name in lost)
    assert lost["ten_thousand_facts"].startswith("density.10000.json is no part of this run")
    assert ("mem0_full_context_best" in lost) == ("standin.all.f1" in ledger)
    out = ["--out", str(tmp_path / "claims.json"), "--table", str(tmp_path / "claims.tex")]
    load_step("check_claims").main(["--ledger", str(ledger.path), *out])
    assert "density.10000.json is no part of this run" in (tmp_path / "claims.tex").read_text("utf-8")


def test_its_figures_tables_and_captions_find_their_numbers(ledger, planned, tmp_path):
    drawn = [command.split() for step, command in planned if step.startswith("draw_")]
    assert len(drawn) > 15
    ours = ("draw_locomo", "draw_judges") if "standin.all.f1" in ledger else ("draw_",)  # the others see no difference
    for words in drawn:
        step = re.search(r"(draw_\w+)\.py", " ".join(words)).group(1)
        if "--ledger" in words and step.startswith(ours):
            base = ["--base", BASE] if "--base" in words else []
            load_step(step).main(["--ledger", str(ledger.path), *base, "--out", str(tmp_path / f"{step}.png")])
            assert (tmp_path / f"{step}.png").stat().st_size > 10_000
    load_step("make_matrix_table").main(["--ledger", str(ledger.path), "--base", BASE, "--out", str(tmp_path / "matrix.tex")])
    (words,) = (command.split() for step, command in planned if step == "write_captions")
    figures = words[words.index("--figures") : words.index("--out")]
    about = ["--ledger", str(ledger.path), "--base", BASE, "--captions", str(PAPER / "captions.yaml"), *figures]
    load_step("write_captions").main([*about, "--out", str(tmp_path / "captions.json")])
    assert {"matrix", "mem", "locomo"} <= set(read_json(tmp_path / "captions.json"))
