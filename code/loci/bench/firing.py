"""Where rows fire: which fact's row is read at which token of a prompt or of what the reader says, and how far its gate is open.

Addresses are made of tokens alone, so where a row fires is looked up without the model; only the gate needs its hidden states.
"""

from dataclasses import dataclass

import torch

from loci.memories.row_examples import Sentence, encode_sentence, written_keys
from loci.models.engram import Graft, gather_rows
from loci.models.rows import RowBatch, RowMap


@dataclass(frozen=True)
class Firing:
    """One position that reads rows. part: "prompt" or "said". at: token of that part. orders: n-grams found. facts: keys of
    the facts whose rows they are. gate: 0 to 1; None where it was not computed."""

    part: str
    at: int
    token: str
    orders: int
    facts: tuple[str, ...]
    gate: float | None = None


def owners_of(graft: Graft, tokenizer, sentences: dict[str, Sentence]) -> dict[int, tuple[str, ...]]:
    """Which facts a written address belongs to; several facts can end in the same tokens."""
    out: dict[int, tuple[str, ...]] = {}
    for key, sentence in sentences.items():
        for address in written_keys(graft, encode_sentence(tokenizer, "", sentence)).tolist():
            out[address] = tuple(dict.fromkeys((*out.get(address, ()), key)))
    return out


@torch.no_grad()
def firings(
    graft: Graft, tokenizer, prompt: str, said: str, rows: RowMap, owners: dict[int, tuple[str, ...]], gates: bool
) -> list[Firing]:
    """Every position of prompt + said that reads one of the rows, in order. gates: run the model for them as well."""
    before = tokenizer(prompt).input_ids
    ids = torch.tensor([[*before, *tokenizer(said, add_special_tokens=False).input_ids]])  # [1, T]
    keys, exists = graft.addressing.addresses(graft.canonicalise(ids), torch.ones_like(ids, dtype=torch.bool))  # [1, T, O]
    batch = RowBatch.shared(rows, 1)
    found = batch.find(keys, exists)
    hits = (found[0] >= 0).any(-1).nonzero().flatten().tolist()
    opened = _gates(graft, ids, batch, found, hits) if gates and hits else [None] * len(hits)
    out = []
    for at, gate in zip(hits, opened, strict=True):
        read = [key for key, row in zip(keys[0, at].tolist(), found[0, at].tolist(), strict=True) if row >= 0]
        facts = tuple(dict.fromkeys(fact for key in read for fact in owners.get(key, ())))
        part, place = ("prompt", at) if at < len(before) else ("said", at - len(before))
        out.append(Firing(part, place, tokenizer.decode(ids[0, at]), len(read), facts, gate))
    return out


def _gates(graft: Graft, ids: torch.Tensor, batch: RowBatch, found: torch.Tensor, hits: list[int]) -> list[float]:
    """Gates at the hit positions, in one forward with the rows in place."""
    states = graft.session(batch).forward(ids, torch.ones_like(ids), output_hidden_states=True, logits_to_keep=1).hidden_states
    hidden = states[graft.spec.layer][0, hits]  # before the rows of this layer are added
    return graft.gate(hidden, gather_rows(batch.values, found[0, hits])).tolist()
