"""The paper from its source and the ledger: definitions of its numbers, one HTML page always, a PDF where LaTeX is installed.

Tables and figures that the source names are those of paper/tables and paper/figures (`make figures`). Nothing is written where a
number is missing from the ledger.
"""

import argparse
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pypandoc

from loci.bench.ledger import Ledger
from loci.bench.paper import definitions, filled
from loci.errors import UserError, run_step
from loci.paths import REFERENCE, ROOT
from loci.results import read_text, write_bytes

_INPUT = re.compile(r"\\input\{(tables/[\w.-]+?)(?:\.tex)?\}")
_GRAPHICS = re.compile(r"(\\includegraphics(?:\[[^\]]*\])?\{figures/[\w.-]+?)(?:\.pdf)?\}")
_SCALED = re.compile(r"\\resizebox\{\\textwidth\}\{!\}\{%\n(.*?\\end\{tabular\})\n\}", re.DOTALL)
_STACK = re.compile(r"\\shortstack\{([^\\{}]*)\\\\\{\\tiny ([^{}]*)\}\}")
_NUMBERS = re.compile(r"\\input\{numbers(?:\.tex)?\}")
_STYLE = (
    "<style>body{max-width:60rem;margin:auto;padding:1rem;font-family:serif;line-height:1.5}img{max-width:100%}"
    "table{font-size:80%;border-collapse:collapse;display:block;overflow-x:auto}td,th{padding:0 .4em}</style>"
)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--source", type=Path, default=ROOT / "paper" / "main.tex", help="the paper (LaTeX)")
    parser.add_argument("--ledger", type=Path, default=REFERENCE / "summary.json", help="ledger to read (JSON)")
    parser.add_argument("--base", default="smollm2-135m", help="base model whose numbers are shown")
    parser.add_argument("--numbers", type=Path, required=True, default=argparse.SUPPRESS, help="definitions to write (LaTeX)")
    parser.add_argument("--html", type=Path, help="page to write; none when not given")
    parser.add_argument("--pdf", action="store_true", help="also run latexmk or tectonic beside the source, where there is one")
    return parser.parse_args(argv)


def page_source(source: str, ledger: Ledger, base: str, path: Path) -> str:
    """The source as pandoc reads it: numbers and tables in their places, figures as PNG. UserError for a file that lacks."""

    def table(match: re.Match) -> str:
        return _STACK.sub(r"\1 \2", _SCALED.sub(r"\1", read_text(path.parent / f"{match[1]}.tex", "run `make figures`")))

    text = _INPUT.sub(table, _NUMBERS.sub("", filled(source, ledger, base, path.name)))
    text = _GRAPHICS.sub(r"\1.png}", text)
    for match in re.finditer(r"\\includegraphics(?:\[[^\]]*\])?\{([^{}]+)\}", text):
        if not (path.parent / match[1]).is_file():
            raise UserError(path.parent / match[1], "no such figure", "run `make figures`")
    return text.replace("figure*", "figure").replace("table*", "table")


def write_page(text: str, folder: Path, out: Path) -> None:
    """One HTML file with everything in it."""
    made = pypandoc.convert_text(
        text,
        "html5",
        "latex",
        [
            "--standalone",
            "--embed-resources",
            "--citeproc",
            "--number-sections",
            "--mathml",
            f"--resource-path={folder}",
            f"--bibliography={folder / 'references.bib'}",
            "--metadata=lang:en",
            "--metadata=link-citations:true",
        ],
    )
    write_bytes(out, made.replace("</head>", f"{_STYLE}</head>", 1).encode())


def write_pdf(source: Path) -> str:
    """Run LaTeX beside the source; what was made, in words. UserError with LaTeX's first complaint where it fails."""
    programs = {
        "latexmk": ["latexmk", "-pdf", "-interaction=nonstopmode", "-halt-on-error", source.name],
        "tectonic": ["tectonic", "--chatter", "minimal", source.name],
    }
    found = next((command for name, command in programs.items() if shutil.which(name)), None)
    if found is None:
        return "no PDF, for neither latexmk nor tectonic is installed"
    run = subprocess.run(found, cwd=source.parent, capture_output=True, text=True, errors="replace", check=False)
    if run.returncode:
        said = [line for line in (run.stdout + run.stderr).splitlines() if line.startswith(("!", "l.", "error:"))]
        raise UserError(source, f"LaTeX fails: {' '.join(said[:2]) or 'see main.log'}", "mend the source")
    return str(source.with_suffix(".pdf"))


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    source, ledger = read_text(args.source, "write it"), Ledger(args.ledger)
    numbers = definitions(source, ledger, args.base, args.source.name)
    text = page_source(source, ledger, args.base, args.source) if args.html else ""
    write_bytes(args.numbers, numbers.encode())
    made = [f"{numbers.count('gdef')} numbers"]
    if args.html:
        write_page(text, args.source.parent, args.html)
        made.append(str(args.html))
    if args.pdf:
        made.append(write_pdf(args.source))
    print(f"{args.numbers}: {', '.join(made)}; every number is one of the ledger")


if __name__ == "__main__":
    run_step(main)
