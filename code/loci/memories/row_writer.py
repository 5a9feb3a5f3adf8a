"""Joint OPT: gradient descent on the rows of all facts at once, everything else frozen.

The published procedure runs the whole model for one random fact a step and learns its first token (User as Engram,
arXiv 2606.19172). Here each step takes a minibatch of the facts that are not yet answered with a margin, runs only
their active positions through the layers above the graft, and scores whole answers. While learning, a target competes
with the rivals that led it at the last check, its own and those of the rest of the minibatch, not with the whole
vocabulary. Writing stops when every target token of every fact leads every other token of the vocabulary by `margin`
after every writing context; a check that fails brings the new rivals in. What reads no row that moved since it was last
checked is not checked again: its answer is the same.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch.nn import functional as F

from loci.memories.row_examples import ContextExamples
from loci.models.products import linear
from loci.models.rows import RowMap

_CHECK_CHUNK = 64
_SMALL_BATCH = 16
_RIVALS = 32  # tokens that each target is compared with while learning


@dataclass(frozen=True)
class WriteSettings:
    """How rows are optimised; chosen on development users, frozen in config/.

    rate: Adam's learning rate on row values. batch: facts a step. margin: logits by which each target token must lead.
    max_steps: give up after so many; on a fact, after `stubborn` steps with it (two facts may share all their addresses).
    init_scale: standard deviation of the initial rows.
    """

    rate: float = 0.3
    batch: int = 64
    margin: float = 2.0
    max_steps: int = 2000
    init_scale: float = 0.05
    stubborn: int = 240


def write_settings(profile: dict, sentences: int) -> WriteSettings:
    """Settings of a profile's `write` section for so many facts.

    `max_visits` is how often each fact may be learnt on average, if all batches were as small as they get, and a quarter of how
    often any fact may.
    """
    visits = profile["max_visits"]
    steps = math.ceil(visits * sentences / min(profile["batch"], _SMALL_BATCH))
    return WriteSettings(profile["rate"], profile["batch"], profile["margin"], steps, profile["init_scale"], 4 * visits)


@dataclass(frozen=True)
class WriteReport:
    """What the optimiser did: steps, facts seen (sum of batch sizes), and facts left below the margin in some context."""

    steps: int
    examples: int
    unmet: int

    def as_dict(self) -> dict:
        return asdict(self)


def initial_rows(addresses: torch.Tensor, width: int, scale: float, generator: torch.Generator) -> RowMap:
    """Normal rows for the sorted unique addresses [R]: an exact zero would leave the gate without a gradient."""
    return RowMap(addresses, torch.randn(len(addresses), width, generator=generator) * scale)


def optimise(
    groups: list[ContextExamples],
    sentences: int,
    table: RowMap,
    settings: WriteSettings,
    generator: torch.Generator,
    head: torch.nn.Linear,
    watch: Callable[[RowMap], bool] | None = None,
    movable: torch.Tensor | None = None,
) -> tuple[RowMap, WriteReport]:
    """Rows that make the model say every answer after every context.

    The first group (bare sentences) is learnt whole; of the others only the facts that a check finds below the margin. Facts that
    have been learnt too often are given up, and counted with the unmet ones.
    groups: one per context, each over the same `sentences` facts. head: final hidden states [N, d] -> logits [N, V].
    watch: shown the rows after each step; writing ends early when it says True.
    movable: bool [R], the rows that may change; the others keep their bits. All of them when not given.
    """
    values = table.values.clone().requires_grad_(True)
    # With these betas the first step of a row is `rate` whenever it comes: rows are touched at different times.
    optimiser = torch.optim.SparseAdam([values], lr=settings.rate, betas=(0.9, 0.99))
    known = _Known(len(groups), sentences, int((groups[0].targets >= 0).sum(1).max()), len(values))
    known.check(groups[:1], values.detach(), settings.margin, head)
    steps = examples = 0
    visits = torch.zeros(sentences, dtype=torch.int64)
    while steps < settings.max_steps:
        hopeful = visits < settings.stubborn
        if not known.open[:, hopeful].any():
            known.check(groups, values.detach(), settings.margin, head)
            if not known.open[:, hopeful].any():
                return table.with_values(values.detach()), WriteReport(steps, examples, known.unmet)
        learnable = known.open.any(-1) & hopeful  # [C, F]
        waiting = learnable.any(1).nonzero().flatten()
        group = int(waiting[torch.randint(len(waiting), (1,), generator=generator)])
        chosen = _minibatch(learnable[group], groups[group].suffix.active, settings.batch, generator)
        visits[chosen] += 1
        hidden, targets, owner = groups[group].hidden_at_targets(values, chosen)
        place = (group, owner, _slots(owner))
        wanted = known.open[place]
        place = (group, owner[wanted], place[2][wanted])
        tokens = torch.cat([known.rivals[place].flatten(), targets[wanted]]).unique()
        among = torch.searchsorted(tokens, targets[wanted])
        logits = linear(hidden[wanted], head.weight[tokens], None if head.bias is None else head.bias[tokens])
        loss = F.cross_entropy(logits, among)
        optimiser.zero_grad()
        loss.backward()
        if movable is not None:
            values.grad = _only(values.grad, movable)
        known.moved[:, values.grad.coalesce().indices()[0]] = True
        optimiser.step()
        known.open[place] = ~_met(logits.detach(), among, settings.margin)
        steps, examples = steps + 1, examples + len(chosen)
        if watch is not None and watch(table.with_values(values.detach())):
            break
    # Stopped early: what was seen while learning is a step old, and some contexts were never checked.
    known.check(groups, values.detach(), settings.margin, head)
    return table.with_values(values.detach()), WriteReport(steps, examples, known.unmet)


def _only(gradient: torch.Tensor, movable: torch.Tensor) -> torch.Tensor:
    """A sparse gradient [R, D] without the rows that may not change: for the optimiser they were never read."""
    gradient = gradient.coalesce()
    rows = gradient.indices()[0]
    kept = movable[rows]
    kept_values = gradient.values()[kept]
    return torch.sparse_coo_tensor(rows[kept][None], kept_values, gradient.shape, is_coalesced=True, check_invariants=False)


class _Known:
    """What is known of every target token: [C, F, L] for C contexts, F facts, answers of up to L tokens.

    open: bool, below the margin. rivals: int64 [C, F, L, K], the K tokens that led at the last check in which it was open.
    moved: bool [C, R + 1], rows that moved since each context was checked; -1, where no row is read, counts as moved at first.
    """

    def __init__(self, contexts: int, facts: int, longest: int, rows: int):
        self.open = torch.zeros(contexts, facts, longest, dtype=torch.bool)
        self.rivals = torch.zeros(contexts, facts, longest, _RIVALS, dtype=torch.int64)
        self.moved = torch.ones(contexts, rows + 1, dtype=torch.bool)

    @property
    def unmet(self) -> int:
        """Facts of which anything is open."""
        return int(self.open.any(-1).any(0).sum())

    @torch.no_grad()
    def check(self, groups: list[ContextExamples], values: torch.Tensor, margin: float, head: torch.nn.Linear) -> None:
        """Compare the targets of these contexts with the whole vocabulary, where a row that they read has moved."""
        for at, group in enumerate(groups):
            stale = self.moved[at][group.suffix.index].any(-1).any(-1).nonzero().flatten()
            for chosen in stale[group.suffix.active[stale].argsort()].split(_CHECK_CHUNK):  # alike in length: little padding
                hidden, targets, owner = group.hidden_at_targets(values, chosen)
                logits, slot = head(hidden), _slots(owner)
                behind = ~_met(logits, targets, margin)
                self.open[at, owner, slot] = behind
                if behind.any():
                    best = logits[behind].topk(min(_RIVALS, logits.shape[1])).indices
                    self.rivals[at, owner[behind], slot[behind], : best.shape[1]] = best
            self.moved[at] = False


def _minibatch(open_: torch.Tensor, lengths: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
    """Up to `size` open facts, a random run of them in order of length: int64 [B].

    Of few open facts at most half are taken (but not under 16), so that a batch of like lengths needs little padding.
    """
    candidates = open_.nonzero().flatten()
    size = min(size, max(_SMALL_BATCH, math.ceil(len(candidates) / 2)))
    candidates = candidates[torch.randperm(len(candidates), generator=generator)]
    candidates = candidates[lengths[candidates].argsort(stable=True)]
    start = int(torch.randint(max(len(candidates) - size, 0) + 1, (1,), generator=generator))
    return candidates[start : start + size]


def _slots(owner: torch.Tensor) -> torch.Tensor:
    """Place of each target within its fact's answer, from the fact of each: [4, 4, 4, 7, 7] -> [0, 1, 2, 0, 1]."""
    at = torch.arange(len(owner))
    begins = torch.cat([owner.new_ones(1, dtype=torch.bool), owner[1:] != owner[:-1]])
    return at - torch.where(begins, at, 0).cummax(0).values


def _met(logits: torch.Tensor, targets: torch.Tensor, margin: float) -> torch.Tensor:
    """Targets [N] that lead every other token by `margin`, under logits [N, V]: bool [N]."""
    wanted = logits.gather(1, targets[:, None]).squeeze(1)
    best_other = logits.scatter(1, targets[:, None], -torch.inf).amax(1)
    return wanted - best_other >= margin
