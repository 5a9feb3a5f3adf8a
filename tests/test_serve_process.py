"""The server as a process: README's examples, a graceful stop, and kill -9 while facts are written."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import yaml
from served import profile, registered

from loci.paths import ROOT
from loci.serve.kills import trial
from loci.serve.process import ServerProcess


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "served.yaml"
    path.write_text(yaml.safe_dump(profile()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def server(config: Path, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(config, tmp_path_factory.mktemp("store"), tiny_folder)
    yield server
    assert server.stop() == 0
    assert "Traceback" not in (server.folder / "server.log").read_text(encoding="utf-8")


def test_the_examples_of_the_readme(server):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"## Serve many users.*?```bash\n(.*?)```", text, re.DOTALL)[1]
    commands = block.partition("\n\n")[2]  # without the line that starts the server
    assert commands.count("curl") >= 6
    commands = commands.replace("localhost:8000", f"127.0.0.1:{server.port}").replace("served/", f"{server.folder}/")
    commands = commands.replace("smollm2-135m", "tiny")
    environment = {**os.environ, "no_proxy": "*"}
    done = subprocess.run(["bash", "-euc", commands], capture_output=True, text=True, timeout=240, env=environment)
    assert done.returncode == 0 and '"error"' not in done.stdout, done.stdout + done.stderr
    assert "Dr. Lee" in done.stdout and "[DONE]" in done.stdout and "loci_tokens_total" in done.stdout, done.stdout


def test_a_graceful_stop_answers_what_was_asked(config, tiny_folder, tmp_path):
    server = ServerProcess(config, tmp_path, tiny_folder)
    token = registered(server, "east", "ann")
    asked = {"model": "tiny", "prompt": "The module", "max_tokens": 60, "stream": True}
    with server.client(token) as client, client.stream("POST", "/v1/completions", json=asked) as answer:
        lines = answer.iter_lines()
        first = next(lines)
        os.kill(server._process.pid, 15)
        rest = list(lines)
    assert first.startswith("data: {") and rest[-1] == "" and "data: [DONE]" in rest
    assert server.stop() == 0
    with pytest.raises(httpx2.TransportError):
        httpx2.get(f"{server.url}/health")


def test_kills_lose_nothing_and_show_nothing_half_written(config, tiny_folder, tmp_path):
    tally = trial(config, tmp_path, tiny_folder, kills=3, users=3, seed=0)
    assert (tally.kills, tally.lost, tally.broken, tally.unsaid, tally.exceptions) == (3, 0, 0, 0, 0)
    assert tally.acknowledged >= 3
