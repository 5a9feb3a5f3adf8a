"""Multi-query associative recall (MQAR, arXiv 2312.04927): pairs of tokens, then their first tokens again in another order; what
followed each is to be said. Nothing that is asked stands in the text, so only what was stored can be read.
"""

import torch

from loci.errors import UserError
from loci.models.gpt import GPT, Shape
from loci.models.live import LiveGPT, LiveSpec
from loci.models.optimisers import Optimisers, Rates
from loci.models.sparse import Indexing
from loci.models.trainer import Schedule

DEPTH = 2  # as in the synthetic tasks of Kimi Linear: no layer of sparse attention is among the first three
_KEYS = 128  # and as many values


def sequences(pairs: int, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """(tokens [B, 3 pairs], targets, -1 where nothing is asked): keys of a sequence differ, values are drawn freely."""
    if pairs > _KEYS:
        raise UserError("live.mqar.pairs", f"{pairs} pairs need as many keys, there are {_KEYS}", "use fewer")
    keys = torch.rand(count, _KEYS, generator=generator).argsort(-1)[:, :pairs]
    values = torch.randint(_KEYS, (count, pairs), generator=generator) + _KEYS
    order = torch.rand(count, pairs, generator=generator).argsort(-1)
    told = torch.stack([keys, values], -1).flatten(1)
    tokens = torch.cat([told, keys.gather(1, order)], 1)
    targets = torch.cat([torch.full_like(told, -1), values.gather(1, order)], 1)
    return tokens, targets


def learner(name: str, width: int, heads: int, longest: int, seed: int) -> GPT:
    """delta: two layers of Kimi Delta Attention; linear: the same without the correction; attention: the plain decoder."""
    shape = Shape(DEPTH, width, heads, 2 * _KEYS, longest)
    torch.manual_seed(seed)
    if name == "attention":
        return GPT(shape)
    return LiveGPT(shape, LiveSpec(Indexing(bank=1, chosen=1, heads=1, width=1), correct=name == "delta"))


def learnt(name: str, rate: float, about: dict, seed: int) -> dict[int, float]:
    """Share of right answers by number of pairs, of a model that learnt all numbers in turn. rate: of its matrices and the
    embedding; head and scalars have 0.3 of it, as in the training of live memory."""
    model = learner(name, about["width"], about["heads"], 3 * max(about["pairs"]), seed)
    optimisers, schedule = Optimisers(model, "muon", Rates(rate, rate, 0.3 * rate, 0.3 * rate)), Schedule(about["steps"])
    generator = torch.Generator().manual_seed(seed)
    for step in range(about["steps"]):
        tokens, targets = sequences(about["pairs"][step % len(about["pairs"])], about["batch"], generator)
        model.loss(tokens, targets).mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimisers.step(schedule.share(step))
    held = torch.Generator().manual_seed(1_000_000 + seed)
    return {pairs: _right(model, *sequences(pairs, about["each"], held)) for pairs in about["pairs"]}


@torch.no_grad()
def _right(model: GPT, tokens: torch.Tensor, targets: torch.Tensor) -> float:
    asked = targets >= 0
    hits = [
        (model.logits(model(part)[some]).argmax(-1) == wanted[some]).float()
        for part, wanted, some in zip(tokens.split(16), targets.split(16), asked.split(16), strict=True)
    ]
    return torch.cat(hits).mean().item()
