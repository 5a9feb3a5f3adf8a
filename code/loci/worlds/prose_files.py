"""Prose documents as parquet: written row group by row group in bounded memory, whole or not at all.

Columns: doc_id, kind, novel, text; sentences [{start, end}]; triplets [{sentence, start, end, subject, relation, object,
polarity, time}], where start and end are those of the sentence, in characters. A sentence without triplets is in `sentences`
only.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from loci.errors import UserError
from loci.results import whole_file
from loci.worlds.prose_records import Document, Sentence, Triplet

SCHEMA_VERSION = "1"
_ROW_GROUP = 1000  # documents, about 3 MB of text
_REMEDY = "run code/steps/make_prose.py"
_SPAN = pa.struct([("start", pa.int32()), ("end", pa.int32())])
_TRIPLET = pa.struct(
    [
        *((name, pa.int32()) for name in ("sentence", "start", "end")),
        *((name, pa.string()) for name in ("subject", "relation", "object", "polarity")),
        ("time", pa.int32()),
    ]
)
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("doc_id", "kind", "novel", "text")),
        ("sentences", pa.list_(_SPAN)),
        ("triplets", pa.list_(_TRIPLET)),
    ]
)


@dataclass(frozen=True, slots=True)
class Totals:
    """What a file holds. Words are separated by white space."""

    documents: int
    words: int
    sentences: int
    triplets: int


def write_documents(path: Path, documents: Iterable[Document], about: dict[str, str]) -> Totals:
    """Write all documents, with `about` (how they were made) and the totals in the file's metadata.

    The iterable is consumed once, a row group at a time. Raises UserError where `path` is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(path, "is a folder", "give the name of a file in it")
    with whole_file(path) as stream:
        return _write(stream, iter(documents), about)


def read_documents(path: Path) -> Iterator[Document]:
    """All documents of a file that `write_documents` wrote, in bounded memory; UserError for another file."""
    with _open(path) as file:
        if file.schema_arrow != SCHEMA:
            raise UserError(path, "does not hold prose documents of this version", _REMEDY)
        for batch in file.iter_batches(batch_size=_ROW_GROUP):
            yield from map(_document, batch.to_pylist())


def first_words(documents: Iterable[Document], words: int) -> list[Document]:
    """Documents until they have that many words."""
    kept: list[Document] = []
    for document in documents:
        kept.append(document)
        words -= len(document.text.split())
        if words <= 0:
            break
    return kept


def texts_of(path: Path, novel: str | None = None) -> Iterator[str]:
    """The text of every document of a file, or of those whose `novel` is this."""
    return (document.text for document in read_documents(path) if novel in (None, document.novel))


def read_about(path: Path) -> dict[str, str]:
    """How a file was made, and its totals."""
    with _open(path) as file:
        stored = file.metadata.metadata or {}
    return {key.decode(): value.decode() for key, value in stored.items() if key != b"ARROW:schema"}


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except FileNotFoundError:
        raise UserError(path, "no such file", _REMEDY) from None
    except pa.ArrowInvalid:
        raise UserError(path, "is no parquet file", _REMEDY) from None


def _write(stream: BinaryIO, documents: Iterator[Document], about: dict[str, str]) -> Totals:
    counts = [0, 0, 0, 0]
    with pq.ParquetWriter(stream, SCHEMA, compression="zstd") as writer:
        while group := list(islice(documents, _ROW_GROUP)):
            batch = _batch(group)
            writer.write_batch(batch, row_group_size=_ROW_GROUP)
            added = (
                len(group),
                sum(len(text.split()) for text in batch["text"].to_pylist()),
                len(batch["sentences"].values),
                len(batch["triplets"].values),
            )
            counts = [count + more for count, more in zip(counts, added, strict=True)]
        totals = Totals(*counts)
        writer.add_key_value_metadata({"schema": SCHEMA_VERSION, **about, **{name: str(n) for name, n in asdict(totals).items()}})
    return totals


def _batch(group: list[Document]) -> pa.RecordBatch:
    """Columns of a row group; the nested ones are filled flat, which is ten times faster than row by row."""
    spans = [list(document.spans()) for document in group]
    flat: list[tuple] = []
    ends = []
    for document, of in zip(group, spans, strict=True):
        for number, (sentence, (start, end)) in enumerate(zip(document.sentences, of, strict=True)):
            for fact in sentence.triplets:
                flat.append((number, start, end, fact.subject, fact.relation, fact.object, fact.polarity, fact.time))
        ends.append(len(flat))
    columns = [
        [document.doc_id for document in group],
        [document.kind for document in group],
        [document.novel for document in group],
        [document.text for document in group],
        _nested([0, *accumulate(map(len, spans))], [span for of in spans for span in of], _SPAN),
        _nested([0, *ends], flat, _TRIPLET),
    ]
    return pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


def _nested(offsets: list[int], rows: list[tuple], kind: pa.StructType) -> pa.ListArray:
    parts = zip(*rows, strict=True) if rows else ((),) * kind.num_fields
    fields = [kind.field(number) for number in range(kind.num_fields)]
    arrays = [pa.array(part, field.type) for part, field in zip(parts, fields, strict=True)]
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.StructArray.from_arrays(arrays, fields=fields))


def _document(row: dict) -> Document:
    facts: dict[int, list[Triplet]] = {}
    for one in row["triplets"]:
        triplet = Triplet(one["subject"], one["relation"], one["object"], one["polarity"], one["time"])
        facts.setdefault(one["sentence"], []).append(triplet)
    sentences, end = [], 0
    for number, span in enumerate(row["sentences"]):
        text = row["text"]
        sentences.append(Sentence(text[span["start"] : span["end"]], tuple(facts.get(number, ())), text[end : span["start"]]))
        end = span["end"]
    return Document(row["doc_id"], row["kind"], row["novel"], tuple(sentences))
