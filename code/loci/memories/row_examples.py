"""What is learnt when facts are written into rows: token sequences, their addresses, their targets.

A fact is the sentence "<trigger> <answer>." A row is written for every suffix n-gram that lies within the sentence and
ends at the last trigger token or at an answer token; the model at those positions must say the next answer token, and
a full stop after the last. N-grams that reach back before the sentence are never written: they would fire in one
context only. The same sentence is learnt after several contexts; its addresses are the same in all of them.
"""

from dataclasses import dataclass

import torch

from loci.errors import UserError
from loci.models.engram import Graft
from loci.models.rows import RowMap
from loci.models.suffix import ActiveSuffix, CachedSequences

_NO_TARGET = -100


@dataclass(frozen=True)
class Sentence:
    """One fact as text: `trigger` ends without a space, `answer` is what must follow it."""

    trigger: str
    answer: str


@dataclass(frozen=True)
class EncodedSentence:
    """Token ids of context + trigger + answer; `sentence_start` and `answer_start` index into them."""

    ids: list[int]
    sentence_start: int
    answer_start: int


def encode_sentence(tokenizer, context: str, sentence: Sentence) -> EncodedSentence:
    """Tokenise as the reader will: context and trigger as one text, then the answer.

    UserError when the answer cannot be told apart from its trigger in tokens, or does not survive the round trip.
    """
    where = f"fact {sentence.trigger!r}: answer {sentence.answer!r}"
    prompt = tokenizer(context + sentence.trigger, return_offsets_mapping=True, add_special_tokens=False)
    full = tokenizer(f"{context}{sentence.trigger} {sentence.answer}", add_special_tokens=False).input_ids
    answer_start = len(prompt.input_ids)
    if full[:answer_start] != prompt.input_ids or len(full) == answer_start:
        raise UserError(where, "the tokenizer joins it to its trigger", "put a space between them or reword the sentence")
    if tokenizer.decode(full[answer_start:]).strip() != sentence.answer:
        raise UserError(where, "the tokenizer cannot round-trip it", "use characters that the tokenizer knows")
    sentence_start = next(at for at, (_, end) in enumerate(prompt.offset_mapping) if end > len(context))
    return EncodedSentence(full, sentence_start, answer_start)


def stop_token(tokenizer) -> int:
    """The token of the full stop that ends every sentence."""
    return tokenizer(".", add_special_tokens=False).input_ids[-1]


def written_keys(graft: Graft, encoded: EncodedSentence) -> torch.Tensor:
    """Addresses that hold this fact: the n-grams within the sentence that end where an answer token is predicted, [K]."""
    ids = torch.tensor([encoded.ids[encoded.sentence_start :]])
    keys, exists = graft.addressing.addresses(graft.canonicalise(ids), torch.ones_like(ids, dtype=torch.bool))
    at = encoded.answer_start - encoded.sentence_start - 1
    return keys[0, at:][exists[0, at:]]


class ContextExamples:
    """All sentences after one context, ready to be learnt: cached forward, active suffixes, targets."""

    def __init__(self, cached: CachedSequences, encoded: list[EncodedSentence], table: RowMap, stop_id: int):
        predicts_from = torch.tensor([item.answer_start - 1 for item in encoded])
        self.suffix = ActiveSuffix(cached, table, predicts_from)
        self.targets = torch.full(self.suffix.window.shape, _NO_TARGET)  # [F, A]
        for at, item in enumerate(encoded):
            following = torch.tensor([*item.ids[item.answer_start :], stop_id])
            offset = item.answer_start - 1 - int(self.suffix.start[at])
            self.targets[at, offset : offset + len(following)] = following

    def hidden_at_targets(self, values: torch.Tensor, chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Final hidden states [N, d] where a target is read, the target tokens [N], and the sentence of each [N].

        values: rows [R, D] in the order of the table. chosen: int64 [B], which sentences.
        """
        final = self.suffix.forward(values, chosen)
        targets = self.targets[chosen, : final.shape[1]]
        at_batch, at_time = (targets != _NO_TARGET).nonzero(as_tuple=True)
        return final[at_batch, at_time], targets[at_batch, at_time], chosen[at_batch]
