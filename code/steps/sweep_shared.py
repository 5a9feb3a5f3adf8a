"""Try one variant of a shared reader on development users: rank, what it is taught, families it never saw, another world.

Each variant is a result of its own, so that one can be run and kept without the others. A killed run continues after the last
checkpoint of training, or with the next user.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from tqdm import tqdm

from loci.bench.layer_bench import LayerBench
from loci.bench.layer_prompts import TAUGHT, lines_of
from loci.bench.layered import recitation_scores
from loci.bench.lessons import READERS, encoded, lessons_of
from loci.bench.pupils import iter_pupils
from loci.bench.score import exact, says_not_known
from loci.bench.statistics import estimate
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.adapters import LoraSpec, LoraWeights
from loci.models.base import use_threads
from loci.models.encoder import Encoder
from loci.models.tuning import TuneSettings, tune
from loci.paths import CONFIG
from loci.progress import watching
from loci.provenance import Provenance
from loci.results import read_text, result, rounded, sha256_file, write_json, write_jsonl
from loci.shards import Shards
from loci.worlds.people import iter_users, sample_questions
from loci.worlds.records import UNANSWERED, Question, User

_SEED = 0
_NEEDED = ("users", "pupils", "questions")
CONDITIONS = {
    "recite": ("ke", "k", "kgold", "gold", "j"),
    "trace": ("ke", "k", "gold", "j"),
    "answer": ("e", "f", "golda", "ja"),
}


@dataclass(frozen=True)
class Variant:
    """What differs from the profile's reciting reader; 0 or "" for what does not. world: whose people the profile's own reader is
    asked about, with nothing trained; "" for a training and people of the personal world."""

    reader: str = "recite"
    rank: int = 0
    targets: str = ""
    without: tuple[str, ...] = ()
    world: str = ""

    @property
    def trained(self) -> bool:
        """Whether the variant trains a reader of its own."""
        return not self.world


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    sweep = CONFIG.parent / "config" / "sweep_shared.yaml"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--sweep", type=Path, default=sweep, help="variants (YAML)")
    parser.add_argument("--variant", required=True, default=argparse.SUPPRESS, help="which of them")
    parser.add_argument("--adapter", type=Path, help="the frozen reciting reader, for variants that train nothing (safetensors)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers to write (JSONL)")
    return parser.parse_args(argv)


def read_variant(path: Path, name: str) -> tuple[dict, Variant]:
    """The sweep and one of its variants; UserError where there is none of that name, or a field of it is wrong."""
    sweep = yaml.safe_load(read_text(path, "give a YAML file of variants"))
    if not isinstance(sweep, dict) or not sweep.get("variants") or not all(sweep.get(name) for name in _NEEDED):
        raise UserError(f"{path}: variants, {', '.join(_NEEDED)}", "empty or missing", "name at least one of each")
    if name not in sweep["variants"]:
        raise UserError(f"{path}: variants", f"has no '{name}'", f"use one of {', '.join(sweep['variants'])}")
    try:
        fields = sweep["variants"][name]
        variant = Variant(**{**fields, "without": tuple(fields.get("without", ()))})
    except TypeError:
        known = ", ".join(Variant.__dataclass_fields__)
        raise UserError(f"{path}: variants.{name}", "has a field that is not known", f"use some of {known}") from None
    if variant.reader not in READERS:
        raise UserError(f"{path}: variants.{name}.reader", f"'{variant.reader}'", f"use one of {', '.join(READERS)}")
    return sweep, variant


def trained(bench: LayerBench, variant: Variant, settings: dict, pupils: int, checkpoint: Path) -> LoraWeights:
    """The reader of one variant, from lessons of the first `pupils` training users."""
    about, tokenizer = settings["reader"], bench.base.tokenizer
    examples = []
    for user in iter_pupils(range(pupils), settings["people"]["seed"]):
        recalled = lines_of(user, "best", settings["layered"], TAUGHT, bench.encoder)
        lessons = lessons_of(variant.reader, user, about["lessons"], _SEED, variant.without, recalled)
        examples += [encoded(pieces, tokenizer) for pieces in lessons]
    how = TuneSettings(about["rate"], about["epochs"], about["tokens"])
    with watching(f"reader {variant.reader}", "step") as watch:
        return tune(bench.slot, examples, how, _SEED, tokenizer.pad_token_id, checkpoint, watch)[0]


def ask_user(bench: LayerBench, variant: Variant, reader: LoraWeights, user: User, questions: list[Question]) -> list[dict]:
    """Raw answers of one user under the variant's conditions; rows are written with a reader that recites, else without it."""
    facts, recited = list(user.final_facts()), variant.reader == "recite"
    bench.slot.put(reader if recited else None)
    rows, _ = bench.write(facts, user.uid, recited, _SEED)
    bench.slot.put(reader)
    return [one for name in CONDITIONS[variant.reader] for one in bench.answers(name, user, facts, questions, rows)]


def summed(answers: list[dict], questions: dict[str, Question], users: list[User], without: tuple[str, ...]) -> dict[str, dict]:
    """<condition>.<kind>.exact, .<kind>.recited, .indirect.<family>.exact, and for a split by family .indirect.unseen.exact."""
    found: dict[str, list] = defaultdict(list)
    for answer in answers:
        question = questions[answer["qid"]]
        said = answer["prediction"]
        right = says_not_known(said) if question.kind in UNANSWERED else exact(said, question.accepted, question.form)
        one = (answer["uid"], answer["qid"], right)
        names = [question.kind]
        if question.kind == "indirect":
            names.append(f"indirect.{question.family}")
            names += ["indirect.unseen" if question.family in without else "indirect.seen"] if without else []
        for name in names:
            found[f"{answer['memory']}.{name}.exact"].append(one)
    for name, records in recitation_scores(answers, questions, users).items():
        found[name.replace("|", ".")] = records
    spreads = {name: estimate(records) for name, records in found.items()}
    return {name: {"value": one.value, "low": one.low, "high": one.high, "n": one.n} for name, one in spreads.items()}


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    settings = load_config(args.config)
    sweep, variant = read_variant(args.sweep, args.variant)
    if variant.trained != (args.adapter is None):
        raise UserError("--adapter", f"does not fit variant {args.variant}", "give it to variants with a world, and only to them")
    inputs = {"sweep": args.sweep} | ({"adapter": args.adapter} if args.adapter else {})
    provenance = Provenance(Path(__file__), inputs)
    use_threads(settings["threads"])
    about, seed = settings["reader"], settings["people"]["seed"]
    users = list(iter_users(variant.world or "personal", "dev", range(sweep["users"]), seed))
    sizes = sweep["questions"]
    asked = {user.uid: [one for one in sample_questions(user, sizes, _SEED) if one.form == "question"] for user in users}
    spec = LoraSpec(variant.rank or about["rank"], variant.targets or about["targets"])
    bench = LayerBench(settings, spec, Encoder.load(settings["encoder"]["name"], args.encoder), args.model)
    names = ("base", "encoder", "people", "engram", "write", "matrix", "reader", "layered")
    relevant = {name: settings[name] for name in names} | {
        "variant": sweep["variants"][args.variant],
        "questions": sizes,
        "pupils": sweep["pupils"],
    }
    files = {name: sha256_file(path) for name, path in inputs.items() if name == "adapter"}
    shards = Shards(Path(__file__), {**relevant, **files, "model": bench.base.model_sha256}, args.out.parent / "work")
    start, kept = time.perf_counter(), args.adapter or shards.folder / "reader.safetensors"
    if variant.trained and not kept.exists():
        bench.slot.save(trained(bench, variant, settings, sweep["pupils"], shards.folder / "half.safetensors"), kept)
    seconds, reader = time.perf_counter() - start, bench.slot.load(kept)
    answers = []
    for user in tqdm(users, desc=f"ask, {args.variant}", unit="user"):
        part = shards.get(user.uid)
        if part is None:
            part = shards.put(user.uid, {"answers": ask_user(bench, variant, reader, user, asked[user.uid])})
        answers += part["answers"]
    write_jsonl(args.answers, answers)
    questions = {one.qid: one for found in asked.values() for one in found}
    metrics = rounded(summed(answers, questions, users, variant.without))
    config = relevant | {"users": [user.uid for user in users]}
    record = provenance.record() | {"train_seconds": round(seconds, 1), "answers_sha256": sha256_file(args.answers)}
    write_json(args.out, result("sweep_shared", config, _SEED, {"scores": metrics}, args.answers.name, record))
    shown = "f" if variant.reader == "answer" else "k"
    print(
        f"{args.out}: variant {args.variant} on {len(users)} development users, indirect questions exact with rows "
        f"{metrics[f'{shown}.indirect.exact']['value']:.2f}"
    )


if __name__ == "__main__":
    run_step(main)
