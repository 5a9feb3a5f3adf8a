"""Load in a closed loop: so many requests are always under way; each that ends is followed by the next."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from loci.bench.statistics import over_seeds
from loci.serve.engine import Engine, Request


@dataclass(frozen=True)
class Measured:
    """One run: seconds in all, and seconds of each request from its submission to its last token."""

    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds


def closed_loop(engine: Engine, make: Callable[[int], Request], total: int, concurrency: int) -> Measured:
    """Serve requests make(0) to make(total - 1), `concurrency` at a time; making one counts as part of serving it."""
    latencies, began, requests = [], {}, {}
    submitted = 0
    start = time.perf_counter()
    while len(latencies) < total:
        while submitted < total and len(requests) < concurrency:
            began[submitted] = time.perf_counter()
            requests[submitted] = make(submitted)
            engine.submit(requests[submitted])
            submitted += 1
        engine.step()
        now = time.perf_counter()
        for at in [at for at, request in requests.items() if request.finish]:
            latencies.append(now - began.pop(at))
            del requests[at]
    return Measured(time.perf_counter() - start, latencies)


def request(ids: list[int], rows, tokens: int, user: str = "") -> Request:
    """A request whose answer has exactly so many tokens: all ways of serving then do the same work."""
    return Request(ids, rows, tokens, lambda said: False, user=user)


def latency_entries(name: str, runs: list[Measured], source: str) -> dict[str, dict]:
    """Ledger entries of several runs: requests a second, and p50, p95 and p99 of a request's seconds, intervals over the runs."""
    entries = {f"{name}.requests_per_second": over_seeds([run.rate for run in runs], source)}
    for share in (50, 95, 99):
        entries[f"{name}.p{share}"] = over_seeds([float(np.percentile(run.latencies, share)) for run in runs], source)
    return entries


def ratio_entry(above: list[float], below: list[float], source: str, less: float = 0.0) -> dict:
    """Mean of the ratios of runs that were made in pairs, less a constant, with Student's interval."""
    return over_seeds([one / other - less for one, other in zip(above, below, strict=True)], source)
