"""Counters and histograms in the text form that Prometheus reads."""

import threading
from collections import defaultdict
from collections.abc import Iterable

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """What is counted: `count` adds to a counter, `observe` to a histogram of seconds. Labels are (name, value) pairs."""

    def __init__(self) -> None:
        self._counters: dict[tuple[str, tuple], float] = defaultdict(float)
        self._histograms: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def count(self, name: str, *labels: tuple[str, object], by: float = 1) -> None:
        with self._lock:
            self._counters[name, labels] += by

    def observe(self, name: str, seconds: float) -> None:
        with self._lock:
            buckets = self._histograms.setdefault(name, [0.0] * (len(SECONDS) + 2))
            for at, limit in enumerate(SECONDS):
                buckets[at] += seconds <= limit
            buckets[-2] += 1
            buckets[-1] += seconds

    def text(self, gauges: Iterable[tuple[str, float]]) -> str:
        """All of it, and gauges as they stand now (exposition format 0.0.4)."""
        with self._lock:
            lines, typed = [], set()
            for (name, labels), value in sorted(self._counters.items(), key=str):
                if name not in typed:
                    lines.append(f"# TYPE {name} counter")
                    typed.add(name)
                inside = ",".join(f'{key}="{text}"' for key, text in labels)
                lines.append(f"{name}{{{inside}}} {value:g}" if inside else f"{name} {value:g}")
            for name, buckets in sorted(self._histograms.items()):
                lines.append(f"# TYPE {name} histogram")
                for limit, count in zip((*(f"{one:g}" for one in SECONDS), "+Inf"), buckets, strict=False):
                    lines.append(f'{name}_bucket{{le="{limit}"}} {count:g}')
                lines += [f"{name}_count {buckets[-2]:g}", f"{name}_sum {buckets[-1]:.6f}"]
        for name, value in gauges:
            lines += [f"# TYPE {name} gauge", f"{name} {value:g}"]
        return "\n".join(lines) + "\n"
