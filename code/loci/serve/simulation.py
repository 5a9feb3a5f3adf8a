"""More users than can be registered here: what their rows take, how often a cache has them, how many machines answer.

Requests are drawn by Zipf's law, each independent of the last. A cache that drops what was not used for longest then behaves
as if everybody who was asked for within one characteristic time were in it (Che, Tung and Wang, 2002); `lru_hits` runs such a
cache to see how far that holds. A request takes the seconds that were measured when its rows were in memory, and the further
seconds that were measured when they came from disk.
"""

import math
from collections import OrderedDict

import numpy as np

_EXACT = 1000  # ranks that are counted one by one; further ones in bins of like probability
_BINS = 3000


def zipf_bins(users: int, exponent: float) -> tuple[np.ndarray, np.ndarray]:
    """Bins of ranks 1 to `users`: how many ranks, and the probability of one of them, float64 each."""
    head = np.arange(1, min(users, _EXACT) + 1)
    edges = head if users <= _EXACT else np.unique(np.geomspace(_EXACT + 1, users + 1, _BINS).astype(np.int64))
    if users <= _EXACT:
        counts, middles = np.ones(len(head)), head.astype(np.float64)
    else:
        tail = np.diff(edges)
        counts = np.concatenate([np.ones(len(head)), tail])
        middles = np.concatenate([head, (edges[:-1] + edges[1:] - 1) / 2])
    weights = middles**-exponent
    return counts, weights / (counts * weights).sum()


def cache_hits(users: int, exponent: float, kept: float) -> float:
    """Share of requests that find their user among `kept` in memory."""
    if kept >= users:
        return 1.0
    counts, each = zipf_bins(users, exponent)

    def held(time: float) -> float:
        return float((counts * -np.expm1(-each * time)).sum())

    low, high = 0.0, float(users)
    while held(high) < kept:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if held(middle) < kept else (low, middle)
    return float((counts * each * -np.expm1(-each * high)).sum())


def lru_hits(users: int, exponent: float, kept: int, requests: int, seed: int) -> float:
    """The same share, of a cache that is run: after as many requests again to fill it."""
    weights = np.arange(1, users + 1, dtype=np.float64) ** -exponent
    drawn = np.random.default_rng(seed).choice(users, size=2 * requests, p=weights / weights.sum())
    cache: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for at, user in enumerate(drawn.tolist()):
        if user in cache:
            cache.move_to_end(user)
            hits += at >= requests
        else:
            cache[user] = None
            if len(cache) > kept:
                cache.popitem(last=False)
    return hits / requests


def fitted_seconds(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Seconds of a request whose rows are in memory, and the further seconds of one whose rows are not, from the measured
    points (share of hits, seconds) with the most and the fewest hits."""
    (most, fast), (fewest, slow) = max(points), min(points)
    further = max((slow - fast) / (most - fewest), 0.0) if most > fewest else 0.0
    return fast - (1 - most) * further, further


def machines(users: int, exponent: float, wanted: float, memory: float, bytes_each: float, seconds: tuple[float, float]) -> dict:
    """Machines that answer `wanted` requests a second, each for an equal share of the users with `memory` bytes for their rows.

    seconds: see `fitted_seconds`. More machines keep a larger share in memory, so the least number is looked for.
    """

    def enough(count: int) -> tuple[bool, float]:
        mine = math.ceil(users / count)
        hits = cache_hits(mine, exponent, memory / bytes_each)
        return wanted / count * (seconds[0] + (1 - hits) * seconds[1]) <= 1, hits

    high = 1
    while not enough(high)[0]:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle)[0] else (middle, high)
    return {"machines": high, "hits": enough(high)[1], "bytes": users * bytes_each}
