"""What an adapter does to text and to questions that have nothing to do with its user.

Δ bits per byte against the base model is the same measure as for rows (side_effects.py), on whole texts: an adapter acts at
every position.
"""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from loci.bench.decode import PromptBatch, newline_tokens
from loci.bench.lessons import asked
from loci.bench.score import contains_any
from loci.bench.statistics import estimate
from loci.models.adapters import LoraSlot, LoraWeights
from loci.models.engram import Graft
from loci.models.rows import RowBatch, RowMap
from loci.models.tuning import Example, batches, marked_logits
from loci.paths import DATA
from loci.results import read_json

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
            encoded = [tuple(tokenizer(text).input_ids[:max_tokens]) for text in found]
            examples = [Example(ids, (False, *[True] * (len(ids) - 1))) for ids in encoded if len(ids) > 1]
            nbytes = [len(tokenizer.decode(example.ids, skip_special_tokens=True).encode()) for example in examples]
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


@dataclass(frozen=True)
class Known:
    """A question of common knowledge, and all answers that count."""

    text: str
    accepted: tuple[str, ...]


def common_knowledge() -> list[Known]:
    """Questions that have nothing to do with any user (data/general.json)."""
    path = DATA / "general.json"
    found = read_json(path, "restore it from the repository")["questions"]
    return [Known(one["question"], tuple(one["answers"])) for one in found]


def common_answers(graft: Graft, tokenizer, questions: list[Known], rows: RowMap, max_tokens: int) -> list[dict]:
    """What the model says to each, under rows and whatever its slot holds: {question, prediction, right}. All are asked alike, as
    the shared reader that answers at once has learnt; a right answer is one that holds an accepted one as whole words."""
    ids = [tokenizer(asked(one.text, recited=False)).input_ids for one in questions]
    batch = PromptBatch(graft, ids, tokenizer.pad_token_id, newline_tokens(tokenizer), max_tokens)
    out = []
    for one, decoded in zip(questions, batch.answer(RowBatch.shared(rows, len(ids))), strict=True):
        text = tokenizer.decode(decoded.tokens, skip_special_tokens=True).partition("\n")[0].strip()
        out.append({"question": one.text, "prediction": text, "right": contains_any(text, one.accepted)})
    return out


def entries_of(items: list[dict], base: str, source: str) -> dict[str, dict]:
    """Ledger entries contamination.<condition>.<base>.<text>.dbpb (mean over users, bootstrapped where there are several) and
    contamination.<condition>.<base>.common.right (share of questions)."""
    deltas: dict[str, list[tuple[str, str, float]]] = {}
    rights: dict[str, list[tuple[str, str, float]]] = {}
    for item in items:
        name = f"contamination.{item['condition']}.{base}"
        for kind, delta in item["delta"].items():
            deltas.setdefault(f"{name}.{kind}.dbpb", []).append((item["uid"], kind, delta))
        rights.setdefault(f"{name}.common.right", []).extend(
            (item["uid"], one["question"], one["right"]) for one in item["answers"]
        )
    ledger = {name: estimate(records, proportion=False).entry(source) for name, records in deltas.items()}
    return ledger | {name: estimate(records).entry(source) for name, records in rights.items()}
