"""In which batch widths a row's arithmetic is the same to the last bit: measured on the model and machine at hand.

A product of a matrix with N rows may add in another order than one with M rows: libraries choose their kernels by shape,
and one row alone is usually a case of its own. So the engine pads every forward to one of a few widths, and before
anything is served random tokens go through the whole model in each of them, at other places too. A width whose logits
differ in a bit from those of the widest is not used. What is left can be mixed freely.

The order in which a kernel adds follows from shapes, not from numbers, so a few dozen rows of random tokens tell: had one
product of one layer another order, some of the millions of sums behind these logits would round differently. A function of
single numbers may differ in few of them; behind a few dozen rows stand millions of the model's, but only a few dozen gates of
the graft, so many more of these are compared.
"""

import torch

from loci.errors import UserError
from loci.serve.engine import WIDTHS, Engine
from loci.serve.overlay import Hits, ServedGraft
from loci.serve.slots import Step

_SEED = 0
_GATES = 1024  # rows for which the graft alone is tried


def exact_widths(graft: ServedGraft, candidates: tuple[int, ...] = WIDTHS) -> list[int]:
    """The candidates (increasing) that give every row the bits that the widest gives it.

    Raises UserError when already in the widest a row's bits depend on its place.
    """
    widest = candidates[-1]
    generator = torch.Generator().manual_seed(_SEED)
    ids = torch.randint(graft.model.config.get_text_config().vocab_size, (widest,), generator=generator)
    read = torch.randn(widest, len(graft.spec.orders) * graft.spec.row_width, generator=generator)
    with Engine(graft, widest, 1, [widest], room_for_prompts=0) as engine:
        reference = _logits(engine, ids, read)
        places = torch.arange(widest - 1, -1, -1)
        if not torch.equal(_logits(engine, ids[places], read[places]), reference[places]):
            raise UserError("this machine", "multiplies the rows of a batch each in an order of its own", "serve with threads: 1")
        same = [width for width in candidates if torch.equal(_logits(engine, ids[:width], read[:width]), reference[:width])]
    hidden = torch.randn(_GATES, graft.width, generator=generator)
    read = torch.randn(_GATES, read.shape[1], generator=generator)
    values = _values(graft, hidden, read, widest)
    return [width for width in same if torch.equal(of := _values(graft, hidden, read, width), values[: len(of)])]


@torch.no_grad()
def _values(graft: ServedGraft, hidden: torch.Tensor, read: torch.Tensor, width: int) -> torch.Tensor:
    """What the graft adds to rows [N, d], `width` of them at a time; what fills no batch is left out."""
    whole = len(hidden) // width * width
    pairs = zip(hidden[:whole].split(width), read[:whole].split(width), strict=True)
    return torch.cat([graft.steady_value(*pair) for pair in pairs])


@torch.no_grad()
def _logits(engine: Engine, ids: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
    """Logits [N, V] of N first tokens, each in a slot of its own, with rows read at all of them."""
    engine.widths = [len(ids)]
    step = Step(engine.cache, [0] * len(ids), [], len(ids))
    hits = Hits(torch.arange(len(ids)), read)
    return engine.logits(engine.forward(ids[:, None], step, hits, [""] * len(ids)), list(range(len(ids))))
