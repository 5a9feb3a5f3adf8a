"""Extracted triplets as parquet, beside the documents that they were read from.

Columns: doc_id; triplets, for each sentence a list of {subject, relation, object, polarity, time}; tokens, the words of the text.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from loci.errors import UserError
from loci.results import whole_file
from loci.worlds.prose_records import Document, Triplet

_REMEDY = "run code/steps/extract_prose.py"
_NAMES = ("subject", "relation", "object", "polarity")
_TRIPLET = pa.struct([*((name, pa.string()) for name in _NAMES), ("time", pa.int32())])
SCHEMA = pa.schema([("doc_id", pa.string()), ("triplets", pa.list_(pa.list_(_TRIPLET))), ("tokens", pa.list_(pa.string()))])


def write_extracted(path: Path, parts: Iterable[tuple[Document, Sequence[Sequence[Triplet]]]], group: int = 200) -> int:
    """Write documents with their triplets, whole or not at all, and return how many triplets there are.

    The iterable is consumed once, `group` documents at a time. Raises UserError where `path` is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(path, "is a folder", "give the name of a file in it")
    count, rows = 0, []
    with whole_file(path) as stream, pq.ParquetWriter(stream, SCHEMA, compression="zstd") as writer:
        for document, extracted in parts:
            rows.append(_row(document, extracted))
            count += sum(map(len, extracted))
            if len(rows) == group:
                writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=SCHEMA))
                rows = []
        if rows:
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=SCHEMA))
    return count


def read_extracted(path: Path) -> dict[str, list[list[Triplet]]]:
    """By document the triplets of each sentence, for `loci.bench.evicted.read`. UserError for another file."""
    try:
        table = pq.read_table(path, columns=None)
    except FileNotFoundError:
        raise UserError(path, "no such file", _REMEDY) from None
    except pa.ArrowInvalid:
        raise UserError(path, "is no parquet file", _REMEDY) from None
    if table.schema != SCHEMA:
        raise UserError(path, "does not hold extracted triplets of this version", _REMEDY)
    rows = table.select(["doc_id", "triplets"]).to_pylist()
    return {row["doc_id"]: [[Triplet(**one) for one in of] for of in row["triplets"]] for row in rows}


def read_extracted_of(path: Path, documents: Iterable[Document], source: Path) -> dict[str, list[list[Triplet]]]:
    """The same, of a file that holds all documents of `source`; UserError for the first one that it lacks."""
    found = read_extracted(path)
    for document in documents:
        if document.doc_id not in found:
            raise UserError(path, f"lacks document {document.doc_id}", f"extract from {source}")
    return found


def _row(document: Document, extracted: Sequence[Sequence[Triplet]]) -> dict:
    triplets = [[{**{name: getattr(one, name) for name in _NAMES}, "time": one.time} for one in of] for of in extracted]
    return {"doc_id": document.doc_id, "triplets": triplets, "tokens": document.text.split()}
