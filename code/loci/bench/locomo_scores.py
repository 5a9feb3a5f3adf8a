"""Answers to LOCOMO's questions, scored: the official metric and what belongs beside it, on three versions of the gold.

    all        every question against the file's gold answer, as everybody reports it
    clean      without the questions whose gold the audit rejects
    corrected  every question against the audit's answer where it rejects the gold

Memories are compared on the official score of categories 1 to 4, question by question, conversations permuted as wholes.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from loci.bench.clusters import detectable, gaps, holm, pooled, sign_flip
from loci.bench.dates import same_time
from loci.bench.locomo_metrics import declines, gold_recall, official
from loci.worlds.locomo import ADVERSARIAL, CATEGORIES, LocomoQuestion

VERSIONS = ("all", "clean", "corrected")
OFFICIAL = "f1"
Scores = dict[str, list[tuple[str, str, float]]]


def measured(answer: dict, question: LocomoQuestion, gold: str) -> dict[str, float]:
    """Every measure of one answer, by name."""
    said = answer["prediction"]
    found: dict[str, float] = {OFFICIAL: official(question.category, said, gold), "declines": float(declines(said))}
    if question.category != ADVERSARIAL:
        found["gold_recall"] = gold_recall(said, gold)
        found["words"] = float(len(said.split()))
    if question.category == 2 and (right := same_time(said, gold)) is not None:
        found["date"] = float(right)
    return found


def scored(answers: Sequence[dict], questions: Mapping[str, LocomoQuestion]) -> dict[str, dict[str, dict[int, Scores]]]:
    """{version: {memory: {category: {measure: [(conversation, question, score)]}}}} of all answers."""
    out: dict = defaultdict(lambda: defaultdict(lambda: defaultdict(lambda: defaultdict(list))))
    for answer in answers:
        question = questions[answer["qid"]]
        for version in VERSIONS:
            if version == "clean" and question.corrupt:
                continue
            gold = question.corrected_answer if version == "corrected" else question.answer
            for measure, score in measured(answer, question, gold).items():
                item = (question.conversation, question.id, score)
                out[version][answer["memory"]][question.category][measure].append(item)
    return out


def score_entries(found: dict, prefix: str, source: str) -> dict[str, dict]:
    """<prefix>.<memory>.<measure> over categories 1 to 4 and <prefix>.<memory>.id<category>.<measure>; the same behind ".clean"
    and ".corrected" for the other versions of the gold."""
    ledger = {}
    for version, memories in found.items():
        behind = "" if version == "all" else f".{version}"
        for memory, categories in memories.items():
            together: Scores = defaultdict(list)
            for category, measures in categories.items():
                for measure, records in measures.items():
                    share = measure != "words"
                    ledger[f"{prefix}.{memory}.id{category}.{measure}{behind}"] = pooled(records, share).entry(source)
                    if category != ADVERSARIAL:
                        together[measure] += records
            for measure, records in together.items():
                ledger[f"{prefix}.{memory}.{measure}{behind}"] = pooled(records, measure != "words").entry(source)
    return ledger


def official_scores(found: dict, memory: str, version: str = "all") -> list[tuple[str, str, float]]:
    """(conversation, question, official score) of a memory's answers in categories 1 to 4."""
    categories = found[version][memory]
    return [one for category in CATEGORIES if category != ADVERSARIAL for one in categories[category][OFFICIAL]]


def contrast_entries(found: dict, against: str, prefix: str, source: str) -> dict[str, dict]:
    """<prefix>.<memory>_minus_<against>.f1 of every other memory: mean difference with its interval over conversations, the p of
    all permutations (p), Holm's over all memories (p_holm), and the difference that would be found (detectable)."""
    pairs = {}
    for memory in found["all"]:
        if memory != against:
            pairs[memory] = gaps(official_scores(found, memory), official_scores(found, against))
    values = {memory: sign_flip(differences) for memory, differences in pairs.items()}
    adjusted = holm(values)
    return {
        f"{prefix}.{memory}_minus_{against}.{OFFICIAL}": pooled(differences, proportion=False).entry(
            source, p=values[memory], p_holm=adjusted[memory], detectable=detectable(differences)
        )
        for memory, differences in pairs.items()
    }


def coverage_entries(found: dict, prefix: str, source: str) -> dict[str, dict]:
    """<prefix>.<memory>.declines_apart: how much more often a memory declines what nothing was said about (category 5) than what
    was (1 to 4): one point of its risk-coverage curve, 0 where it cannot tell them apart."""
    ledger = {}
    for memory, categories in found["all"].items():
        declined = categories[ADVERSARIAL]["declines"]
        answerable = [one for category in CATEGORIES if category != ADVERSARIAL for one in categories[category]["declines"]]
        if declined and answerable:
            one, other = pooled(declined), pooled(answerable)
            ledger[f"{prefix}.{memory}.declines_apart"] = {"value": one.value - other.value, "n": one.n, "source": source}
    return ledger


def asked_entries(answers: Sequence[dict], prefix: str, source: str) -> dict[str, dict]:
    """<prefix>.prompt_tokens of a memory's answers, and <prefix>.fired where it is rows: the share of answers for which any was
    read, in the prompt or while it was said."""

    def mean(values: Iterable[float], proportion: bool) -> dict:
        records = [(one["uid"], one["qid"], value) for one, value in zip(answers, values, strict=True)]
        return pooled(records, proportion).entry(source)

    ledger = {f"{prefix}.prompt_tokens": mean([float(one["prompt_tokens"]) for one in answers], False)}
    if "answer_hits" in answers[0]:
        ledger[f"{prefix}.fired"] = mean([float(one["prompt_hits"] + one["answer_hits"] > 0) for one in answers], True)
    return ledger
