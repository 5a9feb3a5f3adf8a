"""LOCOMO and its judges in words, for docs/findings.md; no number is typed, what was not run is left out."""

from loci.bench.ledger import Ledger, spread
from loci.bench.style import name_of, ordered

_CONTROLS = ("none", "gold", "all", "recent")
_ORACLE = ("gold", "recite_gold", "oracle_rows")
_MODELS = {"local_strict": "strict prompt", "local_lenient": "lenient prompt", "endpoint": "endpoint"}
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
    n = ledger[f"locomo.{names[0]}.f1"]["n"]
    told = {
        name: [
            f"{name_of(one)} {spread(ledger[f'locomo.{one}.f1'], 2)}" for one in names if (one in _ORACLE) == (name == "oracle")
        ]
        for name in ("conversation", "oracle")
    }
    gold = [
        f"{words} {spread(entry, 2)}" for behind, words in _VERSIONS.items() if (entry := ledger.get(f"locomo.gold.f1{behind}"))
    ]
    lines = [
        f"- **LOCOMO, answered by SmolLM2-135M**, official F1 of categories 1 to 4 of the eight test conversations (n = {n}), "
        f"written from the conversation alone: {'; '.join(told['conversation'])}.",
        f"- **Oracle, never to be set beside those**: what knows the tested question's evidence, or was written from the "
        f"question and its answer, as published: {'; '.join(told['oracle'])}.",
        f"- **What the gold answers are worth**, F1 with the cited turns: {'; '.join(gold)}.",
    ]
    fired = [f"{name_of(name)} {spread(ledger[f'locomo.{name}.fired'], 2)}" for name in names if f"locomo.{name}.fired" in ledger]
    if fired:
        lines.append(f"- **Answers for which any row was read** in LOCOMO: {'; '.join(fired)}.")
    return lines


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
    return [*lines, *_models(ledger), *_orders(ledger)]


def _models(ledger: Ledger) -> list[str]:
    """Judges that are language models: as they say, and, of the local one, with a threshold that development answers set."""
    told = []
    for judge, words in _MODELS.items():
        for name, how in ((judge, words), (f"{judge}_fitted", f"{words}, threshold set")):
            if f"judge.{name}.sensitivity" in ledger:
                refused = [
                    f"{ledger[f'judge.{name}.specificity_{kind}']['value']:.2f} of {kind}" for kind in ("specific", "vague")
                ]
                accepted = ledger[f"judge.{name}.sensitivity"]["value"]
                told.append(f"{how}: accepts {accepted:.2f} of right answers, refuses {' and '.join(refused)} wrong ones")
        if f"judge.{judge}.auroc" in ledger:
            told[-1] += f" (AUROC {ledger[f'judge.{judge}.auroc']['value']:.2f}, n = {ledger[f'judge.{judge}.auroc']['n']:,})"
    return [f"- **Language models as judges of LOCOMO**, SmolLM2-135M: {'; '.join(told)}."] if told else []


def _orders(ledger: Ledger) -> list[str]:
    """How far metrics and judges put the memories in one order, and how far a metric does so twice."""
    pairs = {
        "f1.lexical": "official F1 and the lexical judge",
        "f1.gold_recall": "official F1 and gold words held",
        "f1.answered": "official F1 and answering at all, right or wrong (control)",
        "f1.local_strict_fitted": "official F1 and the strict 135M judge (unfit)",
        "answered.local_strict_fitted": "answering at all and that judge",
        "f1.f1": "official F1 of four conversations and of the other four",
        "lexical.lexical": "the lexical judge, likewise",
    }
    told = [
        f"{words} {spread(ledger[f'locomo.tau.{pair}'], 2)}" for pair, words in pairs.items() if f"locomo.tau.{pair}" in ledger
    ]
    layered = ledger.get("judge.layered.kappa")
    lines = [f"- **Who scores decides the order** of memories on LOCOMO, Kendall's tau: {'; '.join(told)}."] if told else []
    if layered:
        lines.append(
            f"- **The lexical judge on the layered answers**, of which it knows nothing: kappa with `exact` "
            f"{layered['value']:.3f} (n = {layered['n']:,}); it accepts "
            f"{ledger['judge.layered.accepts_wrong']['value']:.3f} of those that are not exact."
        )
    return lines
