"""Models from scratch, triplets, extraction in words, for docs/findings.md; no number is typed, what was not run is left out."""

from loci.bench.capacity import NONE
from loci.bench.ledger import Ledger, spread
from loci.models.ngram_table import PRESETS

_ARMS = {
    "raw_double": "twice the window",
    "full_window": "the whole window",
    "raw_half": "half of it",
    "raw_equal": "as many positions as with triplets",
    "raw_quarter": "a quarter",
    "raw_eighth": "an eighth",
    "quarter_window": "a quarter and triplets, spelt",
    "merging": "a quarter and triplets, taught with others' among them",
    "vectors": "a quarter and triplets, a vector each",
    "pooled": "a quarter and pooled tokens",
    "summary": "a quarter and summary vectors",
}
_CONTENTS = {
    "gold": "gold ones",
    "merged": "another text's beside them",
    "noisy": "3 of 10 objects exchanged",
    "shuffled": "another text's",
    "masked": "none",
}
_CAUSES = {"ignored": "stood and was not said", "mis_extracted": "stood with another object", "absent": "did not stand"}


def scratch_block(ledger: Ledger, base: str) -> list[str]:
    """What is in the ledger of models from scratch, of text beyond their window, of triplets before a frozen base, and of
    extraction."""
    return [
        *_pretrained(ledger),
        *_capacity(ledger),
        *_windowed(ledger),
        *_frozen(ledger, base),
        *_cloze(ledger),
        *_extraction(ledger),
    ]


def _capacity(ledger: Ledger) -> list[str]:
    """Tables of several sizes, less the dense model, by length of training."""
    found = []
    for name in PRESETS:
        before = f"capacity.{name}_minus_{NONE}.steps"
        steps = sorted(int(part) for part in ledger.parts(before, ".val_bpb"))
        told = [f"{spread(ledger[f'{before}{step}.val_bpb'])} after {step:,}" for step in steps]
        found += [f"{name} {', '.join(told)}"] if told else []
    if not found:
        return []
    return [f"- **Sizes of Engram tables against steps of training**, bits per byte less the dense model's: {'; '.join(found)}."]


def _frozen(ledger: Ledger, base: str) -> list[str]:
    """Triplets before a frozen base, alone and with a reader of facts attached: the user's own, another's, and the difference."""
    kinds = {"direct": "direct", "paraphrase": "unseen wordings", "indirect": "indirect"}
    readers = {"t": ("ts", "the base alone"), "ta": ("tas", "the base with the answering reader attached")}
    lines = []
    for own, (other, words) in readers.items():
        if f"layered.{own}_minus_{other}.{base}.direct.exact" not in ledger:
            continue
        told = [
            f"{title} {spread(ledger[f'layered.{own}.{base}.{kind}.exact'], 2)}, with another's "
            f"{spread(ledger[f'layered.{other}.{base}.{kind}.exact'], 2)}, less facts in the prompt "
            f"{spread(ledger[f'layered.{own}_minus_golda.{base}.{kind}.exact'], 2)}"
            for kind, title in kinds.items()
        ]
        lines.append(
            f"- **Triplets in a zone before {words}**, an encoder taught on other users, and the answering reader's prompts "
            f"beside it: {'; '.join(told)}."
        )
    return lines


def _pretrained(ledger: Ledger) -> list[str]:
    if "pretrain.engram_minus_dense.val_bpb" not in ledger:
        return []
    gaps = {"dense": "at equal steps", "wide": "at equal parameters", "dense.equal_seconds": "at equal seconds"}
    found = []
    for name, words in gaps.items():
        other, _, rest = name.partition(".")
        entry = ledger.get(f"pretrain.engram_minus_{other}.{f'{rest}.' if rest else ''}val_bpb")
        found += [f"{words} {spread(entry)}"] if entry else []
    seeds, gap = ledger["pretrain.dense.val_bpb"]["n"], spread(ledger["pretrain.engram.sensitivity_gap"], 2)
    mlp = spread(ledger["pretrain.engram.silenced_mlp1.gap"], 2)
    known = {"names": "new names", "wordings": "new wordings", "both": "both new"}
    novel = [f"{words} {spread(ledger[f'pretrain.engram_minus_dense.{name}.val_bpb'])}" for name, words in known.items()]
    return [
        f"- **A trained Engram table**, bits per byte of held-out text less those of the dense model ({seeds} seeds): "
        f"{'; '.join(found)}; of text with {', '.join(novel)}. "
        f"Silenced, it costs answers that stand in the weights {gap} nats a token more than answers that stand in the text "
        f"(the MLP behind it {mlp}).",
        *_written(ledger),
    ]


def _written(ledger: Ledger) -> list[str]:
    """Facts written into tables of models from scratch, beside fine-tuning on them."""
    sizes = sorted(int(part) for part in ledger.parts("pretrain.write.inside.n", ".exact"))
    if not sizes:
        return []
    places = {
        "inside": "rows of the trained table",
        "beside": "rows of an empty one with its projections",
        "graft": "rows of an empty one on the dense model",
        "table": "the whole trained table tuned",
        "model": "the whole dense model tuned",
    }
    told = []
    for place, words in places.items():
        said, cost = (ledger[f"pretrain.write.{place}.n{sizes[-1]}.{measure}"] for measure in ("exact", "dbpb"))
        told.append(f"{words} {spread(said, 2)} and {spread(cost)}")
    known = ledger["pretrain.write.sayable"]
    return [
        f"- **{sizes[-1]} facts written into models from scratch**, share said after their triggers, and bits per byte that "
        f"other text costs more: {'; '.join(told)}. Written are facts of tokens that the training text had, "
        f"{spread(known, 2)} of {known['n']:,}; the others no memory in front of a frozen head can make such a model say."
    ]


def _windowed(ledger: Ledger) -> list[str]:
    if "triplet.with.values.exact" not in ledger:
        return []
    there = [name for name in _ARMS if f"triplet.{name}.values.exact" in ledger]
    found = [
        f"{_ARMS[name]} ({ledger[f'triplet.{name}.positions']['value']:.0f} positions) "
        f"{spread(ledger[f'triplet.{name}.values.exact'], 2)}"
        for name in there
    ]
    n = ledger[f"triplet.{there[0]}.values.exact"]["n"]
    lines = [f"- **Names and values in evicted text**, small models from scratch (n = {n}): {'; '.join(found)}."]
    others = [
        f"{words} {spread(ledger[f'triplet.{name}.values.exact'], 2)}"
        for name, words in _CONTENTS.items()
        if f"triplet.{name}.values.exact" in ledger
    ]
    merging = ledger.get("triplet.merging.merged.values.exact")
    others += [f"the same after training with others' triplets {spread(merging, 2)}"] if merging else []
    drops = [
        f"{words} {ledger[f'triplet.with_below_{name}.fact_ppl']['value']:.0%}"
        for name, words in (("shuffled", "another text's"), ("masked", "none"))
        if f"triplet.with_below_{name}.fact_ppl" in ledger
    ]
    ppl = ledger["triplet.with.fact_ppl"]["value"]
    causes = [f"{words} {ledger[f'triplet.quarter_window.cause.{name}']['value']:.2f}" for name, words in _CAUSES.items()]
    return [
        *lines,
        f"- **What stands in the zone of triplets** (extracted ones {spread(ledger['triplet.with.values.exact'], 2)}): "
        f"{'; '.join(others)}. Perplexity of tokens that name facts of evicted text, {ppl:.2f}, is below that with "
        f"{' and with '.join(drops)}. Of all answers, wrong because the triplet {'; '.join(causes)}.",
        *_seeds(ledger),
    ]


def _seeds(ledger: Ledger) -> list[str]:
    """The same over trainings with other seeds, where there are any."""
    found = [
        f"{words} {spread(ledger[f'triplet.{name}.seeds.values.exact'], 2)}"
        for name, words in _ARMS.items()
        if f"triplet.{name}.seeds.values.exact" in ledger
    ]
    gap = ledger.get("triplet.quarter_window_minus_full_window.seeds.values.exact")
    if not found or not gap:
        return []
    return [
        f"- **The same over {gap['n']} trainings** (Student's intervals over seeds): {'; '.join(found)}; a quarter and triplets "
        f"less the whole window {spread(gap, 2)}."
    ]


def _cloze(ledger: Ledger) -> list[str]:
    arms = {"full_window": "the whole window", "raw_quarter": "a quarter", "quarter_window": "a quarter and triplets"}
    arms |= {"quarter_window_shuffled": "the same, another text's", "quarter_window_masked": "the same, none"}
    sets = {"evicted": "evicted", "sight": "in sight", "grammar": "a verb's form"}
    found = []
    for name, words in arms.items():
        told = [f"{kind} {spread(entry, 2)}" for of, kind in sets.items() if (entry := ledger.get(f"cloze.{name}.{of}.exact"))]
        found += [f"{words} {', '.join(told)}"] if told else []
    if not found:
        return []
    n = ledger["cloze.full_window.evicted.exact"]["n"]
    return [
        "- **A small cloze battery**, in the place of a suite such as CORE (the likeliest continuation is the right one; chance "
        f"0.25, 0.25, 0.50; n = {n} each): {'; '.join(found)}."
    ]


def _extraction(ledger: Ledger) -> list[str]:
    if "extraction.a.all.f1" not in ledger:
        return []
    groups = {"none": "known names and wordings", "names": "new names", "wordings": "new wordings", "both": "both new"}
    found = [f"{words} {spread(ledger[f'extraction.a.{name}.f1'])}" for name, words in groups.items()]
    ratios = [f"{ledger[f'triplet.compression.all.{name}']['value']:.1f}" for name in ("vectors", "spelt")]
    return [
        f"- **Extraction** (small models over a frozen encoder), F1 of exact triplets in held-out text: "
        f"{'; '.join(found)}. A text takes {ratios[0]} times as many positions as its triplets, {ratios[1]} times when they "
        f"are spelt; {ledger['triplet.compression.all.kept']['value']:.0%} of its standing facts are among them.",
        *_strategies(ledger, groups),
    ]


def _strategies(ledger: Ledger, groups: dict[str, str]) -> list[str]:
    """F1 of all strategies on the same passages, by what is new in them."""
    strategies = {"a": "A (over a frozen encoder)", "b": "B (a side model from scratch)", "c": "C (the model of its own text)"}
    found = []
    for name, words in strategies.items():
        if f"extraction.exams.{name}.none.f1" in ledger:
            shares = [spread(ledger[f"extraction.exams.{name}.{group}.f1"], 2) for group in groups]
            found.append(f"{words} {', '.join(shares)}")
    if len(found) < 2:
        return []
    return [f"- **Who extracts**, F1 on passages of held-out exams ({', '.join(groups.values())}): {'; '.join(found)}."]
