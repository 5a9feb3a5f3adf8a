"""What is learnt when facts are written into rows: token sequences, their addresses, their targets.

A fact is the sentence "<trigger> <answer>." A row is written for every suffix n-gram that lies within the sentence and
ends at the last trigger token or at an answer token; the model at those positions must say the next answer token, and
a full stop after the last (a line break after a number: behind "640." the model goes on with decimals). N-grams that
reach back before the sentence are never written: they would fire in one context only. The same sentence is learnt
after several contexts; its addresses are the same in all of them.
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
    """One fact as text: `trigger` ends without a space, `answer` is what must follow it, and `stop` what must follow that.

    stop: a line break after a number and a full stop after everything else, unless given.
    """

    trigger: str
    answer: str
    stop: str = ""


@dataclass(frozen=True)
class EncodedSentence:
    """Token ids of context + trigger + answer, and the token that must end it; the starts index into the ids."""

    ids: list[int]
    sentence_start: int
    answer_start: int
    stop: int

    @property
    def following(self) -> list[int]:
        """What must be predicted from the last trigger token on: the answer, then the stop."""
        return [*self.ids[self.answer_start :], self.stop]


def encode_sentence(tokenizer, context: str, sentence: Sentence) -> EncodedSentence:
    """Tokenise as the reader will: context and trigger as one text, then the answer.

    UserError when the answer cannot be told apart from its trigger in tokens, or does not survive the round trip.
    """
    where = f"fact {sentence.trigger!r}: answer {sentence.answer!r}"
    if not sentence.trigger.strip() or not sentence.answer.strip():
        raise UserError(where, "trigger or answer is empty", "give both, or leave the fact out")
    if "\n" in sentence.answer:
        raise UserError(where, "has a line break, where every reader stops", "write it on one line")
    prompt = tokenizer(context + sentence.trigger, return_offsets_mapping=True)
    full = tokenizer(f"{context}{sentence.trigger} {sentence.answer}").input_ids
    answer_start = len(prompt.input_ids)
    if full[:answer_start] != prompt.input_ids or len(full) == answer_start:
        raise UserError(where, "the tokenizer joins it to its trigger", "put a space between them or reword the sentence")
    if not set(full[answer_start:]).isdisjoint(tokenizer.all_special_ids):
        raise UserError(where, "holds a control token of the tokenizer", "write it without the control token")
    if tokenizer.decode(full[answer_start:]).strip() != sentence.answer:
        raise UserError(where, "the tokenizer cannot round-trip it", "use characters that the tokenizer knows")
    sentence_start = next(at for at, (_, end) in enumerate(prompt.offset_mapping) if end > len(context))
    stop = sentence.stop or ("\n" if sentence.answer[-1].isdigit() else ".")
    return EncodedSentence(full, sentence_start, answer_start, tokenizer(stop, add_special_tokens=False).input_ids[-1])


def written_keys(graft: Graft, encoded: EncodedSentence) -> torch.Tensor:
    """Addresses that hold this fact: the n-grams within the sentence that end where an answer token is predicted, [K]."""
    ids = torch.tensor([encoded.ids[encoded.sentence_start :]])
    keys, exists = graft.addressing.addresses(graft.canonicalise(ids), torch.ones_like(ids, dtype=torch.bool))
    at = encoded.answer_start - encoded.sentence_start - 1
    return keys[0, at:][exists[0, at:]]


class ContextExamples:
    """All sentences after one context, ready to be learnt: cached forward, active suffixes, targets."""

    def __init__(self, cached: CachedSequences, encoded: list[EncodedSentence], table: RowMap):
        predicts_from = torch.tensor([item.answer_start - 1 for item in encoded])
        self.suffix = ActiveSuffix(cached, table, predicts_from)
        self.targets = torch.full(self.suffix.window.shape, _NO_TARGET)  # [F, A]
        for at, item in enumerate(encoded):
            following = torch.tensor(item.following)
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
