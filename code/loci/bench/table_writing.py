"""Facts written into the table of a model from scratch: does it help that the table, or its way into the model, was trained?

    inside    rows of the trained table itself, changed in place
    beside    an empty table, with the trained projections and addresses of its own
    graft     an empty table on the dense model, with random projections

and, as published controls are, fine-tuned on all facts in one loss:

    table     the whole trained table, its projections and its convolution with it
    model     every weight of the dense model

Of the first three only rows that the facts read are moved. All five are moved until every answer token, and the full stop after
it, leads every other token by the margin of the row writer, on all facts at once. A hashed table has collisions: facts share rows
with each other and with other text, which is what `hits` and the loss on other text measure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from tokenizers import Tokenizer
from torch.nn import functional as F

from loci.models.bpe import BOS
from loci.models.gpt import GPT
from loci.models.ngram_table import NgramTable, TableSpec
from loci.worlds.records import Fact

PLACES = ("inside", "beside", "graft")
TUNED = ("table", "model")
_OWN_SEED = 1_000_003  # of addresses beside the trained ones
_BETWEEN = 10  # steps until all facts are read again
_READ = 128  # facts read at once where nothing is learnt
_KNOWN = 10  # times that a token stands in the training text before it counts as known
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


def sayable(facts: Sequence[Fact], tokenizer: Tokenizer, text: torch.Tensor) -> list[Fact]:
    """Those facts of which every token that is learnt is known from the training text, token ids [N].

    A token that the text never had was only ever pushed down, and all such tokens alike: they share one row of the output head,
    so in a model whose head does not move none of them can lead the others, whatever is written in front of it.
    """
    known = torch.bincount(text, minlength=tokenizer.get_vocab_size()) >= _KNOWN
    lessons = lessons_of(facts, tokenizer)
    return [fact for fact, one in zip(facts, lessons, strict=True) if known[list(one.ids[one.first + 1 :])].all()]


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
    """met: share of facts that lead by the margin. steps: until all did, or the most that were allowed. numbers: how many were
    moved. rows: of the table that were moved, where rows alone are."""

    met: float
    steps: int
    numbers: int
    rows: torch.Tensor | None = None


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
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    name = _name(model, table)

    def hidden(read: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(model, {name: whole.index_put((rows,), values)}, (read,))

    met, steps = _until_said(model, hidden, tokens, targets, [values], rate, margin, most)
    with torch.no_grad():
        table.rows.weight[rows] = values
    return Written(met, steps, values.numel(), rows)


def fine_tune(model: GPT, part: torch.nn.Module, lessons: Sequence[Lesson], rate: float, margin: float, most: int) -> Written:
    """Move all weights of a part of the model until all facts are said, at most `most` steps."""
    tokens, targets = batch_of(lessons)
    weights = list(part.parameters())
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for weight in weights:
        weight.requires_grad_(True)
    met, steps = _until_said(model, model, tokens, targets, weights, rate, margin, most)
    return Written(met, steps, sum(weight.numel() for weight in weights))


def _until_said(
    model: GPT,
    hidden: Callable[[torch.Tensor], torch.Tensor],
    tokens: torch.Tensor,
    targets: torch.Tensor,
    weights: list[torch.Tensor],
    rate: float,
    margin: float,
    most: int,
) -> tuple[float, int]:
    """(share of facts that lead by the margin, steps) after Adam on the tokens that do not yet lead. hidden: the model's output
    [B, T, width] for tokens [B, T] with the weights as they are; targets [B, T], -1 where nothing is learnt.

    A step reads the facts that were behind when all were read last; all are read again every few steps, and in the end.
    """
    optimiser, step = torch.optim.Adam(weights, lr=rate, betas=(0.9, 0.99)), 0
    while True:
        with torch.no_grad():
            left = torch.cat([_behind(model, hidden, *part, margin) for part in _parts(tokens, targets)]).nonzero()[:, 0]
        if not len(left) or step == most:
            return 1 - len(left) / len(tokens), step
        for _ in range(min(_BETWEEN, most - step)):
            learnt = targets[left] >= 0
            logits, wanted = model.logits(hidden(tokens[left])[learnt]), targets[left][learnt]
            behind = _lead(logits, wanted) < margin
            if not behind.any():
                break
            optimiser.zero_grad()
            F.cross_entropy(logits[behind], wanted[behind]).backward()
            optimiser.step()
            step += 1


def _lead(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """By how much each wanted token [M] leads every other one in its logits [M, V]: [M]."""
    others = logits.scatter(1, wanted[:, None], -torch.inf).amax(1)
    return logits.gather(1, wanted[:, None])[:, 0] - others


def _behind(model: GPT, hidden: Callable, tokens: torch.Tensor, targets: torch.Tensor, margin: float) -> torch.Tensor:
    """Whether any token of each fact does not lead by the margin: bool [B]."""
    learnt = targets >= 0
    late = torch.zeros_like(learnt)
    late[learnt] = _lead(model.logits(hidden(tokens)[learnt]), targets[learnt]) < margin
    return late.any(1)


def _parts(tokens: torch.Tensor, targets: torch.Tensor) -> zip:
    return zip(tokens.split(_READ), targets.split(_READ), strict=True)


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
