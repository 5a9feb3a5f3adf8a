"""What the side model of extraction B costs beside the model that it reads for, and how late its triplets come.

A decoder writes a text, a token for each word. Once alone; once with the side model reading, in a thread of its own, each segment
that has left the window of raw tokens. Both take turns, text by text. Untrained weights: the clock does not see what they say.
"""

import argparse
import statistics
import time
from collections import deque
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from tqdm import tqdm

from loci.config import load_config
from loci.errors import UserError, run_step
from loci.memories.prose_words import words_of
from loci.memories.side_model import SideModel, SideSettings
from loci.memories.side_stream import Follower
from loci.memories.side_training import begin
from loci.memories.side_words import segments_of
from loci.models.base import use_threads
from loci.models.gpt import GPT, Cache, Shape
from loci.provenance import Provenance
from loci.results import result, rounded, write_json
from loci.worlds.prose import document
from loci.worlds.prose_records import Document

_LEARNED, _KNOWN = 20, 4  # documents that the side model knows the words of; that the decoder warms up with


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, default="config/laptop.yaml", help="profile (YAML)")
    parser.add_argument("--texts", type=int, default=20, help="documents that are written, each twice")
    parser.add_argument("--out", type=Path, default="results/laptop/bench/side_reader.json", help="results file to write (JSON)")
    return parser.parse_args(argv)


@torch.no_grad()
def written(model: GPT, text: Document, window: int, side: SideModel | None) -> dict[str, list[float]]:
    """Write a text with a decoder that sees `window` tokens. tokens: seconds of each; behind: words that were written between the
    eviction of a segment and the arrival of its triplets."""
    words = words_of(text.text)
    segments = deque(segments_of(text, words, side.settings.least)) if side else deque()
    evicted, seconds, behind, cache = deque(), [], [], Cache()
    with Follower(side, words) if side else nullcontext() as follower:
        for at in range(len(words.words)):
            start = time.perf_counter()
            if cache.length >= 2 * window:  # begins anew with what is in sight
                recent, cache = cache.tokens[:, -window:], Cache()
                model(recent, None, cache)
            token = torch.tensor([[at % model.shape.vocabulary]])
            model.logits(model(token, None, cache)[:, -1]).argmax(-1)
            seconds.append(time.perf_counter() - start)
            if follower:
                while segments and segments[0].last <= at - window:
                    evicted.append(at)
                    follower.evict(segments.popleft())
                follower.ready()
                while len(evicted) > follower.behind:
                    behind.append(at - evicted.popleft())
    return {"tokens": seconds, "behind": behind}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    about, window = settings["windowed"], settings["windowed"]["asked"]["window"]
    torch.manual_seed(0)
    model = GPT(Shape.of_depth(about["depth"], about["vocabulary"], window)).eval()
    side = begin([document(index, 0, "train") for index in range(_LEARNED)], SideSettings(**settings["side"]), 0)
    texts = [document(index, 1, "train") for index in range(args.texts + _KNOWN)]
    found: dict[str, list[float]] = {"alone": [], "beside": [], "behind": []}
    for number, text in enumerate(tqdm(texts, unit="text")):
        alone, beside = written(model, text, window, None), written(model, text, window, side)
        if number >= _KNOWN:
            found["alone"] += alone["tokens"]
            found["beside"] += beside["tokens"]
            found["behind"] += beside["behind"]
    if not found["behind"]:
        raise UserError("--texts", "hold no text that is longer than the window", "write more of them")
    metrics = {f"{name}_ms": 1000 * statistics.median(found[name]) for name in ("alone", "beside")}
    metrics |= {"behind_words": statistics.median(found["behind"]), "behind_words_most": max(found["behind"])}
    metrics |= {"segments": len(found["behind"]), "words": len(found["alone"])}
    config = {"side": settings["side"], "window": window, "texts": args.texts, "threads": settings["threads"]}
    write_json(args.out, result("bench_side_reader", config, 0, rounded(metrics), [], provenance.record()))
    print(
        f"{args.out}: a token takes {metrics['alone_ms']:.2f} ms alone, {metrics['beside_ms']:.2f} with the side model beside; "
        f"triplets come {metrics['behind_words']:.0f} words after their text has left the window, at most "
        f"{metrics['behind_words_most']:.0f}"
    )


if __name__ == "__main__":
    run_step(main)
