"""Greedy answers for a batch of prompts, with and without rows.

Prompts are read once without rows, and what several of them begin with is read once for all. A memory that only adds
rows reads them again from its first hit on. Where it hits nothing, neither in the prompt nor in the base model's answer,
that answer is its own: without a hit the logits are the base model's, bit for bit.

Logits are computed for the last position only. Left padding, one KV cache, and the session's own memory of the last
tokens keep cached decoding equal to a full forward (a test holds it to that).
"""

from collections.abc import Set
from dataclasses import dataclass
from functools import lru_cache

import torch
from transformers import DynamicCache

from loci.models.cache import GrowingCache
from loci.models.engram import Graft, Session
from loci.models.rows import RowBatch
from loci.models.suffix import common_prefix

WORTH_SHARING = 16  # tokens; below this one more call costs more than it saves


@dataclass(frozen=True)
class Decoded:
    """tokens: answer token ids up to, not including, the newline. hits: n-grams read in the prompt, and while decoding.
    log_prob: mean natural logarithm of the probabilities with which the answer's tokens, and what ended it, were said."""

    tokens: list[int]
    prompt_hits: int
    answer_hits: int
    log_prob: float


Said = tuple[list[int], float]  # answer tokens, their mean log-probability


class Beginnings:
    """What several prompts begin with, read once and kept for the next batches; the two read last are kept."""

    def __init__(self) -> None:
        self._kept: list[tuple[list[int], list[tuple[torch.Tensor, torch.Tensor]]]] = []

    def read(self, model, ids: list[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Keys and values [1, H, len(ids), head] of each layer; only tokens that no kept beginning has are computed."""
        known, layers = max(self._kept, key=lambda kept: common_prefix([kept[0], ids]), default=([], []))
        shared = common_prefix([known, ids]) if known else 0
        if shared < len(ids):
            cache = DynamicCache()
            for at, (keys, values) in enumerate(layers if shared else []):
                cache.update(keys[:, :, :shared], values[:, :, :shared], at)
            model.get_decoder()(input_ids=torch.tensor([ids[shared:]]), past_key_values=cache, use_cache=True)
            layers = [(layer.keys, layer.values) for layer in cache.layers]
            self._kept = [(ids, layers), *(kept for kept in self._kept if kept[0] is not known or shared < len(known))][:2]
        return [(keys[:, :, : len(ids)], values[:, :, : len(ids)]) for keys, values in layers]


class PromptBatch:
    """B left-padded prompts of up to T tokens, read once without rows.

    An answer stops at a token of `newline_ids` or after `max_tokens` tokens. Batches that begin alike can share `beginnings`.
    """

    @torch.no_grad()
    def __init__(
        self,
        graft: Graft,
        prompts: list[list[int]],
        pad_id: int,
        newline_ids: Set[int],
        max_tokens: int,
        beginnings: Beginnings | None = None,
    ):
        self._graft, self._newlines, self._limit = graft, torch.tensor(sorted(newline_ids), dtype=torch.int64), max_tokens
        width = max(map(len, prompts))
        self._ids = torch.tensor([[pad_id] * (width - len(ids)) + ids for ids in prompts])  # [B, T]
        self._mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts])
        cache = GrowingCache(graft.model.config, width)
        read = _read_shared(graft.model, prompts, width, cache, beginnings or Beginnings())
        session = graft.session(RowBatch.shared(graft.empty_rows(), len(prompts)))
        self._next = _step(session, self._ids[:, read:], self._mask, cache)  # first tokens without rows
        self._layers = [(layer.keys, layer.values) for layer in cache.layers]
        self._plain: dict[int, Said] = {}  # answers without rows, of the prompts for which one was needed

    @torch.no_grad()
    def answer(self, rows: RowBatch) -> list[Decoded]:
        """Greedy continuation of every prompt under `rows`."""
        found = self._graft.session(rows).look_up(self._ids, self._mask.bool()) >= 0  # [B, T, O]
        prompt_hits = found.flatten(1).sum(1).tolist()
        in_prompt = found.flatten(1).any(1)
        quiet = (~in_prompt).nonzero().flatten()
        plain = self._without_rows(quiet)
        out = {at: Decoded(tokens, 0, 0, log_prob) for at, (tokens, log_prob) in zip(quiet.tolist(), plain, strict=True)}
        in_answer = quiet[self._hits_in(rows.select(quiet), quiet, [tokens for tokens, _ in plain])]
        columns = found.any(-1).any(0).nonzero()
        # Where only the answer is hit, reading begins at the last token of the prompt.
        for chosen, first in ((in_prompt.nonzero().flatten(), columns[:1]), (in_answer, self._ids.shape[1] - 1)):
            if len(chosen):
                answered = self._read_again(rows.select(chosen), chosen, int(first))
                for at, (tokens, log_prob), hits in zip(chosen.tolist(), *answered, strict=True):
                    out[at] = Decoded(tokens, prompt_hits[at], hits, log_prob)
        return [out[at] for at in range(len(self._ids))]

    def _without_rows(self, chosen: torch.Tensor) -> list[Said]:
        """The base model's answers to the prompts `chosen` [C], each decoded once."""
        new = torch.tensor([at for at in chosen.tolist() if at not in self._plain], dtype=torch.int64)
        if len(new):
            session = self._graft.session(RowBatch.shared(self._graft.empty_rows(), len(new)))
            cache = self._cache_up_to(new, self._ids.shape[1])
            answers, _ = self._decode(session, cache, tuple(part[new] for part in self._next), self._mask[new])
            self._plain.update(zip(new.tolist(), answers, strict=True))
        return [self._plain[at] for at in chosen.tolist()]

    def _hits_in(self, rows: RowBatch, chosen: torch.Tensor, answers: list[list[int]]) -> torch.Tensor:
        """Which of the answers to the prompts `chosen` [C] read a row while they are said: bool [C]."""
        said = torch.tensor([tokens + [0] * (self._limit - len(tokens)) for tokens in answers], dtype=torch.int64)
        said = said.view(len(chosen), self._limit)
        # The newline and a token at the limit are said, but never read.
        read = torch.tensor([min(len(tokens), self._limit - 1) for tokens in answers], dtype=torch.int64)
        spoken = torch.arange(self._limit) < read[:, None]
        session = self._graft.session(rows)
        session.remember(self._ids[chosen], self._mask[chosen].bool())
        return (session.look_up(said, spoken) >= 0).flatten(1).any(1)

    def _read_again(self, rows: RowBatch, chosen: torch.Tensor, first: int) -> tuple[list[Said], list[int]]:
        """Answers of the prompts `chosen` [C] under rows of their own, read from column `first` on; hits while decoding."""
        ids, mask = self._ids[chosen], self._mask[chosen]
        session = self._graft.session(rows)
        session.remember(ids[:, :first], mask[:, :first].bool())
        cache = self._cache_up_to(chosen, first)
        return self._decode(session, cache, _step(session, ids[:, first:], mask, cache), mask)

    def _cache_up_to(self, chosen: torch.Tensor, width: int) -> GrowingCache:
        """The first `width` columns of the prompts `chosen`, with room for the rest and an answer."""
        cache = GrowingCache(self._graft.model.config, self._ids.shape[1] + self._limit)
        if width:
            for at, (keys, values) in enumerate(self._layers):
                cache.update(keys[chosen, :, :width], values[chosen, :, :width], at)
        return cache

    def _decode(
        self, session: Session, cache: GrowingCache, first: tuple[torch.Tensor, torch.Tensor], mask: torch.Tensor
    ) -> tuple[list[Said], list[int]]:
        """Answers from their first tokens [B] and the log-probabilities of those [B] on, and the n-grams read while they were
        said; ended answers leave the batch."""
        token, log_prob = first
        answers: list[list[int]] = [[] for _ in token]
        sums, counts = [0.0] * len(token), [0] * len(token)
        hits = [0] * len(token)
        member = torch.arange(len(token))  # the prompt that each element of the shrinking batch answers
        open_ = torch.ones_like(token, dtype=torch.bool)
        for left in range(self._limit - 1, -1, -1):
            for at, value in zip(member[open_].tolist(), log_prob[open_].tolist(), strict=True):  # what ends an answer counts
                sums[at], counts[at] = sums[at] + value, counts[at] + 1
            open_ &= ~torch.isin(token, self._newlines)
            for at, said in zip(member[open_].tolist(), token[open_].tolist(), strict=True):
                answers[at].append(said)
            if not left or not bool(open_.any()):
                break
            if 2 * int(open_.sum()) <= len(open_):  # a few ended ones cost less than a copy of the cache for each
                kept = open_.nonzero().flatten()
                member, token, mask, open_ = member[kept], token[kept], mask[kept], open_[kept]
                cache.batch_select_indices(kept)
                session.select(kept)
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
            session.hits.clear()
            token, log_prob = _step(session, token[:, None], mask, cache)
            for at, count in zip(member[open_].tolist(), session.hits[0][open_].flatten(1).sum(1).tolist(), strict=True):
                hits[at] += count
        means = [total / count for total, count in zip(sums, counts, strict=True)]
        return list(zip(answers, means, strict=True)), hits


def _step(session: Session, ids: torch.Tensor, mask: torch.Tensor, cache: GrowingCache) -> tuple[torch.Tensor, torch.Tensor]:
    """Most likely next tokens [B] after new tokens [B, T], and their log-probabilities [B]."""
    logits = session.forward(ids, mask, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
    best, token = logits.max(-1)
    return token, best - logits.logsumexp(-1)


def _read_shared(model, prompts: list[list[int]], width: int, cache: GrowingCache, beginnings: Beginnings) -> int:
    """Read what several prompts begin with once: fills the first columns of the batch's `cache` and says how many.

    In a left-padded batch column c of a prompt with p columns of padding is its token c - p, and keys and values depend
    on the tokens up to there only: they are copies of the shared beginning, moved by p. Padding is masked.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for at, ids in enumerate(prompts):
        groups.setdefault(tuple(ids[:WORTH_SHARING]), []).append(at)
    own = 1  # most tokens that a prompt does not share; the last one is always its own, for its logits
    for members in groups.values():
        shared = common_prefix([prompts[at] for at in members]) if len(members) > 1 else 0
        own = max(own, max(len(prompts[at]) for at in members) - shared)
    read = width - own
    if read < WORTH_SHARING:
        return 0
    padding = [width - len(ids) for ids in prompts]
    layers: list[list[torch.Tensor]] = []
    for members in groups.values():
        length = read - min(padding[at] for at in members)
        if length <= 0:
            continue
        alone = beginnings.read(model, prompts[members[0]][:length])
        if not layers:
            layers = [
                [prefix.new_zeros(len(prompts), prefix.shape[1], read, prefix.shape[3]) for prefix in layer] for layer in alone
            ]
        for whole, layer in zip(layers, alone, strict=True):
            for moved, prefix in zip(whole, layer, strict=True):  # [1, H, length, head]
                for at in members:
                    moved[at, :, padding[at] :] = prefix[0, :, : max(read - padding[at], 0)]
    for at, (keys, values) in enumerate(layers):
        cache.update(keys, values, at)
    return read


@lru_cache(maxsize=4)
def newline_tokens(tokenizer) -> frozenset[int]:
    """Ids of all tokens whose text holds a line break, and the end-of-text tokens; worked out once a tokenizer (0.1 s)."""
    ends = {token_id for token_id in range(len(tokenizer)) if "\n" in tokenizer.decode([token_id])}
    return frozenset(ends | set(tokenizer.all_special_ids))
