"""Greedy answers for a batch of prompts, with and without rows.

The prompts are read once without rows; each memory that only adds rows then re-reads just the columns from its first
hit on and decodes from there. Logits are computed for the last position only. Left padding, one KV cache, and the
session's own memory of the last tokens keep cached decoding equal to a full forward (a test holds it to that).
"""

from dataclasses import dataclass

import torch
from transformers import DynamicCache

from loci.models.engram import Graft, positions_of
from loci.models.rows import RowBatch
from loci.models.suffix import common_prefix

_WORTH_SHARING = 16  # tokens; below this one more call costs more than it saves


@dataclass(frozen=True)
class Decoded:
    """tokens: answer token ids up to, not including, the newline. hits: n-grams read in the prompt, and while decoding."""

    tokens: list[int]
    prompt_hits: int
    answer_hits: int


class PromptBatch:
    """B left-padded prompts of up to T tokens, read once without rows."""

    @torch.no_grad()
    def __init__(self, graft: Graft, prompts: list[list[int]], pad_id: int, newline_ids: set[int]):
        self._graft, self._newlines = graft, torch.tensor(sorted(newline_ids))
        width = max(map(len, prompts))
        self._ids = torch.tensor([[pad_id] * (width - len(ids)) + ids for ids in prompts])
        self._mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts])
        cache, read = _read_shared(graft.model, prompts, width)
        output = graft.model(
            input_ids=self._ids[:, read:],
            attention_mask=self._mask,
            position_ids=positions_of(self._mask)[:, read:],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self._next = output.logits[:, -1].argmax(-1)
        self._layers = [(layer.keys, layer.values) for layer in cache.layers]

    @torch.no_grad()
    def answer(self, rows: RowBatch, max_tokens: int) -> list[Decoded]:
        """Greedy continuation of every prompt under `rows`: stops at a newline or after `max_tokens` tokens."""
        session = self._graft.session(rows)
        hit = session.look_up(self._ids, self._mask.bool()) >= 0  # [B, T, O]
        first = _first_column(hit)
        prompt_hits = hit.flatten(1).sum(1).tolist()
        width = self._ids.shape[1]
        session = self._graft.session(rows)
        if first < width:
            cache = self._cache_up_to(first)
            session.remember(self._ids[:, :first], self._mask[:, :first].bool())
            token = self._step(session, self._ids[:, first:], self._mask, cache)
        else:
            cache = self._cache_up_to(width)
            session.remember(self._ids, self._mask.bool())
            token = self._next
        session.hits.clear()
        return self._decode(session, cache, token, max_tokens, prompt_hits)

    def _decode(self, session, cache, token: torch.Tensor, max_tokens: int, prompt_hits: list[int]) -> list[Decoded]:
        mask, tokens = self._mask, [token]
        open_ = ~torch.isin(token, self._newlines)
        while len(tokens) < max_tokens and bool(open_.any()):
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
            token = self._step(session, token[:, None], mask, cache)
            tokens.append(token)
            open_ &= ~torch.isin(token, self._newlines)
        written = torch.stack(tokens, 1)  # [B, N]
        ends = torch.isin(written, self._newlines).int().cumsum(1) > 0
        read = [hit.flatten(1).sum(1) for hit in session.hits]  # the last token said is never read
        hits = torch.stack(read, 1) if read else written.new_zeros(len(written), 0)
        out = []
        for at, row in enumerate(written):
            length = int((~ends[at]).sum())
            out.append(Decoded(row[:length].tolist(), prompt_hits[at], int(hits[at, :length].sum())))
        return out

    @staticmethod
    def _step(session, ids: torch.Tensor, mask: torch.Tensor, cache: DynamicCache) -> torch.Tensor:
        output = session.forward(ids, mask, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return output.logits[:, -1].argmax(-1)

    def _cache_up_to(self, width: int) -> DynamicCache:
        """A fresh cache with the first `width` columns of the prompts."""
        cache = DynamicCache()
        if width:
            for at, (keys, values) in enumerate(self._layers):
                cache.update(keys[:, :, :width], values[:, :, :width], at)
        return cache


def _read_shared(model, prompts: list[list[int]], width: int) -> tuple[DynamicCache, int]:
    """Read what all prompts begin with once, for one sequence: a cache of the first P columns of the batch, and P.

    In a left-padded batch column c of a prompt with p columns of padding is its token c - p, and keys and values depend
    on the tokens up to there only: they are copies of the shared prefix, moved by p. Padding is masked.
    """
    cache, shared = DynamicCache(), min(common_prefix(prompts), min(map(len, prompts)) - 1)
    if len(prompts) == 1 or shared < _WORTH_SHARING:
        return cache, 0
    alone = DynamicCache()
    model.get_decoder()(input_ids=torch.tensor([prompts[0][:shared]]), past_key_values=alone, use_cache=True)
    padding = [width - len(ids) for ids in prompts]
    for at, layer in enumerate(alone.layers):
        moved = []
        for prefix in (layer.keys, layer.values):  # [1, H, P, head]
            whole = prefix.new_zeros(len(prompts), *prefix.shape[1:])
            for row, pad in enumerate(padding):
                whole[row, :, pad:] = prefix[0, :, : max(shared - pad, 0)]
            moved.append(whole)
        cache.update(*moved, at)
    return cache, shared


def _first_column(hit: torch.Tensor) -> int:
    """First column in which any sequence reads a row, or the width: hit bool [B, T, O]."""
    columns = hit.any(-1).any(0).nonzero()
    return int(columns[0]) if len(columns) else hit.shape[1]


def newline_tokens(tokenizer) -> set[int]:
    """Ids of all tokens whose text holds a line break, and the end-of-text tokens."""
    ends = {token_id for token_id in range(len(tokenizer)) if "\n" in tokenizer.decode([token_id])}
    return ends | set(tokenizer.all_special_ids)
