"""The explorer as one HTML page: tables that can be read without its script, and the raw answers as data for it.

Whatever a model said is escaped; the page may run its own script alone and may load nothing (its Content-Security-Policy).
"""

import base64
import hashlib
import json
from collections import Counter
from html import escape
from pathlib import Path

from loci.bench.explorer_tables import STATUSES, Column, Table
from loci.paths import DATA
from loci.results import read_text, write_bytes

_STYLE, _SCRIPT = DATA / "explorer" / "page.css", DATA / "explorer" / "page.js"
_MARKS = dict(zip(STATUSES, "✓✗–", strict=True))
_NOTES = {
    "matrix": "Share of exact answers; right of “deleted” and “unknown” is that it is not known. A blue bar should be long, an "
    "orange one short. Below each share its 95 % interval over users.",
    "matrix_dialogue": "The same, after the facts stood in dated conversations.",
    "layered": "Which adapter, which rows and which lines in the prompt stand behind an answer. Controls: the reader alone, "
    "another user’s rows, needed facts.",
    "locomo": "Aggregates over LOCOMO’s test conversations. Its text is not Loci’s to give away: a cell opens ids of questions "
    "and turns.",
    "standin": "Aggregates over made-up conversations in LOCOMO’s form, where its own file is not given.",
}


def page(tables: list[Table], cells: dict, questions: dict, claims: list[dict] | None, about: str) -> str:
    """The whole page. cells, questions: see raw_samples; a number whose cell has no answers opens nothing. claims: None where the
    run has no list. about: what it was made from, for the foot."""
    script = read_text(_SCRIPT, "restore it from the repository")
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    used = {f"{table.experiment}|{row}|{measure}" for table in tables for row, measure in table.entries}
    shown = {name: cell for name, cell in cells.items() if name in used}
    asked = {answer["q"] for cell in shown.values() for answer in cell["answers"]}
    kept = {"cells": shown, "questions": {qid: one for qid, one in questions.items() if qid in asked}}
    sections = [_section(table, shown) for table in tables]
    links = [(_anchor(table), table.title) for table in tables]
    if claims is not None:
        sections.append(_claims(claims))
        links.append(("claims", "Claims"))
    jump = "".join(f'<li><a href="#{anchor}">{escape(title)}</a></li>' for anchor, title in links)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>Loci: the answers behind the numbers</title>
<style>
{read_text(_STYLE, "restore it from the repository")}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the tables</a>
<header>
<h1>Loci: the answers behind the numbers</h1>
<p>Every memory against every kind of question. A heading sorts its column; a share opens a sample of the raw answers that it
counts; Tab reaches a table, the arrow keys its cells, Escape closes what was opened.</p>
<noscript><p>Without JavaScript the tables can be read, but not sorted, filtered or opened.</p></noscript>
<nav aria-label="Tables"><ul>{jump}</ul></nav>
{_tools(tables)}
<p id="said" role="status"></p>
</header>
<main id="main">
{"".join(sections)}
</main>
<dialog id="answers" aria-labelledby="title">
<h2 id="title"></h2>
<p id="about"></p>
<ol id="list"></ol>
<button type="button" id="close">Close</button>
</dialog>
<footer>{escape(about)}</footer>
<script type="application/json" id="data">{_json(kept)}</script>
<script>{script}</script>
</body>
</html>
"""


def write_page(path: Path, text: str) -> int:
    """Write the page whole or not at all; its size in bytes."""
    content = text.encode()
    write_bytes(path, content)
    return len(content)


def _json(value: object) -> str:
    """JSON that cannot end the element it stands in, whatever the texts are."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _tools(tables: list[Table]) -> str:
    """Filters of all tables of memories; only with a script do they do anything."""
    kinds = {column.measure: column.title for table in tables for column in table.columns if _of_users(table, column)}
    boxes = "".join(
        f'<label><input type="checkbox" name="kind" value="{escape(measure)}" checked> {escape(title)}</label>'
        for measure, title in kinds.items()
    )
    groups = sorted({group for table in tables for *_, group in table.rows})
    choices = "".join(f'<option value="{escape(group)}">{escape(group)}</option>' for group in groups)
    told = "".join(
        f'<label><input type="radio" name="told" value="{value}"{" checked" if value == "matrix" else ""}> {words}</label>'
        for value, words in (("matrix", "clean sentences"), ("matrix_dialogue", "conversations"), ("both", "both"))
    )
    return f"""<form class="tools needs-script" id="tools" aria-label="Filters" hidden>
<fieldset><legend>Told in</legend>{told}</fieldset>
<label class="field"><span class="name">Memory contains</span><input type="search" id="wanted" autocomplete="off"></label>
<label class="field"><span class="name">Kind of memory</span>
<select id="group"><option value="">all</option>{choices}</select></label>
<details><summary>Kinds of question</summary>
<fieldset><legend class="hidden">Kinds of question</legend>{boxes}</fieldset></details>
<button type="button" id="everything">Show everything</button>
</form>"""


def _of_users(table: Table, column: Column) -> bool:
    """Whether a column is a kind of question that users are asked, and can be left out."""
    return table.experiment not in ("locomo", "standin") and column.kind != "number"


def _anchor(table: Table) -> str:
    return f"table-{table.experiment}"


def _section(table: Table, cells: dict) -> str:
    usual = {column.measure: _usual_n(table, column) for column in table.columns}
    heads = "".join(_head(column, usual[column.measure]) for column in table.columns)
    body = []
    for row, name, group in table.rows:
        found = "".join(_cell(table, row, column, usual[column.measure], cells) for column in table.columns)
        body.append(
            f'<tr data-name="{escape(name)}" data-group="{escape(group)}">'
            f'<th scope="row" data-v="{escape(name)}">{escape(name)}</th>{found}</tr>'
        )
    note = _NOTES[table.experiment]
    write = f' data-write="{table.experiment}"' if table.experiment.startswith("matrix") else ""
    anchor = _anchor(table)
    return f"""<section id="{anchor}"{write} aria-labelledby="{anchor}-title">
<h2 id="{anchor}-title">{escape(table.title)}</h2>
<div class="wide"><table class="memories" data-title="{escape(table.title)}">
<caption>{escape(note)}</caption>
<thead><tr><th scope="col" data-text="1" data-name="memory"><button type="button">memory</button></th>{heads}</tr></thead>
<tbody>
{chr(10).join(body)}
</tbody>
</table></div>
</section>
"""


def _usual_n(table: Table, column: Column) -> int | None:
    """The n that most entries of a column have."""
    counts = Counter(entry["n"] for (_, measure), entry in table.entries.items() if measure == column.measure and "n" in entry)
    return counts.most_common(1)[0][0] if counts else None


def _head(column: Column, n: int | None) -> str:
    first = "ascending" if column.kind != "share" else "descending"
    counted = f'<span class="n">n = {n:,}</span>' if n is not None else ""
    return (
        f'<th scope="col" data-measure="{escape(column.measure)}" data-name="{escape(column.title)}" data-first="{first}">'
        f'<button type="button">{escape(column.title)}</button>{counted}</th>'
    )


def number(value: float, column: Column) -> str:
    """A share with two decimals, anything else with as many digits as say something."""
    if column.kind != "number":
        return f"{value + 0.0:.2f}"
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.1f}"


def _cell(table: Table, row: str, column: Column, usual: int | None, cells: dict) -> str:
    entry = table.entries.get((row, column.measure))
    if not entry:
        return '<td class="none">not asked</td>'
    value = entry["value"]
    interval = f"{number(entry['low'], column)}–{number(entry['high'], column)}" if "low" in entry else ""
    few = f"n = {entry['n']:,}" if entry.get("n") != usual and "n" in entry else ""
    small = f"<small>{', '.join(filter(None, (interval, few)))}</small>" if interval or few else ""
    bar = f' style="--v:{100 * min(max(value, 0), 1):.1f}%"' if column.kind != "number" else ""
    name = f"{table.experiment}|{row}|{column.measure}"
    text = f"<b>{number(value, column)}</b>{small}"
    if name in cells:
        title = f"{number(value, column)}, 95 % interval {interval or 'not given'}, n = {entry.get('n', 'not given')}."
        more = '<span class="hidden"> (open answers)</span>'
        text = f'<button type="button" data-cell="{escape(name)}" title="{escape(title)}">{text}{more}</button>'
    return f'<td class="number {column.kind}" data-v="{value:.6g}"{bar}>{text}</td>'


def _claims(claims: list[dict]) -> str:
    """The list of claims, each with what was published and what was found."""
    rows = []
    for one in claims:
        status = str(one["status"] or STATUSES[-1])
        found = _plain(one["value"])
        if one["low"] is not None and one["high"] is not None:
            found += f" [{_plain(one['low'])}, {_plain(one['high'])}]"
        told = f'<span class="status">{_MARKS.get(status, "–")} {escape(status)}</span> {escape(_plain(one["reason"]))}'
        texts = "".join(
            f'<td data-v="{escape(_plain(one[name]))}">{escape(_plain(one[name]))}</td>'
            for name in ("kind", "sentence", "source", "published")
        )
        for value, text in ((one["value"], found), (one["n"], _plain(one["n"]))):
            texts += "<td></td>" if value is None else f'<td data-v="{escape(_plain(value))}">{escape(text)}</td>'
        rows.append(
            f'<tr data-status="{escape(status)}"><th scope="row" data-v="{escape(str(one["id"]))}">{escape(str(one["id"]))}</th>'
            f'<td data-v="{escape(status)}">{told}</td>{texts}</tr>'
        )
    heads = "".join(
        f'<th scope="col"{"" if name in ("found", "n") else " data-text=1"} data-name="{name}">'
        f'<button type="button">{name}</button></th>'
        for name in ("claim", "here", "kind", "sentence", "source", "published", "found", "n")
    )
    known = [*STATUSES, *sorted({str(one["status"]) for one in claims if one["status"]} - set(STATUSES))]
    choices = "".join(f'<option value="{escape(status)}">{escape(status)}</option>' for status in known)
    return f"""<section id="claims" aria-labelledby="claims-title">
<h2 id="claims-title">Claims</h2>
<p class="needs-script" hidden><label>Show <select id="status"><option value="">all</option>{choices}</select></label></p>
<div class="wide"><table data-title="Claims">
<caption>Published claims of the source systems, corrections and new results, each with what this run found of it.</caption>
<thead><tr>{heads}</tr></thead>
<tbody>
{chr(10).join(rows)}
</tbody>
</table></div>
</section>
"""


def _plain(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
