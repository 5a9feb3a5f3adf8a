"""What the row writer is compared with: the published Joint OPT, and our own without its cache.

The published procedure (User as Engram, arXiv 2606.19172) writes only the n-grams that end at the last trigger token,
starts from the pseudo-inverse of the value path, and then, for one random fact a step, runs the whole model over the
trigger, takes the cross-entropy of the first answer token there, and moves all rows with Adam. It has no stopping rule.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch.nn import functional as F

from loci.memories.row_examples import ContextExamples, EncodedSentence, written_keys
from loci.memories.row_strategies import Writer
from loci.memories.row_writer import initial_rows
from loci.models.engram import Graft
from loci.models.rows import RowBatch, RowMap
from loci.models.suffix import find_rows


@torch.no_grad()
def published_start(writer: Writer, encoded: list[EncodedSentence], scale: float) -> RowMap:
    """First rows: pseudo-inverse of the value path on the first answer token's unembedding, averaged on collision.

    As in `rows_unembed`, the gain of the final norm is folded in and `scale` counts in lengths of the residual stream.
    That length is read off one fact: like the published constant, it is the same for all of them and costs next to nothing.
    """
    graft, width = writer.upper.graft, writer.upper.graft.spec.row_width
    triggers = [replace(item, ids=item.ids[: item.answer_start]) for item in encoded]
    table = initial_rows(torch.cat([written_keys(graft, item) for item in triggers]).unique(), width, 0.0, torch.Generator())
    ids = torch.tensor([triggers[0].ids])
    length = scale * writer.upper.lower_pass(ids, torch.ones_like(ids, dtype=torch.bool)).hidden[0, -1].norm()
    golds = torch.tensor([item.ids[item.answer_start] for item in encoded])
    wanted = F.normalize(writer.head.weight[golds] * writer.upper.final_gain(), dim=-1) * length  # [F, d]
    total, count = torch.zeros_like(table.values), torch.zeros(len(table), 1)
    solvers: dict[tuple[bool, ...], torch.Tensor] = {}
    for item, target in zip(triggers, wanted, strict=True):
        index = find_rows(graft, table, item.ids)[-1]  # [O]
        present = index >= 0
        key = tuple(present.tolist())
        if key not in solvers:
            solvers[key] = torch.linalg.pinv(graft.w_value[:, present.repeat_interleave(width)])
        total[index[present]] += (solvers[key] @ target).view(-1, width)
        count[index[present]] += 1
    return table.with_values(total / count)


def optimise_published(
    graft: Graft,
    encoded: list[EncodedSentence],
    start: RowMap,
    rate: float,
    generator: torch.Generator,
    watch: Callable[[RowMap], bool],
) -> RowMap:
    """Published Joint OPT from `start` on, until `watch`, shown the rows after each step, says True."""
    values = start.values.clone().requires_grad_(True)
    reading = RowBatch.shared(start, 1)
    reading.values = values  # one owner: the batch has the rows in the order of the table
    optimiser = torch.optim.Adam([values], lr=rate)
    stop = False
    while not stop:
        item = encoded[int(torch.randint(len(encoded), (1,), generator=generator))]
        trigger = torch.tensor([item.ids[: item.answer_start]])
        # Logits of the last position only; the published code computes all of them and would be slower for it.
        output = graft.session(reading).forward(trigger, torch.ones_like(trigger), use_cache=False, logits_to_keep=1)
        loss = F.cross_entropy(output.logits[0], torch.tensor([item.ids[item.answer_start]]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        stop = watch(start.with_values(values.detach()))
    return start.with_values(values.detach())


class UncachedExamples:
    """The bare sentences of `ContextExamples`, read by a full forward of the whole model at every call.

    examples: the same sentences with their cache, of which only the targets and their positions are used.
    """

    def __init__(self, graft: Graft, encoded: list[EncodedSentence], table: RowMap, examples: ContextExamples):
        self._graft, self._addresses = graft, table.addresses
        self._sequences = [item.ids for item in encoded]
        self._found = [find_rows(graft, table, ids).flatten() for ids in self._sequences]
        self.suffix, self.targets = examples.suffix, examples.targets

    def hidden_at_targets(self, values: torch.Tensor, chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """See `ContextExamples.hidden_at_targets`."""
        members = [self._sequences[at] for at in chosen]
        longest = max(map(len, members))
        ids = torch.tensor([tokens + [0] * (longest - len(tokens)) for tokens in members])
        mask = torch.tensor([[1] * len(tokens) + [0] * (longest - len(tokens)) for tokens in members])
        # Only the rows that these sentences can read, because the optimiser needs their gradient sparse.
        used = torch.cat([self._found[at] for at in chosen]).clamp_min(0).unique()
        rows = RowMap(self._addresses[used], F.embedding(used, values, sparse=values.requires_grad))
        session = self._graft.session(RowBatch.shared(rows, len(chosen)))
        output = session.forward(ids, mask, use_cache=False, output_hidden_states=True, logits_to_keep=1)
        window, targets = self.suffix.window[chosen], self.targets[chosen]
        at_batch, at_time = (targets >= 0).nonzero(as_tuple=True)
        final = output.hidden_states[-1][at_batch, window[at_batch, at_time]]
        return final, targets[at_batch, at_time], chosen[at_batch]
