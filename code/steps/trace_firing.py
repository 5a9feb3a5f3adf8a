"""Where rows fire: for every answer given with rows, which facts' rows were read, at which token, and how open the gate was.

Positions are looked up for all answers of one reader's conditions; gates, which take a forward, for `layered.gates` questions of
each user.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from loci.bench.firing import firings, owners_of
from loci.bench.layer_prompts import prompts_of, rows_under
from loci.bench.layers import BASE, CONDITIONS, OWN_ADAPTER, of_adapter, thinks
from loci.bench.people import asked_users, donors
from loci.bench.reader import Reader
from loci.bench.traces import load_traces
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.memories.row_examples import Sentence
from loci.models.adapters import LoraSlot, LoraSpec
from loci.models.base import load_base, use_threads
from loci.models.encoder import Encoder
from loci.models.engram import EngramSpec, Graft
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_jsonl, read_result, result, rounded, sha256_file, write_json
from loci.worlds.records import User, load_users


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    readers = sorted({condition.adapter for condition in CONDITIONS.values() if condition.rows} - {OWN_ADAPTER})
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--users", type=Path, default=GENERATED / "people.json", help="users made by make_people.py (JSON)")
    parser.add_argument("--reader", choices=readers, required=True, default=argparse.SUPPRESS, help="whose conditions are traced")
    parser.add_argument("--adapter", type=Path, help="its weights, by train_reader.py (safetensors); none for the base model")
    parser.add_argument(
        "--rows", type=Path, required=True, default=argparse.SUPPRESS, help="result of write_rows or write_recited"
    )
    parser.add_argument(
        "--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers of ask_layered.py (JSONL)"
    )
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def said_by(answer: dict, reader: str) -> str:
    """The line that followed the prompt, as the reader said it."""
    if "thought" not in answer:
        return f" {answer['prediction']}"
    return f" {answer['thought']}" + (f" Answer: {answer['prediction']}" if answer["prediction"] else "")


def sentences_of(user: User, stop: str) -> dict[str, Sentence]:
    """What was written for the user, by fact."""
    return {fact.key: Sentence(fact.trigger, fact.answer, stop) for fact in user.final_facts()}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    if (args.reader == BASE) != (args.adapter is None):
        raise UserError("--adapter", f"does not fit reader {args.reader}", "give the weights of a shared reader, none for base")
    inputs = {name: path for name in ("users", "adapter", "rows", "answers") if (path := getattr(args, name))}
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    use_threads(settings["threads"])
    everybody = load_users(args.users)
    users = asked_users(everybody, settings)
    names = {name: condition for name, condition in of_adapter(args.reader).items() if condition.rows}
    base, spec = load_base(settings["base"]["name"], args.model), EngramSpec.of(settings["engram"])
    if args.adapter:
        slot = LoraSlot(base, LoraSpec(settings["reader"]["rank"], settings["reader"]["targets"]))
        slot.put(slot.load(args.adapter))
    graft, donor = Graft(base.model, base.tokenizer, spec), donors(users)
    encoder = Encoder.load(settings["encoder"]["name"], args.encoder)
    written = load_traces(args.rows, spec.about(base.name), read_result(args.rows)["seed"])
    rows_of = rows_under(names, written, users, graft.empty_rows())
    prompts = {
        (name, user.uid, question.qid): (question, text)
        for name, asked in prompts_of(names, users, everybody, settings, Reader.load(), encoder).items()
        for user, question, text in asked
    }
    stop = "." if thinks(next(iter(names.values()))) else ""
    owners = {user.uid: owners_of(graft, base.tokenizer, sentences_of(user, stop)) for user in users}
    gated: dict[tuple[str, str], int] = {}
    items = []
    for answer in tqdm(read_jsonl(args.answers, "run ask_layered.py"), desc="trace", unit="answer"):
        name, uid = answer["memory"], answer["uid"]
        if name not in names:
            continue
        question, text = prompts[name, uid, answer["qid"]]
        whose = donor[uid].uid if names[name].rows == "donor" else uid
        take = question.form == "question" and gated.get((name, uid), 0) < settings["layered"]["gates"]
        found = firings(graft, base.tokenizer, text, said_by(answer, args.reader), rows_of(name, uid), owners[whose], take)
        gated[name, uid] = gated.get((name, uid), 0) + (take and bool(found))
        about = {"condition": name, "uid": uid, "qid": answer["qid"], "kind": question.kind, "form": question.form}
        items.append({**about, "needed": list(question.required_fact_keys), "fired": [asdict(one) for one in found]})
    relevant = {name: settings[name] for name in ("base", "engram", "matrix", "reader", "layered")}
    made = provenance.record() | {"model_sha256": base.model_sha256}
    metrics = {"answers": len(items), "with_hits": sum(bool(item["fired"]) for item in items)}
    metrics["answers_sha256"] = sha256_file(args.answers)
    write_json(args.out, result("trace_firing", relevant, None, metrics, rounded(items, 4), made))
    print(f"{args.out}: {metrics['with_hits']} of {len(items)} answers under {', '.join(names)} read a row")


if __name__ == "__main__":
    run_step(main)
