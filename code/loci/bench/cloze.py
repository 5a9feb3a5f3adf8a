"""A small cloze battery, in the place of a suite such as CORE: which of a few continuations does a model find likeliest?

Sets, all of passages that no model was trained on, of names and wordings that it was:

    evicted    the answer to a question about evicted text, among right answers to the same question about others (one in four)
    sight      the same, about text that the window shows
    grammar    a sentence of the passage as it stands, against the same with a verb in another form (one in two)

Likelihood is the mean over a continuation's tokens, so that length alone decides nothing.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from tokenizers import Tokenizer

from loci.bench.arms import Arm, parts_of
from loci.bench.evicted import Window, batch_of, read, standing_before
from loci.bench.exam_asking import Contents
from loci.bench.exams import posed
from loci.models.gpt import GPT
from loci.worlds.prose_exams import passage_of
from loci.worlds.prose_lexicon import many_valued
from loci.worlds.prose_records import Document, Triplet

CHANCE = {"evicted": 0.25, "sight": 0.25, "grammar": 0.5}
_OTHERS = 3  # wrong answers beside the right one
_BATCH = 32  # items read together
_FORMS = {"has": "have", "is": "are", "was": "were", "does": "do", "lives": "live", "works": "work", "drinks": "drink"}
_FORMS |= {plural: singular for singular, plural in _FORMS.items()}
_VERB = re.compile(rf"\b({'|'.join(_FORMS)})\b")


@dataclass(frozen=True)
class Item:
    """A text up to the gap, as a window shows it with what stands of the rest, and continuations, of which the first is right."""

    qid: str
    set: str
    window: Window
    continuations: tuple[tuple[int, ...], ...]


def items_of(
    exams: Sequence[Document],
    extracted: Mapping[str, Sequence[Sequence[Triplet]]],
    tokenizer: Tokenizer,
    window: int,
    asked_of: int,
    each: int,
) -> list[Item]:
    """The first `each` items of every set. window: raw tokens that the model sees. asked_of: raw tokens of the shortest window,
    by which evicted text is told from text in sight, so that all models are given the same items."""
    known = [exam for exam in exams if exam.novel == "none"]
    values: dict[str, set[str]] = defaultdict(set)
    for exam in known:
        for one in posed(exam, tokenizer):
            if one.kind == "fact" and one.fact:
                values[one.fact.relation] |= set(one.accepted)
    counts, out = Counter(), []
    for exam in known:
        for one in (
            *_answers(exam, extracted, values, tokenizer, window, asked_of),
            *_sentences(exam, extracted, tokenizer, window),
        ):
            if counts[one.set] < each:
                counts[one.set] += 1
                out.append(one)
    return sorted(out, key=lambda one: (one.set, one.qid))


def _answers(exam, extracted, values: Mapping[str, set[str]], tokenizer: Tokenizer, window: int, asked_of: int) -> Iterator[Item]:
    for one in posed(exam, tokenizer, extracted[exam.doc_id]):
        if one.kind != "fact" or one.fact is None or not one.told:
            continue
        wrong = sorted(values[one.fact.relation] - set(one.accepted))
        if len(wrong) >= _OTHERS:
            wrong = random.Random(f"cloze:{one.qid}").sample(wrong, _OTHERS)
            said = tuple(_ids(tokenizer, f" {text}\n") for text in (one.accepted[0], *wrong))
            kind = "evicted" if one.is_evicted(asked_of) else "sight"
            yield Item(one.qid, kind, one.seen(window, many_valued()), said)


def _sentences(exam: Document, extracted, tokenizer: Tokenizer, window: int) -> Iterator[Item]:
    """Of each passage the last sentence that holds a verb whose form can be changed."""
    passage = passage_of(exam)
    for at in range(len(passage) - 1, 0, -1):
        found = _VERB.search(passage[at].text)
        if found:
            text = read(replace(exam, sentences=passage[:at]), tokenizer, list(extracted[exam.doc_id][:at]))
            start = max(0, len(text.ids) - window)
            other = passage[at].text[: found.start()] + _FORMS[found[0]] + passage[at].text[found.end() :]
            said = tuple(_ids(tokenizer, passage[at].lead + one) for one in (passage[at].text, other))
            yield Item(f"{exam.doc_id}.{at}", "grammar", Window(text, start, standing_before(text, start, many_valued())), said)
            return


def _ids(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    return tuple(tokenizer.encode(text, add_special_tokens=False).ids)


@torch.no_grad()
def nats(model: GPT, arm: Arm, items: Sequence[Item], contents: Contents, tokenizer: Tokenizer) -> list[list[float]]:
    """Mean nats a token of every continuation of each item."""
    parts, how, out = parts_of(tokenizer), arm.remembered(False), []
    for first in range(0, len(items), _BATCH):
        chosen = items[first : first + _BATCH]
        seen = [contents.of(one.window, first + at) for at, one in enumerate(chosen)]
        rows = [(window, said) for window, one in zip(seen, chosen, strict=True) for said in one.continuations]
        texts = [(*window.document.ids[window.start :], *said) for window, said in rows]
        tokens = torch.zeros(len(rows), max(map(len, texts)) - 1, dtype=torch.int64)
        targets = torch.full_like(tokens, -1)
        for row, (ids, (_, said)) in enumerate(zip(texts, rows, strict=True)):
            tokens[row, : len(ids) - 1] = torch.tensor(ids[:-1])
            targets[row, len(ids) - 1 - len(said) : len(ids) - 1] = torch.tensor(said)
        memory = batch_of([window for window, _ in rows], arm.window, how, parts).memory
        means = [part.mean().item() for part in model.loss(tokens, targets, memory).split([len(said) for _, said in rows])]
        for one in chosen:
            out.append(means[: len(one.continuations)])
            means = means[len(one.continuations) :]
    return out
