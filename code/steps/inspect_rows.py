"""Look inside the write: gates, values, the layers above, and how far from the trigger rows and an adapter are felt.

Facts of test users. Tables are written as they are served; beside them one fact alone is written into rows and into a low-rank
adapter, both from the bare sentence and up to the same margin, and both are read over the same texts. A killed run continues with
the next user and seed.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from loci.bench.glass_box import (
    chosen_facts,
    effect,
    effect_parts,
    entries,
    fit_adapter,
    gate_elsewhere,
    in_the_middle,
    lens_series,
    means,
    overall,
    says,
    sentence_encoded,
    table_measures,
    telling,
    until_met,
)
from loci.bench.people import asked_users, writing_contexts
from loci.bench.texts import suffix_texts, unrelated_texts
from loci.config import load_config
from loci.errors import run_step
from loci.memories.row_examples import Sentence
from loci.memories.row_strategies import Writer, randomised, write_closed_form, write_optimised
from loci.memories.row_writer import initial_rows, write_settings
from loci.models.adapters import LoraSlot, LoraSpec
from loci.models.base import Base, load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.models.probing import Probe, Streams
from loci.models.rows import RowMap
from loci.models.upper import UpperStack
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json
from loci.shards import Shards
from loci.worlds.records import Fact, User, load_users

_OTHER = 1_000_003
SHARED_TOKENS = 3  # of a trigger, at the end of sentences about somebody else


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


class Box:
    """The grafted model, a slot for an adapter beside its weights, and the plain reading of texts that are about nobody."""

    def __init__(self, base: Base, spec: EngramSpec, settings: dict):
        how = settings["inside"]["adapter"]
        self.slot = LoraSlot(base, LoraSpec(how["rank"], how["targets"]))
        self.graft = Graft(base.model, base.tokenizer, spec)
        self.probe, self.writer = Probe(self.graft), Writer(UpperStack(self.graft), base.tokenizer)
        self.settings, self.tokenizer = settings, base.tokenizer
        inside, limit = settings["inside"], settings["side_effects"]["max_tokens"]
        texts = unrelated_texts({"prose": inside["texts"], "chat": inside["texts"]})
        self.unrelated = [self.tokenizer(text).input_ids[:limit] for kind in texts.values() for text in kind]
        self.plain = [self.probe.read(ids) for ids in self.unrelated]

    def under(self, arm: str, made: object, ids: list[int], plain: Streams) -> Streams:
        """A text read with one fact's rows, or with its adapter."""
        if arm == "rows":
            added = self.probe.adds(made, ids, plain.stream[self.probe.layer])
            return self.probe.read(ids, added.vectors) if added.hit.any() else plain  # bit for bit
        self.slot.put(made)
        try:
            return self.probe.read(ids)
        finally:
            self.slot.put(None)


def tables_of(box: Box, user: User, seed: int) -> dict[str, tuple[RowMap, RowMap | None]]:
    """Name -> (rows, rows as they were drawn) of all the user's facts; controls have rows of the same addresses, and random ones
    are drawn by another seed than the first rows of writing."""
    sentences = [Sentence(fact.trigger, fact.answer) for fact in user.final_facts()]
    how = write_settings(box.settings["write"], len(sentences))
    contexts = writing_contexts(box.settings["write"]["contexts_per_kind"], seed)
    rows, _ = write_optimised("rows", box.writer, sentences, contexts, how, seed)
    # The writer's first draw from the same seed.
    drawn = initial_rows(rows.addresses, rows.values.shape[1], how.init_scale, torch.Generator().manual_seed(seed))
    closed = write_closed_form("rows_unembed", box.writer, sentences, box.settings["closed_form_scale"]["rows_unembed"])
    return {"rows": (rows, drawn), "rows_unembed": (closed, None), "rows_random": (randomised(rows, seed + _OTHER), None)}


def alone(box: Box, fact: Fact, seed: int) -> tuple[dict[str, object], dict[str, float]]:
    """One fact in rows and in an adapter, both from its bare sentence; and what fitting them took."""
    write, how = box.settings["write"], box.settings["inside"]["adapter"]
    sentence = Sentence(fact.trigger, fact.answer)
    rows, report = write_optimised("rows_joint", box.writer, [sentence], [], until_met(write, how["most"]), seed)
    adapter, steps, met = fit_adapter(
        box.slot, sentence_encoded(fact, box.tokenizer), how["rate"], write["margin"], how["most"], seed
    )
    box.slot.put(None)
    costs = {"rows.steps": report.steps, "rows.met": float(not report.unmet), "lora.steps": steps, "lora.met": float(met)}
    return {"rows": rows, "lora": adapter}, {name: float(value) for name, value in costs.items()}


def inspected(box: Box, user: User, fact: Fact, number: int, tables: dict[str, tuple[RowMap, RowMap | None]], seed: int) -> dict:
    """All measures of one fact."""
    encoded = sentence_encoded(fact, box.tokenizer)
    first, out = telling(encoded, box.tokenizer), {}
    for name, (rows, drawn) in tables.items():
        found = table_measures(box.probe, encoded, first, rows, drawn)
        out |= {f"{name}.{measure}": value for measure, value in found.items() if name == "rows" or not isinstance(value, list)}
    near = [box.tokenizer(text).input_ids for text in suffix_texts(user, SHARED_TOKENS, number + 1, box.tokenizer)[-1:]]
    rows = tables["rows"][0]
    streams = [*box.plain, *map(box.probe.read, near)]
    own = box.probe.embedding(rows, encoded.ids, encoded.answer_start - 1)
    gates = gate_elsewhere(box.probe, rows, own, streams, [*box.unrelated, *near])
    out |= {f"rows.{name}": value for name, value in gates.items()}
    arms, costs = alone(box, fact, seed)
    told, open_ = (in_the_middle(fact, number, told, box.tokenizer) for told in (True, False))
    token, at = encoded.ids[first], told.trigger_end + first - encoded.answer_start
    plain, plain_open = box.probe.read(told.ids), box.probe.read(open_.ids)
    out |= {f"lens.none.{name}": value for name, value in lens_series(box.probe, plain.stream[:, at], token).items()}
    before = box.tokenizer(f"{fact.statement}\n").input_ids
    shown = box.probe.read([*before, *told.ids])
    out |= {f"lens.gold.{name}": one for name, one in lens_series(box.probe, shown.stream[:, len(before) + at], token).items()}
    for arm, made in arms.items():
        moved = box.under(arm, made, told.ids, plain)
        out |= {f"lens.{arm}.{name}": value for name, value in lens_series(box.probe, moved.stream[:, at], token).items()}
        out[f"{arm}.middle.says"] = float(says(moved, told))
        out |= {f"{arm}.told.{name}": value for name, value in effect_parts(effect(plain, moved, told.ids), told).items()}
        moved = box.under(arm, made, open_.ids, plain_open)
        out |= {f"{arm}.open.{name}": one for name, one in effect_parts(effect(plain_open, moved, open_.ids), open_).items()}
        pairs = zip(box.unrelated, box.plain, strict=True)
        others = [overall(effect(stream, box.under(arm, made, ids, stream), ids)) for ids, stream in pairs]
        out |= {f"{arm}.unrelated.{name}": value for name, value in means(others).items()}
    out["rows_minus_lora.middle.gain"] = out["rows.middle.says"] - out["lora.middle.says"]
    return out | costs


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"users": args.users})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    inside = settings["inside"]
    users = asked_users(load_users(args.users), settings)[: inside["users"]]
    base, spec = load_base(settings["base"]["name"], args.model), EngramSpec.of(settings["engram"])
    box = Box(base, spec, settings)
    relevant = {name: settings[name] for name in ("base", "engram", "write", "closed_form_scale", "side_effects")}
    relevant["inside"] = {name: inside[name] for name in ("users", "facts", "seeds", "texts", "adapter")}
    identity = {**relevant, "users": sha256_file(args.users), "model": base.model_sha256}
    shards = Shards(Path(__file__), identity, args.out.parent / "work")
    items = []
    plan = [(user, seed) for seed in inside["seeds"] for user in users]
    for user, seed in tqdm(plan, desc="inspect", unit="table"):
        name = f"{user.uid}.s{seed}"
        part = shards.get(name)
        if part is None:
            tables, facts = tables_of(box, user, seed), chosen_facts(user.final_facts(), inside["facts"], user.uid)
            found = [inspected(box, user, fact, number, tables, seed) for number, fact in enumerate(facts)]
            made = [
                {"fact": f"{user.uid}.{fact.key}", "seed": seed, "measures": rounded(one, 5)}
                for fact, one in zip(facts, found, strict=True)
            ]
            part = shards.put(name, {"facts": made})
        items += part["facts"]
    metrics = rounded(entries(items, f"inside.{base.name}", args.out.name))
    record = provenance.record() | {"model_sha256": base.model_sha256}
    write_json(args.out, result("inspect_rows", relevant, None, metrics, items, record))
    told = {name: metrics[f"inside.{base.name}.{name}.unrelated.kl"]["value"] for name in ("rows", "lora")}
    moved = f"rows {told['rows']:.4f}, adapter {told['lora']:.4f}"
    print(f"{args.out}: {len(items)} facts and seeds; nats that unrelated text is moved by: {moved}")


if __name__ == "__main__":
    run_step(main)
