"""Captions: every figure has one, with n and an interval of the ledger, and a key that is not there is one clear line."""

import re
import subprocess

import pytest
from drawing import commands
from steps_path import load_step

from loci.bench.captions import caption_of, load_captions, number, study_entries, tex_of
from loci.bench.ledger import Ledger, write_ledger
from loci.errors import UserError
from loci.paths import PAPER, REFERENCE, ROOT

AUTHORED = PAPER / "captions.yaml"
ENTRY = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 40}


@pytest.fixture
def ledger(tmp_path):
    def written(**entries) -> Ledger:
        write_ledger(tmp_path / "summary.json", {key.replace("__", "."): entry for key, entry in entries.items()})
        return Ledger(tmp_path / "summary.json")

    return written


def test_every_figure_has_a_caption_with_n_and_interval(tmp_path):
    drawn = [script.removeprefix("draw_").removesuffix(".py") for script, *_ in commands()]
    assert set(drawn) <= set(load_captions(AUTHORED))
    sweeps = REFERENCE / "sweeps"
    studies = [sweeps / "reader.json", sweeps / "lora.json", *sorted(sweeps.glob("shared.*.json"))]
    arguments = ["--ledger", str(REFERENCE / "summary.json"), "--studies", *map(str, studies), "--figures", *drawn]
    load_step("write_captions").main([*arguments, "--out", str(tmp_path)])
    for figure in drawn:
        caption = (tmp_path / f"{figure}.tex").read_text(encoding="utf-8")
        assert "(n = " in caption and "]" in caption and "{" not in caption.replace("{[mem]}", ""), figure
        committed = PAPER / "captions" / f"{figure}.tex"
        assert caption == committed.read_text(encoding="utf-8"), f"{committed} is out of date: run `make figures`"


def test_no_number_of_a_result_is_typed_into_a_caption():
    for figure, sentences in load_captions(AUTHORED).items():
        bare = re.sub(r"\{[^}]*\}|95 %|\bF1\b|\bBM25\b|\brank 16\b", "", " ".join(sentences))
        assert not re.search(r"\d", bare), f"{figure}: {bare}"


def test_places_are_filled_from_the_ledger(ledger):
    found = ledger(a__b__x=ENTRY, grown__n9__exact=ENTRY, grown__n30__exact={**ENTRY, "value": 0.125})
    said = caption_of("f", ["One {a.BASE.x}.", "At {*} facts {grown.n*.exact}, n {a.b.x:n}.", "? Never {a.b.y}."], found, "b", {})
    assert said == "One 0.50 [0.25, 0.75] (n = 40). At 30 facts 0.12 [0.25, 0.75] (n = 40), n 40."
    assert caption_of("f", ["{READER.x}"], found, "b", {"READER.x": ENTRY}) == "0.50 [0.25, 0.75] (n = 40)"


@pytest.mark.parametrize("sentence", ["{a.b.y}", "{grown.n*.exact}"])
def test_a_missing_key_is_one_clear_line_and_nothing_is_written(ledger, tmp_path, sentence):
    ledger(a__b__x=ENTRY)
    (tmp_path / "captions.yaml").write_text(f'f: ["{sentence}"]\n', encoding="utf-8")
    arguments = ["--ledger", str(tmp_path / "summary.json"), "--captions", str(tmp_path / "captions.yaml")]
    with pytest.raises(UserError, match=r"caption of f: .*no such key"):
        load_step("write_captions").main([*arguments, "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="g: has no caption"):
        load_step("write_captions").main([*arguments, "--figures", "g", "--out", str(tmp_path / "out")])


@pytest.mark.parametrize("text", ["- a", "f: text", "f: [1]", "f: [a: b]", "f: ["])
def test_captions_of_another_form_are_one_clear_line(tmp_path, text):
    (tmp_path / "captions.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as fault:
        load_captions(tmp_path / "captions.yaml")
    assert "captions.yaml" in str(fault.value) and "\n" not in str(fault.value)


def test_small_numbers_keep_their_digits_and_counts_have_no_interval():
    assert number({"value": -0.0028, "low": -0.005, "high": -0.001, "n": 3}) == "-0.003 [-0.005, -0.001] (n = 3)"
    assert number({"value": 0.96, "n": 2918}) == "0.96 (n = 2,918)"
    assert tex_of("95 % of a_b & [mem]") == r"95 \% of a\_b \& {[mem]}"


def test_results_that_are_no_study_bring_no_entries():
    assert study_entries("matrix", {"experiment": "matrix", "items": [], "metrics": {}}) == {}


def test_the_report_reads_captions_of_the_run():
    template = (PAPER / "captions" / "report.rst").read_text(encoding="utf-8")
    assert 'snakemake.config["captions"]' in template
    listed = subprocess.run(["git", "ls-files", "paper/captions"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "report.rst" in listed and "workflow.rst" in listed
