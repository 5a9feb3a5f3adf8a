"""Choose how rows are written: variants of a profile, tried on development users only.

For each variant: exact recall of all bare statements and of all mid-conversation statements after development
contexts, seconds of writing a fact, bytes a user, and the side effects on prose and chat.
"""

import argparse
import copy
import time
from collections.abc import Sequence
from pathlib import Path

import yaml
from tqdm import tqdm

from loci.bench.decode import PromptBatch, newline_tokens
from loci.bench.people import context_text, writing_contexts
from loci.bench.reader import Reader
from loci.bench.score import exact
from loci.bench.side_effects import BaseTexts, summary
from loci.bench.texts import unrelated_texts
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.memories.row_examples import Sentence
from loci.memories.row_strategies import OPTIMISED, STRATEGIES, Writer, write_closed_form, write_optimised
from loci.memories.row_writer import write_settings
from loci.models.base import Base, load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.models.rows import RowBatch, RowMap
from loci.models.upper import UpperStack
from loci.paths import CONFIG, GENERATED
from loci.provenance import Provenance
from loci.results import read_text, result, rounded, sha256_file, write_json
from loci.shards import Shards
from loci.worlds.records import User, load_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--sweep", type=Path, default=CONFIG.parent / "config" / "sweep_rows.yaml", help="variants (YAML)")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def changed(settings: dict, variant: dict) -> dict:
    """The profile with a variant's settings laid over it."""
    out = copy.deepcopy(settings)
    for section, values in variant.items():
        if section != "strategy":
            out[section].update(values)
    return out


def write(strategy: str, writer: Writer, user: User, settings: dict) -> RowMap:
    """One user's rows under the given settings, seed 0."""
    sentences = [Sentence(fact.trigger, fact.answer) for fact in user.facts]
    if strategy not in OPTIMISED:
        return write_closed_form(strategy, writer, sentences, settings["closed_form_scale"][strategy])
    how = write_settings(settings["write"], len(sentences))
    return write_optimised(strategy, writer, sentences, writing_contexts(settings["write"]["contexts_per_kind"], 0), how, 0)[0]


def recall(graft: Graft, base: Base, rows: RowMap, user: User, kind: str, settings: dict) -> float:
    """Exact recall of all of a user's questions of one kind."""
    reader, right, ends = Reader.load(), 0, newline_tokens(base.tokenizer)
    asked = [question for question in user.questions if question.kind == kind]
    prompts = [reader.prompt(question, (), context_text(question.context_id)) for question in asked]
    ids = [base.tokenizer(prompt).input_ids for prompt in prompts]
    batch = PromptBatch(graft, ids, base.tokenizer.pad_token_id, ends, settings["matrix"]["max_tokens"])
    for question, decoded in zip(asked, batch.answer(RowBatch.shared(rows, len(asked))), strict=True):
        text = base.tokenizer.decode(decoded.tokens, skip_special_tokens=True)
        right += exact(text.partition("\n")[0], question.accepted, question.form)
    return right / len(asked)


def try_variant(base: Base, variant: dict, settings: dict, users: list[User]) -> dict:
    """Means over the users of everything that is looked at when choosing."""
    graft = Graft(base.model, base.tokenizer, EngramSpec.of(settings["engram"]))
    try:
        writer = Writer(UpperStack(graft), base.tokenizer)
        limits = settings["side_effects"]
        texts = {
            name: BaseTexts(writer.upper, base.tokenizer, part, limits["max_tokens"])
            for name, part in unrelated_texts(limits).items()
        }
        seen: list[dict[str, float]] = []
        for user in users:
            start = time.perf_counter()
            rows = write(variant["strategy"], writer, user, settings)
            seconds = (time.perf_counter() - start) / len(user.facts)
            seen.append({"seconds_per_fact": seconds, "bytes": rows.nbytes, "row_norm": float(rows.values.norm(dim=-1).mean())})
            seen[-1] |= {kind: recall(graft, base, rows, user, kind, settings) for kind in ("statement", "midconv")}
            for name, part in texts.items():
                effect = summary(part.effects(rows))
                seen[-1] |= {f"{name}.{measure}": effect[measure] for measure in ("dbpb", "hit_rate", "dnats_at_hits")}
        return {name: sum(one[name] for one in seen) / len(seen) for name in seen[0]}
    finally:
        graft.detach()


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"users": args.users, "sweep": args.sweep})
    settings = load_config(args.config)
    sweep = yaml.safe_load(read_text(args.sweep, "give a YAML file of variants"))
    unknown = sorted({variant["strategy"] for variant in sweep["variants"].values()} - set(STRATEGIES))
    if unknown:
        raise UserError(f"{args.sweep}: strategy", f"{unknown[0]!r} is unknown", f"use one of {', '.join(STRATEGIES)}")
    use_threads(settings["threads"])
    users = [user for user in load_users(args.users) if user.split == "dev"][: sweep["users"]]
    base = load_base(settings["base"]["name"], args.model)
    shards = Shards(Path(__file__), {"settings": settings, "users": sha256_file(args.users)}, args.out.parent / "work")
    items = []
    for name, variant in tqdm(sweep["variants"].items(), desc="sweep", unit="variant"):
        shard = name.replace(" ", "_")
        found = shards.get(shard) or shards.put(shard, try_variant(base, variant, changed(settings, variant), users))
        items.append({"variant": name, **variant, **rounded(found, 4)})
        tqdm.write(f"{name:20} " + " ".join(f"{key} {value:.4g}" for key, value in found.items()))
    config = {"profile": settings, "users": [user.uid for user in users]}
    write_json(args.out, result("sweep_rows", config, 0, {"variants": len(items)}, items, provenance.record()))
    print(f"{args.out}: {len(items)} variants on {len(users)} development users; freeze the choice in {args.config}")


if __name__ == "__main__":
    run_step(main)
