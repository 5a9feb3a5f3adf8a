"""Stale results: what a step reaches, definition by definition, in a small project with a history of its own."""

import json
import subprocess
from pathlib import Path

import pytest
from steps_path import load_step

from loci.bench.staleness import VERIFIED, Standing, changed, reach_hash, stale_block, standings
from loci.codehash import code_hash
from loci.definitions import Code, commits, history, working_tree
from loci.errors import UserError
from loci.paths import ROOT
from loci.results import result, sha256_file, write_json

STEP = '''"""A step."""
from loci.tools import LIMIT, helper

def main():
    return helper(LIMIT)
'''
TOOLS = '''"""Tools."""
from loci.base import root
import loci.whole

LIMIT = 3
OTHER = 4

def helper(x):
    """Helps."""
    return inner(x) + root(x)

def inner(x):
    return x

def unused():
    return OTHER
'''
BASE = "def root(x):\n    return x\n\ndef elsewhere():\n    return 0\n"


def code(step: str = STEP, tools: str = TOOLS, base: str = BASE) -> Code:
    files = {"code/steps/do.py": step, "code/loci/tools.py": tools, "code/loci/base.py": base, "code/loci/whole.py": "A = 1\n"}
    return Code({**files, "code/loci/__init__.py": ""})


def test_what_a_step_reaches_and_nothing_else():
    found = code().definitions("code/steps/do.py")
    assert set(found) == {"main", "loci.tools.LIMIT", "loci.tools.helper", "loci.tools.inner", "loci.base.root"}


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"tools": TOOLS.replace("return OTHER", "return 9").replace("OTHER = 4", "OTHER = 5")}, ""),
        ({"tools": TOOLS + "\ndef added():\n    return 1\n"}, ""),
        ({"tools": TOOLS.replace('"""Helps."""', '"""Helps more."""')}, ""),
        ({"base": BASE.replace("return 0", "return 1")}, ""),
        ({"tools": TOOLS.replace("return x\n", "return x + 1\n")}, "tools (inner)"),
        ({"base": BASE.replace("return x", "return -x")}, "base (root)"),
        ({"tools": TOOLS.replace("LIMIT = 3", "LIMIT = 4")}, "tools (LIMIT)"),
        ({"tools": TOOLS + "\nprint('loaded')\n"}, "tools (module level)"),
        ({"step": STEP.replace("helper(LIMIT)", "helper(2)")}, "code/steps/do.py (main); tools (LIMIT)"),
    ],
)
def test_a_change_counts_where_it_is_reached(change, wanted):
    assert changed("code/steps/do.py", code(), code(**change)) == wanted


def test_a_module_that_is_imported_as_such_is_reached_whole_and_names_are_handed_on():
    step = "import loci.whole\nfrom loci import base\nfrom loci.tools import root\n\n"
    step += "def main():\n    return loci.whole.A + base.root(root(1))\n"
    found = code(step=step).definitions("code/steps/do.py")
    assert {"loci.whole.A", "loci.base.root", "loci.base.elsewhere"} <= set(found) and "loci.tools.helper" not in found


def test_hashes_are_those_that_steps_write():
    now = working_tree(ROOT)
    for step in ("score_live", "make_people", "train_reader"):
        assert now.hash(f"code/steps/{step}.py") == code_hash(ROOT / "code" / "steps" / f"{step}.py")
    assert now.hash("code/steps/no_such_step.py") is None


@pytest.fixture
def project(tmp_path):
    """A project with history: made by commit one, and a reference of one result that names it."""

    def git(*arguments):
        about = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *about, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def write(step=STEP, tools=TOOLS, base=BASE):
        for name, text in {"steps/do.py": step, "loci/tools.py": tools, "loci/base.py": base, "loci/__init__.py": ""}.items():
            path = tmp_path / "code" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def commit():
        git("add", "code")
        git("commit", "-q", "-m", "a step", "--allow-empty")
        return git("rev-parse", "HEAD")

    git("init", "-q")
    write()
    first = commit()
    about = {"step": "do.py", "git_commit": first, "code_hash": working_tree(tmp_path).hash("code/steps/do.py")}
    write_json(tmp_path / "reference" / "part" / "do.json", result("do", {}, None, {"a": 1}, [], about))
    return tmp_path, write, commit


def only(root: Path):
    (one,) = standings(root / "reference", working_tree(root), root)
    return one


def test_current_untouched_stale_and_confirmed(project):
    root, write, commit = project
    assert only(root).state == "current"
    write(tools=TOOLS + "\ndef added():\n    return 1\n")
    commit()
    assert (only(root).state, only(root).reason) == ("untouched", "")
    write(tools=TOOLS.replace("return x\n", "return x + 1\n"))
    commit()
    assert (only(root).state, only(root).reason) == ("stale", "tools (inner)")
    path, now = root / "reference" / "part" / "do.json", working_tree(root)
    noted = {"part/do.json": {"sha256": sha256_file(path), "reach": reach_hash("code/steps/do.py", now)}}
    write_json(root / "reference" / VERIFIED, noted)
    assert only(root).state == "confirmed"
    noted["part/do.json"]["items"] = [2, 9]
    write_json(root / "reference" / VERIFIED, noted)
    assert (only(root).state, only(root).reason) == ("confirmed in part", "2 of 9 items")
    assert "Confirmed in part: `part/do.json` (2 of 9 items)." in stale_block([only(root)])
    write(base=BASE.replace("return x", "return -x"))
    assert only(root).state == "stale", "what was confirmed is out of date again"


def test_code_that_was_committed_after_the_result_is_found(project):
    root, write, commit = project
    record = json.loads((root / "reference" / "part" / "do.json").read_text("utf-8"))
    write(tools=TOOLS.replace("return x\n", "return 2 * x\n"))
    record["provenance"]["git_commit"] += "+"
    record["provenance"]["code_hash"] = working_tree(root).hash("code/steps/do.py")
    write_json(root / "reference" / "part" / "do.json", record)
    commit()
    write(tools=TOOLS.replace("return x\n", "return 3 * x\n"))
    commit()
    assert only(root).reason == "tools (inner)"
    record["provenance"]["code_hash"] = "0" * 16
    write_json(root / "reference" / "part" / "do.json", record)
    assert only(root).reason == "made by code that was never committed"
    record["provenance"]["git_commit"] = "f" * 40
    write_json(root / "reference" / "part" / "do.json", record)
    assert only(root).reason == "the commit that made it is not in this clone"
    (root / "code" / "steps" / "do.py").unlink()
    assert only(root).reason == "its script is gone"


def test_commits_that_are_not_here_are_left_out_and_no_checkout_is_refused(project, tmp_path_factory):
    root, _, _ = project
    assert list(commits([*history(root), "f" * 40], root)) == history(root)
    with pytest.raises(UserError, match="is no git checkout"):
        history(tmp_path_factory.mktemp("bare"))


def test_the_step_lists_and_writes_its_block(project, tmp_path_factory, monkeypatch, capsys):
    root, write, _ = project
    write(tools=TOOLS.replace("return x\n", "return x + 1\n"))
    step = load_step("list_stale")
    monkeypatch.setattr(step, "ROOT", root)
    page = root / "PAGE.md"
    page.write_text("before\n<!-- begin stale -->\nold\n<!-- end stale -->\nafter\n", encoding="utf-8")
    step.main(["--reference", str(root / "reference"), "--write", str(page)])
    assert "part/do.json: do.py: tools (inner)" in capsys.readouterr().out
    text = page.read_text("utf-8")
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert (
        "| `do.py` | `part/do.json` | tools (inner) |" in text
        and "0 current, 0 untouched, 0 confirmed, 0 confirmed in part, 1 stale" in text
    )
    page.write_text("nothing", encoding="utf-8")
    with pytest.raises(UserError, match="marker not found"):
        step.main(["--reference", str(root / "reference"), "--write", str(page)])
    with pytest.raises(UserError, match="holds no results"):
        step.main(["--reference", str(root / "nowhere")])


def test_long_reasons_are_cut():
    reason = "; ".join(f"m{at} (f)" for at in range(9))
    assert stale_block([Standing("a/b.json", "s.py", "stale", reason)])[-1].endswith("m5 (f); and 3 modules more |")


def test_what_records_a_result_is_no_part_of_it():
    reached = working_tree(ROOT).definitions("code/steps/score_matrix.py")
    assert not any(label.startswith(("loci.codehash", "loci.provenance")) for label in reached)
    assert any(label.startswith("loci.results") for label in reached)


def test_a_step_is_known_by_its_name_alone():
    """Results name their script without its folder: two of one name would be taken for each other."""
    scripts = [path.name for folder in ("code/steps", "benchmarks") for path in (ROOT / folder).glob("*.py")]
    assert len(scripts) > 100 and sorted(scripts) == sorted(set(scripts))
