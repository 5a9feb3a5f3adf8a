"""Have the base model answer from assembled prompts of distilled text, at one budget of words: what stands there, is it read?

Same people, conditions and questions as ablate_distilled.py; the reader's prompt is the matrix's. Equal prompts are read once; a
killed run goes on with the next unit of prompts.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from loci.bench.asking import answered, prompt_of
from loci.bench.distilled_reading import entries, read_sweep, scored, shown_of
from loci.bench.reader import Reader
from loci.config import load_config
from loci.errors import run_step
from loci.models.base import load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.paths import CONFIG
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_text, write_json
from loci.shards import Shards

_SEED = 0  # of the people, as in ablate_distilled.py


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--sweep", type=Path, default=CONFIG / "sweep_distilled.yaml", help="what is read (YAML)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"sweep": args.sweep})
    settings, tried = load_config(args.config), read_sweep(args.sweep)
    use_threads(settings["threads"])
    about, matrix, reader = settings["distilled"], settings["matrix"], Reader.load()
    base = load_base(settings["base"]["name"], args.model)
    graft = Graft(base.model, base.tokenizer, EngramSpec.of(settings["engram"]))
    people = range(min(tried["people"], about["people"]))
    asked = [one for person in tqdm(people, desc="distil", unit="person") for one in shown_of(person, _SEED, about, tried)]
    # In the order of telling already: distillations, what was found, the latest messages.
    records = [{"lines": list(one.lines), "positions": list(range(len(one.lines))), "told": True} for one in asked]
    prompts = [
        prompt_of(record, one, reader, "", base.tokenizer, matrix["window"]) for record, one in zip(records, asked, strict=True)
    ]
    relevant = {"base": settings["base"], "distilled": about, "tried": tried, "reader_sha256": reader.sha256}
    identity = {**relevant, "prompts": sha256_text("\n".join(one.text for one in prompts)), "model": base.model_sha256}
    shards = Shards(Path(__file__), identity, args.out.parent / "work")
    said, timings = answered(prompts, shards, matrix["batch"], graft, base.tokenizer, matrix["max_tokens"])

    def first_line(text: str) -> str:
        return base.tokenizer.decode(said[text].tokens, skip_special_tokens=True).partition("\n")[0].strip()

    answers = [scored(one, first_line(prompt.text)) for one, prompt in zip(asked, prompts, strict=True)]
    ledger = rounded(entries(answers, "distilled_read", args.out.name))
    record = provenance.record() | {"unit_seconds": rounded(timings), "model_sha256": base.model_sha256}
    write_json(args.out, result("read_distilled", relevant, _SEED, ledger, answers, record))
    best = {
        kind: max((ledger[f"distilled_read.{name}.{kind}.exact"]["value"], name) for name in tried["conditions"])
        for kind in tried["kinds"]
    }
    told = ", ".join(f"{kind} {value:.2f} ({name})" for kind, (value, name) in best.items())
    print(f"{args.out}: {len(answers)} answers from prompts of {tried['budget']} words; at best right: {told}")


if __name__ == "__main__":
    run_step(main)
