"""Rows somewhere else: carried to another graft, laid over another domain's, read on for a hundred tokens, and tuned instead.

*Transfer*: the same sentences have rows in two grafts; which address of the one is which of the other follows from their n-grams.
Values are carried as they are, or through a linear map that was fitted on rows of other facts.
"""

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional as F

from loci.bench.glass_box import Placed
from loci.memories.row_examples import EncodedSentence, written_keys
from loci.models.engram import Graft
from loci.models.rows import RowBatch, RowMap
from loci.models.tuning import Example, marked_logits

TARGETS = ("projections", "tuned")  # another seed of the graft's projections; the same ones on a base that was trained further
_GRAM = 4  # tokens that repeat


def carried(rows: RowMap, source: Graft, target: Graft, encoded: Sequence[EncodedSentence]) -> RowMap:
    """The rows of these sentences at the addresses that the target graft reads for them, values as they are."""
    pairs = {}
    for one in encoded:
        for old, new in zip(written_keys(source, one).tolist(), written_keys(target, one).tolist(), strict=True):
            pairs[new] = old
    at = rows.find(torch.tensor(list(pairs.values())))
    return RowMap.from_unsorted(torch.tensor(list(pairs)), rows.values[at])


def fitted_map(source: torch.Tensor, target: torch.Tensor, ridge: float) -> torch.Tensor:
    """The matrix [D, D] that takes rows [R, D] nearest to others [R, D]; ridge: weight of its size, in mean squares of a row."""
    gram = source.T @ source
    scale = ridge * gram.diagonal().mean()
    return torch.linalg.solve(gram + scale * torch.eye(len(gram)), source.T @ target)


def explained(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Share of the rows' [R, D] squared length that a prediction of them explains; at most 1, and below 0 where it is worse than
    none."""
    return 1 - float((found - wanted).square().sum() / wanted.square().sum())


def repeated(tokens: Sequence[int]) -> float:
    """Share of the runs of four tokens that were there before in the same text; 0 for a shorter one."""
    runs = [tuple(tokens[at : at + _GRAM]) for at in range(len(tokens) - _GRAM + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def bare(encoded: EncodedSentence) -> Placed:
    """A sentence by itself, answer and all."""
    return Placed(encoded.ids, encoded.answer_start - 1, len(encoded.ids))


def until_said(
    logits_of: Callable[[], tuple[torch.Tensor, torch.Tensor]],
    weights: Sequence[torch.Tensor],
    rate: float,
    margin: float,
    most: int,
) -> tuple[int, bool]:
    """Adam on weights until every wanted token leads by the margin: (steps, whether it came so far). logits_of: logits [N, V] and
    wanted tokens [N] with the weights as they are."""
    optimiser, step = torch.optim.Adam(weights, lr=rate, betas=(0.9, 0.99)), 0
    while True:
        logits, wanted = logits_of()
        others = logits.detach().scatter(1, wanted[:, None], -torch.inf).amax(1)
        if bool((logits.detach().gather(1, wanted[:, None])[:, 0] - others >= margin).all()):
            return step, True
        if step == most:
            return step, False
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(logits, wanted).backward()
        optimiser.step()
        step += 1


def examples_of(encoded: Sequence[EncodedSentence]) -> list[Example]:
    """Sentences whose answers, and what must follow them, are learnt."""
    out = []
    for one in encoded:
        ids = (*one.ids, one.stop)
        out.append(Example(ids, tuple(at >= one.answer_start for at in range(len(ids)))))
    return out


def tune_model(model, encoded: Sequence[EncodedSentence], rate: float, margin: float, most: int) -> tuple[int, bool]:
    """All weights of a model, in place, until it says these sentences."""
    examples = examples_of(encoded)
    model.requires_grad_(True)
    found = until_said(lambda: marked_logits(model, examples, 0), list(model.parameters()), rate, margin, most)
    model.requires_grad_(False)
    return found


def tune_table(
    graft: Graft, start: RowMap, encoded: Sequence[EncodedSentence], rate: float, margin: float, most: int
) -> tuple[RowMap, int, bool]:
    """Rows *and* the projections of a graft, which are changed in place, until the model says these sentences."""
    examples = examples_of(encoded)
    longest = max(len(one.ids) for one in examples)
    ids = torch.tensor([[*one.ids, *[0] * (longest - len(one.ids))] for one in examples])
    mask = torch.tensor([[1] * len(one.ids) + [0] * (longest - len(one.ids)) for one in examples])
    marked = torch.tensor([[*one.marked, *[False] * (longest - len(one.ids))] for one in examples])[:, 1:]
    values = start.values.clone().requires_grad_(True)
    reading = RowBatch.shared(start, len(examples))
    reading.values = values  # one owner: the batch has the rows in the order of the table
    weights = [values, graft.w_key.requires_grad_(True), graft.w_value.requires_grad_(True)]

    def logits_of() -> tuple[torch.Tensor, torch.Tensor]:
        logits = graft.session(reading).forward(ids, mask, use_cache=False).logits
        return logits[:, :-1][marked], ids[:, 1:][marked]

    steps, met = until_said(logits_of, weights, rate, margin, most)
    for weight in weights:
        weight.requires_grad_(False)
    return start.with_values(values.detach()), steps, met
