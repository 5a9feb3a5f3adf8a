"""LOCOMO and its judges in words, for README.md; no number is typed, what was not run is left out."""

from loci.bench.ledger import Ledger, spread
from loci.bench.style import name_of, ordered

_CONTROLS = ("none", "gold", "all", "recent")
_VERSIONS = {"": "all questions", ".clean": "without those whose gold the audit rejects", ".corrected": "against corrected gold"}


def locomo_block(ledger: Ledger) -> list[str]:
    """What is in the ledger of LOCOMO: recall of cited turns, answers, judges."""
    return [*_recall(ledger), *_answers(ledger), *_judges(ledger)]


def _recall(ledger: Ledger) -> list[str]:
    names = [name for name in ordered(ledger.parts("locomo.", ".turn.recall_at_10")) if name not in _CONTROLS]
    if not names:
        return []
    found = [f"{name_of(name)} {spread(ledger[f'locomo.{name}.turn.recall_at_10'])}" for name in names]
    n = ledger[f"locomo.{names[0]}.turn.recall_at_10"]["n"]
    return [f"- **LOCOMO, cited turns among 10 lines**, categories 1 to 4 (n = {n:,}): {'; '.join(found)}."]


def _answers(ledger: Ledger) -> list[str]:
    names = ordered(ledger.parts("locomo.", ".f1"))
    names = [name for name in names if "_minus_" not in name and f"locomo.{name}.prompt_tokens" in ledger]
    if not names:
        return []
    found = [f"{name_of(name)} {spread(ledger[f'locomo.{name}.f1'], 2)}" for name in names]
    n = ledger[f"locomo.{names[0]}.f1"]["n"]
    gold = [
        f"{words} {spread(entry, 2)}" for behind, words in _VERSIONS.items() if (entry := ledger.get(f"locomo.gold.f1{behind}"))
    ]
    return [
        f"- **LOCOMO, answered by the base model**, official F1 of categories 1 to 4 of the eight test conversations (n = {n}): "
        f"{'; '.join(found)}.",
        f"- **What the gold answers are worth**, F1 with the cited turns: {'; '.join(gold)}.",
    ]


def _judges(ledger: Ledger) -> list[str]:
    if "judge.lexical.sensitivity" not in ledger:
        return []
    refused = [
        f"{words} {spread(ledger[f'judge.lexical.specificity_{kind}'])}"
        for kind, words in (("specific", "specific"), ("vague", "vague"), ("swapped", "about the other speaker"),
                            ("replaced", "with one word exchanged"), ("labelled", "labelled by hand"))
        if f"judge.lexical.specificity_{kind}" in ledger
    ]  # fmt: skip
    labelled = ledger.get("judge.lexical.sensitivity_labelled")
    hand = f"; of those labelled by hand {spread(labelled)}" if labelled else ""
    controls = [
        f"{words} {ledger[f'judge.lexical_{name}.balanced_accuracy']['value']:.3f}"
        for name, words in (("answer_only", "that sees answers alone"), ("shuffled_gold", "that is shown another gold answer"))
    ]
    lines = [
        f"- **A judge that is judged**, on the eight conversations that it was not fitted on: it accepts "
        f"{ledger['judge.lexical.sensitivity']['value']:.3f} of right answers (mean of the kinds{hand}), and refuses of wrong "
        f"ones: {'; '.join(refused)}. Balanced accuracy of a judge {' and of one '.join(controls)}."
    ]
    names = [name for name in ordered(ledger.parts("locomo.", ".judged")) if f"locomo.{name}.judged_corrected" in ledger]
    if names:
        told = [f"{name_of(name)} {spread(ledger[f'locomo.{name}.judged_corrected'], 2)}" for name in names]
        lines.append(f"- **LOCOMO, judged right**, corrected for the judge's errors: {'; '.join(told)}.")
    return lines
