"""Let 2 to 1,000 users share one table of rows: what each is told of their own, and what of somebody else.

Everybody stores the same kinds of facts in the same words, and all canaries but one. Rows are written for each user alone, then
shared in three ways: one table in which the last write stands, one table with salted addresses, and maps of their own that
are laid over per request. A killed run continues with the next user or table.
"""

import argparse
import dataclasses
import random
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from loci.bench.decode import PromptBatch, newline_tokens
from loci.bench.statistics import estimate, wilson
from loci.bench.tenants import MODES, Tenant, judged, salted, tenants_of
from loci.config import load_config
from loci.errors import run_step
from loci.memories.row_examples import Sentence
from loci.memories.row_strategies import Writer, write_optimised
from loci.memories.row_writer import write_settings
from loci.models.addressing import Addressing
from loci.models.base import load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.models.rows import RowBatch, RowMap, laid_over
from loci.models.upper import UpperStack
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json, write_jsonl
from loci.shards import Shards
from loci.worlds.people import iter_users

_SEED = 0


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers to write (JSONL)")
    return parser.parse_args(argv)


def written(tenant: Tenant, writer: Writer, settings: dict, shards: Shards, about: dict[str, str]) -> tuple[RowMap, dict]:
    """The rows of one tenant, written or taken up from an earlier run, and what they cost."""
    path, item = shards.folder / f"{tenant.uid}.safetensors", shards.get(tenant.uid)
    if item is None:
        start = time.perf_counter()
        sentences = [Sentence(fact.trigger, fact.answer) for fact in tenant.facts]
        rows, report = write_optimised(
            "rows_joint", writer, sentences, [], write_settings(settings["write"], len(sentences)), _SEED
        )
        rows.save(path, about)
        item = shards.put(tenant.uid, {"rows": len(rows), "unmet": report.unmet, "seconds": time.perf_counter() - start})
    return RowMap.load(path, about), item


def ask(
    graft: Graft, tokenizer, asked: list[tuple[int, Tenant]], rows: dict[int, RowMap], mode: str, settings: dict
) -> list[dict]:
    """Completions of every trigger of the asked tenants [(number, tenant)], and of the one that each never told."""
    ends, base = newline_tokens(tokenizer), graft.addressing
    prompts = [(number, tenant, fact) for number, tenant in asked for fact in (*tenant.facts, tenant.absent)]
    ids = [tokenizer(fact.trigger).input_ids for *_, fact in prompts]
    limit = settings["matrix"]["max_tokens"]
    if mode == "salted":  # one user's prompts at a time: the salt is the reader's
        table, out = laid_over([salted(one, Addressing.salt_of(at)) for at, one in rows.items()]), []
        for number in dict.fromkeys(number for number, *_ in prompts):
            mine = [at for at, (whose, *_) in enumerate(prompts) if whose == number]
            graft.addressing = dataclasses.replace(base, salt=Addressing.salt_of(number))
            try:
                batch = PromptBatch(graft, [ids[at] for at in mine], tokenizer.pad_token_id, ends, limit)
                out += batch.answer(RowBatch.shared(table, len(mine)))
            finally:
                graft.addressing = base
    else:
        batch = PromptBatch(graft, ids, tokenizer.pad_token_id, ends, limit)
        if mode == "one_table":
            out = batch.answer(RowBatch.shared(laid_over(list(rows.values())), len(prompts)))
        else:
            place = {number: at for at, number in enumerate(rows)}
            out = batch.answer(RowBatch(list(rows.values()), torch.tensor([place[number] for number, *_ in prompts])))
    said = [tokenizer.decode(found.tokens, skip_special_tokens=True).partition("\n")[0].strip() for found in out]
    return [
        {
            "uid": tenant.uid,
            "key": fact.key,
            "stored": fact is not tenant.absent,
            "accepted": list(fact.accepted) if fact is not tenant.absent else [],
            "prediction": text,
            "hits": found.prompt_hits,
        }
        for (_, tenant, fact), text, found in zip(prompts, said, out, strict=True)
    ]


def entries(answers: list[dict], canaries: dict[int, dict], base: str, source: str) -> dict[str, dict]:
    """Ledger entries tenants.<mode>.<base>.n<users>.<measure>: right answers to what is stored, somebody else's canary said in
    place of one's own, and somebody else's canary said where the user never told one."""
    ledger = {}
    for mode, users in sorted({(answer["mode"], answer["users"]) for answer in answers}):
        found = [(one, judged(one, canaries[users])) for one in answers if (one["mode"], one["users"]) == (mode, users)]
        name = f"tenants.{mode}.{base}.n{users}"
        right = [(one["uid"], one["key"], verdict["right"]) for one, verdict in found if one["stored"]]
        ledger[f"{name}.exact"] = estimate(right).entry(source)
        for measure, stored in (("leaked_own", True), ("leaked_absent", False)):
            leaks = [verdict["leaked"] for one, verdict in found if one["stored"] == stored and one["key"] in canaries[users]]
            low, high = wilson(sum(leaks) / len(leaks), len(leaks))
            ledger[f"{name}.{measure}"] = {
                "value": sum(leaks) / len(leaks),
                "n": len(leaks),
                "low": low,
                "high": high,
                "source": source,
            }
    return ledger


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__))
    settings = load_config(args.config)
    use_threads(settings["threads"])
    tenants_settings, people = settings["tenants"], settings["people"]
    base, spec = load_base(settings["base"]["name"], args.model), EngramSpec.of(settings["engram"])
    users = list(iter_users("personal", "test", range(max(tenants_settings["sizes"])), people["seed"]))
    tenants = tenants_of(users, tenants_settings["facts"])
    graft = Graft(base.model, base.tokenizer, spec)
    writer, about = Writer(UpperStack(graft), base.tokenizer), spec.about(base.name)
    relevant = {name: settings[name] for name in ("base", "engram", "write", "matrix", "tenants")} | {
        "people_seed": people["seed"]
    }
    shards = Shards(Path(__file__), {**relevant, "model": base.model_sha256}, args.out.parent / "work")
    rows, costs = {}, []
    for at, tenant in enumerate(tqdm(tenants, desc="write", unit="user")):
        rows[at], cost = written(tenant, writer, settings, shards, about)
        costs.append(cost)
    answers, canaries = [], {}
    for size in tenants_settings["sizes"]:
        told: dict[str, dict[str, str]] = {}
        for tenant in tenants[:size]:
            for fact in tenant.facts:
                if fact.key not in tenants_settings["facts"]:
                    told.setdefault(fact.key, {})[tenant.uid] = fact.answer
        canaries[size] = told
        chosen = sorted(random.Random(f"tenants:{size}").sample(range(size), min(size, tenants_settings["asked"])))
        for mode in tqdm(MODES, desc=f"ask, {size} users", unit="table"):
            part = shards.get(f"{mode}.{size}")
            if part is None:
                own = {at: rows[at] for at in range(size)}
                asked = [(at, tenants[at]) for at in chosen]
                part = shards.put(f"{mode}.{size}", {"answers": ask(graft, base.tokenizer, asked, own, mode, settings)})
            answers += [{"mode": mode, "users": size, **answer} for answer in part["answers"]]
    write_jsonl(args.answers, answers)
    metrics = rounded(entries(answers, canaries, base.name, args.out.name)) | {"answers_sha256": sha256_file(args.answers)}
    items = [
        {"mode": mode, "users": size, "rows": _rows(rows, size, mode)} for size in tenants_settings["sizes"] for mode in MODES
    ]
    record = provenance.record() | {
        "model_sha256": base.model_sha256,
        "write_seconds": round(sum(cost["seconds"] for cost in costs), 1),
    }
    write_json(args.out, result("share_table", relevant, _SEED, metrics, items, record))
    unmet = sum(cost["unmet"] for cost in costs)
    print(f"{args.out}: {len(tenants)} users, {len(answers)} answers; {unmet} facts could not be written")


def _rows(rows: dict[int, RowMap], size: int, mode: str) -> int:
    """Rows that the table holds; of unsalted users all but the last lose those at common addresses."""
    maps = [rows[at] for at in range(size)]
    return len(laid_over(maps)) if mode == "one_table" else sum(map(len, maps))


if __name__ == "__main__":
    run_step(main)
