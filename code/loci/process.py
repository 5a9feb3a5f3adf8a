"""Jobs that do not outlive the workflow that started them.

`kill -9` of Snakemake leaves its jobs running; they would then write beside their own successors. Linux can signal a
child whose parent died (prctl PR_SET_PDEATHSIG), but Snakemake puts a shell between itself and a step, and that shell
survives it. So a step that finds Snakemake among its ancestors watches it by process id and start time. A step that
was started by hand has no such ancestor and keeps running under nohup, as one expects.
"""

import ctypes
import os
import signal
import threading
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_WATCH_SECONDS = 0.25


def die_with_workflow() -> None:
    """Under Snakemake, kill this process (SIGKILL) as soon as its shell or Snakemake itself is gone. Linux only."""
    chain = _ancestors_up_to_snakemake(os.getpid())
    if chain:
        threading.Thread(target=_watch, args=(chain,), daemon=True).start()


def kill_child_with_parent() -> None:
    """For `subprocess.Popen(preexec_fn=...)`: the child is killed when the thread that started it ends (Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _ancestors_up_to_snakemake(pid: int) -> list[tuple[int, str]]:
    """(process id, start time) of every ancestor up to the outermost Snakemake; empty when there is none."""
    chain: list[tuple[int, str]] = []
    outermost = 0
    while (pid := _parent_of(pid)) > 1:
        chain.append((pid, _start_time(pid)))
        if b"snakemake" in _command_line(pid):
            outermost = len(chain)
    return chain[:outermost]


def _watch(chain: list[tuple[int, str]]) -> None:
    while all(_start_time(pid) == start for pid, start in chain):
        time.sleep(_WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def _command_line(pid: int) -> bytes:
    """Program and first arguments; only whole words count, so that a folder named snakemake does not."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:4]
    except OSError:
        return b""
    return b" ".join(Path(os.fsdecode(word)).name.encode() for word in words)


def _stat_fields(pid: int) -> list[str] | None:
    """Fields of /proc/<pid>/stat after the command name (which may hold spaces); None once the process is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields


def _parent_of(pid: int) -> int:
    fields = _stat_fields(pid)
    return int(fields[1]) if fields else 0


def _start_time(pid: int) -> str | None:
    fields = _stat_fields(pid)
    return fields[19] if fields else None
