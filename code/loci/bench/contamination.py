"""What an adapter does to text that has nothing to do with its user: Δ bits per byte against the base model.

The same measure as for rows (side_effects.py), on whole texts: an adapter acts at every position.
"""

import math

import torch
from torch.nn import functional as F

from loci.models.adapters import LoraSlot, LoraWeights
from loci.models.tuning import Example, batches, marked_logits

_TOKENS = 1024  # of a batch
_BITS = 1 / math.log(2)


class TextsBefore:
    """Texts with the base model's negative log-likelihood of each, to be compared with an adapter's."""

    def __init__(self, slot: LoraSlot, texts: dict[str, list[str]], max_tokens: int):
        """texts: by kind; at most `max_tokens` of each are read. The slot is left empty."""
        tokenizer = slot.base.tokenizer
        self._slot, self._kinds = slot, {}
        slot.put(None)
        for kind, found in texts.items():
            encoded = [tuple(tokenizer(text, add_special_tokens=False).input_ids[:max_tokens]) for text in found]
            examples = [Example(ids, (False, *[True] * (len(ids) - 1))) for ids in encoded if len(ids) > 1]
            nbytes = [len(tokenizer.decode(example.ids).encode()) for example in examples]
            self._kinds[kind] = (examples, nbytes, self._nats(examples))

    def deltas(self) -> dict[str, float]:
        """Δ bits per byte of each kind under what the slot holds now: all its texts as one."""
        return {
            kind: (sum(self._nats(examples)) - sum(before)) * _BITS / sum(nbytes)
            for kind, (examples, nbytes, before) in self._kinds.items()
        }

    def under(self, weights: LoraWeights | None) -> dict[str, float]:
        """The same under given weights."""
        self._slot.put(weights)
        return self.deltas()

    @torch.no_grad()
    def _nats(self, examples: list[Example]) -> list[float]:
        base, out = self._slot.base, [0.0] * len(examples)
        for chosen in batches(examples, _TOKENS, 0, 0):
            batch = [examples[at] for at in chosen]
            nats = F.cross_entropy(*marked_logits(base.model, batch, base.tokenizer.pad_token_id), reduction="none")
            for at, part in zip(chosen, nats.split([len(one.ids) - 1 for one in batch]), strict=True):
                out[at] = float(part.sum())
        return out
