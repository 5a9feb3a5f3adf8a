"""From raw answers under the layered conditions to ledger entries: exactness, recitation, contrasts."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from loci.bench.layers import CONDITIONS
from loci.bench.matrix import ANSWERED, Records
from loci.bench.score import exact
from loci.bench.statistics import Estimate, estimate, paired_difference, share_interval
from loci.worlds.chances import chance_of, rests_on_seen
from loci.worlds.records import Question, User

# (left, right): content against the shared part alone, against another user's content, against retrieval, against the ceiling.
CONTRASTS = (
    ("f", "e"), ("f", "s"), ("k", "ke"), ("k", "ks"), ("k", "j"), ("k", "gold"), ("k", "golda"),
    ("b", "a"), ("f", "b"), ("k", "b"), ("k", "f"),
)  # fmt: skip
LOOKUP = "policy"  # a family of indirect questions that is answered by one stored value


def recitation_scores(answers: list[dict], questions: dict[str, Question], users: list[User]) -> dict[str, Records]:
    """Whether a reader that recites said the needed sentences and no others, by condition and kind:
    '<condition>|<kind>.recited' -> (user, question, score). Only kinds whose questions have an answer. A chained question names
    somebody: the reader has to look for who it is, so what it said on the way is no fault there. Where the true recitation is
    given, none is counted."""
    facts = {user.uid: {fact.key: fact.statement for fact in user.final_facts()} for user in users}
    out: dict[str, Records] = defaultdict(list)
    for answer in answers:
        question = questions[answer["qid"]]
        if "thought" not in answer or question.kind not in ANSWERED or CONDITIONS[answer["memory"]].forced:
            continue
        own = facts[answer["uid"]]
        told = {key for key, statement in own.items() if statement in answer["thought"]}
        needed = set(question.required_fact_keys)
        right = told >= needed if question.kind == "chained" else told == needed
        out[f"{answer['memory']}|{question.kind}.recited"].append((answer["uid"], answer["qid"], right))
    return out


def family_scores(answers: list[dict], questions: dict[str, Question]) -> dict[str, Records]:
    """Exactness of indirect questions by family: '<condition>|indirect.<family>.exact' -> (user, question, score)."""
    out: dict[str, Records] = defaultdict(list)
    for answer, question, right in _judged(answers, questions, ("indirect",)):
        out[f"{answer['memory']}|indirect.{question.family}.exact"].append((answer["uid"], answer["qid"], right))
    return out


def seen_scores(answers: list[dict], questions: dict[str, Question], users: list[User]) -> dict[str, Records]:
    """Exactness apart for questions whose values training users can have, and for those that rest on another one:
    '<condition>|<kind>.seen.exact' and '.unseen.exact'."""
    by_uid = {user.uid: user for user in users}
    out: dict[str, Records] = defaultdict(list)
    for answer, question, right in _judged(answers, questions, ("direct", "paraphrase", "indirect", "chained")):
        part = "seen" if rests_on_seen(question, by_uid[answer["uid"]]) else "unseen"
        out[f"{answer['memory']}|{question.kind}.{part}.exact"].append((answer["uid"], answer["qid"], right))
    return out


def wording_entries(answers: list[dict], questions: dict[str, Question], base: str, source: str) -> dict[str, dict]:
    """layered.<condition>.<base>.paraphrase.by_wording: exact answers to unseen wordings, each wording counted alike, with an
    interval over wordings and n of them: what may be expected of other wordings, where users all share the same few."""
    found: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for answer, question, right in _judged(answers, questions, ("paraphrase",)):
        found[answer["memory"]][question.text].append(right)
    out = {}
    for condition, wordings in found.items():
        means = np.array([sum(said) / len(said) for said in wordings.values()])
        low, high = share_interval(means, len(means))
        one = Estimate(float(means.mean()), low, high, len(means))
        out[f"layered.{condition}.{base}.paraphrase.by_wording"] = one.entry(source)
    return out


def prompt_entries(answers: list[dict], base: str, source: str) -> dict[str, dict]:
    """layered.<condition>.<base>.prompt_tokens: mean tokens in the prompt of a question, what is recalled into it included."""
    found: dict[str, Records] = defaultdict(list)
    for answer in answers:
        if answer["form"] == "question":
            found[answer["memory"]].append((answer["uid"], answer["qid"], answer["prompt_tokens"]))
    return {
        f"layered.{condition}.{base}.prompt_tokens": estimate(records, proportion=False).entry(source)
        for condition, records in found.items()
    }


def macro_averages(answers: list[dict], questions: dict[str, Question], users: list[User]) -> dict[str, dict[str, Records]]:
    """{"macro", "margin"} -> condition -> (user, family, mean): over the families of indirect questions but lookups, each
    family counts alike. macro: exact; margin: exact less the chance of a guess at these very questions."""
    by_uid = {user.uid: user for user in users}
    found: dict[tuple, list[tuple[bool, float]]] = defaultdict(list)
    for answer, question, right in _judged(answers, questions, ("indirect",)):
        if question.family != LOOKUP:
            user = by_uid[answer["uid"]]
            chance = chance_of(question, user.split, user.attrs["world"])
            found[answer["memory"], user.uid, question.family].append((right, chance))
    out: dict[str, dict[str, Records]] = {"macro": defaultdict(list), "margin": defaultdict(list)}
    for (condition, uid, family), pairs in found.items():
        exactly, chance = (sum(part) / len(pairs) for part in zip(*pairs, strict=True))
        out["macro"][condition].append((uid, family, exactly))
        out["margin"][condition].append((uid, family, exactly - chance))
    return out


def _judged(answers: list[dict], questions: dict[str, Question], kinds: tuple[str, ...]) -> Iterator[tuple[dict, Question, bool]]:
    for answer in answers:
        question = questions[answer["qid"]]
        if question.kind in kinds:
            yield answer, question, exact(answer["prediction"], question.accepted, question.form)


def entries_of(
    scores: dict[str, Records],
    macros: dict[str, dict[str, Records]],
    base: str,
    source: str,
    contrasts: tuple[tuple[str, str], ...] = CONTRASTS,
) -> dict[str, dict]:
    """Ledger entries of all measures, the macro-averages and the paired contrasts of conditions that were asked."""
    ledger = {}
    for name, records in scores.items():
        condition, _, measure = name.partition("|")
        ledger[f"layered.{condition}.{base}.{measure}"] = estimate(records).entry(source)
    for measure, conditions in macros.items():
        for condition, records in conditions.items():
            found = estimate(records, proportion=measure == "macro")  # a margin can be below zero
            ledger[f"layered.{condition}.{base}.indirect.{measure}"] = found.entry(source)
    for left, right in contrasts:
        name = f"layered.{left}_minus_{right}.{base}"
        for kind in ANSWERED:
            ours, theirs = scores.get(f"{left}|{kind}.exact"), scores.get(f"{right}|{kind}.exact")
            if ours and theirs:
                ledger[f"{name}.{kind}.exact"] = _difference(ours, theirs).entry(source)
        ours, theirs = (macros["macro"].get(condition) for condition in (left, right))
        if ours and theirs:
            ledger[f"{name}.indirect.macro"] = _difference(ours, theirs).entry(source)
    return ledger


def firing_entries(items: list[dict], base: str, source: str) -> dict[str, dict]:
    """Ledger entries layered.<condition>.<base>.<kind>.fired_<what> of questions: share in which a row was read in the prompt, in
    what was said, a needed fact's, and those of all needed facts; and the mean gate of the positions where it was measured."""
    found: dict[str, Records] = defaultdict(list)
    gates: dict[str, Records] = defaultdict(list)
    for item in items:
        if item["form"] != "question":
            continue
        name, one = f"layered.{item['condition']}.{base}.{item['kind']}", (item["uid"], item["qid"])
        read, needed = {key for hit in item["fired"] for key in hit["facts"]}, set(item["needed"])
        for part in ("prompt", "said"):
            found[f"{name}.fired_{part}"].append((*one, any(hit["part"] == part for hit in item["fired"])))
        if needed:
            found[f"{name}.fired_needed"].append((*one, bool(read & needed)))
            found[f"{name}.fired_all"].append((*one, read >= needed))
        gates[f"{name}.gate"] += [(*one, hit["gate"]) for hit in item["fired"] if hit["gate"] is not None]
    ledger = {name: estimate(records).entry(source) for name, records in found.items()}
    return ledger | {name: estimate(records, proportion=False).entry(source) for name, records in gates.items() if records}


def _difference(ours: Records, theirs: Records) -> Estimate:
    """Paired over the questions (or families) that both were asked: an adapter of one's own may have fewer users."""
    both = {one[:2] for one in ours} & {one[:2] for one in theirs}
    return paired_difference(*([one for one in part if one[:2] in both] for part in (ours, theirs)))
