"""Have the base model answer the frozen questions of LOCOMO, or of its stand-in, from what each memory recalled.

One reader and one prompt for every memory and every category; no prompt knows what kind of question it holds. Every line
carries the day on which it was said. Equal prompts are read once; a killed run continues with the next unit of prompts. The
answers hold no text of the file: ids, and what the model said.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from loci.bench.asking import answered, prompt_of
from loci.bench.locomo_asked import Asked, with_day
from loci.bench.reader import Reader
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.models.base import load_base, use_threads
from loci.models.engram import EngramSpec, Graft
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_jsonl, read_result, result, sha256_file, sha256_text, write_json, write_jsonl
from loci.shards import Shards
from loci.worlds.locomo_file import load_or_stand_in


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--file", help="locomo10.json: a path, or an https address to download it from (2.8 MB, once)")
    parser.add_argument("--stand-in", type=Path, required=True, default=argparse.SUPPRESS, help="made by make_standin.py (JSON)")
    parser.add_argument("--cache", type=Path, default=GENERATED / "locomo", help="folder for a downloaded file (path)")
    parser.add_argument("--recalled", type=Path, required=True, default=argparse.SUPPRESS, help="of recall_locomo.py (JSON)")
    parser.add_argument("--recalls", type=Path, required=True, default=argparse.SUPPRESS, help="its recalls to be read (JSONL)")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--answers", type=Path, required=True, default=argparse.SUPPRESS, help="raw answers to write (JSONL)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"recalled": args.recalled})
    settings = load_config(args.config)
    use_threads(settings["threads"])
    about, recalled = settings["locomo_asked"], read_result(args.recalled)
    source, locomo = load_or_stand_in(args.file, args.stand_in, cache=args.cache)
    if recalled["config"]["file_sha256"] != locomo.sha256:
        raise UserError(args.recalled, "is about another file than the one given", "run recall_locomo.py again")
    if recalled["metrics"]["recalls_sha256"] != sha256_file(args.recalls):
        raise UserError(args.recalls, f"holds other recalls than those of {args.recalled}", "run recall_locomo.py again")
    texts = {question.id: question.text for question in locomo.questions}
    records = read_jsonl(args.recalls, "run recall_locomo.py")
    base, reader = load_base(settings["base"]["name"], args.model), Reader.load()
    graft = Graft(base.model, base.tokenizer, EngramSpec.of(settings["engram"]))
    prompts = []
    for record in records:
        lines = [with_day(line, date) for line, date in zip(record["lines"], record["dates"], strict=True)]
        question = Asked(record["qid"], texts[record["qid"]])
        prompts.append(prompt_of({**record, "lines": lines}, question, reader, "", base.tokenizer, about["window"]))
    relevant = {"base": settings["base"], "locomo_asked": about, "reader_sha256": reader.sha256, "file": source}
    identity = {**relevant, "prompts": sha256_text("\n".join(prompt.text for prompt in prompts)), "model": base.model_sha256}
    shards = Shards(Path(__file__), identity, args.out.parent / "work")
    said, timings = answered(prompts, shards, about["batch"], graft, base.tokenizer, about["max_tokens"])
    answers = [
        {
            "memory": record["memory"],
            "uid": record["uid"],
            "qid": record["qid"],
            "sources": record["sources"],
            "prompt_sha256": sha256_text(prompt.text)[:16],
            "prompt_tokens": len(prompt.ids),
            "prediction": base.tokenizer.decode(said[prompt.text].tokens, skip_special_tokens=True).partition("\n")[0].strip(),
            "log_prob": round(said[prompt.text].log_prob, 4),
        }
        for record, prompt in zip(records, prompts, strict=True)
    ]
    write_jsonl(args.answers, answers)
    metrics = {"answers": len(answers), "prompts_read": len(said), "answers_sha256": sha256_file(args.answers)}
    made = provenance.record() | {"unit_seconds": timings, "model_sha256": base.model_sha256}
    config = relevant | {"file_sha256": locomo.sha256}
    write_json(args.out, result("ask_locomo", config, None, metrics, args.answers.name, made))
    print(f"{args.answers}: {len(answers)} raw answers about {source}; score_locomo.py says how many are right")


if __name__ == "__main__":
    run_step(main)
