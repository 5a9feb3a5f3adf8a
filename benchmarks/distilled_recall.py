"""How long recall takes in a store of distilled text as it grows: questions about timelines, messages of many people in one file.

Writing is timed too. The file lies on disk, as it would; every question is asked twice, and both times count.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from loci.errors import UserError, run_step
from loci.memories.distilled_store import DistilledStore, Message
from loci.memories.lexical import STOP_WORDS
from loci.provenance import Provenance
from loci.results import result, rounded, write_json
from loci.worlds.timeline import ask, build_timeline

_PERSON = 10_000  # messages of each
_HITS = 10


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="messages in the store")
    parser.add_argument("--questions", type=int, default=200, help="questions asked at each size")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def told(size: int) -> tuple[list[Message], list[str]]:
    """(`size` messages of as many people as it takes, questions about the first of them)."""
    messages, questions = [], []
    for person in range(-(-size // _PERSON)):
        timeline = build_timeline(person, 0, min(_PERSON, size))
        messages += [Message(f"{person}.{one.t}", timeline.pid, "user", one.text, "") for one in timeline.events]
        questions += [one.text for one in ask(timeline, range(len(timeline.events) // 2, len(timeline.events), 20), 0)]
    return messages[:size], questions


def timed(size: int, wanted: int) -> dict:
    """{size, write_ms a message, bytes, milliseconds of every recall}."""
    messages, questions = told(size)
    if not questions:
        raise UserError("--sizes", f"{size} messages are too few to ask about", "give at least 1000")
    with tempfile.TemporaryDirectory() as folder:
        store, start = DistilledStore(Path(folder) / "store.sqlite"), time.perf_counter()
        for at in range(0, size, 1_000):
            store.add(messages[at : at + 1_000])
        write_ms, spent = 1000 * (time.perf_counter() - start) / size, []
        for question in [*questions[:wanted], *questions[:wanted]]:
            start = time.perf_counter()
            store.recall(question, _HITS, STOP_WORDS)
            spent.append(1000 * (time.perf_counter() - start))
        found = {"size": size, "write_ms": write_ms, "bytes": store.nbytes, "recall_ms": spent}
        store.close()
    return found


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {})
    found = [timed(size, args.questions) for size in tqdm(args.sizes, desc="recall", unit="store")]
    ledger, costs = {}, {}
    for one in found:
        about = {"n": len(one["recall_ms"]), "source": args.out.name}
        for name, share in (("p50_ms", 50), ("p95_ms", 95)):
            value = float(np.percentile(one["recall_ms"], share))
            costs[f"distilled.recall.n{one['size']}.{name}"] = {"value": value, **about}
        ledger[f"distilled.recall.n{one['size']}.bytes"] = {"value": one["bytes"], "n": one["size"], "source": args.out.name}
        costs[f"distilled.recall.n{one['size']}.write_ms"] = {"value": one["write_ms"], "n": one["size"], "source": args.out.name}
    last = max(args.sizes)
    costs["distilled.recall.p95_ms"] = costs[f"distilled.recall.n{last}.p95_ms"]
    config = {"sizes": args.sizes, "questions": args.questions, "hits": _HITS}
    write_json(
        args.out, result("distilled_recall", config, 0, rounded(ledger), [], provenance.record() | {"costs": rounded(costs)})
    )
    p95 = costs["distilled.recall.p95_ms"]["value"]
    print(f"{args.out}: recall among {last:,} messages takes {p95:.1f} ms in 95 of 100 cases")


if __name__ == "__main__":
    run_step(main)
