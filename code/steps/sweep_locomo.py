"""Choose how LOCOMO's lines reach the reader: how many of them, and with or without the day on which each was said.

Asked are the frozen questions of the two development conversations alone, categories 1 to 4, behind lines of a few memories; the
choice is the one with the highest mean official F1. A killed run continues with the next unit of prompts.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import yaml

from loci.bench.asking import answered, prompt_of
from loci.bench.clusters import pooled
from loci.bench.locomo_asked import Asked, frozen, shown, with_day
from loci.bench.locomo_metrics import official
from loci.bench.locomo_recall import notes_of, query_of
from loci.bench.reader import Reader
from loci.config import load_config
from loci.errors import UserError, run_step
from loci.memories.registry import text_memory
from loci.models.base import load_base, use_threads
from loci.models.encoder import Encoder
from loci.models.engram import EngramSpec, Graft
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import read_text, result, rounded, sha256_text, write_json
from loci.shards import Shards
from loci.worlds.locomo import ADVERSARIAL
from loci.worlds.locomo_file import load_or_stand_in

_FIELDS = ("memories", "lines", "dated", "each")


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--sweep", type=Path, required=True, default=argparse.SUPPRESS, help="what is tried (YAML)")
    parser.add_argument("--file", help="locomo10.json: a path, or an https address to download it from (2.8 MB, once)")
    parser.add_argument("--stand-in", type=Path, required=True, default=argparse.SUPPRESS, help="made by make_standin.py (JSON)")
    parser.add_argument("--cache", type=Path, default=GENERATED / "locomo", help="folder for a downloaded file (path)")
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--model", type=Path, help="folder of the base model; models/<base.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def read_sweep(path: Path) -> dict:
    """What is tried; UserError for a field that is missing, empty or not known."""
    found = yaml.safe_load(read_text(path, "give config/sweep_locomo.yaml"))
    if not isinstance(found, dict) or sorted(found) != sorted(_FIELDS):
        raise UserError(path, f"does not hold {', '.join(_FIELDS)}", "see config/sweep_locomo.yaml")
    for name in _FIELDS[:3]:
        if not isinstance(found[name], list) or not found[name]:
            raise UserError(f"{path}: {name}", "is no list of values", "give at least one")
    return found


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__), {"sweep": args.sweep})
    settings, tried = load_config(args.config), read_sweep(args.sweep)
    use_threads(settings["threads"])
    source, locomo = load_or_stand_in(args.file, args.stand_in, cache=args.cache)
    encoder, reader = Encoder.load(settings["encoder"]["name"], args.encoder), Reader.load()
    base, about = load_base(settings["base"]["name"], args.model), settings["locomo_asked"]
    graft = Graft(base.model, base.tokenizer, EngramSpec.of(settings["engram"]))
    chosen = [one for one in frozen(locomo.conversations, "dev", tried["each"]) if one.category != ADVERSARIAL]
    cases, prompts = [], []
    for conversation in locomo.conversations:
        asked, notes = [one for one in chosen if one.conversation == conversation.id], notes_of(conversation)
        order = {note.key: at for at, note in enumerate(notes)}
        for name in tried["memories"] if asked else ():
            trace = text_memory(name, encoder, 1).write(conversation.id, notes)
            for lines in tried["lines"]:
                memory = text_memory(name, encoder, lines)
                for question in asked:
                    record = shown(name, question, memory.recall(trace, query_of(question)), order)
                    for days in tried["dated"]:
                        told = zip(record["lines"], record["dates"], strict=True)
                        text = [with_day(line, date) if days else line for line, date in told]
                        prompt = {**record, "lines": text}
                        plain = Asked(question.id, question.text)
                        prompts.append(prompt_of(prompt, plain, reader, "", base.tokenizer, about["window"]))
                        cases.append((name, lines, days, question))
    relevant = {"base": settings["base"], "tried": tried, "reader_sha256": reader.sha256, "file": source}
    identity = {**relevant, "prompts": sha256_text("\n".join(one.text for one in prompts)), "model": base.model_sha256}
    shards = Shards(Path(__file__), identity, args.out.parent / "work")
    said, _ = answered(prompts, shards, about["batch"], graft, base.tokenizer, about["max_tokens"])
    scores: dict[tuple[str, int, bool], list] = {}
    for (name, lines, days, question), prompt in zip(cases, prompts, strict=True):
        text = base.tokenizer.decode(said[prompt.text].tokens, skip_special_tokens=True).partition("\n")[0].strip()
        item = (question.conversation, question.id, official(question.category, text, question.answer))
        scores.setdefault((name, lines, days), []).append(item)
    items = [
        {"memory": name, "lines": lines, "dated": days, **pooled(found).entry(args.out.name)}
        for (name, lines, days), found in scores.items()
    ]
    means: dict[tuple[int, bool], list[float]] = {}
    for item in items:
        means.setdefault((item["lines"], item["dated"]), []).append(item["value"])
    best = max(means, key=lambda pair: (sum(means[pair]), -pair[0]))
    metrics = {"lines": best[0], "dated": best[1], "f1": sum(means[best]) / len(means[best])}
    config = relevant | {"file_sha256": locomo.sha256}
    write_json(args.out, result("sweep_locomo", config, None, rounded(metrics), rounded(items), provenance.record()))
    days = "with" if best[1] else "without"
    print(f"{args.out}: {best[0]} lines {days} their days are read best on development conversations, F1 {metrics['f1']:.3f}")


if __name__ == "__main__":
    run_step(main)
