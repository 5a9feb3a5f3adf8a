"""Serve mixed requests of many users and compare each answer with the same request served alone, bit for bit.

Everybody stores the same kinds of facts in the same words, and all canaries but one: at each address the users meet. A request
asks for a fact of its own user or for the canary that this user never told. Compared are all logits of every token.
"""

import argparse
import hashlib
import random
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.decode import PromptBatch, newline_tokens
from loci.bench.statistics import wilson
from loci.bench.tenants import Tenant, judged, tenants_of
from loci.config import load_config
from loci.errors import run_step
from loci.memories.row_examples import Sentence
from loci.memories.row_strategies import Writer, write_optimised
from loci.memories.row_writer import write_settings
from loci.models.base import load_base, use_threads
from loci.models.engram import EngramSpec
from loci.models.rows import RowBatch, RowMap
from loci.models.upper import UpperStack
from loci.provenance import Provenance
from loci.results import result, rounded, write_json
from loci.serve.engine import Engine, Request
from loci.serve.exact import exact_widths
from loci.serve.overlay import ServedGraft
from loci.shards import Shards
from loci.worlds.people import iter_users
from loci.worlds.records import Fact

_SEED = 0
_TOKENS = 12


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--requests", type=int, help="mixed requests; serve.isolated.requests when not given")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


class Asked:
    """One request and the hash of all logits that it has seen."""

    def __init__(self, ids: list[int], rows: RowMap, ends: frozenset[int]):
        self._bits = hashlib.sha256()
        self.request = Request(ids, rows, _TOKENS, lambda tokens: tokens[-1] in ends, watch=self._watch)

    def _watch(self, logits) -> None:
        self._bits.update(logits.numpy().tobytes())

    @property
    def bits(self) -> str:
        return self._bits.hexdigest()


def written(tenant: Tenant, writer: Writer, settings: dict, shards: Shards, about: dict[str, str]) -> RowMap:
    """One user's rows, in half precision as the server keeps them; taken up from an earlier run where there are any."""
    path = shards.folder / f"{tenant.uid}.safetensors"
    if not path.exists():
        sentences = [Sentence(fact.trigger, fact.answer) for fact in tenant.facts]
        rows, _ = write_optimised("rows_joint", writer, sentences, [], write_settings(settings["write"], len(sentences)), _SEED)
        rows.with_values(rows.values.half()).save(path, about)
    return RowMap.load(path, about)


def mixed(engine: Engine, asked: list[Asked], rng: random.Random) -> None:
    """Serve requests that come none, a few or many at a time: mostly all slots are taken, and batches of all sizes occur."""
    waiting = deque(asked)
    with tqdm(total=len(asked), desc="mixed", unit="request") as bar:
        while waiting or not engine.idle:
            room = engine.cache.slots - engine.active - engine.waiting
            for _ in range(min(rng.choice((0, 1, 4, room)), room, len(waiting))):
                engine.submit(waiting.popleft().request)
            engine.step()
            bar.update(len(asked) - len(waiting) - engine.active - engine.waiting - bar.n)


def said(one: Asked, ends: frozenset[int]) -> list[int]:
    """The answer without what ended it."""
    tokens = one.request.tokens
    return tokens[:-1] if tokens and tokens[-1] in ends else tokens


def verdicts(
    tokenizer, tenants: list[Tenant], kinds: list[str], asked: list[tuple[int, Fact]], answers: list[list[int]]
) -> list[dict]:
    """What each answer is worth (see `judged`), and whether its fact was told. kinds: of facts that are no canaries."""
    canaries: dict[str, dict[str, str]] = {}
    for tenant in tenants:
        for fact in tenant.facts:
            if fact.key not in kinds:
                canaries.setdefault(fact.key, {})[tenant.uid] = fact.answer
    found = []
    for (user, fact), tokens in zip(asked, answers, strict=True):
        own, text = fact is not tenants[user].absent, tokenizer.decode(tokens, skip_special_tokens=True).strip()
        about = {"uid": tenants[user].uid, "key": fact.key, "accepted": list(fact.accepted) if own else [], "prediction": text}
        found.append({"own": own, **judged(about, canaries)})
    return found


def count_entry(count: int, n: int, source: str) -> dict:
    """A ledger entry of something that was counted."""
    return {"value": count, "n": n, "low": count, "high": count, "source": source}


def share_entry(hits: list[bool], source: str) -> dict:
    """A ledger entry of a share, with Wilson's interval."""
    share = sum(hits) / len(hits)
    low, high = wilson(share, len(hits))
    return {"value": share, "n": len(hits), "low": low, "high": high, "source": source}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__))
    settings = load_config(args.config)
    use_threads(settings["threads"])
    isolated, serve, people = settings["serve"]["isolated"], settings["serve"], settings["people"]
    count = args.requests or isolated["requests"]
    base, spec = load_base(settings["base"]["name"], args.model), EngramSpec.of(settings["engram"])
    graft = ServedGraft(base.model, base.tokenizer, spec)
    users = list(iter_users("personal", "test", range(isolated["users"]), people["seed"]))
    tenants = tenants_of(users, settings["tenants"]["facts"])
    relevant = {name: settings[name] for name in ("base", "engram", "write", "threads")} | {"people_seed": people["seed"]}
    shards = Shards(Path(__file__), {**relevant, "model": base.model_sha256}, args.out.parent / "work")
    writer = Writer(UpperStack(graft), base.tokenizer)
    rows = [written(one, writer, settings, shards, spec.about(base.name)) for one in tqdm(tenants, desc="write", unit="user")]
    pairs = [(user, fact) for user, tenant in enumerate(tenants) for fact in (*tenant.facts, tenant.absent)]
    ends, ids = newline_tokens(base.tokenizer), [base.tokenizer(fact.trigger).input_ids for _, fact in pairs]
    with Engine(graft, serve["slots"], serve["positions"], exact_widths(graft), serve["slots"]) as engine:
        start = time.perf_counter()
        alone = [Asked(ids[at], rows[user], ends) for at, (user, _) in enumerate(pairs)]
        for one in tqdm(alone, desc="alone", unit="request"):
            engine.serve([one.request])
        seconds = {"alone": time.perf_counter() - start}
        rng = random.Random(f"isolate:{_SEED}")
        order = [rng.randrange(len(pairs)) for _ in range(count)]
        together = [Asked(ids[at], rows[pairs[at][0]], ends) for at in order]
        start = time.perf_counter()
        mixed(engine, together, rng)
        seconds["mixed"] = time.perf_counter() - start
        widths = engine.widths
    others = [one.bits != alone[at].bits for at, one in zip(order, together, strict=True)]
    words = [one.request.tokens != alone[at].request.tokens for at, one in zip(order, together, strict=True)]
    pad, bench = base.tokenizer.pad_token_id, 0
    for prompt, (user, _), one in zip(tqdm(ids, desc="bench", unit="request"), pairs, alone, strict=True):
        own = rows[user].with_values(rows[user].values.float())
        decoded = PromptBatch(graft, [prompt], pad, ends, _TOKENS).answer(RowBatch.shared(own, 1))[0]
        bench += decoded.tokens != said(one, ends)
    kinds, answers = settings["tenants"]["facts"], [said(one, ends) for one in together]
    found = verdicts(base.tokenizer, tenants, kinds, [pairs[at] for at in order], answers)
    name, source = "serve.rows.isolation" + (f".n{args.requests}" if args.requests else ""), args.out.name
    metrics = {
        f"{name}.differences": count_entry(sum(others), count, source),
        f"{name}.other_tokens": count_entry(sum(words), count, source),
        f"{name}.bench_tokens": count_entry(bench, len(pairs), source),
        f"{name}.leaked": share_entry([one["leaked"] for one in found], source),
        f"{name}.right": share_entry([one["right"] for one in found if one["own"]], source),
    }
    record = provenance.record() | {"model_sha256": base.model_sha256, "seconds": rounded(seconds)}
    config = {**relevant, "isolated": isolated, "slots": serve["slots"], "requests": count, "widths": widths}
    write_json(args.out, result("isolate_serve", config, _SEED, rounded(metrics), [], record))
    print(f"{args.out}: {sum(others)} of {count} mixed answers differ in a bit from the same request served alone")


if __name__ == "__main__":
    run_step(main)
