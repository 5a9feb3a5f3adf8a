"""How many tokens K [mem] vectors hold: documentation and random words, made longer until the model no longer says them.

All texts at once, each from its vectors of the shorter length, token 1 scored; at the first length a text that is slow is drawn
anew. With --published, the recipe as it was published
(nothing in front, a new draw for each length, token 1 neither trained nor scored), with fewer steps. A kind of text whose mean
accuracy has fallen below its `mem.stop` is not made longer. A killed run goes on with the next length.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from loci.bench.mem_texts import KINDS, mem_texts
from loci.bench.texts import prose_sha256
from loci.config import load_config
from loci.errors import run_step
from loci.models.base import Base, load_base, use_threads
from loci.models.mem_vectors import PUBLISHED, Crammed, Front, MemSettings, begin, cram, greedy
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_text, write_json
from loci.shards import Shards

_SEED = 0


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--vectors", type=int, default=1, help="vectors of a text (count)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="kinds of text, each made longer apart")
    parser.add_argument("--published", action="store_true", help="the published recipe instead of ours")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def measured(front: Front, texts: list[list[int]], found: list[Crammed], kinds: list[str], base: Base) -> list[dict]:
    """What is told of texts of one length: under teacher forcing, said freely, and in nats."""
    ids = torch.tensor(texts)
    bare = front.bare_nats(ids)
    said = greedy(front, [one.vectors for one in found], ids.shape[1])
    items = []
    for text, kind, one, before, spoken in zip(texts, kinds, found, bare, said, strict=True):
        right = [left == wanted for left, wanted in zip(spoken, text, strict=True)]
        items.append(
            {
                "kind": kind,
                "text": sha256_text(base.tokenizer.decode(text))[:12],
                "length": len(text),
                "right": int(one.right.sum()),
                "first_right": bool(one.right[0]),
                "said_right": sum(right),
                "said_until": right.index(False) if False in right else len(right),
                "nats_bare": before.tolist(),
                "nats": one.nats.tolist(),
                "steps": one.steps,
            }
        )
    return items


def in_shard(found: list[Crammed]) -> list[dict]:
    return [
        {"vectors": one.vectors.tolist(), "right": one.right.tolist(), "nats": one.nats.tolist(), "steps": one.steps}
        for one in found
    ]


def from_shard(parts: list[dict]) -> list[Crammed]:
    return [Crammed(*(torch.tensor(part[name]) for name in ("vectors", "right", "nats")), part["steps"]) for part in parts]


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    how, base = settings["mem"], load_base(settings["base"]["name"], args.model)
    if args.published:
        own, tried = how["published"], [(kind, at) for kind in args.kinds for at in range(how["published"]["texts"])]
        front, lengths = Front(base.model), own["lengths"]
        spec = MemSettings(args.vectors, steps=own["steps"], patience=own["steps"], **PUBLISHED)
    else:
        tried = [(kind, at) for kind in args.kinds for at in range(how["texts"])]
        front = Front(base.model, base.tokenizer(how["constant"], add_special_tokens=False).input_ids)
        by = how["by"] * args.vectors
        lengths = list(range(by, max(how["lengths"]) + 1, by))
        spec = MemSettings.of(args.vectors, how)
    each = len(tried) // len({kind for kind, _ in tried})
    whole = {kind: mem_texts(kind, "test", each, max(lengths), base.tokenizer) for kind, _ in tried}
    relevant = {
        "base": settings["base"],
        "mem": how,
        "vectors": args.vectors,
        "kinds": list(args.kinds),
        "published": args.published,
        "prose_sha256": prose_sha256(),
    }
    shards = Shards(Path(__file__), {**relevant, "model": base.model_sha256}, args.out.parent / "work")
    items, costs, vectors, taken = [], [], None, [0] * len(tried)
    for length in tqdm(lengths, desc="cram", unit="length"):
        if not tried:
            break
        kinds, texts = [kind for kind, _ in tried], [whole[kind][at][:length] for kind, at in tried]
        part = shards.get(f"n{length:03d}")
        if part is None:
            started, tokens = time.perf_counter(), [0]

            def watch(count: int, tokens: list[int] = tokens) -> None:
                tokens[0] += count

            if args.published:
                found = cram(front, texts, spec, front.draw(len(tried), spec, _SEED + length), watch)
            elif length == lengths[0]:
                found = begin(front, texts, spec, _SEED, *(how["redraw"][name] for name in ("within", "again")), watch)
            else:
                found = cram(front, texts, spec, vectors, watch, [how["most"] - steps for steps in taken])
            about = measured(front, texts, found, kinds, base) if length in how["lengths"] or args.published else []
            spent = {"length": length, "texts": len(texts), "tokens": tokens[0], "seconds": time.perf_counter() - started}
            part = shards.put(f"n{length:03d}", {"found": in_shard(found), "measured": about, "spent": spent})
        found = from_shard(part["found"])
        taken = [before + one.steps for before, one in zip(taken, found, strict=True)]
        items += [{**one, "steps_in_all": steps} for one, steps in zip(part["measured"], taken, strict=bool(part["measured"]))]
        costs.append(part["spent"])
        share = {
            kind: [float(one.right.float().mean()) for one, of in zip(found, kinds, strict=True) if of == kind] for kind in kinds
        }
        kept = [at for at, kind in enumerate(kinds) if args.published or sum(share[kind]) / len(share[kind]) >= how["stop"][kind]]
        tried, taken = [tried[at] for at in kept], [taken[at] for at in kept]
        vectors = torch.stack([found[at].vectors for at in kept]) if kept else None
    record = provenance.record() | {"model_sha256": base.model_sha256, "lengths": costs}
    metrics = {"vectors": args.vectors, "texts": len({one["text"] for one in items})}
    write_json(args.out, result("cram_texts", relevant, _SEED, metrics, rounded(items), record))
    last = {kind: max((one["length"] for one in items if one["kind"] == kind), default=0) for kind in args.kinds}
    told = ", ".join(f"{kind} up to {length} tokens" for kind, length in last.items() if length)
    print(f"{args.out}: {told} behind {args.vectors} vector(s); score_mem.py says how many of them are exact")


if __name__ == "__main__":
    run_step(main)
