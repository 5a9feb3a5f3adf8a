"""What a judge that is a language model is shown, and what its verdicts say of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loci.bench.judge_cases import Case, mirrored
from loci.bench.judge_prompts import Pair
from loci.bench.judging import (
    SENSITIVITY,
    CaseSets,
    balanced_accuracy,
    fit_for_claims,
    kappa,
    sampled,
    trust_entries,
    with_other_gold,
)
from loci.worlds.locomo import ADVERSARIAL
from loci.worlds.locomo_file import Locomo

Shown = list[tuple[Case, Pair]]


@dataclass(frozen=True)
class Asked:
    """dev: right answers of development conversations, which set a threshold. test: cases by which the judge is measured;
    twice: the same with every answer once right and once wrong; shuffled: those against other gold answers. answers: (memory,
    question id, pair) of the memories on test conversations."""

    dev: Shown
    test: Shown
    twice: Shown
    shuffled: Shown
    answers: list[tuple[str, str, Pair]]

    def pairs(self) -> Iterator[Pair]:
        """Everything that is shown, what is needed first in front."""
        for shown in (self.dev, self.test, self.twice, self.shuffled):
            yield from (pair for _, pair in shown)
        yield from (pair for *_, pair in self.answers)


def asked_of(locomo: Locomo, cases: CaseSets, answers: Sequence[dict], each: int) -> Asked:
    """What is shown: `each` cases of a kind, all that people labelled, and answers of categories 1 to 4 of test conversations
    to questions whose gold the audit does not reject."""
    questions = {question.id: question for question in locomo.questions}
    test = {conversation.id for conversation in locomo.conversations if conversation.split == "test"}

    def shown(found: Sequence[Case]) -> Shown:
        return [(case, Pair(questions[case.qid].text, case.gold, case.answer)) for case in found]

    right = [case for case in cases.dev_labelled or sampled(cases.dev, each) if case.right]
    chosen = sampled(cases.test, each)
    twice = mirrored(chosen)
    said = [(one["memory"], questions[one["qid"]], one["prediction"]) for one in answers if one["uid"] in test]
    kept = [
        (memory, question.id, Pair(question.text, question.answer, text))
        for memory, question, text in said
        if question.category != ADVERSARIAL and not question.corrupt
    ]
    return Asked(shown(right), shown(chosen + cases.test_labelled), shown(twice), shown(with_other_gold(twice)), kept)


def threshold_of(asked: Asked, log_odds: Mapping[Pair, float]) -> float:
    """The log-odds from which on the wanted share of right development answers is accepted."""
    return float(np.quantile([log_odds[pair] for _, pair in asked.dev], 1 - SENSITIVITY))


def trusted(asked: Asked, accepted: Mapping[Pair, bool | None], prefix: str, source: str) -> tuple[dict[str, dict], bool]:
    """(ledger entries of a judge, whether it may feed claims): trust_entries of the cases that it could be read on; kappa with
    the labels of people; balanced accuracy with every answer right once and wrong once, and against other gold answers."""

    def read(shown: Shown) -> tuple[list[Case], list[bool]]:
        found = [(case, verdict) for case, pair in shown if (verdict := accepted[pair]) is not None]
        return [case for case, _ in found], [verdict for _, verdict in found]

    cases, verdicts = read(asked.test)
    ledger = trust_entries(cases, verdicts, prefix, source)
    for name, shown in (("balanced_accuracy", asked.twice), ("shuffled_gold.balanced_accuracy", asked.shuffled)):
        ledger[f"{prefix}.{name}"] = {"value": balanced_accuracy(*read(shown)), "n": len(shown), "source": source}
    labelled = [(case.right, verdict) for case, verdict in zip(cases, verdicts, strict=True) if case.kind == "labelled"]
    if labelled:
        ledger[f"{prefix}.kappa_labelled"] = {"value": kappa(*zip(*labelled, strict=True)), "n": len(labelled), "source": source}
    return ledger, fit_for_claims(ledger, prefix)


def counted(asked: Asked, said: Mapping[Pair, bool | float | None], prefix: str, source: str) -> dict[str, dict]:
    """<prefix>.unreadable, the share of pairs without a verdict; <prefix>.auroc, how often a right case has the greater log-odds
    than a wrong one (0.5 for chance), for judges that give any."""
    values = list(said.values())
    unreadable = sum(one is None for one in values) / len(values)
    ledger = {f"{prefix}.unreadable": {"value": unreadable, "n": len(values), "source": source}}
    if all(type(one) is float for one in values):
        from sklearn.metrics import roc_auc_score  # late: a second

        scores = [said[pair] for _, pair in asked.twice]
        value = float(roc_auc_score([case.right for case, _ in asked.twice], scores))
        ledger[f"{prefix}.auroc"] = {"value": value, "n": len(scores), "source": source}
    return ledger
