"""Changing a written memory in place: a fact gets another value, or is taken away, and no other fact's row moves a bit.

What an address holds may serve several facts whose triggers end alike. Such rows stay as they are: an update learns on the
rows that no other fact reads, and a deletion drops only those.
"""

import torch

from loci.memories.row_examples import ContextExamples, Sentence, encode_sentence
from loci.memories.row_strategies import Writer, addresses_of
from loci.memories.row_writer import WriteReport, WriteSettings, initial_rows, optimise
from loci.models.rows import RowMap, laid_over
from loci.models.suffix import CachedSequences


def updated(
    writer: Writer,
    rows: RowMap,
    kept: list[Sentence],
    old: list[Sentence],
    new: list[Sentence],
    contexts: list[str],
    settings: WriteSettings,
    seed: int,
) -> tuple[RowMap, WriteReport]:
    """`rows` with the sentences `new` in place of `old`, learnt bare and after `contexts` from where the old ones stood.

    kept: every other sentence of the table; their rows keep their bits. Rows of `old` that nothing needs any more are dropped.
    """
    generator = torch.Generator().manual_seed(seed)
    graft = writer.upper.graft
    groups = [[encode_sentence(writer.tokenizer, context, one) for one in new] for context in ("", *contexts)]
    others, needed = _written(writer, kept), addresses_of(graft, groups[0])
    dropped = _written(writer, old)
    standing = rows.without(dropped[~torch.isin(dropped, torch.cat([others, needed]))])
    fresh = initial_rows(needed, graft.spec.row_width, settings.init_scale, generator)
    table = laid_over([fresh, standing])  # what stands already is where learning begins
    examples = [ContextExamples(CachedSequences(writer.upper, [one.ids for one in group]), group, table) for group in groups]
    movable = ~torch.isin(table.addresses, others)
    return optimise(examples, len(new), table, settings, generator, writer.head, movable=movable)


def forgotten(writer: Writer, rows: RowMap, kept: list[Sentence], gone: list[Sentence]) -> RowMap:
    """`rows` without those that only the sentences `gone` read; the rest keep their bits."""
    dropped = _written(writer, gone)
    return rows.without(dropped[~torch.isin(dropped, _written(writer, kept))])


def _written(writer: Writer, sentences: list[Sentence]) -> torch.Tensor:
    if not sentences:
        return torch.empty(0, dtype=torch.int64)
    return addresses_of(writer.upper.graft, [encode_sentence(writer.tokenizer, "", one) for one in sentences])
