"""Can a model answer from [mem] vectors, or from a trained prefix? Direct questions of the bench and other wordings of them.

One vector a fact, fitted behind the reader's worked examples, the needed one in the place of its line (mem), told first to say
its text, which is then read (mem_said), another fact's (mem_other), noise of equal norm (mem_random), another fact's before the
fact as text (gold_mem). A prefix of all facts fitted to their next tokens (prefix_next) or to the model's own answers
(prefix_study), another user's of each, and where they start. A killed run goes on with the next user.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from loci.bench.mem_asking import Asker, first_prefix, next_prefix, study_prefix, vectors_of
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.base import load_base, use_threads
from loci.models.kv_prefix import nbytes
from loci.models.mem_vectors import FITTED, MemSettings, greedy
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json, write_jsonl
from loci.shards import Shards
from loci.worlds.people import sample_questions
from loci.worlds.records import Fact, Question, User, load_users

_SEED = 0


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--split", choices=("dev", "test"), default="test", help="whom to ask; settings are chosen on dev")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers to write (JSONL)")
    return parser.parse_args(argv)


def asked_of(user: User, settings: dict) -> tuple[list[Fact], list[Question]]:
    """The facts that a user is taken to have told, and what is asked: the sampled direct questions, and one other wording of
    each. What they need comes first."""
    matrix, facts = settings["matrix"], {fact.key: fact for fact in user.final_facts()}
    direct = sample_questions(user, {"direct": matrix["questions"]["direct"]}, matrix["sample_seed"])
    direct = [one for one in direct if one.required_fact_keys == (one.key,) and one.key in facts]
    keys = [one.key for one in direct]
    other = {one.key: one for one in reversed(user.questions) if one.kind == "paraphrase" and one.key in keys}
    told = [*(facts[key] for key in keys), *(fact for key, fact in facts.items() if key not in keys)]
    return told[: max(settings["mem_asked"]["told"], len(keys))], [*direct, *(other[key] for key in keys if key in other)]


def fitted(asker: Asker, texts: list[str], spec: MemSettings, by: int) -> list[dict]:
    """The vectors of all texts, fitted together behind the worked examples, and what the model says behind them by itself."""
    vectors, found = vectors_of(asker.front, texts, asker.base.tokenizer, spec, by, _SEED)
    spoken = greedy(asker.front, list(vectors), max(len(one.right) for one in found))
    said = [asker.base.tokenizer.decode(one[: len(of.right)]) for one, of in zip(spoken, found, strict=True)]
    return [
        {"vectors": one.vectors.tolist(), "said": text, "accuracy": float(one.right.float().mean()), "steps": one.steps}
        for one, text in zip(found, said, strict=True)
    ]


def by_vectors(asker: Asker, facts: list[Fact], asked: list[Fact], questions: list[Question], fits: list[dict]) -> dict:
    """Answers under every condition of vectors. fits: of the facts `asked`."""
    at = {fact.key: place for place, fact in enumerate(asked)}
    texts, own = [fact.statement for fact in asked], torch.tensor([one["vectors"] for one in fits])
    noise = torch.randn(own.shape, generator=torch.Generator().manual_seed(_SEED))
    noise = noise * own.norm(dim=-1, keepdim=True) / noise.norm(dim=-1, keepdim=True)
    other = own.roll(1, 0)
    inputs = {
        "mem": [asker.behind(own[at[one.key]], one.text) for one in questions],
        "mem_other": [asker.behind(other[at[one.key]], one.text) for one in questions],
        "mem_random": [asker.behind(noise[at[one.key]], one.text) for one in questions],
        "gold_mem": [asker.behind(other[at[one.key]], one.text, [texts[at[one.key]]]) for one in questions],
        "mem_said": [asker.told([" ".join(fits[at[one.key]]["said"].split())], one.text) for one in questions],
        "gold": [asker.told([texts[at[one.key]]], one.text) for one in questions],
        "all": [asker.told([fact.statement for fact in facts], one.text) for one in questions],
        "none": [asker.told([], one.text) for one in questions],
    }
    return {name: asker.answers(of) for name, of in inputs.items()}


def by_prefix(asker: Asker, layers, questions: list[Question]) -> list[str]:
    """Answers behind a prefix, which stands in the place of the lines."""
    return asker.answers([asker.embedded(asker.question(one.text)) for one in questions], asker.front.behind(layers))


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"users": args.users})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    how, mem, base = settings["mem_asked"], settings["mem"], load_base(settings["base"]["name"], args.model)
    users = [user for user in load_users(args.users) if user.split == args.split][: how["users"]]
    if len(users) < max(2, how["users"]):
        raise UserError(
            "mem_asked.users", f"asks for {how['users']} of {len(users)} {args.split} users, at least 2", "make more users"
        )
    asker = Asker.of(base)
    spec, fitted_as = MemSettings.of(1, mem), {name: mem[name] for name in (*FITTED, "by")}
    relevant = {name: settings[name] for name in ("base", "mem_asked")} | {"mem": fitted_as}
    relevant |= {"questions": settings["matrix"]["questions"]["direct"], "sample_seed": settings["matrix"]["sample_seed"]}
    relevant |= {"users": sha256_file(args.users), "split": args.split}
    shards = Shards(Path(__file__), {**relevant, "model": base.model_sha256}, args.out.parent / "work")
    asked = {user.uid: asked_of(user, settings) for user in users}
    needed = {
        uid: [fact for fact in facts if any(one.key == fact.key for one in questions)]
        for uid, (facts, questions) in asked.items()
    }
    fits = shards.get("vectors")
    if fits is None:
        texts, started = [fact.statement for uid in asked for fact in needed[uid]], time.perf_counter()
        found = iter(fitted(asker, texts, spec, mem["by"]))
        fits = {uid: [next(found) for _ in of] for uid, of in needed.items()} | {"seconds": time.perf_counter() - started}
        shards.put("vectors", fits)
    prefixes, said, items = {}, [], []
    for user in tqdm(users, desc="fit and ask", unit="user"):
        part = shards.get(user.uid)
        if part is None:
            started, (facts, questions) = time.perf_counter(), asked[user.uid]
            answers = by_vectors(asker, facts, needed[user.uid], questions, fits[user.uid])
            donor = users[(users.index(user) + 1) % len(users)].uid
            for name, fit in (("next", next_prefix), ("study", lambda *about: study_prefix(*about, _SEED))):
                for uid in (user.uid, donor):
                    if (name, uid) not in prefixes:
                        prefixes[name, uid] = fit(asker, asked[uid][0], how["prefix"])
                answers[f"prefix_{name}"] = by_prefix(asker, prefixes[name, user.uid], questions)
                answers[f"prefix_{name}_other"] = by_prefix(asker, prefixes[name, donor], questions)
            answers["prefix_start"] = by_prefix(asker, first_prefix(asker, facts, how["prefix"]), questions)
            size, spent = nbytes(prefixes["next", user.uid]), time.perf_counter() - started
            part = shards.put(user.uid, {"answers": answers, "prefix_bytes": size, "seconds": spent})
        for name, texts in part["answers"].items():
            for one, text in zip(asked[user.uid][1], texts, strict=True):
                record = {"memory": name, "uid": user.uid, "qid": one.qid, "kind": one.kind, "key": one.key}
                said.append({**record, "accepted": list(one.accepted), "prediction": text})
        own = fits[user.uid]
        held = [
            {"key": fact.key, "said": one["said"], "exact": one["said"] == fact.statement, "accuracy": one["accuracy"]}
            for fact, one in zip(needed[user.uid], own, strict=True)
        ]
        about = {"told": len(asked[user.uid][0]), "bytes": 4 * len(own[0]["vectors"][0]), "prefix_bytes": part["prefix_bytes"]}
        items.append({"uid": user.uid, **about, "held": held, "seconds": part["seconds"]})
    write_jsonl(args.answers, said)
    metrics = {"answers": len(said), "answers_sha256": sha256_file(args.answers)}
    seconds = {one["uid"]: one.pop("seconds") for one in items} | {"vectors": fits["seconds"]}
    record = provenance.record() | {"model_sha256": base.model_sha256, "seconds": seconds}
    write_json(args.out, result("answer_mem", relevant, _SEED, metrics, rounded(items), record))
    print(f"{args.answers}: {len(said)} raw answers of {len(users)} users; score_mem_answers.py says how many are right")


if __name__ == "__main__":
    run_step(main)
