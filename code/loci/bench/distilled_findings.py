"""Distilled text in words, for docs/findings.md; no number is typed, what was not run is left out."""

from loci.bench.ledger import Ledger, spread

_PAIRS = (
    ("sections", "flat", "now", "four sections less a flat log, what holds"),
    ("sections", "flat", "then", "what held once"),
    ("sections", "bare_stub", "file", "stubs that say what was lost less bare ones, the file that a run named"),
    ("archived", "deleted", "then", "an archive less deletion, what held once"),
    ("sections_recall", "recall_alone", "now", "distillations and recall less recall alone, what holds"),
    ("sections_recall", "recall_alone", "file", "the file that a run named"),
)
_READ = (
    ("what holds", "right", "now.exact"),
    ("what holds", "said as it was before", "now.stale"),
    ("what held once", "right", "then.exact"),
)


def distilled_block(ledger: Ledger) -> list[str]:
    """What one part of distilled text changes, at the smallest and the greatest budget, and what recall finds and takes."""
    budgets = sorted(int(part) for part in ledger.parts("distilled.sections.b", ".words"))
    if not budgets:
        return []
    told = [
        f"{words} "
        + ", ".join(f"{spread(ledger[f'distilled.{one}_minus_{other}.b{budget}.{kind}.present'], 2)}" for budget in budgets)
        for one, other, kind, words in _PAIRS
    ]
    n = ledger[f"distilled.sections.b{budgets[0]}.then.present"]["n"]
    found = ledger["distilled.archived.two_words.found"]
    lines = [
        f"- **Distilled text, one part changed**: share of questions whose answer stands in a prompt of "
        f"{', '.join(map(str, budgets))} words (n = {n}): {'; '.join(told)}. Two words of an archived distillation find it among "
        f"ten rows in {spread(found)} of cases."
    ]
    if ledger.get("distilled_read.sections.now.exact"):
        shown = ("sections", "sections_recall", "recall_alone", "archived")
        said = [
            f"{name} {kind} " + ", ".join(spread(ledger[f"distilled_read.{condition}.{key}"], 2) for condition in shown)
            for name, kind, key in _READ
        ]
        n = ledger["distilled_read.sections.now.exact"]["n"]
        lines.append(
            f"- **The same prompts, read** by the base model (n = {n} of what holds; sections, sections and recall, recall "
            f"alone, messages pruned): {'; '.join(said)}. It is the reader that fails here; no order of memories follows."
        )
    if speed := ledger.get("distilled.recall.p95_ms"):
        most = max(int(part) for part in ledger.parts("distilled.recall.n", ".p95_ms"))
        lines.append(f"- **Recall among {most:,} messages** takes {speed['value']:.1f} ms in 95 of 100 cases (n = {speed['n']}).")
    return lines
