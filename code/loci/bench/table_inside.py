"""The inside of a write into a *trained* table: every token reads rows there, facts share them, a convolution carries them on.

The same measures as of a graft (`glass_box`), read from two copies of a model from scratch, one of them written to. The
difference of what their tables add takes the place of what a row adds.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch.nn import functional as F

from loci.bench.glass_box import Placed, effect, effect_parts, frame
from loci.models.bpe import BOS
from loci.models.gpt import GPT, norm
from loci.models.ngram_table import NgramTable
from loci.models.probing import Streams, rank_of
from loci.worlds.records import Fact


@dataclass(frozen=True)
class TableReading:
    """One text [T] read by a model with a table. added: what the table put onto the stream before its block, [T, width].
    gate: [T]."""

    streams: Streams
    added: torch.Tensor
    gate: torch.Tensor


@torch.no_grad()
def read(model: GPT, table: NgramTable, ids: list[int]) -> TableReading:
    """Streams, gates and what the table adds; the stream of the table's block holds what was added already."""
    tokens = torch.tensor([ids])
    with _watched(model, table) as seen:
        hidden = model(tokens)
    stream, below, added = torch.stack([*seen["blocks"], seen["last"]]), seen["below"], seen["added"]
    key = norm(table.key(table.rows(table.addresses(tokens)).flatten(2)))[0]
    score = (key * norm(below)).sum(-1) / below.shape[-1] ** 0.5
    gate = torch.sigmoid(score.sign() * score.abs().clamp_min(1e-6).sqrt())
    return TableReading(Streams(stream, model.logits(hidden)[0]), added, gate)


@contextmanager
def _watched(model: GPT, table: NgramTable) -> Iterator[dict]:
    """Within the block of code: inputs of all blocks, output of the last, and what comes into and out of the table."""
    seen: dict = {"blocks": []}
    handles = [block.register_forward_pre_hook(lambda _, args: seen["blocks"].append(args[0][0])) for block in model.blocks]
    handles.append(model.blocks[-1].register_forward_hook(lambda _, args, out: seen.update(last=out[0][0])))
    handles.append(table.register_forward_hook(lambda _, args, out: seen.update(below=args[0][0], added=out[0])))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def lens(model: GPT, stream: torch.Tensor) -> torch.Tensor:
    """Log-probabilities [..., V] that the final norm and the head see in a stream [..., width]."""
    return F.log_softmax(model.logits(norm(stream)), -1)


def placed_in(fact: Fact, number: int, tokenizer: Tokenizer) -> Placed:
    """The trigger in the middle of a sentence that goes on with something else, behind <|bos|>."""
    shown, text = frame(fact, number, told=False)
    encoded = tokenizer.encode(text, add_special_tokens=False)
    at = max(place for place, (_, end) in enumerate(encoded.offsets) if end <= len(shown)) + 1
    return Placed([tokenizer.token_to_id(BOS), *encoded.ids], at, at + 1)


@torch.no_grad()
def measures(
    plain: GPT, written: GPT, layer: int, ids: list[int], first: int, middle: Placed, elsewhere: list[list[int]]
) -> dict[str, float | list]:
    """One fact. plain, written: the model before and after. ids: <|bos|> and the sentence; its answer begins behind position
    `first`. middle: its trigger in another sentence. elsewhere: tokens of text that is about something else."""
    tables = [model.attached[str(layer)] for model in (plain, written)]
    before, after = (read(model, table, ids[: first + 1]) for model, table in zip((plain, written), tables, strict=True))
    at, token, depth = first, ids[first + 1], layer
    moved = after.added[at] - before.added[at]
    change = after.streams.stream[depth + 1 :, at] - before.streams.stream[depth + 1 :, at]
    alone, direct = lens(plain, moved), lens(plain, before.streams.stream[-1, at] + moved)
    out: dict[str, float | list] = {
        "gate.drawn": float(before.gate[at]),
        "gate.written": float(after.gate[at]),
        "added_to_stream": float(moved.norm() / before.streams.stream[depth, at].norm()),
        "value_first": float(rank_of(alone, token) == 1),
        "direct_first": float(rank_of(direct, token) == 1),
        "said_first": float(rank_of(after.streams.logits[at], token) == 1),
        "plain_first": float(rank_of(before.streams.logits[at], token) == 1),
        "along": [float(F.cosine_similarity(one, moved, 0).clamp_min(0) ** 2) for one in change],
        "lens.none.nats": (-lens(plain, before.streams.stream[:, at])[:, token]).tolist(),
        "lens.rows.nats": (-lens(written, after.streams.stream[:, at])[:, token]).tolist(),
    }
    pair = [read(model, table, middle.ids) for model, table in zip((plain, written), tables, strict=True)]
    parts = effect_parts(effect(pair[0].streams, pair[1].streams, middle.ids), middle)
    out |= {f"open.{name}": value for name, value in parts.items()}
    others = [[read(model, table, text) for model, table in zip((plain, written), tables, strict=True)] for text in elsewhere]
    moved_by = [effect(one.streams, other.streams, text) for (one, other), text in zip(others, elsewhere, strict=True)]
    out["gate.elsewhere"] = float(torch.cat([other.gate for _, other in others]).mean())
    out["gate.elsewhere_drawn"] = float(torch.cat([one.gate for one, _ in others]).mean())
    out["unrelated.kl"] = float(torch.cat([one["kl"] for one in moved_by]).mean())
    return out
