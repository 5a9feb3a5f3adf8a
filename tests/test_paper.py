"""The paper: every number is one of the ledger, none is typed; the page and the PDF are made from the same source."""

import re
import shutil

import pytest
from steps_path import load_step

from loci.bench.choice import PLACES, choice_block, choice_table
from loci.bench.ledger import Ledger, write_ledger
from loci.bench.paper import Used, definitions, filled, typed_digits, used
from loci.errors import UserError
from loci.paths import REFERENCE, ROOT

PAPER = ROOT / "paper"
NAMES = {"SmolLM2-135M-Instruct", "F1", "BM25", "BM25's"}  # of models, measures and methods
SOURCE = r"""\documentclass{article}
\input{numbers}
\begin{document}
Rows hold \est{matrix.rows.B.statement.exact} of \sampled{matrix.rows.B.statement.exact} % \est{no.such.key}
and lose \val{a.b}; \ratio{matrix.rows.B.bytes/matrix.text.B.bytes} times the bytes, \kb{matrix.rows.B.bytes} KB.
\end{document}
"""


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    entries = {
        "matrix.rows.tiny.statement.exact": {"value": 0.956, "low": 0.9, "high": 1.0, "n": 1040, "source": "m.json"},
        "matrix.rows.tiny.bytes": {"value": 387_103.0, "n": 10, "source": "m.json"},
        "matrix.text.tiny.bytes": {"value": 1_500.0, "n": 10, "source": "m.json"},
        "a.b": {"value": -0.004, "n": 3, "source": "m.json"},
    }
    write_ledger(tmp_path / "summary.json", entries)
    return Ledger(tmp_path / "summary.json")


def test_numbers_stand_where_their_keys_stood(ledger):
    assert next(iter(used(SOURCE))) == Used(4, "est", "matrix.rows.B.statement.exact")
    text = filled(SOURCE, ledger, "tiny", "main.tex")
    assert "Rows hold 0.96 [0.90, 1.00] of 1,040 \n" in text, "a comment is no text"
    assert "lose 0.00; 258.1 times the bytes, 387 KB." in text, "nothing has no sign"
    made = definitions(SOURCE, ledger, "tiny", "main.tex")
    assert r"\csname loci:est:matrix.rows.B.statement.exact\endcsname{0.96 [0.90, 1.00]}" in made
    assert made == definitions(SOURCE, ledger, "tiny", "main.tex")


def test_a_minus_is_a_minus(ledger, tmp_path):
    write_ledger(tmp_path / "l.json", {"a.b": {"value": -0.5, "low": -1.0, "high": 0.2, "n": 3, "source": "m.json"}})
    below = Ledger(tmp_path / "l.json")
    assert "$-$0.50 [$-$1.00, 0.20]" in definitions(r"\est{a.b}", below, "tiny", "main.tex")
    assert filled(r"\est{a.b}", below, "tiny", "main.tex") == "\N{MINUS SIGN}0.50 [\N{MINUS SIGN}1.00, 0.20]\n"


def test_a_key_that_lacks_is_named_with_its_line(ledger):
    with pytest.raises(UserError, match=r"main\.tex:2: matrix\.rwos\.B\.bytes: is not in the ledger"):
        definitions("\n" + r"\kb{matrix.rwos.B.bytes}", ledger, "tiny", "main.tex")
    with pytest.raises(UserError, match=r"main\.tex:1: a\.b: has no low; use \\val in the place of \\est"):
        definitions(r"\est{a.b}", ledger, "tiny", "main.tex")
    for wrong in (r"\val{a.b/a.b}", r"\ratio{a.b}"):
        with pytest.raises(UserError, match="is not what"):
            definitions(wrong, ledger, "tiny", "main.tex")


def test_typed_digits_are_found_where_they_are_text():
    source = "\\usepackage[margin=2cm]{geometry}\n\\begin{document}\n" + (
        r"\cite{li2026user} saw 95\,\% (\est{a.n5.b}), BM25 \includegraphics[width=0.5\linewidth]{figures/f2}" "\n12 of 30 % 7\n"
    )
    assert typed_digits(source, NAMES) == [(3, "95\\,\\%"), (4, "12"), (4, "30")]


def test_the_paper_has_no_typed_number_and_every_key():
    source = (PAPER / "main.tex").read_text(encoding="utf-8")
    assert typed_digits(source, NAMES) == []
    made = definitions(source, Ledger(REFERENCE / "summary.json"), "smollm2-135m", "main.tex")
    assert (PAPER / "numbers.tex").read_text(encoding="utf-8") == made, "run make figures"
    assert len(list(used(source))) > 60
    cited = {key for group in re.findall(r"\\cite\{([^}]*)\}", source) for key in group.split(",")}
    entries = set(re.findall(r"@\w+\{(\w+),", (PAPER / "references.bib").read_text(encoding="utf-8")))
    assert cited <= entries and entries <= cited, "every reference is cited, every citation has its entry"


def test_the_step_writes_the_page_and_nothing_where_a_number_lacks(ledger, tmp_path):
    step = load_step("make_paper")
    (tmp_path / "main.tex").write_text(SOURCE)
    (tmp_path / "references.bib").write_text("")
    options = ["--ledger", str(tmp_path / "summary.json"), "--base", "tiny"]
    made = [*options, "--numbers", str(tmp_path / "numbers.tex"), "--html", str(tmp_path / "main.html")]
    step.main(["--source", str(tmp_path / "main.tex"), *made])
    page = (tmp_path / "main.html").read_text(encoding="utf-8")
    assert "0.96 [0.90, 1.00] of 1,040" in page and "no.such.key" not in page
    (tmp_path / "bad.tex").write_text(SOURCE.replace("a.b", "a.c"))
    other = [*options, "--numbers", str(tmp_path / "n.tex"), "--html", str(tmp_path / "n.html")]
    with pytest.raises(UserError, match=r"bad\.tex:5: a\.c"):
        step.main(["--source", str(tmp_path / "bad.tex"), *other])
    (tmp_path / "lost.tex").write_text(SOURCE.replace("and lose", r"\includegraphics{figures/none}"))
    with pytest.raises(UserError, match=r"none\.png: no such figure"):
        step.main(["--source", str(tmp_path / "lost.tex"), *other])
    assert not (tmp_path / "n.tex").exists() and not (tmp_path / "n.html").exists()


@pytest.mark.skipif(shutil.which("latexmk") is None, reason="latexmk is not installed")
def test_latex_reads_what_was_made_and_says_where_it_fails(ledger, tmp_path):
    step = load_step("make_paper")
    made = ["--ledger", str(tmp_path / "summary.json"), "--base", "tiny", "--numbers", str(tmp_path / "numbers.tex"), "--pdf"]
    (tmp_path / "main.tex").write_text(SOURCE)
    step.main(["--source", str(tmp_path / "main.tex"), *made])
    assert (tmp_path / "main.pdf").stat().st_size > 1000
    (tmp_path / "bad.tex").write_text(SOURCE.replace("and lose", r"\nosuch"))
    with pytest.raises(UserError, match=r"bad\.tex: LaTeX fails: ! Undefined control sequence"):
        step.main(["--source", str(tmp_path / "bad.tex"), *made])


def test_the_choice_has_what_was_run_and_dashes(tmp_path):
    entry = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 45, "source": "m.json"}
    entries = {f"layered.{name}.b.n{size}.{measure}": entry for name in ("k", "j") for size in (34, 1000)
               for measure in ("paraphrase.exact", "indirect.exact")}  # fmt: skip
    entries |= {f"layered.k.b.n{size}.paraphrase.wrong": {**entry, "value": 0.2, "low": 0.1} for size in (34, 1000)}
    entries |= {f"layered_growth.recited.b.n{size}.{part}": {**entry, "value": value, "n": 5} for size in (34, 1000)
                for part, value in (("bytes", 360_787.0), ("seconds_per_fact", 0.18))}  # fmt: skip
    write_ledger(tmp_path / "summary.json", entries)
    lines = choice_block(Ledger(tmp_path / "summary.json"), "b")
    assert [line for line in lines if line.startswith("| 34 facts a user, 5 users |")]
    assert "unseen wordings, exact (n = 45) | wrong, not declined | indirect, exact (n = 45) |" in lines[0]
    rows = next(line for line in lines if line.startswith("| rows; reciting"))
    assert rows == "| rows; reciting reader | 0.50 [0.40, 0.60] | 0.20 [0.10, 0.60] | 0.50 [0.40, 0.60] | 0.36 MB | 0.2 |"
    assert next(line for line in lines if line.startswith("| an adapter")).endswith("| – | – | – | – | – |")
    table = choice_table(Ledger(tmp_path / "summary.json"), "b")
    assert table.count(PLACES[0].name) == 2 and "1,000 facts a user" in table
    assert "5 users at 34: 45 and 45; 5 users at 1,000: 45 and 45" in table


def test_what_a_place_costs_is_of_the_store_that_answered():
    stores = load_step("grow_layered").STORES
    assert [place.name for place in PLACES if place.answers not in stores[place.store]] == []
