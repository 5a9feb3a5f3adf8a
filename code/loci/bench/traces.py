"""Written rows, read back for asking and for measuring."""

from pathlib import Path

from loci.errors import UserError
from loci.models.rows import RowMap
from loci.results import read_result, sha256_file


def load_traces(rows_file: Path, about: dict[str, str], seed: int) -> dict[tuple[str, str], RowMap]:
    """Rows by (user, memory), each checked against the hash in the result that lists it and against the graft."""
    written = read_result(rows_file)
    if written["seed"] != seed:
        raise UserError(f"{rows_file}: seed", f"is {written['seed']}, asked for {seed}", "give the result of the same seed")
    traces = {}
    for item in written["items"]:
        path = rows_file.parent / item["trace"]
        if not path.exists() or sha256_file(path) != item["trace_sha256"]:
            raise UserError(path, "missing or not the trace that the result lists", f"delete {rows_file} and run write_rows.py")
        traces[item["uid"], item["memory"]] = RowMap.load(path, about)
    return traces
