"""A small explorer of two memories and hostile texts, for tests of the page and of how a browser shows it."""

from pathlib import Path

from loci.bench.explorer_page import page, write_page
from loci.bench.explorer_tables import Column, Table

HOSTILE = '</script><script>window.broken = 1</script><img src=x onerror="window.broken = 2"> & "quoted" \u2028'


def small_page(claims: list[dict] | None = None) -> str:
    """Two matrices of two memories, each with one kind of question and one cost; one answer a cell, told by an attacker."""
    columns = [Column("direct.exact", "direct", "share"), Column("bytes", "bytes a user", "number")]
    rows = [("bm25", "BM25", "text in the prompt"), ("rows", f"rows {HOSTILE}", "inside the model")]
    entries = {
        ("bm25", "direct.exact"): {"value": 0.5, "n": 2, "low": 0.25, "high": 0.75},
        ("rows", "direct.exact"): {"value": 0.25, "n": 1},
        ("bm25", "bytes"): {"value": 1500.0, "n": 2},
    }
    tables = [Table(name, name, columns, rows, entries) for name in ("matrix", "matrix_dialogue")]
    shown = {"q": "q1", "said": HOSTILE, "holds": False, "lines": [HOSTILE], "thought": HOSTILE}
    cells = {f"matrix|{memory}|direct.exact": {"of": 2, "answers": [shown]} for memory in ("bm25", "rows")}
    questions = {"q1": {"text": HOSTILE, "accepted": [HOSTILE], "stale": HOSTILE}, "q2": {"text": "never shown", "accepted": []}}
    return page(tables, cells, questions, claims, "made by a test")


def write_small(path: Path) -> Path:
    """The small page as a file."""
    claim = {"id": HOSTILE, "kind": "result", "sentence": HOSTILE, "source": "a source", "published": None}
    claim |= {"status": "fails", "reason": HOSTILE, "value": 0.5, "low": 0.25, "high": 0.75, "n": 2}
    more = {**claim, "id": "b", "status": "holds"}
    write_page(path, small_page([claim, more]))
    return path
