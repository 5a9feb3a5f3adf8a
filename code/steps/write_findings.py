"""Write the numbers into README.md, REPRODUCE.md and docs: what stands between `<!-- begin X -->` and `<!-- end X -->`.

No number of these blocks is typed: findings come from the ledger, times and memory from the benchmark files of the run.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from loci.bench.checklist import checklist_block
from loci.bench.choice import choice_block
from loci.bench.claims import claims_block, failing_block, headlines_block
from loci.bench.distilled_findings import distilled_block
from loci.bench.inside_findings import inside_block
from loci.bench.layered_findings import growth_block, layered_block
from loci.bench.ledger import Ledger, spread
from loci.bench.live_findings import live_block
from loci.bench.locomo_findings import locomo_block
from loci.bench.mem_findings import mem_block
from loci.bench.scratch_findings import scratch_block
from loci.bench.serve_findings import serve_block
from loci.bench.style import name_of, ordered
from loci.errors import UserError, run_step
from loci.paths import REFERENCE, ROOT
from loci.results import read_json, read_text, write_bytes

ANSWERS = ("direct", "paraphrase", "indirect", "updated", "deleted", "unknown")
STORAGE = ("statement", "midconv", "direct", "paraphrase")
WRITES = {"matrix": "clean sentences", "matrix_dialogue": "conversations"}
SHOWN = ("gold", "hybrid", "managed")  # whose numbers stand in the sentences below the tables
CONTROLS = {"rows_donor": "another user's rows", "rows_random": "random rows of equal norm", "none": "no memory"}
TEXTS = {
    "prose": "technical prose",
    "chat": "other people's chat",
    "suffix2": "sentences sharing a trigger's last 2 tokens",
    "suffix3": "… its last 3",
    "suffix4": "… its last 4",
    "others": "other users' stored sentences",
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ledger", type=Path, default=REFERENCE / "summary.json", help="ledger to read (JSON)")
    parser.add_argument("--claims", type=Path, default=REFERENCE / "claims.json", help="verdicts of check_claims.py (JSON)")
    parser.add_argument("--costs", type=Path, default=REFERENCE / "rule_costs.json", help="times of the rules (JSON)")
    parser.add_argument("--base", default="smollm2-135m", help="base model whose numbers are shown")
    parser.add_argument("--checklist", type=Path, default=ROOT / "docs" / "checklist.md", help="file with the block `checklist`")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md", help="file with `short`, `choice`, `claims`")
    parser.add_argument("--findings", type=Path, default=ROOT / "docs" / "findings.md", help="file with `findings`, `failing`")
    parser.add_argument("--reproduce", type=Path, default=ROOT / "REPRODUCE.md", help="file with the block `costs`")
    return parser.parse_args(argv)


def table(ledger: Ledger, experiment: str, base: str, memories: list[str], kinds: Sequence[str]) -> list[str]:
    """One row a memory, one column a kind of question: exact answers, with n in the heading."""
    sizes = {kind: ledger[f"{experiment}.gold.{base}.{kind}.exact"]["n"] for kind in kinds}
    lines = ["| memory | " + " | ".join(f"{kind} (n = {n})" for kind, n in sizes.items()) + " |", "|---" * (len(kinds) + 1) + "|"]
    for memory in memories:
        keys = [f"{experiment}.{memory}.{base}.{kind}.exact" for kind in kinds]
        cells = [spread(ledger[key], 2) if key in ledger else "–" for key in keys]
        lines.append(f"| {name_of(memory)} | {' | '.join(cells)} |")
    return [*lines, ""]


def matrix_block(ledger: Ledger, base: str) -> list[str]:
    """Memories of text with both writes, and rows with their controls."""
    lines = []
    for experiment, told in WRITES.items():
        texts = [
            one for one in ordered(ledger.memories(experiment, base)) if f"{experiment}.{one}.{base}.updated.stale" in ledger
        ]
        texts = [one for one in texts if not one.startswith("rows")]
        lines += [f"### Told in {told}", "", *table(ledger, experiment, base, texts, ANSWERS)]
    rows = [one for one in ordered(ledger.memories("matrix", base)) if one.startswith("rows") or one in ("none", "gold", "prior")]
    rows = [one for one in rows if "_minus_" not in one]
    return [*lines, "### Rows inside the model", "", *table(ledger, "matrix", base, rows, STORAGE)]


def text_block(ledger: Ledger, base: str) -> list[str]:
    """What memories of text recall, keep, leak and cost."""
    k = next(part for part in ledger.parts("recall.hybrid.direct.at_", ""))
    lines = []
    for experiment, told in {"recall": "clean sentences", "recall_dialogue": "conversations"}.items():
        found = [
            f"{name_of(one)} {spread(ledger[f'{experiment}.{one}.direct.at_{k}'])}" for one in ("bm25", "dense", "hybrid", "late")
        ]
        n = ledger[f"{experiment}.hybrid.direct.at_{k}"]["n"]
        lines.append(f"- **The needed note is among {k}**, direct questions after {told} (n = {n:,}): {'; '.join(found)}.")
    for memory in ("hybrid", "managed"):
        sizes = sorted(int(part) for part in ledger.parts(f"growth.{memory}.n", f".direct.at_{k}"))
        if not sizes:
            continue  # not among the memories that grow in this profile
        found = [f"{size:,}: {ledger[f'growth.{memory}.n{size}.direct.at_{k}']['value']:.3f}" for size in sizes]
        slowest = ledger[f"growth.{memory}.n{sizes[-1]}.recall_ms_p95"]["value"]
        lines.append(
            f"- **Growth**, {name_of(memory)}, needed fact among {k} by facts of the user: {'; '.join(found)}; "
            f"p95 of a search at {sizes[-1]:,} facts {slowest:.1f} ms."
        )
    reading = [ledger[f"growth.encoder.query_ms_p{share}"]["value"] for share in (50, 95)]
    lines.append(
        "- **Reading a question** with the sentence encoder, once for every search by vectors: "
        f"p50 {reading[0]:.0f} ms, p95 {reading[1]:.0f} ms."
    )
    for experiment, told in WRITES.items():
        new, old = (
            "; ".join(f"{name_of(one)} {spread(ledger[f'{experiment}.{one}.{base}.{key}'], 2)}" for one in SHOWN)
            for key in ("updated.exact", "deleted.stale")
        )
        lines.append(f"- **After an update** ({told}), the new value is said: {new}. **After a deletion** the old one: {old}.")
    leaks = [ledger[f"recall.{memory}.other.leak"] for memory in ledger.memories("matrix_dialogue", base)]
    worst = max(leak["value"] for leak in leaks)
    lines.append(f"- **Canaries of other users** recalled, most of any memory: {worst:.4f} of n = {leaks[0]['n']:,}.")
    return lines


def contrast_block(ledger: Ledger, base: str) -> list[str]:
    """The paired contrasts of `rows`, where its rows are read by other text, and what it costs."""
    lines = []
    for control, name in CONTROLS.items():
        bare, later = (spread(ledger[f"matrix.rows_minus_{control}.{base}.{kind}.exact"]) for kind in ("statement", "midconv"))
        lines.append(f"- **Rows minus {name}**, paired: bare statements {bare}, mid-conversation {later}.")
    first, whole = (ledger[f"matrix.rows_donor.{base}.statement.{part}"]["value"] for part in ("first_token", "exact"))
    lines.append(
        f"- **The published first-token metric** credits *another user's* rows with {first:.3f} of the bare statements, of which "
        f"{whole:.3f} are right as whole answers: the first token of every number is a blank."
    )
    lines += ["", "| what rows do to | positions that read a row | Δ bits per byte | worst text |", "|---|---|---|---|"]
    for text, name in TEXTS.items():
        hit, delta, worst = (ledger[f"matrix.rows.{base}.{text}.{part}"] for part in ("hit_rate", "dbpb", "dbpb_worst"))
        lines.append(f"| {name} | {spread(hit, 4)} | {spread(delta, 4)} | {worst['value']:.3f} |")
    size, spent = ledger[f"matrix.rows.{base}.bytes"], ledger[f"matrix.rows.{base}.write_seconds_per_fact"]
    lines += ["", f"- **Cost of rows**: {size['value'] / 1e3:.0f} KB a user (float32, indices included) against "]
    lines[-1] += f"{ledger[f'matrix.gold.{base}.bytes']['value'] / 1e3:.1f} KB of text; {spread(spent, 2)} s to write a fact."
    return lines


def density_block(ledger: Ledger, base: str) -> list[str]:
    """Facts in one table, at every size that the ledger has, and what int8 costs at the largest of them."""
    name = f"density.rows.{base}.n"
    sizes = sorted(int(part) for part in ledger.parts(name, ".exact"))
    found = [
        f"{size:,} facts: exact {spread(ledger[f'{name}{size}.exact'])}, first token "
        f"{ledger[f'{name}{size}.first_token']['value']:.3f}"
        for size in sizes
    ]
    lines = [f"- **Facts of one owner in one table** (joint, distinct suffixes): {'; '.join(found)}."]
    stored = [part for part in ("", ".float16", ".int8") if f"{name}{sizes[-1]}{part}.bytes_per_100_facts" in ledger]
    kilo = [
        f"{part.strip('.') or 'float32'} {ledger[f'{name}{sizes[-1]}{part}.bytes_per_100_facts']['value'] / 1000:.0f} kB, exact "
        f"{ledger[f'{name}{sizes[-1]}{part}.exact']['value']:.3f}"
        for part in stored
    ]
    return [*lines, f"- **Bytes of 100 facts**, addresses with them, of {sizes[-1]:,} in one table: {'; '.join(kilo)}."]


def speed_block(ledger: Ledger) -> list[str]:
    """The speed benchmark, where it was run."""
    lines = []
    for size in sorted(int(part) for part in ledger.parts("bench.row_write.speedup.n", "")):
        bound = "at least " if ledger[f"bench.row_write.speedup_lower_bound.n{size}"]["value"] else ""
        lines.append(
            f"- **Writing {size} facts** to first-token recall 0.90: "
            f"{bound}{ledger[f'bench.row_write.speedup.n{size}']['value']:.1f} "
            f"times as fast as the published procedure; to its own rule (whole answers, margin) "
            f"{ledger[f'bench.row_write.seconds_per_fact.n{size}']['value']:.2f} s a fact."
        )
    return lines


def costs_block(costs: dict) -> list[str]:
    """Seconds and peak memory of every rule, and their sum."""
    lines = ["| rule | wall seconds | cores | peak memory (MB) |", "|---|---|---|---|"]
    for rule, cost in sorted(costs["rules"].items()):
        lines.append(f"| `{rule}` | {cost['seconds']:.0f} | {cost['cores']} | {cost['max_rss_mb']:.0f} |")
    minutes, locomo = costs["default_run_seconds"] / 60, costs["of_them_locomo"] / 60
    lines += ["", f"Rules of the default run together: {minutes:.1f} min of two cores ({costs['cpu']}), {locomo:.1f} of them to"]
    lines[-1] += " read, answer and judge LOCOMO, in whose place a short stand-in is read where its file is not given."
    if costs["untimed"]:
        lines.append(f"Not timed, and not in the sum: {', '.join(f'`{job}`' for job in costs['untimed'])}.")
    return lines


def findings_block(ledger: Ledger, base: str) -> list[str]:
    """Everything in words and tables, under headings; a heading whose steps were not run is left out."""
    sections = {
        "Memories of text, and rows": [part(ledger, base) for part in (matrix_block, text_block, contrast_block)],
        "Readers and rows": [layered_block(ledger, base)],
        "Many facts of one owner": [density_block(ledger, base), growth_block(ledger, base), speed_block(ledger)],
        "Models from scratch, and text beyond the window": [scratch_block(ledger, base)],
        "LOCOMO and its judges": [locomo_block(ledger)],
        "Distilled text": [distilled_block(ledger)],
        "Live memory": [live_block(ledger)],
        "[mem] vectors": [mem_block(ledger, base)],
        "Serving many users": [serve_block(ledger)],
        "Inside a write": [inside_block(ledger, base)],
    }
    lines = []
    for heading, blocks in sections.items():
        if found := [line for block in blocks for line in block]:
            lines += ["", f"## {heading}", "", *found]
    return lines


def replace_block(path: Path, name: str, lines: list[str]) -> None:
    """Put the lines between the markers of a file."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    text = read_text(path, "restore it from the repository")
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(text):
        raise UserError(f"{path}: {begin}", "marker not found", "restore the file from the repository")
    body = "\n".join([begin, *lines, end])
    write_bytes(path, pattern.sub(lambda _: body, text, count=1).encode())


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    ledger = Ledger(args.ledger)
    replace_block(args.readme, "choice", choice_block(ledger, args.base))
    replace_block(args.findings, "findings", findings_block(ledger, args.base))
    replace_block(args.checklist, "checklist", checklist_block(sorted(args.ledger.parent.glob("*/*.json"))))
    judged = read_json(args.claims, "run `make figures`")["claims"]
    replace_block(args.readme, "short", headlines_block(judged))
    replace_block(args.readme, "claims", claims_block(judged))
    replace_block(args.findings, "failing", failing_block(judged))
    replace_block(args.reproduce, "costs", costs_block(read_json(args.costs, "run `make promote`")))
    print(f"{args.readme}, {args.findings}, {args.reproduce}: numbers written from {args.ledger} and {args.costs}")


if __name__ == "__main__":
    run_step(main)
