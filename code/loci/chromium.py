"""A headless Chromium, driven through a pipe by its own protocol: no further package, no port, no network.

Only what is needed to look at one page: open it, run an expression in it, press keys, take a picture, hear what it complains of.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from loci.errors import UserError

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1400,1000",
)  # fmt: skip


def find_chromium() -> str | None:
    """Path of an installed Chromium; None where there is none."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


class Browser:
    """One page. Use it as a context: the program and its folder are gone afterwards. `complaints` holds what the page printed as
    an error and what it threw, `requests` the addresses that it asked for."""

    def __init__(self, limit: float = 60.0):
        """limit: seconds that one answer may take. UserError where Chromium is not installed."""
        program = find_chromium()
        if program is None:
            raise UserError("chromium", "not found", "install it (on Debian the package chromium)")
        self._limit, self._count, self._left = limit, 0, b""
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._events: list[dict] = []
        self._folder = tempfile.TemporaryDirectory(prefix="loci.", ignore_cleanup_errors=True)
        hears, self._out = os.pipe()
        self._in, says = os.pipe()
        # Chromium reads commands from descriptor 3 and writes to 4; `exec` in a shell moves ours there.
        shell = f'exec "$@" 3<&{hears} 4>&{says}'
        flags = [*_FLAGS, "--remote-debugging-pipe", f"--user-data-dir={self._folder.name}", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "bash", program, *flags],
            pass_fds=(hears, says),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(hears)
        os.close(says)
        self._session = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
        self._folder.cleanup()

    def open(self, path: Path) -> float:
        """Load a file and wait until it is ready; milliseconds from the start of navigation to the end of its load event."""
        self._events.clear()
        self._call("Page.navigate", url=path.resolve().as_uri())
        self._await("Page.loadEventFired")
        return self.run("(e => e.loadEventEnd || performance.now())(performance.getEntriesByType('navigation')[0])")

    def run(self, expression: str) -> object:
        """The value of a JavaScript expression; of a promise, what it brings. RuntimeError where it throws."""
        found = self._call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in found:
            about = found["exceptionDetails"]
            raise RuntimeError(about.get("exception", {}).get("description", about["text"]))
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key as a keyboard would, named as in KeyboardEvent.key: "Escape", "ArrowDown", "Enter", "Tab"."""
        codes = {"Escape": 27, "Enter": 13, "Tab": 9, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        about = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        self._call("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        self._call("Input.dispatchKeyEvent", type="keyUp", **about)

    def dark(self, wanted: bool = True) -> None:
        """Have the page believe that its reader wants dark colours."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if wanted else "light"}]
        self._call("Emulation.setEmulatedMedia", features=features)

    def picture(self, path: Path) -> None:
        """Write what is seen as PNG."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"]))

    def _call(self, method: str, **arguments) -> dict:
        self._count += 1
        message = {"id": self._count, "method": method, "params": arguments}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + self._limit
        while True:
            answer = self._read(end, method)
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self._note(answer)

    def _await(self, event: str) -> None:
        end = time.monotonic() + self._limit
        while not any(one["method"] == event for one in self._events):
            self._note(self._read(end, event))

    def _read(self, end: float, what: str) -> dict:
        """The next message; RuntimeError when none comes in time or Chromium has gone."""
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            part = os.read(self._in, 1 << 16) if ready else b""
            if not part:
                raise RuntimeError(f"chromium: no answer to {what} in {self._limit:.0f} s")
            self._left += part
        message, _, self._left = self._left.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict) -> None:
        self._events.append(event)
        method, about = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(about["exceptionDetails"].get("exception", {}).get("description", "exception"))
        elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning"):
            self.complaints.append(" ".join(str(one.get("value", one.get("description"))) for one in about["args"]))
        elif method == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.complaints.append(about["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
