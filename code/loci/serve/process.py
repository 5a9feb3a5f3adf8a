"""A server in a process of its own, as a user would start it: started, asked, stopped, killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2

from loci.errors import UserError
from loci.paths import ROOT
from loci.process import kill_child_with_parent

_PATIENCE = 180.0  # seconds until a server must answer


class ServerProcess:
    """`code/steps/serve.py` on a free port; it answers when the constructor returns. What it prints: `folder`/server.log."""

    def __init__(self, config: Path, folder: Path, model: Path | None = None):
        self.folder, self.port = folder, _free_port()
        folder.mkdir(parents=True, exist_ok=True)
        step = ROOT / "code" / "steps" / "serve.py"
        command = [sys.executable, str(step), "--config", str(config), "--folder", str(folder), "--port", str(self.port)]
        command += ["--model", str(model)] if model else []
        with open(folder / "server.log", "ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=kill_child_with_parent)
        self.url = f"http://127.0.0.1:{self.port}"
        deadline = time.monotonic() + _PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise UserError(folder / "server.log", "the server did not start", "read why there")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/health", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False

    @property
    def operator(self) -> str:
        """The operator's token."""
        return (self.folder / "operator.token").read_text(encoding="utf-8").strip()

    def client(self, token: str) -> httpx2.Client:
        """A client that speaks as the holder of a token."""
        return httpx2.Client(base_url=self.url, headers={"authorization": f"Bearer {token}"}, timeout=_PATIENCE)

    def kill(self) -> None:
        """SIGKILL: nothing is finished."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM: what was asked is answered. The exit status."""
        os.kill(self._process.pid, signal.SIGTERM)
        return self._process.wait(_PATIENCE)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
