"""What rows do to text that has nothing to do with their user.

Before the first hit a causal model cannot change, so only the positions from there on are recomputed; texts without a
hit keep their exact logits. Δ is measured on whole texts in bits per byte, and at the hits in nats of the next token.
"""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from loci.models.rows import RowMap
from loci.models.suffix import ActiveSuffix, CachedSequences
from loci.models.upper import UpperStack

_CHUNK = 16
_LOGITS = 256  # positions whose logits stand in memory at once
_BITS = 1 / math.log(2)


@dataclass(frozen=True)
class TextEffect:
    """One text: its bytes, positions, positions that read a row, Δ nats over the text and over the tokens after hits."""

    nbytes: int
    positions: int
    hits: int
    delta_nats: float
    delta_nats_at_hits: float


class BaseTexts:
    """Texts with the base model's negative log-likelihood of every token, computed once for all memories and users."""

    def __init__(self, upper: UpperStack, tokenizer, texts: list[str], max_tokens: int):
        self._head = upper.graft.model.get_output_embeddings()
        self._parts: list[tuple[CachedSequences, list[int], list[torch.Tensor]]] = []
        encoded = [tokenizer(text).input_ids[:max_tokens] for text in texts]
        self.lengths = [len(ids) for ids in encoded]
        self.nbytes = [len(tokenizer.decode(ids, skip_special_tokens=True).encode()) for ids in encoded]
        order = sorted(range(len(texts)), key=lambda at: self.lengths[at])
        for start in range(0, len(order), _CHUNK):
            members = order[start : start + _CHUNK]
            cached = CachedSequences(upper, [encoded[at] for at in members])
            suffix = ActiveSuffix(cached, upper.graft.empty_rows(), torch.zeros(len(members), dtype=torch.int64))
            base = self._nats(suffix, torch.zeros(1, upper.graft.spec.row_width), cached, list(range(len(members))))
            self._parts.append((cached, members, base))

    def effects(self, rows: RowMap) -> list[TextEffect]:
        """The effect of one user's rows on every text, in the order given."""
        out: dict[int, TextEffect] = {}
        for cached, members, base in self._parts:
            suffix = ActiveSuffix(cached, rows, cached.lengths - 1)
            hit = [(suffix.index[at, : int(suffix.active[at])] >= 0).any(-1) for at in range(len(members))]
            touched = [at for at in range(len(members)) if hit[at][:-1].any()]  # the last token predicts nothing
            nats = dict(zip(touched, self._nats(suffix, rows.values, cached, touched), strict=True))
            for at, member in enumerate(members):
                delta = nats[at] - base[at][int(suffix.start[at]) :] if at in nats else torch.zeros(len(hit[at]) - 1)
                at_hits = float(delta[hit[at][:-1]].sum())
                hits = int(hit[at].sum())
                out[member] = TextEffect(self.nbytes[member], self.lengths[member], hits, float(delta.sum()), at_hits)
        return [out[member] for member in range(len(self.lengths))]

    @torch.no_grad()
    def _nats(self, suffix: ActiveSuffix, values: torch.Tensor, cached: CachedSequences, chosen: list[int]) -> list[torch.Tensor]:
        """Negative log-likelihood of the tokens that the active positions of each sequence predict: [active - 1] each."""
        if not chosen:
            return []
        final = suffix.forward(values, torch.tensor(chosen))
        targets = [torch.tensor(cached.sequences[at][int(suffix.start[at]) + 1 :]) for at in chosen]
        # One call for all texts: the head's weights are most of the model, and are then read from memory once.
        hidden = torch.cat([states[: len(wanted)] for states, wanted in zip(final, targets, strict=True)])
        pairs = zip(hidden.split(_LOGITS), torch.cat(targets).split(_LOGITS), strict=True)
        nats = torch.cat([F.cross_entropy(self._head(states), wanted, reduction="none") for states, wanted in pairs])
        return list(nats.split([len(wanted) for wanted in targets]))


def summary(effects: list[TextEffect]) -> dict[str, float | int]:
    """Δ bits per byte (all texts as one, and the worst text), hit rate, and mean Δ nats of tokens right after a hit."""
    hits = sum(effect.hits for effect in effects)
    return {
        "dbpb": sum(effect.delta_nats for effect in effects) * _BITS / sum(effect.nbytes for effect in effects),
        "dbpb_worst": max(effect.delta_nats * _BITS / effect.nbytes for effect in effects),
        "hit_rate": hits / sum(effect.positions for effect in effects),
        "dnats_at_hits": sum(effect.delta_nats_at_hits for effect in effects) / hits if hits else 0.0,
        "texts": len(effects),
    }
