"""From raw answers about evicted text to ledger entries: exactness by arm, by what stood in the zone, by what is new; perplexity
of fact tokens; and why an answer is wrong.

The unit of intervals is the document. Sets of questions are those of `worlds.prose_exams`; "values" are all whose answer is a
name or a value: fact, update, past, confusion.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from loci.bench.score import exact
from loci.bench.statistics import RESAMPLES, Estimate, estimate, over_seeds, paired_difference

RIGHT = "right"  # contents of the zone: what was extracted from the evicted text
NAMED = {RIGHT: "with", "other": "shuffled", "none": "masked"}  # names of contents in the ledger; others keep their own
VALUES = ("fact", "update", "past", "confusion")
CAUSES = {"stood": "ignored", "wrong": "mis_extracted", "absent": "absent"}
KNOWN = "none"  # novelty of documents of known names and wordings
Records = list[tuple[str, str, float]]


def document_of(answer: dict) -> str:
    """The document that a question is about."""
    return answer["qid"].rpartition(".")[0]


def is_right(answer: dict) -> bool:
    return exact(answer["prediction"], tuple(answer["accepted"]), "question")


def exact_records(answers: Iterable[dict]) -> dict[str, Records]:
    """Answers of one arm with one content of its zone: "<set>.exact" for documents of known names and wordings, "<what is
    new>.<set>.exact" for others; of confusions also how often the other subject's value is said ("confusion.swapped")."""
    found: dict[str, Records] = defaultdict(list)
    for answer in answers:
        before = "" if answer["novel"] == KNOWN else f"{answer['novel']}."
        one = (document_of(answer), answer["qid"])
        for name in (answer["kind"], *(["values"] if answer["kind"] in VALUES else [])):
            found[f"{before}{name}.exact"].append((*one, is_right(answer)))
        if answer["kind"] == "confusion":
            swapped = exact(answer["prediction"], (answer["other"],), "question")
            found[f"{before}confusion.swapped"].append((*one, swapped))
    return dict(found)


def cause_records(answers: Iterable[dict]) -> dict[str, Records]:
    """Of questions for values in documents of known names and wordings: wrong although the triplet stood, with another object in
    its place, or without it; the three and the right ones make up all."""
    found: dict[str, Records] = {f"cause.{name}": [] for name in CAUSES.values()}
    for answer in answers:
        if answer["kind"] in VALUES and answer["novel"] == KNOWN:
            cause = "" if is_right(answer) else CAUSES[answer["fact"]]
            for name in CAUSES.values():
                found[f"cause.{name}"].append((document_of(answer), answer["qid"], name == cause))
    return found


def perplexity(items: Sequence[dict], of: str) -> Estimate:
    """Perplexity of the fact or other tokens (`of`) of documents, resampled as wholes; n is the number of tokens."""
    nats, tokens = _sums(items, of)
    drawn = _draws(len(nats))
    spread = np.exp(nats[drawn].sum(1) / tokens[drawn].sum(1))
    return _estimate(np.exp(nats.sum() / tokens.sum()), spread, int(tokens.sum()))


def perplexity_drop(items: Sequence[dict], others: Sequence[dict], of: str) -> Estimate:
    """By which share the perplexity of the first is below that of the second; both of the same documents, resampled in pairs."""
    (nats, tokens), (other_nats, other_tokens) = _sums(items, of), _sums(others, of)
    if [one["doc_id"] for one in items] != [one["doc_id"] for one in others] or not np.array_equal(tokens, other_tokens):
        raise ValueError("the perplexities are of other tokens")
    drawn = _draws(len(nats))
    spread = 1 - np.exp((nats - other_nats)[drawn].sum(1) / tokens[drawn].sum(1))
    return _estimate(1 - np.exp((nats - other_nats).sum() / tokens.sum()), spread, int(tokens.sum()))


def arm_entries(name: str, answers: Sequence[dict], source: str) -> dict[str, dict]:
    """triplet.<arm>.<set>.exact and the like, of the zone's right contents; why values are wrong, where it holds triplets; mean
    positions of its attention window, the zone included."""
    right = [one for one in answers if one["content"] == RIGHT]
    found = exact_records(right)
    if {one["content"] for one in answers} != {RIGHT}:
        found |= cause_records(right)
    ledger = {f"triplet.{name}.{measure}": estimate(records).entry(source) for measure, records in sorted(found.items())}
    taken = estimate([(document_of(one), one["qid"], one["positions"]) for one in right], proportion=False)
    return ledger | {f"triplet.{name}.positions": taken.entry(source)}


def content_entries(before: str, answers: Sequence[dict], items: Sequence[dict], source: str) -> dict[str, dict]:
    """<before>.<content>.<set>.exact, .fact_ppl and .other_ppl of every content of one arm's zone, and contrasts of the right one
    with the others: .with_minus_<content>.values.exact, and .with_below_<content>.fact_ppl, the share by which it is less."""
    ledger: dict[str, dict] = {}
    contents = list(dict.fromkeys(one["content"] for one in answers))
    said = {content: exact_records([one for one in answers if one["content"] == content]) for content in contents}
    nats = {content: [one for one in items if one["content"] == content] for content in contents}
    for content in contents:
        name = NAMED.get(content, content)
        known = {measure: records for measure, records in said[content].items() if measure.count(".") == 1}
        ledger |= {f"{before}.{name}.{measure}": estimate(records).entry(source) for measure, records in sorted(known.items())}
        for of in ("fact", "other"):
            ledger[f"{before}.{name}.{of}_ppl"] = perplexity(nats[content], of).entry(source)
        if content != RIGHT:
            gap = paired_difference(said[RIGHT]["values.exact"], said[content]["values.exact"])
            ledger[f"{before}.with_minus_{name}.values.exact"] = gap.entry(source)
            ledger[f"{before}.with_below_{name}.fact_ppl"] = perplexity_drop(nats[RIGHT], nats[content], "fact").entry(source)
    return ledger


def contrast_entries(arms: dict[str, Sequence[dict]], scored: Sequence[str], source: str) -> dict[str, dict]:
    """triplet.<arm>_minus_<arm>.values.exact of every two arms of which the later is among `scored`, the later less the earlier,
    paired by document."""
    ledger, names = {}, list(arms)
    records = {name: exact_records(one for one in arms[name] if one["content"] == RIGHT)["values.exact"] for name in names}
    for at, other in enumerate(names):
        for name in (later for later in names[at + 1 :] if later in scored):
            ledger[f"triplet.{name}_minus_{other}.values.exact"] = paired_difference(records[name], records[other]).entry(source)
    return ledger


def seeds_entries(arms: dict[str, dict[int, Sequence[dict]]], source: str) -> dict[str, dict]:
    """triplet.<arm>.seeds.<set>.exact: means of trainings that differ in their seed, with Student's interval over them; and of
    the arms in pairs of seeds, the later less the earlier. arms: {arm: {seed: answers}}; what a zone holds rightly counts."""
    ledger: dict[str, dict] = {}
    shares: dict[str, dict[str, dict[int, float]]] = {}
    for name, seeds in arms.items():
        shares[name] = defaultdict(dict)
        for seed, answers in seeds.items():
            for measure, records in exact_records(one for one in answers if one["content"] == RIGHT).items():
                shares[name][measure][seed] = estimate(records).value  # documents count alike
        for measure, found in sorted(shares[name].items()):
            ledger[f"triplet.{name}.seeds.{measure}"] = over_seeds(list(found.values()), source)
    names = list(arms)
    for at, other in enumerate(names):
        for name in names[at + 1 :]:
            one, two = shares[name]["values.exact"], shares[other]["values.exact"]
            gaps = [one[seed] - two[seed] for seed in sorted(one.keys() & two.keys())]
            ledger[f"triplet.{name}_minus_{other}.seeds.values.exact"] = over_seeds(gaps, source)
    return ledger


def _sums(items: Sequence[dict], of: str) -> tuple[np.ndarray, np.ndarray]:
    """Nats [D] and numbers of tokens [D] of each document, means over seeds: seeds are no further documents."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for one in items:
        found[one["doc_id"]].append((one[f"{of}_nats"], one[f"{of}_tokens"]))
    nats, tokens = np.array([np.mean(seeds, 0) for seeds in found.values()]).T
    return nats, tokens


def _draws(documents: int) -> np.ndarray:
    """Resampled documents [draws, D]."""
    return np.random.default_rng(0).integers(documents, size=(RESAMPLES, documents))


def _estimate(value: float, spread: np.ndarray, n: int) -> Estimate:
    low, high = np.percentile(spread, [2.5, 97.5])
    return Estimate(float(value), float(low), float(high), n)
