"""The layered conditions in words and a table, for docs/findings.md; no number of them is typed."""

from loci.bench.layer_titles import TITLES
from loci.bench.ledger import Ledger, spread

_COLUMNS = {
    "direct.exact": "direct",
    "paraphrase.exact": "unseen wordings",
    "indirect.macro": "indirect, mean of families",
    "chained.exact": "chained",
}
_CONTRASTS = {
    ("f", "e"): "the published form: rows under a shared reader, minus the reader alone",
    ("f", "s"): "the same, minus another user's rows",
    ("k", "ke"): "rows under the reciting reader, minus the reader alone",
    ("k", "ks"): "the same, minus another user's rows",
    ("k", "j"): "the same, minus retrieval into the reader's prompt",
    ("k", "b"): "the same, minus an adapter of the user's own",
    ("k", "gold"): "the same, minus the needed facts in its prompt",
    ("k", "golda"): "the same, minus the needed facts in the answering reader's prompt",
}


def layered_block(ledger: Ledger, base: str) -> list[str]:
    """Conditions, contrasts, what was recited, where rows fired, and what adapters do to other text."""
    asked = [name for name in TITLES if f"layered.{name}.{base}.direct.exact" in ledger]
    sizes = {measure: ledger[f"layered.{asked[0]}.{base}.{measure}"]["n"] for measure in _COLUMNS}
    heads = [f"{title} (n = {sizes[measure]})" for measure, title in _COLUMNS.items()]
    heads.append("tokens in the prompt")
    lines = ["Readers and rows:", "", f"| condition | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name in asked:
        cells = [spread(ledger[f"layered.{name}.{base}.{measure}"], 2) for measure in _COLUMNS]
        cells.append(f"{ledger[f'layered.{name}.{base}.prompt_tokens']['value']:.0f}")
        lines.append(f"| {TITLES[name]} | {' | '.join(cells)} |")
    lines.append("")
    for (left, right), words in _CONTRASTS.items():
        name = f"layered.{left}_minus_{right}.{base}"
        found = [f"{title} {spread(ledger[f'{name}.{measure}'], 2)}" for measure, title in _COLUMNS.items()]
        lines.append(f"- **{left.upper()} − {right.upper()}** ({words}), paired: {'; '.join(found)}.")
    return [*lines, *_reciting(ledger, base), *_firing(ledger, base), *_elsewhere(ledger, base)]


def growth_block(ledger: Ledger, base: str) -> list[str]:
    """What rows and retrieval still answer as one owner's facts grow, where that was run."""
    sizes = sorted(int(part) for part in ledger.parts(f"layered.k_minus_j.{base}.n", ".paraphrase.exact"))
    lines = []
    for kind, title in (("paraphrase", "unseen wordings"), ("indirect", "indirect questions")):
        found = []
        for size in sizes:
            k, j, gap = (ledger[f"layered.{name}.{base}.n{size}.{kind}.exact"] for name in ("k", "j", "k_minus_j"))
            lines_ = ledger[f"layered_growth.index.{base}.n{size}.lines"]["value"]
            found.append(
                f"{size:,} facts: K {spread(k, 2)}, J {spread(j, 2)} ({lines_} lines, chosen on development users), "
                f"K − J {spread(gap, 2)} (n = {k['n']})"
            )
        lines += [f"- **As the owner's facts grow**, {title}: {'; '.join(found)}."] if found else []
        lines += _taught_further(ledger, base, kind, title)
    return lines + _wrong(ledger, base)


def _wrong(ledger: Ledger, base: str) -> list[str]:
    """How practised rows and text fail at unseen wordings: by another answer, or by declining."""
    found = []
    for size in sorted(int(part) for part in ledger.parts(f"layered.kp_minus_jf.{base}.n", ".paraphrase.wrong")):
        k, j, gap = (spread(ledger[f"layered.{name}.{base}.n{size}.paraphrase.wrong"], 2) for name in ("kp", "jf", "kp_minus_jf"))
        found.append(f"{size:,} facts: rows {k}, text {j}, difference {gap}")
    title = "Wrong answers instead of *not known*"
    return [f"- **{title}**, unseen wordings, K and J of these two readers: {'; '.join(found)}."] if found else []


def _taught_further(ledger: Ledger, base: str, kind: str, title: str) -> list[str]:
    """The same index, read by the reader that was taught with lines like those it finds; rows under one with as many lessons."""
    found, rows = [], []
    for size in sorted(int(part) for part in ledger.parts(f"layered.k_minus_jf.{base}.n", f".{kind}.exact")):
        j, gap = (ledger[f"layered.{name}.{base}.n{size}.{kind}.exact"] for name in ("jf", "k_minus_jf"))
        lines = ledger[f"layered_growth.finder.{base}.n{size}.lines"]["value"]
        found.append(f"{size:,} facts: J {spread(j, 2)} ({lines} lines), K − J {spread(gap, 2)}")
    for size in sorted(int(part) for part in ledger.parts(f"layered.kp_minus_jf.{base}.n", f".{kind}.exact")):
        k, gap = (ledger[f"layered.{name}.{base}.n{size}.{kind}.exact"] for name in ("kp", "kp_minus_jf"))
        rows.append(f"{size:,} facts: K {spread(k, 2)}, less that J {spread(gap, 2)}")
    told = [f"- **The same, J read by a reader that was taught with such lines**, {title}: {'; '.join(found)}."] if found else []
    also = [f"- **And K of a reader with as many more lessons**, {title}: {'; '.join(rows)}."] if rows else []
    return told + also


def _reciting(ledger: Ledger, base: str) -> list[str]:
    name = f"layered.k.{base}"
    said = [f"{kind} {spread(ledger[f'{name}.{kind}.recited'], 2)}" for kind in ("direct", "paraphrase", "indirect", "chained")]
    worded = ledger[f"{name}.paraphrase.by_wording"]
    by_wording = [
        f"{letter.upper()} {spread(ledger[f'layered.{letter}.{base}.paraphrase.by_wording'], 2)}"
        for letter in ("k", "j", "gold", "golda")
    ]
    families = ledger.parts(f"{name}.indirect.", ".exact")
    right = [
        f"{family.replace('_', ' ')} {ledger[f'{name}.indirect.{family}.exact']['value']:.2f} "
        f"({ledger[f'{name}.indirect.{family}.exact']['n']})"
        for family in families
        if family not in ("seen", "unseen")
    ]
    return [
        f"- **Unseen wordings as the unit** (n = {worded['n']}, each counted alike, intervals over wordings): "
        f"{', '.join(by_wording)}.",
        f"- **K recites the needed facts**, and no others: {'; '.join(said)}. "
        f"Its answers by family (of so many questions): {', '.join(right)}; "
        f"above a guess at these questions by {spread(ledger[f'{name}.indirect.margin'], 2)}.",
    ]


def _firing(ledger: Ledger, base: str) -> list[str]:
    shares = [
        f"{letter.upper()} {ledger[f'layered.{letter}.{base}.paraphrase.fired_all']['value']:.2f}"
        for letter in ("c", "f", "ks", "k")
    ]
    return [
        f"- **Where rows fire**: the rows of all needed facts were read in these shares of unseen wordings: {', '.join(shares)}."
    ]


def _elsewhere(ledger: Ledger, base: str) -> list[str]:
    found = []
    for letter in ("c", "b", "e", "ke", "k"):
        name = f"contamination.{letter}.{base}"
        found.append(
            f"{letter.upper()} {ledger[f'{name}.prose.dbpb']['value']:+.4f} and {ledger[f'{name}.common.right']['value']:.2f}"
        )
    alone = ledger[f"contamination.a.{base}.common.right"]["value"]
    return [
        f"- **Elsewhere**, Δ bits per byte of technical prose and common-knowledge questions answered (base model {alone:.2f}): "
        f"{'; '.join(found)}."
    ]
