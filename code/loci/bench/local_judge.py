"""A language model on this machine as a judge: how much more likely it finds one verdict token than the other.

The prompt's beginning is read once; each case is read behind it, and of the last position two logits are computed: their
difference is the log-odds of the verdict, as both share one normaliser.
"""

from collections.abc import Iterator, Sequence

import torch
from transformers import DynamicCache

from loci.bench.decode import Beginnings
from loci.bench.judge_prompts import JudgePrompt, Pair
from loci.errors import UserError
from loci.models.base import Base
from loci.models.suffix import common_prefix


class LocalJudge:
    """A base model behind one prompt."""

    def __init__(self, base: Base, prompt: JudgePrompt, batch: int):
        self._base, self._prompt, self._size = base, prompt, batch
        right, wrong = (base.tokenizer(f" {word}", add_special_tokens=False).input_ids for word in (prompt.right, prompt.wrong))
        alike = common_prefix([right, wrong])  # 0 where words are tokens, 1 where bytes are: what tells them apart comes then
        if alike == min(len(right), len(wrong)):
            raise UserError(f"judge prompt {prompt.name}", "one verdict begins with the other", "choose other words")
        head = base.model.get_output_embeddings().weight
        self._apart = head[right[alike]] - head[wrong[alike]]  # [d]
        self._before = right[:alike]
        with torch.no_grad():
            self._layers = Beginnings().read(base.model, base.tokenizer(prompt.beginning()).input_ids)

    def log_odds(self, pairs: Sequence[Pair]) -> Iterator[list[tuple[Pair, float]]]:
        """(pair, natural log-odds of right over wrong) of pairs, in batches of like length."""
        encoded = [(pair, self._ids(pair)) for pair in pairs]
        encoded.sort(key=lambda item: len(item[1]))
        for at in range(0, len(encoded), self._size):
            batch = encoded[at : at + self._size]
            values = self._read([ids for _, ids in batch]).tolist()
            yield [(pair, value) for (pair, _), value in zip(batch, values, strict=True)]

    def _ids(self, pair: Pair) -> list[int]:
        return self._base.tokenizer(self._prompt.asked(pair), add_special_tokens=False).input_ids + self._before

    @torch.no_grad()
    def _read(self, cases: list[list[int]]) -> torch.Tensor:
        """Log-odds [B] of cases. Padding stands behind them, where no token that counts can see it."""
        last = torch.tensor([len(ids) - 1 for ids in cases])
        width = int(last.max()) + 1
        ids = torch.tensor([case + case[-1:] * (width - len(case)) for case in cases])  # [B, T]
        cache = DynamicCache()
        for at, (keys, values) in enumerate(self._layers):
            cache.update(keys.expand(len(cases), -1, -1, -1), values.expand(len(cases), -1, -1, -1), at)
        hidden = self._base.model.get_decoder()(ids, past_key_values=cache, use_cache=True).last_hidden_state  # [B, T, d]
        return hidden[torch.arange(len(cases)), last] @ self._apart
