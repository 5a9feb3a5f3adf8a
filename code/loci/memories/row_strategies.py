"""Every way to fill a user's rows, behind one function: `write_rows`.

| strategy | how the values are found | published name |
|---|---|---|
| rows | Joint OPT over all facts, after several preceding contexts | ours |
| rows_joint | Joint OPT over all facts, bare sentences only | Joint OPT |
| rows_opt | each fact alone on rows of its own; where two facts share an address the later one stands | OPT |
| rows_dual | least squares: the value path says the answer token and the gate opens | DUAL |
| rows_unembed | pseudo-inverse of the value path on the answer token's unembedding, final norm's gain folded in | UNEMBED_P |
| rows_wte | the same on its input embedding (control) | WTE |
| rows_random | random directions on the rows of `rows`, each of the norm it replaces (control) | RANDOM |

All write the same addresses (those of bare sentences and of sentences in context coincide) and whole answers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from loci.memories.row_examples import ContextExamples, EncodedSentence, Sentence, encode_sentence, written_keys
from loci.memories.row_writer import WriteReport, WriteSettings, initial_rows, optimise
from loci.models.rows import RowMap
from loci.models.suffix import CachedSequences, find_rows
from loci.models.upper import UpperStack

OPTIMISED = ("rows", "rows_joint", "rows_opt")
CLOSED_FORM = ("rows_dual", "rows_unembed", "rows_wte")
STRATEGIES = (*OPTIMISED, *CLOSED_FORM, "rows_random")


@dataclass(frozen=True)
class Writer:
    """What all strategies need: the grafted model's upper stack and its tokenizer."""

    upper: UpperStack
    tokenizer: object

    @property
    def head(self):
        return self.upper.graft.model.get_output_embeddings()


@torch.no_grad()
def write_closed_form(strategy: str, writer: Writer, sentences: list[Sentence], scale: float) -> RowMap:
    """Rows without optimisation; `scale` is the length of the added vector in lengths of the residual stream.

    At each written position of each fact, e solves W_V e = scale |h| u for the unit (un)embedding u of the next token,
    in the least-squares sense with the smallest norm, over the columns of the orders that exist there. `rows_dual`
    asks W_K e to point along the normalised h at the same time. Facts that share an address are averaged.
    """
    graft = writer.upper.graft
    encoded = [encode_sentence(writer.tokenizer, "", item) for item in sentences]
    table = initial_rows(addresses_of(graft, encoded), graft.spec.row_width, 0.0, torch.Generator())
    cached = CachedSequences(writer.upper, [item.ids for item in encoded])
    if strategy == "rows_wte":
        source = graft.model.get_input_embeddings().weight
    else:  # the direction that raises a logit behind the final norm; without its gain a tied model's two controls coincide
        source = writer.head.weight * writer.upper.final_gain()
    total, count = torch.zeros_like(table.values), torch.zeros(len(table), 1)
    solvers: dict[tuple[bool, ...], torch.Tensor] = {}
    for at, item in enumerate(encoded):
        index = find_rows(graft, table, item.ids)  # [T, O]
        positions = torch.arange(item.answer_start - 1, len(item.ids))
        hidden = cached.hidden(torch.tensor([at]), positions[None])[0]  # [A, d]
        wanted = torch.nn.functional.normalize(source[item.following], dim=-1) * hidden.norm(dim=-1, keepdim=True) * scale
        for position, target, stream in zip(positions.tolist(), wanted, hidden, strict=True):
            present = index[position] >= 0
            columns = present.repeat_interleave(graft.spec.row_width)
            key = (strategy == "rows_dual", *present.tolist())
            if key not in solvers:
                maps = graft.w_value[:, columns]
                solvers[key] = torch.linalg.pinv(torch.cat([maps, graft.w_key[:, columns]]) if key[0] else maps)
            opened = stream / stream.norm() * target.norm()
            rows = (solvers[key] @ (torch.cat([target, opened]) if key[0] else target)).view(-1, graft.spec.row_width)
            total[index[position][present]] += rows
            count[index[position][present]] += 1
    return table.with_values(total / count)


def write_optimised(
    strategy: str,
    writer: Writer,
    sentences: list[Sentence],
    contexts: list[str | list[str]],
    settings: WriteSettings,
    seed: int,
    watch: Callable[[RowMap], bool] | None = None,
) -> tuple[RowMap, WriteReport]:
    """Rows by gradient descent: `rows` after every one of `contexts` and bare, the others on bare sentences only.

    contexts: texts that precede every sentence, or lists that hold one text for each.
    watch: see `optimise`; it cannot follow `rows_opt`, whose facts have rows of their own until the end.
    """
    generator = torch.Generator().manual_seed(seed)
    after = ["", *contexts] if strategy == "rows" else [""]
    graft = writer.upper.graft
    before = [[context] * len(sentences) if isinstance(context, str) else context for context in after]
    encoded = [
        [encode_sentence(writer.tokenizer, context, item) for context, item in zip(texts, sentences, strict=True)]
        for texts in before
    ]
    addresses = addresses_of(graft, [item for group in encoded for item in group])
    table = initial_rows(addresses, graft.spec.row_width, settings.init_scale, generator)
    groups = [ContextExamples(CachedSequences(writer.upper, [item.ids for item in group]), group, table) for group in encoded]
    if strategy == "rows_opt":
        return _write_apart(groups[0], encoded[0], table, settings, generator, writer.head)
    return optimise(groups, len(sentences), table, settings, generator, writer.head, watch)


def _write_apart(
    group: ContextExamples, encoded: list[EncodedSentence], table: RowMap, settings: WriteSettings, generator, head
) -> tuple[RowMap, WriteReport]:
    """OPT: each fact learns rows of its own, as if alone; laid over each other in order, the last write wins.

    The facts share minibatches but no row: each (fact, address) pair gets a private copy, and a fact reads no other's.
    """
    suffix = group.suffix
    predicts = torch.tensor([item.answer_start - 1 for item in encoded])
    own = (suffix.index >= 0) & (suffix.window >= predicts[:, None])[..., None]
    fact = torch.arange(len(encoded))[:, None, None].expand_as(suffix.index)
    pairs, private = torch.stack([fact[own], suffix.index[own]]).unique(dim=1, return_inverse=True)
    suffix.index = torch.full_like(suffix.index, -1).masked_scatter(own, private)
    start = RowMap(torch.arange(pairs.shape[1]), table.values[pairs[1]])
    apart, report = optimise([group], len(encoded), start, settings, generator, head)
    values = table.values.clone()
    for row, learnt in zip(pairs[1].tolist(), apart.values, strict=True):  # pairs are sorted by fact
        values[row] = learnt
    return table.with_values(values), report


def randomised(rows: RowMap, seed: int) -> RowMap:
    """Random directions, each of the norm of the row that it replaces."""
    noise = torch.randn(rows.values.shape, generator=torch.Generator().manual_seed(seed))
    return rows.with_values(torch.nn.functional.normalize(noise, dim=-1) * rows.values.norm(dim=-1, keepdim=True))


def addresses_of(graft, encoded: list[EncodedSentence]) -> torch.Tensor:
    """Addresses of the rows that these sentences are written to, int64 [R], increasing."""
    return torch.cat([written_keys(graft, item) for item in encoded]).unique()
