"""Write the same facts at several depths of the model, each to convergence, and ask what it took and what it brought.

Bare sentences of test users, one table a user and seed, until every fact leads by the margin. Asked are the bare sentence, the
sentence after somebody's talk, and the trigger in the middle of another sentence; measured are texts that run through a trigger
and go on differently. The rate is the profile's at every depth: it changes how many steps are needed, not whether they suffice.
A killed run continues with the next depth, user and seed.
"""

import argparse
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from loci.bench.glass_box import chosen_facts, entries, in_the_middle, until_met
from loci.bench.people import asked_users
from loci.bench.side_effects import BaseTexts
from loci.bench.statistics import paired_difference
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.memories.row_examples import ContextExamples, EncodedSentence, Sentence, encode_sentence
from loci.memories.row_strategies import Writer, write_optimised
from loci.models.base import Base, load_base, use_threads
from loci.models.engram import EngramSpec, Graft, decoder_layers
from loci.models.rows import RowMap
from loci.models.suffix import CachedSequences
from loci.models.upper import UpperStack
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json
from loci.shards import Shards
from loci.worlds.contexts import load_contexts
from loci.worlds.records import Fact, User, load_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


class Asked:
    """What tables at one depth are asked, read once without rows: facts of one user, texts that run through their triggers."""

    def __init__(self, writer: Writer, user: User, facts: list[Fact], limit: int):
        rng, tokenizer = random.Random(f"depths:{user.uid}"), writer.tokenizer
        talk = [context.text for kinds in load_contexts()["test"].values() for context in kinds]
        sentences = [Sentence(fact.trigger, fact.answer) for fact in facts]
        self._writer, chosen = writer, [rng.choice(talk) for _ in facts]
        self._asked = {
            "bare": [encode_sentence(tokenizer, "", one) for one in sentences],
            "midconv": [encode_sentence(tokenizer, context, one) for context, one in zip(chosen, sentences, strict=True)],
            "middle": [_as_encoded(in_the_middle(fact, at, True, tokenizer)) for at, fact in enumerate(facts)],
        }
        self._cached = {name: CachedSequences(writer.upper, [one.ids for one in found]) for name, found in self._asked.items()}
        open_ = [tokenizer.decode(in_the_middle(fact, at, False, tokenizer).ids) for at, fact in enumerate(facts)]
        self._open = BaseTexts(writer.upper, tokenizer, open_, limit)

    @torch.no_grad()
    def measures(self, rows: RowMap) -> list[dict[str, float]]:
        """Of each fact: whether its answer is said, every token the first choice, and what its trigger does to another text."""
        effects = self._open.effects(rows)
        out = [{"open.delta": one.delta_nats, "open.at_hits": one.delta_nats_at_hits} for one in effects]
        for name, found in self._asked.items():
            group = ContextExamples(self._cached[name], found, rows)
            hidden, targets, owner = group.hidden_at_targets(rows.values, torch.arange(len(found)))
            right = self._writer.head(hidden).argmax(-1) == targets
            for at, item in enumerate(out):
                mine = right[owner == at][:-1]  # the last target is the stop
                item[f"{name}.says"] = float(mine.all())
        return out


def _as_encoded(placed) -> EncodedSentence:
    """A sentence in the middle of another one, up to its answer, as a written one; its stop is not looked at."""
    return EncodedSentence(placed.ids[: placed.answer_end], 0, placed.trigger_end + 1, 0)


def one_depth(layer: int, users: list[User], base: Base, settings: dict, shards: Shards) -> list[dict]:
    """All tables at one depth: {"fact", "seed", "measures"} of every fact, and of every table as a whole."""
    inside = settings["inside"]
    graft = Graft(base.model, base.tokenizer, replace(EngramSpec.of(settings["engram"]), layer=layer))
    out = []
    try:
        writer = Writer(UpperStack(graft), base.tokenizer)
        for user in users:
            facts, asked = chosen_facts(user.final_facts(), inside["facts"], user.uid), None
            for seed in inside["seeds"]:
                name = f"l{layer}.{user.uid}.s{seed}"
                part = shards.get(name)
                if part is None:
                    asked = asked or Asked(writer, user, facts, settings["side_effects"]["max_tokens"])
                    how = until_met(settings["write"], inside["depths"]["most"])
                    sentences = [Sentence(fact.trigger, fact.answer) for fact in facts]
                    rows, report = write_optimised("rows_joint", writer, sentences, [], how, seed)
                    whole = {"steps": report.steps, "converged.met": float(not report.unmet)}
                    whole |= {"norm": float(rows.values.norm(dim=-1).mean())}
                    items = [{"fact": f"{user.uid}.all", "seed": seed, "measures": whole}]
                    for fact, found in zip(facts, asked.measures(rows), strict=True):
                        items.append({"fact": f"{user.uid}.{fact.key}", "seed": seed, "measures": found})
                    part = shards.put(name, {"items": rounded(items, 5)})
                out += part["items"]
    finally:
        graft.detach()
    return [{"layer": layer, **item} for item in out]


def last_minus_first(items: list[dict], layers: list[int], base: str, source: str) -> dict[str, dict]:
    """What the last layer says in the middle of another sentence, less what the first one says, by fact; seeds are averaged."""
    records = {
        layer: [
            (item["fact"], "", item["measures"]["middle.says"])
            for item in items
            if item["layer"] == layer and "middle.says" in item["measures"]
        ]
        for layer in (layers[0], layers[-1])
    }
    gap = paired_difference(records[layers[-1]], records[layers[0]])
    return {f"inside.depth.{base}.last_minus_first.middle.says": gap.entry(source)}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"users": args.users})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    inside = settings["inside"]
    users = asked_users(load_users(args.users), settings)[: inside["users"]]
    base = load_base(settings["base"]["name"], args.model)
    count = len(decoder_layers(base.model))
    if over := [layer for layer in inside["depths"]["layers"] if layer >= count]:
        raise UserError("inside.depths.layers", f"{over[0]} is outside the model", f"choose 0 to {count - 1}")
    relevant = {name: settings[name] for name in ("base", "engram", "write", "side_effects")}
    relevant["inside"] = {name: inside[name] for name in ("users", "facts", "seeds", "depths")}
    identity = {**relevant, "users": sha256_file(args.users), "model": base.model_sha256}
    shards = Shards(Path(__file__), identity, args.out.parent / "work")
    items, metrics, layers = [], {}, sorted(inside["depths"]["layers"])
    for layer in tqdm(layers, desc="depths", unit="layer"):
        found = one_depth(layer, users, base, settings, shards)
        metrics |= entries(found, f"inside.depth.{base.name}.l{layer}", args.out.name)
        items += found
    metrics |= last_minus_first(items, layers, base.name, args.out.name)
    record = provenance.record() | {"model_sha256": base.model_sha256}
    write_json(args.out, result("write_depths", relevant, None, rounded(metrics), items, record))
    steps = {layer: metrics[f"inside.depth.{base.name}.l{layer}.steps"]["value"] for layer in layers}
    print(f"{args.out}: steps to convergence by layer: {', '.join(f'{layer}: {mean:.0f}' for layer, mean in steps.items())}")


if __name__ == "__main__":
    run_step(main)
