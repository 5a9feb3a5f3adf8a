"""Facts written into the table of a model from scratch: does it help that the table, or its way into the model, was trained?

    inside    rows of the trained table itself, changed in place
    beside    an empty table, with the trained projections and addresses of its own
    graft     an empty table on the dense model, with random projections

Only rows that the facts read are moved. They are moved until every answer token, and the full stop after it, leads every other
token by the margin of the row writer, on all facts at once. A hashed table has collisions: facts share rows with each other and
with other text, which is what `hits` and the loss on other text measure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from tokenizers import Tokenizer
from torch.nn import functional as F

from loci.models.bpe import BOS
from loci.models.gpt import GPT
from loci.models.ngram_table import NgramTable, TableSpec
from loci.worlds.records import Fact

PLACES = ("inside", "beside", "graft")
_OWN_SEED = 1_000_003  # of addresses beside the trained ones
_SCALE = 0.05  # of initial rows where they are empty: exact zeros would leave the gate without a gradient


@dataclass(frozen=True)
class Lesson:
    """ids: <|bos|> and the sentence. first: position from which the next token is learnt, the last one of the trigger."""

    ids: tuple[int, ...]
    first: int


def lessons_of(facts: Sequence[Fact], tokenizer: Tokenizer) -> list[Lesson]:
    """The sentences of facts as tokens."""
    begin, out = tokenizer.token_to_id(BOS), []
    for fact in facts:
        ids = (begin, *tokenizer.encode(fact.statement, add_special_tokens=False).ids)
        shown = tokenizer.encode(fact.trigger, add_special_tokens=False).ids
        out.append(Lesson(ids, len(shown)))  # <|bos|> stands before all of them
    return out


def table_at(place: str, model: GPT, spec: TableSpec, canonical: torch.Tensor, pad: int, seed: int) -> NgramTable:
    """The table that facts are written to, attached to the model at the first layer of `spec`; other rows of it are zero where
    it is empty. The model is changed."""
    layer, width = spec.layers[0], model.shape.width
    if place == "inside":
        return model.attached[str(layer)]
    torch.manual_seed(seed)
    table = NgramTable(replace(spec, layers=(layer,), seed=_OWN_SEED), layer, width, canonical, pad)
    if place == "beside":
        trained = model.attached[str(layer)]
        table.key, table.value, table.taps = trained.key, trained.value, trained.taps
        model.attached[str(layer)] = Together(trained, table)
    else:
        bound = (3 / table.value.in_features) ** 0.5
        with torch.no_grad():
            table.value.weight.uniform_(-bound, bound)
        model.attached[str(layer)] = table
    with torch.no_grad():
        table.rows.weight.zero_()
    return table


class Together(torch.nn.Module):
    """Two tables at one layer; what they add is summed. They must not share a cache: text is read whole."""

    def __init__(self, first: NgramTable, second: NgramTable):
        super().__init__()
        self.first, self.second = first, second

    def forward(self, stream, tokens, cache):
        return self.first(stream, tokens, cache) + self.second(stream, tokens, cache)


def batch_of(lessons: Sequence[Lesson]) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and targets [B, T], -1 where nothing is learnt."""
    longest = max(len(one.ids) for one in lessons) - 1
    tokens, targets = torch.zeros(len(lessons), longest, dtype=torch.int64), torch.full((len(lessons), longest), -1)
    for row, one in enumerate(lessons):
        ids = torch.tensor(one.ids)
        tokens[row, : len(ids) - 1] = ids[:-1]
        targets[row, one.first : len(ids) - 1] = ids[one.first + 1 :]
    return tokens, targets


@dataclass(frozen=True)
class Written:
    """met: share of facts that lead by the margin. steps: until all did, or the most that were allowed. rows: that were moved."""

    met: float
    steps: int
    rows: torch.Tensor


def write(
    model: GPT, table: NgramTable, lessons: Sequence[Lesson], rate: float, margin: float, most: int, seed: int, empty: bool
) -> Written:
    """Move the rows of the facts until all are said, at most `most` steps. empty: draw them first; otherwise they start as they
    are. Nothing else is moved: the values that the model had before stand in the rest of the table, bit for bit."""
    tokens, targets = batch_of(lessons)
    learnt = targets >= 0
    rows = table.addresses(tokens)[learnt].unique()
    whole = table.rows.weight.detach()
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(len(rows), whole.shape[1], generator=generator) * _SCALE if empty else whole[rows].clone()
    values = start.requires_grad_(True)
    optimiser = torch.optim.Adam([values], lr=rate, betas=(0.9, 0.99))
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    owner, step = learnt.nonzero()[:, 0], 0
    while True:
        found = whole.index_put((rows,), values)
        logits = model.logits(torch.func.functional_call(model, {_name(model, table): found}, (tokens,))[learnt])
        wanted = logits.gather(1, targets[learnt][:, None])[:, 0]
        behind = wanted - logits.scatter(1, targets[learnt][:, None], -torch.inf).amax(1) < margin
        met = torch.ones(len(lessons), dtype=torch.bool)
        met[owner[behind]] = False
        if met.all() or step == most:
            break
        loss = F.cross_entropy(logits[behind], targets[learnt][behind])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
    with torch.no_grad():
        table.rows.weight[rows] = values
    return Written(float(met.float().mean()), step, rows)


def _name(model: GPT, table: NgramTable) -> str:
    return next(name for name, weight in model.named_parameters() if weight is table.rows.weight)


@torch.no_grad()
def said(model: GPT, lessons: Sequence[Lesson]) -> list[bool]:
    """Whether the model says the rest of each sentence after its trigger, every token the most likely one."""
    tokens, targets = batch_of(lessons)
    right = (model.logits(model(tokens)).argmax(-1) == targets) | (targets < 0)
    return right.all(1).tolist()


@torch.no_grad()
def hits(table: NgramTable, rows: torch.Tensor, tokens: torch.Tensor) -> float:
    """Share of positions of other text [B, T] that read at least one of the rows."""
    written = torch.zeros(len(table.rows.weight), dtype=torch.bool)
    written[rows] = True
    return float(written[table.addresses(tokens)].flatten(2).any(-1).float().mean())
