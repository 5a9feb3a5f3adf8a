"""The workflow as a user meets it: profiles, imports, bad input, and what is left after kill -9."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from loci import codehash
from loci.codehash import authored_files, data_hash, direct_imports, module_file
from loci.config import load_config, load_profile, profiles
from loci.errors import UserError
from loci.paths import CONFIG, ROOT
from loci.workflow import jobs_of

LAYERS = ("steps", "serve", "bench", "memories", "models", "worlds", "base")
MICRO = {
    "profile": "micro",
    "people": {"count": 4, "dev": 2, "train": 2, "test_users": 2, "seed": 0},
    "worlds": {
        "corpus": "base",
        "chains": 20,
        "timeline": {"people": 1, "length": 500},
        "prose_tokens": 500,
        "prior_questions": 20,
    },
    "locomo": {"file": "", "audit": "", "specific": "", "vague": "", "answers": ""},
    "write": {"rate": 0.3, "batch": 16, "margin": 1.0, "max_visits": 3, "init_scale": 0.05, "contexts_per_kind": 1},
}


def layer_of(name: str) -> str:
    """The layer of a loci module; what is not in a package of its own is the base of all."""
    part = name.split(".")[1] if name.count(".") else "base"
    return part if part in LAYERS else "base"


def test_imports_run_one_way():
    below = {layer: LAYERS[at:] for at, layer in enumerate(LAYERS)} | {"models": ("models", "base"), "worlds": ("worlds", "base")}
    for path in sorted((ROOT / "code").rglob("*.py")):
        place = path.relative_to(ROOT / "code").with_suffix("")
        layer = "steps" if place.parts[0] == "steps" else layer_of(".".join(place.parts).removesuffix(".__init__"))
        for name in direct_imports(path):
            assert layer_of(name) in below[layer], f"{path.relative_to(ROOT)} imports {name}"


def test_every_step_imports_without_running_and_explains_its_options():
    for path in sorted((ROOT / "code" / "steps").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert "def parse_args(argv" in text and "def main(argv" in text and "run_step(main)" in text, path
        options = [call for call in text.split("parser.add_argument(")[1:]]
        assert all("help=" in option for option in options), path
    assert module_file("loci.errors").is_file()


def test_authored_data_that_a_step_reads_counts(tmp_path, monkeypatch):
    def read_by(step):
        return {str(path.relative_to(codehash.DATA)) for path in authored_files(ROOT / "code" / "steps" / f"{step}.py")}

    assert "reader/prompt.json" in read_by("ask_recalls") and "reader/prompt.json" not in read_by("make_people")
    assert {"people/personal.json", "people/medical.json"} <= read_by("make_people") and not read_by("draw_matrix")
    monkeypatch.setattr(codehash, "DATA", tmp_path)
    (tmp_path / "pools").mkdir()
    for name in ("a.json", "pools/b.json", "pools/c.json", "other.json"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    script = tmp_path / "step.py"
    script.write_text('A = DATA / "a.json"\nB = DATA / "pools" / f"{name}.json"\nC = OTHER / "other.json"\n', encoding="utf-8")
    assert [path.name for path in authored_files(script)] == ["a.json", "b.json", "c.json"]
    before = data_hash(script)
    (tmp_path / "other.json").write_text("[]", encoding="utf-8")
    assert data_hash(script) == before
    (tmp_path / "pools" / "c.json").write_text("[]", encoding="utf-8")
    assert data_hash(script) != before


def test_flash_attention_is_never_imported_at_module_top():
    for path in (ROOT / "code").rglob("*.py"):
        assert not any(line.startswith(("import flash_attn", "from flash_attn")) for line in path.read_text("utf-8").splitlines())


@pytest.mark.parametrize("name", profiles())
def test_profiles_are_valid_and_named_after_their_file(name):
    assert load_profile(name)["profile"] == name


def test_unknown_profile_names_the_known_ones():
    with pytest.raises(UserError, match="choose one of gpu, laptop, smoke"):
        load_profile("lptop")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["write"].update(ratee=1), "write.ratee: unknown key; did you mean 'rate'"),
        (lambda s: s.update(zzz=1), "zzz: unknown key; known keys are"),
        (lambda s: s["engram"].pop("layer"), "engram: 'layer' is a required property"),
        (lambda s: s["write"].update(rate=-1), "write.rate: -1"),
        (lambda s: s["matrix"].update(seeds=[]), "matrix.seeds:"),
    ],
)
def test_a_wrong_key_is_one_line_with_a_remedy(tmp_path, change, message):
    settings = load_profile("smoke")
    change(settings)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    with pytest.raises(UserError) as fault:
        load_config(path)
    assert message in str(fault.value) and "\n" not in str(fault.value)


def run(command: list[str], cwd: Path, **options) -> subprocess.CompletedProcess:
    """A command of the copy at `cwd`, with the copy's own code in front of the installed one."""
    environment = {**os.environ, "PYTHONPATH": str(cwd / "code"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240, **options)


def snakemake(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]


@pytest.mark.parametrize("name", profiles())
def test_every_profile_passes_a_dry_run(name):
    done = run(snakemake("-n", "--config", f"profile={name}"), ROOT)
    assert done.returncode == 0, done.stderr
    assert "python code/steps/ask_rows.py --config" in done.stdout + done.stderr, "each rule prints its command"


@pytest.mark.parametrize("arguments", [("profile=lptop",), ("proflie=smoke",)])
def test_snakemake_refuses_a_wrong_profile_with_one_line_and_status_2(arguments):
    done = run(snakemake("-n", "--config", *arguments), ROOT)
    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if line.startswith("error:")], done.stderr


@pytest.fixture(scope="module")
def copy(tmp_path_factory, tiny_folder) -> Path:
    """The tracked files in a new folder, with a profile small enough to run several times and a model already made."""
    folder = tmp_path_factory.mktemp("clone") / "loci"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    shutil.copytree(tiny_folder, folder / "models" / "tiny")
    smoke = load_config(CONFIG / "smoke.yaml")
    smoke["matrix"] |= {"seeds": [0], "batch": 8, "questions": dict.fromkeys(smoke["matrix"]["questions"], 2)}
    (folder / "config" / "micro.yaml").write_text(yaml.safe_dump(smoke | MICRO), encoding="utf-8")
    return folder


TARGET = "results/micro/matrix/ask_rows.tiny.json"
FILES = (TARGET, "results/micro/matrix/write_rows.tiny.s0.json", "results/micro/matrix/answers.tiny.rows.jsonl")


def outcome(folder: Path) -> list[str]:
    """Everything that the run left, outside provenance."""
    texts = []
    for name in FILES:
        text = (folder / name).read_text(encoding="utf-8")
        texts.append(text if name.endswith("l") else json.dumps({**json.loads(text), "provenance": None}))
    return texts


def wait_for(condition, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def steps_running(folder: Path) -> list[psutil.Process]:
    """Steps of the copy that are alive."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        words = process.info["cmdline"] or []
        inside = process.info["cwd"] == str(folder) and process.info["status"] != psutil.STATUS_ZOMBIE
        if inside and any(word.startswith("code/steps/") for word in words):
            found.append(process)
    return found


def start_and_kill(folder: Path, command: list[str], shards: str) -> None:
    """Start a command, wait for the first finished item, and kill the process with signal 9."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "code"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert wait_for(lambda: process.poll() is not None or any((folder / "results").glob(shards)), 120)
        assert process.poll() is None, "finished before it could be killed"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_kill_9_of_snakemake_and_of_a_step_costs_nothing(copy):
    config = ("--config", "profile=micro")
    start_and_kill(copy, snakemake(TARGET, *config), "micro/matrix/work/write_rows/*/*.json")
    assert wait_for(lambda: not steps_running(copy), 5), "a step outlived snakemake"
    assert not (copy / FILES[1]).exists()

    done = run(snakemake(FILES[1], *config), copy)
    assert done.returncode == 0, done.stderr
    users, step = "data/generated/micro/people.json", "code/steps/ask_rows.py"
    by_hand = [sys.executable, step, "--config", "config/micro.yaml", "--users", users, "--rows", FILES[1]]
    by_hand += ["--out", FILES[0], "--answers", FILES[2]]
    start_and_kill(copy, by_hand, "micro/matrix/work/ask_rows/*/*.json")
    assert not (copy / FILES[0]).exists() and not list((copy / "results").rglob(".*.json.*/"))
    done = run(snakemake(TARGET, *config), copy)
    assert done.returncode == 0, done.stderr
    disturbed = outcome(copy)

    shutil.rmtree(copy / "results")
    done = run(snakemake(TARGET, *config), copy)
    assert done.returncode == 0, done.stderr
    assert outcome(copy) == disturbed


def test_bad_input_to_a_step_is_one_line_and_status_2(copy, tmp_path):
    users = tmp_path / "people.json"
    assert (
        run([sys.executable, "code/steps/make_people.py", "--count", "4", "--dev", "2", "--out", str(users)], copy).returncode
        == 0
    )
    broken = tmp_path / "broken.json"
    broken.write_text(users.read_text("utf-8").replace('"answer"', '"anwser"', 1), encoding="utf-8")
    latin = tmp_path / "latin.json"
    latin.write_bytes('{"schema": 1, "users": "\xe9"}'.encode("latin-1"))
    other = tmp_path / "other.json"
    other.write_text('{"schema": 99}', encoding="utf-8")
    deep = tmp_path / "deep.yaml"
    settings = load_config(copy / "config" / "micro.yaml")
    deep.write_text(yaml.safe_dump({**settings, "engram": {**settings["engram"], "layer": 40}}), encoding="utf-8")
    a_file = tmp_path / "file"
    a_file.write_text("", encoding="utf-8")
    out = tmp_path / "out" / "rows.json"
    write, ask = ["code/steps/write_rows.py", "--config"], ["code/steps/ask_rows.py", "--config", "config/micro.yaml"]
    cases = {
        "facts": [*write, "config/micro.yaml", "--users", str(broken), "--out", str(out)],
        "not UTF-8": [*write, "config/micro.yaml", "--users", str(latin), "--out", str(out)],
        "is outside the model; choose 0 to 3": [*write, str(deep), "--users", str(users), "--out", str(out)],
        "no such file": [*write, "config/nothing.yaml", "--users", str(users), "--out", str(out)],
        "is version 99, this code reads version 1": [
            *ask,
            "--users",
            str(users),
            "--rows",
            str(other),
            "--out",
            str(out),
            "--answers",
            str(out),
        ],
        "choose": ["code/steps/make_people.py", "--out", str(a_file / "people.json")],
    }
    for message, command in cases.items():
        done = run([sys.executable, *command], copy)
        lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
        assert done.returncode == 2 and len(lines) == 1 and message in lines[0], (command, done.stderr)
        assert "Traceback" not in done.stderr and not out.exists()


def test_the_log_and_the_benchmark_of_every_rule_share_a_name():
    """The jobs of the default run are told by their logs, and their costs by their benchmark files."""
    rules = "\n".join(path.read_text("utf-8") for path in [*sorted((ROOT / "rules").glob("*.smk")), ROOT / "Snakefile"])
    logs = re.findall(r'log:\s+f?"logs/\{PROFILE\}/(.+)log",', rules)
    benchmarks = re.findall(r'benchmark:\s+f?"\{OUT\}/benchmarks/(.+)tsv"', rules)
    assert logs == benchmarks and len(logs) > 80


def test_the_default_run_is_what_snakemake_would_do():
    jobs = jobs_of("smoke")
    assert {"score_matrix", "write_rows.tiny.s1", "draw_matrix"} <= jobs
    assert not jobs & {"read_distilled", "sweep_rows", "row_write", "train_windowed.pooled.s0"}
