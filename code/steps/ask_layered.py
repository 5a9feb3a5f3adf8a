"""Ask test users everything under the layered conditions of one adapter, and keep the raw answers.

Conditions that share a prompt share its reading; rows are laid over it. A killed run continues with the next batch.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.layer_asking import ask, limits_of
from loci.bench.layer_prompts import batches, prompts_of, rows_under
from loci.bench.layers import BASE, CONDITIONS, OWN_ADAPTER, of_adapter
from loci.bench.people import asked_users
from loci.bench.reader import Reader
from loci.bench.traces import load_traces
from loci.bench.user_lora import Teaching
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.adapters import LoraSlot, LoraSpec
from loci.models.base import load_base, use_threads
from loci.models.encoder import Encoder
from loci.models.engram import EngramSpec, Graft
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_result, result, sha256_file, write_json, write_jsonl
from loci.shards import Shards
from loci.worlds.records import load_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    adapters = sorted({condition.adapter for condition in CONDITIONS.values()})
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--reader", choices=adapters, required=True, default=argparse.SUPPRESS, help="whose conditions are asked")
    parser.add_argument("--adapter", type=Path, help="its weights, by train_reader.py (safetensors); none for the base model")
    parser.add_argument("--tuned", type=Path, help="adapters of the users themselves: result of tune_users.py, for reader user")
    parser.add_argument("--rows", type=Path, help="rows to lay over it: result of write_rows.py or write_recited.py")
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers to write (JSONL)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    names = of_adapter(args.reader)
    if (args.reader in (BASE, OWN_ADAPTER)) != (args.adapter is None) or (args.reader == OWN_ADAPTER) != bool(args.tuned):
        raise UserError(
            "--adapter, --tuned",
            f"do not fit reader {args.reader}",
            "give the weights of a shared reader, or the users' own for reader user, none for base",
        )
    if any(condition.rows for condition in names.values()) and args.rows is None:
        raise UserError("--rows", f"is missing for reader {args.reader}", "give a result of write_rows.py or write_recited.py")
    inputs = {name: path for name in ("users", "adapter", "tuned", "rows") if (path := getattr(args, name))}
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    use_threads(settings["threads"])
    everybody = load_users(args.users)
    users, layered = asked_users(everybody, settings), settings["layered"]
    base, spec = load_base(settings["base"]["name"], args.model), EngramSpec.of(settings["engram"])
    own, how = {}, Teaching(**settings["user_lora"])
    if args.adapter:
        slot = LoraSlot(base, LoraSpec(settings["reader"]["rank"], settings["reader"]["targets"]))
        slot.put(slot.load(args.adapter))
    elif args.tuned:
        slot = LoraSlot(base, how.spec)
        own = {item["uid"]: slot.load(args.tuned.parent / item["adapter"]) for item in read_result(args.tuned)["items"]}
        missing = [user.uid for user in users if user.uid not in own]
        if missing:
            raise UserError(args.tuned, f"has no adapter of {missing[0]}", "run tune_users.py with these users")
    encoder = Encoder.load(settings["encoder"]["name"], args.encoder)
    graft, reader = Graft(base.model, base.tokenizer, spec), Reader.load()
    written = load_traces(args.rows, spec.about(base.name), read_result(args.rows)["seed"]) if args.rows else {}
    relevant = {name: settings[name] for name in ("base", "engram", "matrix", "reader", "user_lora", "layered")}
    relevant |= {"adapter_of": args.reader, "reader_sha256": reader.sha256}
    prompts = prompts_of(names, users, everybody, settings, reader, encoder)
    identity = {**relevant, **{name: sha256_file(path) for name, path in inputs.items()}, "model": base.model_sha256}
    shards = Shards(Path(__file__), identity, args.out.parent / "work")
    rows_of = rows_under(names, written, users, graft.empty_rows())
    limits = limits_of(settings, base.tokenizer)
    answers, timings = [], []
    for at, (together, batch) in enumerate(
        tqdm(batches(prompts, names, base.tokenizer, layered["batch"]), desc="ask", unit="batch")
    ):
        part = shards.get(f"{at:03d}")
        if part is None:
            if own:  # served by copying into the slot, never merged: users A, B, A give A the same bytes
                slot.put(own[batch[0][0].uid])
            part = shards.put(f"{at:03d}", ask(together, batch, names, rows_of, graft, base.tokenizer, limits))
        answers += part["answers"]
        timings.append({"batch": at, "questions": part["questions"], "seconds": part["seconds"]})
    answers.sort(key=lambda answer: (answer["memory"], answer["uid"], answer["qid"]))
    write_jsonl(args.answers, answers)
    metrics = {"answers": len(answers), "answers_sha256": sha256_file(args.answers)}
    made = provenance.record() | {"batch_seconds": timings, "model_sha256": base.model_sha256}
    write_json(args.out, result("ask_layered", relevant, None, metrics, args.answers.name, made))
    print(f"{args.answers}: {len(answers)} raw answers under {', '.join(names)}; score_layered.py says how many are right")


if __name__ == "__main__":
    run_step(main)
