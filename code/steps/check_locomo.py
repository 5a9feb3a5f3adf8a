"""Check the LOCOMO file, and count what is in it: sessions, turns, questions by category, evidence, audited errors.

The file's licence (CC BY-NC 4.0) keeps it out of Loci, so it is given by path or address. No text of it is copied into
the results.
"""

import argparse
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from loci.errors import run_step
from loci.paths import GENERATED
from loci.provenance import Provenance
from loci.results import result, rounded, sha256_file, write_json
from loci.worlds.locomo import (
    ADVERSARIAL,
    CATEGORIES,
    CITATION_ERROR,
    CORRUPTING_ERRORS,
    Conversation,
    LocomoQuestion,
    counts,
    duplicates,
    session_number,
)
from loci.worlds.locomo_file import Locomo, absent, load_locomo

DISTANCES = (0, 50, 100, 200, 400)  # lower ends of the classes, in turns
SESSIONS = (0, 1, 2, 3, 4, 5)
WORDS = (1, 2, 3, 5, 9, 17)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--file", help="locomo10.json: a path, or an https address to download it from (2.8 MB, once)")
    parser.add_argument("--audit", type=Path, help="errors.json of the independent audit (path); without it none are counted")
    parser.add_argument("--accept-other-file", action="store_true", help="go on with a file that is not the canonical one")
    parser.add_argument("--if-present", action="store_true", help="without the file, write a result that says so, and succeed")
    parser.add_argument("--cache", type=Path, default=GENERATED / "locomo", help="folder for a downloaded file (path)")
    parser.add_argument("--out", type=Path, required=True, default=argparse.SUPPRESS, help="results file to write (JSON)")
    return parser.parse_args(argv)


def histogram(values: Iterable[int], ends: Sequence[int]) -> dict[str, int]:
    """How many values lie in each class; `ends` are the lower ends, the last class is open, lower values are not counted."""
    values, uppers = list(values), [*ends[1:], None]
    classes = {}
    for low, upper in zip(ends, uppers, strict=True):
        name = f"{low}+" if upper is None else str(low) if upper == low + 1 else f"{low}-{upper - 1}"
        classes[name] = sum(low <= value and (upper is None or value < upper) for value in values)
    return classes


def evidence_sessions(question: LocomoQuestion) -> int:
    """Over how many sessions the evidence is spread."""
    return len({session_number(dia_id) for dia_id in question.evidence})


def evidence_distances(conversation: Conversation) -> dict[str, int]:
    """Question id -> turns that follow the earliest evidence: how far back a memory of recent turns would have to reach."""
    order = {turn.dia_id: place for place, turn in enumerate(conversation.turns)}
    last = len(order) - 1
    cited = [question for question in conversation.questions if question.evidence]
    return {question.id: last - min(order[dia_id] for dia_id in question.evidence) for question in cited}


def answer_words(question: LocomoQuestion) -> int:
    """Length of the gold answer, or of the trap where there is none to give (category 5)."""
    return len((question.adversarial_answer if question.category == ADVERSARIAL else question.answer).split())


def wrong_by_audit(questions: Sequence[LocomoQuestion], audited: bool) -> int | None:
    """How many questions the audit found to spoil scoring; None, not zero, for those it did not look at."""
    return sum(question.corrupt for question in questions) if audited else None


def conversation_line(conversation: Conversation, audited: bool) -> dict:
    """One conversation in numbers."""
    days = [session.date_time.date() for session in conversation.sessions]
    return {
        "id": conversation.id,
        "split": conversation.split,
        **{name: count for name, count in counts([conversation]).items() if name != "conversations"},
        "words": sum(len(turn.text.split()) for turn in conversation.turns),
        "days": (max(days) - min(days)).days,
        "unresolved": sum(len(question.unresolved) for question in conversation.questions),
        "duplicates": sum(len(group) - 1 for group in duplicates(conversation)),
        "corrupt": wrong_by_audit(conversation.questions, audited),
    }


def category_line(questions: list[LocomoQuestion], distances: dict[str, int], audited: bool) -> dict:
    """One category in numbers: where its evidence lies, and how long its answers are."""
    spread = [evidence_sessions(question) for question in questions]
    cited = [sessions for sessions in spread if sessions]
    words = [answer_words(question) for question in questions]
    return {
        "questions": len(questions),
        "with_evidence": len(cited),
        "corrupt": wrong_by_audit(questions, audited),
        "mean_evidence_sessions": statistics.fmean(cited) if cited else None,
        "evidence_sessions": histogram(spread, SESSIONS),
        "evidence_distance_turns": histogram((distances[q.id] for q in questions if q.id in distances), DISTANCES),
        "mean_answer_words": statistics.fmean(words) if words else None,
        "answer_words": histogram(words, WORDS),
    }


def metrics_of(locomo: Locomo, audited: bool, source: str) -> dict:
    """Ledger entries of the counts, and one table a category. n: conversations, questions, or questions the audit covers."""
    questions, total = locomo.questions, counts(locomo.conversations)
    scored = len(questions) - total[f"category{ADVERSARIAL}"]
    whole = dict.fromkeys(("conversations", "sessions", "turns", "images", "captions"), total["conversations"])
    entries = {f"locomo_file.{name}": {"value": count, "n": whole.get(name, len(questions))} for name, count in total.items()}
    if audited:
        kinds = [question.correction.error_type for question in questions if question.correction]
        found = {kind.lower(): kinds.count(kind) for kind in (*CORRUPTING_ERRORS, CITATION_ERROR)}
        found["corrupt"] = wrong_by_audit(questions, audited)
        entries |= {f"locomo_audit.{name}": {"value": count, "n": scored} for name, count in found.items()}
    distances = {name: far for one in locomo.conversations for name, far in evidence_distances(one).items()}
    members = {category: [question for question in questions if question.category == category] for category in CATEGORIES}
    covered = {category: audited and category != ADVERSARIAL for category in CATEGORIES}
    return {
        "present": True,
        "audited": audited,
        **{key: {**entry, "source": source} for key, entry in entries.items()},
        "categories": {str(category): category_line(of, distances, covered[category]) for category, of in members.items()},
    }


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    provenance = Provenance(Path(__file__))
    fault = absent(args.file)
    if fault and args.if_present:
        write_json(args.out, result("locomo_file", {}, None, {"present": False}, [], provenance.record()))
        print(f"{args.out}: no LOCOMO file ({fault.where}: {fault.what}); everything that needs it is left out")
        return
    locomo = load_locomo(args.file, args.audit, args.accept_other_file, args.cache)
    if locomo.warning:
        print(f"warning: {locomo.warning}", file=sys.stderr)
    config = {"file_sha256": locomo.sha256, "audit_sha256": sha256_file(args.audit) if args.audit else None}
    audited = args.audit is not None
    metrics = metrics_of(locomo, audited, args.out.name)
    lines = [conversation_line(conversation, audited) for conversation in locomo.conversations]
    write_json(args.out, result("locomo_file", config, None, rounded(metrics), lines, provenance.record()))
    corrupt = f"{wrong_by_audit(locomo.questions, True)} with a gold answer that the audit rejects" if audited else "not audited"
    sizes = "{turns} turns, {questions} questions, {with_evidence} with evidence".format(**counts(locomo.conversations))
    print(f"{args.out}: {sizes}, {corrupt}")


if __name__ == "__main__":
    run_step(main)
