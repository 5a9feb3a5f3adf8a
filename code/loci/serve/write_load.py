"""How long a write takes, with nothing else going on and while the server's slots are full of readers."""

import threading
import time
from pathlib import Path

from loci.models.base import Base
from loci.serve.engine import Busy, Request
from loci.serve.load import request
from loci.serve.population import TENANT, Population
from loci.serve.service import Service
from loci.worlds.corpus import build_corpus

_TOLD = 1000  # seed of the corpus that is told, which no measured user was written from


def write_seconds(
    base: Base, settings: dict, folder: Path, model: Path | None, population: Population, writes: int
) -> dict[str, list[float]]:
    """Seconds from the commit of a fact's text to the commit of its rows, `alone` and while others are `reading`."""
    service = Service(base, settings, folder, model)
    facts = iter(build_corpus(2 * writes + 1, _TOLD))
    try:
        service.store.add_tenant(TENANT)

        def write(user: str) -> float:
            fact, start = next(facts), time.perf_counter()
            service.store.add_user(TENANT, user, 10**6)
            service.store.add_facts(user, [(fact.trigger, fact.answer)], 1)
            service.writes.put(user)
            while service.store.job(user) is not None:
                time.sleep(0.005)
            return time.perf_counter() - start

        write("first")  # starts the worker
        found = {"alone": [write(f"alone{at}") for at in range(writes)]}
        reading = _Readers(service, population)
        found["reading"] = [write(f"reading{at}") for at in range(writes)]
        reading.stop()
        return found
    finally:
        service.close()


class _Readers:
    """As many requests as there are slots, under way until stopped."""

    def __init__(self, service: Service, population: Population):
        self._service, self._population, self._stopping = service, population, threading.Event()
        self._asked: dict[int, Request] = {}
        tokens = service.engine.cache.positions // 4
        for at in range(service.engine.cache.slots):
            self._submit(at, tokens)

    def _submit(self, at: int, tokens: int) -> None:
        own = at % len(self._population.rows)
        one = request(self._population.prompts[own][0], self._population.rows_of(at), tokens)

        def emit(token: int | None) -> None:
            if token is None and not self._stopping.is_set():
                threading.Thread(target=self._submit, args=(at, tokens)).start()  # the engine's thread must not wait

        one.emit, self._asked[at] = emit, one
        try:
            self._service.runner.submit(one)
        except Busy:
            if not self._stopping.is_set():  # the server ends while the last readers ask again
                raise

    def stop(self) -> None:
        """Ask no more, and want no more of what was asked."""
        self._stopping.set()
        for one in self._asked.values():
            one.cancelled = True
