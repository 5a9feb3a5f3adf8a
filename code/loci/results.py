"""Results files: one JSON a run, one JSONL of raw answers beside it, never half-written.

Shape (schema 1): schema, experiment, config, seed, metrics, items, provenance. A file is written under a temporary
name in the same folder and renamed, so that the final name always holds a whole file. Everything outside `provenance`
is a function of code, data and seed; clocks, machine, versions and measured costs live inside it.
"""

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from loci.errors import UserError

SCHEMA = 1


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A stream whose bytes become the file when the block of code ends, or nothing if it fails: a temporary file in the same
    folder, flushed to disk, then renamed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file or nothing."""
    with whole_file(path) as stream:
        stream.write(content)


def write_json(path: Path, value: object) -> None:
    """Indented JSON with a final newline; keys keep their order; NaN and infinity are refused (ValueError)."""
    write_bytes(path, (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_jsonl(path: Path, records: Iterable[dict]) -> None:
    """One compact JSON object a line."""
    lines = (json.dumps(record, ensure_ascii=False, allow_nan=False) for record in records)
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode())


def read_json(path: Path, remedy: str = "make it again") -> object:
    """The parsed file, or a UserError that names the file, the place of the fault and the remedy."""
    return _parse(Path(path), read_text(path, remedy), remedy)


def read_jsonl(path: Path, remedy: str = "make it again") -> list[dict]:
    """All records of a JSONL file, in order."""
    lines = read_text(path, remedy).removesuffix("\n").split("\n")  # splitlines() would also break inside a JSON string
    return [_parse(f"{path}: line {number}", line, remedy) for number, line in enumerate(lines, 1) if line]


def read_text(path: Path, remedy: str = "make it again") -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(path, "no such file", remedy) from None
    except IsADirectoryError:
        raise UserError(path, "is a folder, not a file", remedy) from None
    except UnicodeDecodeError as fault:
        raise UserError(path, f"not UTF-8 (byte {fault.start})", "save it as UTF-8") from None


def _parse(where: object, text: str, remedy: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as fault:
        raise UserError(where, f"invalid JSON (line {fault.lineno}, column {fault.colno}: {fault.msg})", remedy) from None


def result(experiment: str, config: dict, seed: int | None, metrics: dict, items: object, provenance: dict) -> dict:
    """A results record of the present schema; measured times belong into `provenance`, under `costs`."""
    return {
        "schema": SCHEMA,
        "experiment": experiment,
        "config": config,
        "seed": seed,
        "metrics": metrics,
        "items": items,
        "provenance": provenance,
    }


def read_result(path: Path) -> dict:
    """A results file of the present schema, or a UserError that names what is missing and how to make it again."""
    record = read_json(path, "run the rule that makes it again")
    if not isinstance(record, dict) or "schema" not in record:
        raise UserError(f"{path}: schema", "missing, so this is not a Loci results file", "run the rule that makes it again")
    if record["schema"] != SCHEMA:
        raise UserError(
            f"{path}: schema",
            f"is version {record['schema']}, this code reads version {SCHEMA}",
            "delete the file and run the rule that makes it again",
        )
    missing = {"experiment", "config", "seed", "metrics", "items", "provenance"} - record.keys()
    if missing:
        raise UserError(f"{path}: {', '.join(sorted(missing))}", "missing", "run the rule that makes it again")
    return record


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file, read in pieces."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_text(text: str) -> str:
    """Hex SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def rounded(value: object, digits: int = 6) -> object:
    """Every float of a nested value to `digits` significant digits, so that files stay readable; NaN becomes null."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: rounded(part, digits) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(part, digits) for part in value]
    return value
