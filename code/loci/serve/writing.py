"""The queue of users whose facts wait to be written, and the thread that has the worker process write them."""

import json
import logging
import pickle
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict

from loci.process import kill_child_with_parent
from loci.serve.store import Job, Refused, Store
from loci.serve.worker import Settings

_LOG = logging.getLogger("loci.serve")
_TRIES = 2
_PAUSE = 1.0  # seconds before a write is tried again that found no room


class WorkerDied(Exception):
    """The worker process ended before it answered."""


class Worker:
    """The worker process, started when it is first needed and again when it died."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._process: subprocess.Popen | None = None

    def settle(self, job: Job, trace: bytes | None) -> tuple[bytes, dict[int, str]] | str:
        """See `Scribe.settle`, or the words of a fault; WorkerDied when the process ends before it answers."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        return self._exchange((job, trace))

    def kill(self) -> None:
        """End the process, from any thread; what it computes is lost, which changes nothing."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End the process and wait for that, in the thread that uses it."""
        self.kill()
        if self._process is not None:
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                with suppress(OSError):  # a job that was not sent whole
                    pipe.close()

    def _start(self) -> None:
        self.close()
        command = [sys.executable, "-m", "loci.serve.worker", json.dumps(asdict(self._settings))]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(command, preexec_fn=kill_child_with_parent, **pipes)
        self._read()

    def _exchange(self, message: object) -> tuple[bytes, dict[int, str]] | str:
        try:
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()
        except OSError:
            raise WorkerDied from None
        return self._read()

    def _read(self):
        try:
            return pickle.load(self._process.stdout)
        except (EOFError, pickle.UnpicklingError):
            raise WorkerDied from None


class WriteQueue:
    """Users wait here, first come first served; what their facts need is read from the store when their turn comes.

    settled: told the user after each commit, and the seconds that it took.
    """

    def __init__(self, store: Store, worker: Worker, settled: Callable[[str, float], None]):
        self._store, self._worker, self._settled = store, worker, settled
        self._users: queue.Queue[str | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="writes", daemon=True)
        self._stopping = threading.Event()
        for user in store.unsettled():  # committed before the last stop, or crash
            self._users.put(user)
        self._thread.start()

    @property
    def waiting(self) -> int:
        return self._users.qsize()

    def put(self, user: str) -> None:
        self._users.put(user)

    def stop(self) -> None:
        """End after the fact that is being committed; what waits is taken up at the next start."""
        self._stopping.set()
        self._users.put(None)
        self._worker.kill()
        self._thread.join()

    def _run(self) -> None:
        while (user := self._users.get()) is not None and not self._stopping.is_set():
            try:
                self._write(user)
            except Refused as refusal:  # a full disk: the facts stay pending, and are tried again
                _LOG.error("writing for %s: %s", user, refusal.message)
                self._stopping.wait(_PAUSE)
                self._users.put(user)
            except Exception:
                _LOG.exception("writing for %s", user)
        self._worker.close()

    def _write(self, user: str) -> None:
        start = time.perf_counter()
        job = self._store.job(user)
        if job is None:
            return
        for left in range(_TRIES - 1, -1, -1):
            try:
                answer = self._worker.settle(job, self._store.trace(user))
                break
            except WorkerDied:
                if self._stopping.is_set():
                    return
                _LOG.error("the worker process died writing for %s; %d more tries", user, left)
        else:
            answer = "the worker process died while it wrote this"
        if isinstance(answer, str):
            _LOG.error("writing for %s: %s", user, answer)
            if not job.ids:
                return  # what is to be forgotten is never dropped from the list while rows may hold it
            answer = None, dict.fromkeys(job.ids, answer)
        if self._store.settle(job, *answer):
            self._settled(user, time.perf_counter() - start)
