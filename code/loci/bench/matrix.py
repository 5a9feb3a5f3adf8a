"""From raw answers, side effects and costs to the matrix: one ledger entry per memory, kind and measure."""

from collections import Counter, defaultdict

import numpy as np

from loci.bench.score import contains_any, exact, first_token, says_not_known, substring
from loci.bench.statistics import Estimate, estimate, over_seeds, paired_difference
from loci.worlds.chances import chance_of
from loci.worlds.contexts import kind_of
from loci.worlds.people import pool_values
from loci.worlds.records import UNANSWERED, Question, User

Records = list[tuple[str, str, float]]  # (user, question, score), one per seed
ANSWERED = ("statement", "direct", "paraphrase", "midconv", "indirect", "chained", "updated")
EXPERIMENTS = {"facts": "matrix", "dialogue": "matrix_dialogue"}  # by how a memory was told
_SINGLE = ("statement", "direct", "paraphrase", "midconv")  # kinds whose answer is one stored value


def judged(answers: list[dict], questions: dict[str, Question], users: list[User], donor: dict[str, User]) -> dict[str, Records]:
    """Scores of every answer under every measure: '<experiment>|<memory>|<kind>.<measure>' -> records."""
    facts = {(user.uid, fact.key): fact for user in users for fact in user.facts}
    pools = pool_values()
    out: dict[str, Records] = defaultdict(list)
    for answer in answers:
        question, said = questions[answer["qid"]], answer["prediction"]
        item = (answer["uid"], answer["qid"])
        about = f"{EXPERIMENTS[answer.get('write', 'facts')]}|{answer['memory']}|{question.kind}"
        if question.stale:
            out[f"{about}.stale"].append((*item, contains_any(said, [question.stale])))
        if question.kind == "other":
            out[f"{about}.leak"].append((*item, contains_any(said, question.accepted)))
            continue
        if question.kind in UNANSWERED:
            if question.form == "question":
                out[f"{about}.exact"].append((*item, says_not_known(said)))
            else:
                out[f"{about}.pool_rate"].append((*item, contains_any(said, pools[question.key])))
            continue
        right = exact(said, question.accepted, question.form)
        out[f"{about}.exact"].append((*item, right))
        if question.form == "question":
            out[f"{about}.refused"].append((*item, says_not_known(said)))
        if question.context_id:
            out[f"{about}.{kind_of(question.context_id)}.exact"].append((*item, right))
        first = first_token([answer["first_token"]], answer["gold_first_token"])
        out[f"{about}.first_token"].append((*item, first))
        out[f"{about}.substring"].append((*item, substring(said, question.answer)))
        theirs = facts.get((donor[answer["uid"]].uid, question.key))  # none for questions about several facts
        if theirs and theirs.answer != question.answer:
            out[f"{about}.donor"].append((*item, exact(said, theirs.accepted, question.form)))
    return out


def entries_of_answers(scores: dict[str, Records], base: str, source: str) -> dict[str, dict]:
    """Ledger entries of all measures, and the paired contrasts of `rows` with its controls."""
    ledger = {}
    for name, records in scores.items():
        experiment, memory, measure = name.split("|")
        ledger[f"{experiment}.{memory}.{base}.{measure}"] = estimate(records).entry(source)
    for control in ("none", "rows_donor", "rows_random", "gold"):
        for kind in ANSWERED:
            rows, other = scores[f"matrix|rows|{kind}.exact"], scores[f"matrix|{control}|{kind}.exact"]
            ledger[f"matrix.rows_minus_{control}.{base}.{kind}.exact"] = paired_difference(rows, other).entry(source)
    return ledger


def prior_entries(asked: dict[str, list[Question]], others: list[User], base: str, source: str) -> dict[str, dict]:
    """The question-only prior: for each key, the answer that most other users have; chance is 1 / size of the test pool."""
    counts: dict[str, Counter] = defaultdict(Counter)
    for user in others:
        for fact in user.facts:
            counts[fact.key][fact.answer] += 1
    guess = {key: min(counter, key=lambda value: (-counter[value], value)) for key, counter in counts.items()}
    ledger = {}
    for kind in _SINGLE:
        records, chances = [], []
        for uid, questions in asked.items():
            for question in questions:
                if question.kind == kind:
                    records.append((uid, question.qid, exact(guess[question.key], question.accepted, question.form)))
                    chances.append(chance_of(question, "test"))
        chance = sum(chances) / len(chances)
        ledger[f"matrix.prior.{base}.{kind}.exact"] = estimate(records).entry(source, chance=chance)
    return ledger


def side_effect_entries(lines: list[dict], of_text: list[str], base: str, source: str) -> dict[str, dict]:
    """Mean over users of each side effect, the worst text of any user, and zero by construction for text memories."""
    by_measure: dict[tuple[str, str, str], Records] = defaultdict(list)
    for line in lines:
        for measure in ("dbpb", "hit_rate", "dnats_at_hits", "dbpb_worst"):
            by_measure[line["memory"], line["text"], measure].append((line["uid"], line["text"], line[measure]))
            if line["memory"] == "rows":  # the donors' rows are the same set of tables
                by_measure["rows_donor", line["text"], measure].append((line["uid"], line["text"], line[measure]))
    ledger = {}
    for (memory, text, measure), records in by_measure.items():
        if measure == "dbpb_worst":
            worst = max(value for *_, value in records)
            ledger[f"matrix.{memory}.{base}.{text}.{measure}"] = {"value": worst, "n": len(records), "source": source}
        else:
            found = estimate(records, proportion=False)
            ledger[f"matrix.{memory}.{base}.{text}.{measure}"] = found.entry(source)
    zero = Estimate(0.0, 0.0, 0.0, 0)  # nothing is attached to the model: no text can change
    for memory in of_text:
        for text in dict.fromkeys(line["text"] for line in lines):
            for measure in ("dbpb", "hit_rate"):
                ledger[f"matrix.{memory}.{base}.{text}.{measure}"] = zero.entry("by construction")
    return ledger


def cost_entries(written: list[dict], recalled: dict, answers: list[dict], base: str, source: str) -> dict[str, dict]:
    """Bytes a user (values and indices; text in UTF-8), prompt tokens a question, and context tokens: how many of them the memory
    adds to the prompt without any. recalled: metrics of recall_memories.py."""
    ledger = {}
    sizes: dict[str, Records] = defaultdict(list)
    for item in written:
        sizes[item["memory"]].append((item["uid"], "bytes", float(item["bytes"])))
    sizes["rows_donor"] = sizes["rows"]
    for memory, records in sizes.items():
        ledger[f"matrix.{memory}.{base}.bytes"] = estimate(records, proportion=False).entry(source)
    for key, entry in recalled.items():
        if key.endswith(".bytes"):
            experiment, memory, _ = key.split(".")
            ledger[f"{experiment.replace('recall', 'matrix')}.{memory}.{base}.bytes"] = entry
    tokens: dict[str, Records] = defaultdict(list)
    bare = {answer["qid"]: answer["prompt_tokens"] for answer in answers if answer["memory"] == "none"}
    for answer in answers:
        about = f"{EXPERIMENTS[answer.get('write', 'facts')]}.{answer['memory']}.{base}.{answer['form']}"
        item, count = (answer["uid"], answer["qid"]), answer["prompt_tokens"]
        tokens[f"{about}.prompt_tokens"].append((*item, float(count)))
        tokens[f"{about}.context_tokens"].append((*item, float(count - bare[answer["qid"]])))
    return ledger | {about: estimate(records, proportion=False).entry(source) for about, records in tokens.items()}


def timing_entries(written: list[dict], asked: list[dict], base: str, source: str) -> dict[str, dict]:
    """Write seconds a fact of rows, and milliseconds an answer in batches (reading the prompts included), with p50 and p95.

    written: items of write_rows.py with their `seconds`. asked: batches of ask_rows.py.
    """
    ledger = {}
    seconds: dict[str, list[float]] = defaultdict(list)
    for item in written:
        seconds[item["memory"]].append(item["seconds"] / item["facts"])
    for memory, values in seconds.items():
        ledger[f"matrix.{memory}.{base}.write_seconds_per_fact"] = over_seeds(values, source)
    milliseconds: dict[str, list[float]] = defaultdict(list)
    for batch in asked:
        reading = next(spent for name, _, spent in batch["seconds"] if name == "reading")
        for memory, _, spent in batch["seconds"]:
            if memory != "reading":
                milliseconds[memory] += [1000 * (spent + reading) / batch["questions"]] * batch["questions"]
    for memory, values in milliseconds.items():
        for name, share in (("p50", 50), ("p95", 95)):
            entry = {"value": float(np.percentile(values, share)), "n": len(values), "source": source}
            ledger[f"matrix.{memory}.{base}.answer_ms_{name}"] = entry
    return ledger
