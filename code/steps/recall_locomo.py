"""Tell every memory of text the dialogues of LOCOMO, ask it every question, and measure which cited turns it brings back.

Memories are told turns, speakers, dates and captions, never questions or evidence. Recall is measured at several numbers of
lines. For the frozen list of questions the lines that a reader gets are kept in a file of their own, which holds text of LOCOMO
and is therefore never part of the project; --ranked holds ids of turns alone. Without the file of LOCOMO the stand-in is used.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from loci.bench.clusters import gaps
from loci.bench.locomo_asked import frozen, shown
from loci.bench.locomo_recall import entries, found_in, ndcg, notes_of, query_of
from loci.bench.recalls import Costs, cost_entries
from loci.config import load_config
from loci.errors import run_step
from loci.memories.base import Recall
from loci.memories.registry import text_memory
from loci.memories.text_trace import TextTrace
from loci.models.base import use_threads
from loci.models.encoder import Encoder
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json, write_jsonl
from loci.worlds.locomo import Conversation
from loci.worlds.locomo_file import load_or_stand_in

_RANKED = 10  # lines whose turns are kept by id
_PAIR = ("late", "bm25")  # compared question by question
_CONTROLS = ("none", "gold", "all")
_RANKING = ("bm25", "bm25w", "dense", "late")  # fewer lines are the first of more (a test holds them to that): searched once


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, default=argparse.SUPPRESS, help="profile, e.g. config/laptop.yaml")
    parser.add_argument("--file", help="locomo10.json: a path, or an https address to download it from (2.8 MB, once)")
    parser.add_argument("--audit", type=Path, help="errors.json of the independent audit (path)")
    parser.add_argument("--stand-in", type=Path, required=True, default=argparse.SUPPRESS, help="made by make_standin.py (JSON)")
    parser.add_argument("--cache", type=Path, default=GENERATED / "locomo", help="folder for a downloaded file (path)")
    parser.add_argument("--encoder", type=Path, help="folder of the encoder; models/<encoder.name> when not given")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    parser.add_argument("--ranked", type=Path, required=True, default=argparse.SUPPRESS, help="ids of turns found (JSONL)")
    parser.add_argument("--recalls", type=Path, required=True, default=argparse.SUPPRESS, help="what the reader gets (JSONL)")
    return parser.parse_args(argv)


def recall_everything(
    name: str, trace: TextTrace, conversation: Conversation, encoder: Encoder, ks: Sequence[int]
) -> tuple[dict[int, dict[str, Recall]], list[float]]:
    """(what a memory recalls for each question of a conversation, by number of lines; milliseconds of each at the most)."""
    found: dict[int, dict[str, Recall]] = {}
    for k in [max(ks)] if name in _RANKING else sorted(ks):
        memory, spent, recalls = text_memory(name, encoder, k), [], {}
        for question in conversation.questions:
            query, start = query_of(question), time.perf_counter()
            recalls[question.id] = memory.recall(trace, query)
            spent.append(1000 * (time.perf_counter() - start))
        found[k] = recalls
    if name in _RANKING:
        found = {k: {qid: first(recall, k) for qid, recall in recalls.items()} for k in ks}
    return found, spent


def first(recall: Recall, k: int) -> Recall:
    """The first `k` lines of a recall whose lines are ranked."""
    return replace(recall, lines=recall.lines[:k], sources=recall.sources[:k], dates=recall.dates[:k])


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    inputs = {"stand_in": args.stand_in} | ({"audit": args.audit} if args.audit else {})
    provenance = Provenance(Path(__file__), inputs)
    settings = load_config(args.config)
    use_threads(settings["threads"])
    about = settings["locomo_asked"]
    source, locomo = load_or_stand_in(args.file, args.stand_in, args.audit, args.cache)
    encoder = Encoder.load(settings["encoder"]["name"], args.encoder)
    questions = {question.id: question for question in locomo.questions}
    asked = {one.id for split in ("dev", "test") for one in frozen(locomo.conversations, split, about["each"])}
    for question in tqdm(questions.values(), desc="questions", unit="question"):
        encoder.query(question.text)  # the same for all memories that search by vectors, and no part of their own times
    ledger, times, kept, ranked = {}, {}, [], []
    recalled: dict[str, list] = {}  # what each memory brings back in _RANKED lines
    for name in tqdm(about["memories"], desc="recall", unit="memory"):
        writer = text_memory(name, encoder, max(about["ks"]))
        scores: dict[str, list] = defaultdict(list)
        costs = {}
        for conversation in locomo.conversations:
            notes = notes_of(conversation)
            order = {note.key: at for at, note in enumerate(notes)}
            start = time.perf_counter()
            trace = writer.write(conversation.id, notes)
            write_ms = 1000 * (time.perf_counter() - start) / len(notes)
            recalls, spent = recall_everything(name, trace, conversation, encoder, about["ks"])
            costs[conversation.id] = Costs(write_ms, spent, trace.nbytes)
            for k, found in recalls.items():
                for question in conversation.questions:
                    item, recall = (conversation.id, question.id), found[question.id]
                    if k == _RANKED:
                        ranked.append({"memory": name, "qid": question.id, "sources": [list(keys) for keys in recall.sources]})
                    if not question.evidence:
                        continue
                    share, whole = found_in(recall, question.evidence)
                    scores[f"turn.recall_at_{k}"].append((*item, share))
                    scores[f"turn.all_at_{k}"].append((*item, whole))
                    if k == _RANKED and not recall.told:
                        scores[f"turn.ndcg_at_{k}"].append((*item, ndcg(recall, question.evidence)))
                    if k == _RANKED and question.corrected_evidence:
                        share, _ = found_in(recall, question.corrected_evidence)
                        scores[f"turn.corrected.recall_at_{k}"].append((*item, share))
            reading = text_memory(name, encoder, about["lines"])
            for question in conversation.questions:
                if question.id in asked:
                    kept.append(shown(name, question, reading.recall(trace, query_of(question)), order))
        ledger |= entries(scores, questions, f"{source}.{name}", args.out.name)
        recalled[name] = scores[f"turn.recall_at_{_RANKED}"]
        size, spent = cost_entries(costs, f"{source}.{name}", args.out.name)
        ledger, times = ledger | size, times | spent
    if recalled.keys() >= {*_PAIR}:
        scores = {f"turn.recall_at_{_RANKED}": gaps(*(recalled[name] for name in _PAIR))}
        ledger |= entries(scores, questions, f"{source}.{'_minus_'.join(_PAIR)}", args.out.name, proportion=False)
    write_jsonl(args.recalls, kept)
    write_jsonl(args.ranked, ranked)
    config = {"locomo_asked": about, "encoder": encoder.sha256, "file": source, "file_sha256": locomo.sha256}
    metrics = rounded(ledger) | {"recalls_sha256": sha256_file(args.recalls), "ranked_sha256": sha256_file(args.ranked)}
    record = provenance.record() | {"costs": rounded(times)}
    write_json(args.out, result("recall_locomo", config, None, metrics, args.ranked.name, record))
    searching = [name for name in about["memories"] if name not in _CONTROLS] or about["memories"]
    best = max(searching, key=lambda name: ledger[f"{source}.{name}.turn.recall_at_{_RANKED}"]["value"])
    share = ledger[f"{source}.{best}.turn.recall_at_{_RANKED}"]
    found = f"{best} brings back most cited turns in {_RANKED} lines: {share['value']:.3f}, n = {share['n']}"
    print(f"{args.out}: of {source}, {found}")


if __name__ == "__main__":
    run_step(main)
