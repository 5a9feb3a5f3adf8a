"""How much a tenant may ask for: a bucket of requests that fills at a fixed rate."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from loci.serve.store import Refused


@dataclass(frozen=True)
class Limits:
    """rate, burst: requests of a tenant a second, and at once. users: of a tenant. facts: of a user. batch: facts of one write.
    characters: of a statement or a value. tokens: of an answer. body: bytes of a request."""

    rate: float
    burst: int
    users: int
    facts: int
    batch: int
    characters: int
    tokens: int
    body: int


class Rates:
    """A token bucket a tenant; the clock gives seconds."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic):
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: dict[str, tuple[float, float]] = {}  # tenant: (what was left, when)
        self._lock = threading.Lock()

    def take(self, tenant: str) -> None:
        """Count one request; Refused with 429 and the seconds to wait when the bucket is empty."""
        with self._lock:
            now = self._clock()
            left, then = self._buckets.get(tenant, (float(self._burst), now))
            left = min(self._burst, left + (now - then) * self._rate)
            self._buckets[tenant] = (left - 1 if left >= 1 else left, now)
            if left < 1:
                wait = (1 - left) / self._rate
                raise Refused(429, "too_many_requests", f"{self._rate:g} requests a second are allowed; wait {wait:.2f} s")
