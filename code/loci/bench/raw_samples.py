"""A fixed sample of the raw answers behind each cell of a table, small enough for one page.

Which questions are shown is decided by a hash of their ids, so nobody chose them, every memory shows the same ones, and another
run shows them again. Of LOCOMO, which is not Loci's to give away, ids stand in place of texts.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable

from loci.bench.matrix import EXPERIMENTS
from loci.bench.people import context_text
from loci.bench.score import contains_any, exact, says_not_known
from loci.results import sha256_text
from loci.worlds.records import UNANSWERED, Question

SHOWN = 8  # answers of a cell
_LONGEST_PROMPT = 600  # characters of recalled lines that are shown; of longer ones their number
_LONGEST_CONTEXT = 160
_LONGEST_SAID = 400


def holds(measure: str, said: str, question: Question) -> bool | None:
    """What the score `measure` ("exact", "stale", "leak") says of one answer; None where it does not count such a question."""
    if measure == "stale":
        return contains_any(said, [question.stale]) if question.stale else None
    if measure == "leak" or question.kind == "other":
        return contains_any(said, question.accepted) if measure == "leak" and question.kind == "other" else None
    if question.kind in UNANSWERED:
        return says_not_known(said) if question.form == "question" else None
    return exact(said, question.accepted, question.form)


def sampled(found: Iterable[dict], shown: int = SHOWN) -> list[dict]:
    """The answers of the first seed whose questions have the smallest hashes, in that order."""
    by_question: dict[str, dict] = {}
    for answer in found:
        before = by_question.get(answer["qid"])
        if before is None or answer.get("seed", 0) < before.get("seed", 0):
            by_question[answer["qid"]] = answer
    return [by_question[qid] for qid in sorted(by_question, key=sha256_text)[:shown]]


def answer_cells(
    answers: list[dict],
    recalls: list[dict],
    questions: dict[str, Question],
    experiment_of: Callable[[dict], str],
    measures: tuple[str, ...] = ("exact", "stale", "leak"),
) -> dict[str, dict]:
    """'<experiment>|<memory>|<kind>.<measure>' -> {"of": questions, "answers": [{qid, said, holds, …}]}.

    recalls: what stood in the prompt, where a memory of text put it there. An answer about an unknown question is left out: one
    memory's file may hold another study's users.
    """
    told = {(one["write"], one["memory"], one["qid"]): one["lines"] for one in recalls}
    by_cell: dict[str, list[dict]] = defaultdict(list)
    for answer in answers:
        if answer["qid"] not in questions:
            continue
        question = questions[answer["qid"]]
        for measure in measures:
            if holds(measure, answer["prediction"], question) is not None:
                by_cell[f"{experiment_of(answer)}|{answer['memory']}|{question.kind}.{measure}"].append(answer)
    cells = {}
    for name, found in by_cell.items():
        measure = name.rpartition(".")[2]
        shown = [_shown(one, measure, questions[one["qid"]], told) for one in sampled(found)]
        cells[name] = {"of": len({one["qid"] for one in found}), "answers": shown}
    return dict(sorted(cells.items()))


def _shown(answer: dict, measure: str, question: Question, told: dict) -> dict:
    out = {"q": answer["qid"], "said": answer["prediction"][:_LONGEST_SAID]}
    out["holds"] = bool(holds(measure, answer["prediction"], question))
    lines = told.get((answer.get("write"), answer["memory"], answer["qid"]))
    if lines and sum(map(len, lines)) <= _LONGEST_PROMPT:
        out["lines"] = lines
    elif lines:
        out["many"] = len(lines)
    if answer.get("thought"):
        out["thought"] = answer["thought"][:_LONGEST_SAID]
    if answer.get("prompt_hits") or answer.get("answer_hits"):
        out["hits"] = [answer.get("prompt_hits", 0), answer.get("answer_hits", 0)]
    return out


def asked_records(cells: dict[str, dict], questions: dict[str, Question]) -> dict[str, dict]:
    """What the shown answers answer: text, accepted answers, what stood before it, the old value."""
    used = sorted({answer["q"] for cell in cells.values() for answer in cell["answers"]})
    out = {}
    for qid in used:
        question = questions[qid]
        out[qid] = {"text": question.text, "accepted": list(question.accepted)}
        if question.context_id:
            out[qid]["after"] = context_text(question.context_id)[-_LONGEST_CONTEXT:]
        if question.stale:
            out[qid]["stale"] = question.stale
    return out


def locomo_cells(answers: list[dict], verdicts: list[dict], source: str) -> dict[str, dict]:
    """'<source>|<memory>|f1' -> a sample by id: question, turns that stood in the prompt, its tokens, the certainty of the answer
    and whether the lexical judge accepts it. No text of LOCOMO, of its answers, or of what a model made of them."""
    accepted = {(one["memory"], one["qid"]): one["accepted"] for one in verdicts}
    by_memory: dict[str, list[dict]] = defaultdict(list)
    for answer in answers:
        by_memory[answer["memory"]].append(answer)
    cells = {}
    for memory, found in sorted(by_memory.items()):
        shown = []
        for one in sampled(found):
            sources = [str(source) for source in one["sources"]]
            about = {"q": one["qid"], "turns": sources[:SHOWN], "more": max(0, len(sources) - SHOWN)}
            about |= {"tokens": one["prompt_tokens"], "log_prob": one.get("log_prob")}
            shown.append(about | {"holds": accepted.get((memory, one["qid"]))})
        cells[f"{source}|{memory}|f1"] = {"of": len({one["qid"] for one in found}), "answers": shown}
    return cells


def matrix_experiment(answer: dict) -> str:
    """Which matrix an answer belongs to: that of clean sentences, where nothing else is said, or that of conversations."""
    return EXPERIMENTS[answer.get("write", "facts")]
