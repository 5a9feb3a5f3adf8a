"""From raw answers under the layered conditions to ledger entries: exactness, recitation, contrasts."""

from collections import defaultdict

from loci.bench.matrix import ANSWERED, Records
from loci.bench.score import exact
from loci.bench.statistics import estimate, paired_difference
from loci.worlds.records import Question, User

# (left, right): content against the shared part alone, against another user's content, against retrieval, against the ceiling.
CONTRASTS = (
    ("f", "e"), ("f", "s"), ("k", "ke"), ("k", "ks"), ("k", "j"), ("k", "gold"), ("b", "a"), ("f", "b"), ("k", "f"),
)  # fmt: skip
LOOKUP = "policy"  # a family of indirect questions that is answered by one stored value


def recitation_scores(answers: list[dict], questions: dict[str, Question], users: list[User]) -> dict[str, Records]:
    """Whether a reader that recites said the needed sentences and no others, by condition and kind:
    '<condition>|<kind>.recited' -> (user, question, score). Only kinds whose questions have an answer."""
    facts = {user.uid: {fact.key: fact.statement for fact in user.final_facts()} for user in users}
    out: dict[str, Records] = defaultdict(list)
    for answer in answers:
        question = questions[answer["qid"]]
        if "thought" not in answer or question.kind not in ANSWERED:
            continue
        own = facts[answer["uid"]]
        told = {key for key, statement in own.items() if statement in answer["thought"]}
        right = told == set(question.required_fact_keys)
        out[f"{answer['memory']}|{question.kind}.recited"].append((answer["uid"], answer["qid"], right))
    return out


def family_scores(answers: list[dict], questions: dict[str, Question]) -> dict[str, Records]:
    """Exactness of indirect questions by family: '<condition>|indirect.<family>.exact' -> (user, question, score)."""
    out: dict[str, Records] = defaultdict(list)
    for answer in answers:
        question = questions[answer["qid"]]
        if question.kind == "indirect":
            right = exact(answer["prediction"], question.accepted, question.form)
            out[f"{answer['memory']}|indirect.{question.family}.exact"].append((answer["uid"], answer["qid"], right))
    return out


def macro_average(scores: dict[str, Records], condition: str) -> Records:
    """(user, family, mean) over the families of indirect questions but lookups: each family counts alike."""
    out: Records = []
    for name, records in scores.items():
        about, _, measure = name.partition("|")
        parts = measure.split(".")
        if about == condition and len(parts) == 3 and parts[0] == "indirect" and parts[1] != LOOKUP:
            by_user: dict[str, list[float]] = defaultdict(list)
            for uid, _, score in records:
                by_user[uid].append(float(score))
            out += [(uid, parts[1], sum(found) / len(found)) for uid, found in by_user.items()]
    return out


def entries_of(scores: dict[str, Records], base: str, source: str) -> dict[str, dict]:
    """Ledger entries of all measures, the macro-averages and the paired contrasts of conditions that were asked."""
    ledger = {}
    conditions = list(dict.fromkeys(name.partition("|")[0] for name in scores))
    for name, records in scores.items():
        condition, _, measure = name.partition("|")
        ledger[f"layered.{condition}.{base}.{measure}"] = estimate(records).entry(source)
    for condition in conditions:
        if macro := macro_average(scores, condition):
            ledger[f"layered.{condition}.{base}.indirect.macro"] = estimate(macro, proportion=False).entry(source)
    for left, right in CONTRASTS:
        for kind in ANSWERED:
            ours, theirs = scores.get(f"{left}|{kind}.exact"), scores.get(f"{right}|{kind}.exact")
            if ours and theirs:
                ledger[f"layered.{left}_minus_{right}.{base}.{kind}.exact"] = paired_difference(ours, theirs).entry(source)
    return ledger
