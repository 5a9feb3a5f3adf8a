"""Extraction measured on a file of triplets: agreement and compression by hand, the step and its figure."""

import numpy as np
import pytest
from steps_path import load_step

from loci.bench.compression import Compressed, compressed, ratio
from loci.bench.evicted import read
from loci.bench.extraction import agreement
from loci.bench.ledger import Ledger, write_ledger
from loci.bench.style import plt
from loci.errors import UserError
from loci.models.bpe import save_bpe, train_bpe
from loci.results import read_result
from loci.worlds.extracted_files import write_extracted
from loci.worlds.prose import document
from loci.worlds.prose_files import write_documents
from loci.worlds.prose_lexicon import many_valued
from loci.worlds.prose_records import Document, Sentence, Triplet

TEXTS = [document(at, 3, "heldout") for at in range(40)]


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe([one.text for one in TEXTS], 500)


def test_agreement_of_counts():
    found = agreement(np.array([[4, 2, 3, 3], [0, 0, 0, 0], [5, 0, 2, 0]]))
    assert found[0] == pytest.approx([1.0, 0.5, 2 / 3]) and not found[1:].any()


def test_a_document_is_as_short_as_what_stands(tokenizer):
    told = [Triplet("Ada", "lives_in", "Ulm", "yes", 1990), Triplet("Ada", "lives_in", "Bern", "yes", 1991)]
    told.append(Triplet("Ada", "studied", "law", "yes", None))
    one = Document(
        "d", "notes", "none", tuple(Sentence(f"Sentence {at}.", (each,), " " if at else "") for at, each in enumerate(told))
    )
    gold = read(one, tokenizer)
    found = compressed(read(one, tokenizer, [[told[0]], [], [told[2]]]), gold, many_valued(), tokenizer, 8)
    ends = sum(len(tokenizer.encode(f" {name}", add_special_tokens=False).ids) + 1 for name in ("Ulm", "law"))
    assert found == Compressed(len(gold.ids) - 1, 2, ends, 2, 1), "the old town stands where the new one was not extracted"
    whole = compressed(gold, gold, many_valued(), tokenizer, 8)
    assert (whole.facts, whole.kept) == (2, 2)
    both = [found, whole]
    assert ratio(both, "vectors").value == pytest.approx((found.tokens + whole.tokens) / 4) and ratio(both, "kept").value == 0.75


@pytest.fixture
def files(tmp_path, tokenizer):
    write_documents(tmp_path / "text.parquet", TEXTS, {})
    save_bpe(tokenizer, tmp_path / "bpe.json")
    halves = [(one, [each.triplets[::2] for each in one.sentences]) for one in TEXTS]
    write_extracted(tmp_path / "found.parquet", halves)
    return tmp_path


def measure(files, **changed) -> dict:
    named = {"text": files / "text.parquet", "extracted": files / "found.parquet", "tokenizer": files / "bpe.json"} | changed
    named["out"] = files / "out.json"
    command = [part for name, value in named.items() for part in (f"--{name}", str(value))]
    load_step("measure_extraction").main([*command, "--compression"])
    return read_result(files / "out.json")["metrics"]


def test_the_step_measures_what_the_file_holds(files):
    found = measure(files)
    stated = [sentence.triplets for one in TEXTS for sentence in one.sentences]
    kept = sum(len(part[::2]) for part in stated) / sum(map(len, stated))
    assert found["extraction.a.all.precision"]["value"] == 1 and found["extraction.a.all.recall"]["value"] == pytest.approx(
        kept, abs=1e-6
    )
    assert found["extraction.a.all.f1"]["n"] == sum(map(len, stated))
    low, high = (found["extraction.a.all.recall"][end] for end in ("low", "high"))
    assert low < kept < high
    kinds = {one.kind for one in TEXTS}
    assert {key.split(".")[2] for key in found if key.startswith("triplet.compression.")} == {"all", *kinds}
    one = found["triplet.compression.all.spelt"]["value"]
    assert 1 < one < found["triplet.compression.all.vectors"]["value"]
    write_extracted(files / "few.parquet", [(TEXTS[0], [each.triplets for each in TEXTS[0].sentences])])
    with pytest.raises(UserError, match=r"few\.parquet: lacks document heldout-3-00000001; extract from .*text\.parquet"):
        measure(files, extracted=files / "few.parquet")


def test_every_point_of_the_figure_is_an_entry(tmp_path):
    step = load_step("draw_extraction")
    keys = [f"extraction.a.{group}.{measure}" for group in step.GROUPS for measure in step.MEASURES]
    keys += [f"triplet.compression.{kind}.{name}" for kind in ("all", "letter") for name in (*step.FORMS, "kept")]
    entries = {}
    for at, key in enumerate(keys):
        value = 0.1 + 0.7 * (at * 0.618 % 1)
        entries[key] = {"value": value, "n": 40, "low": value - 0.05, "high": value + 0.03 + 0.001 * (at % 7), "source": "hand"}
    write_ledger(tmp_path / "summary.json", entries)
    assert len(step.draw(Ledger(tmp_path / "summary.json")).axes) == 2
    for at, key in enumerate(f"extraction.exams.{name}.{group}.f1" for name in "bc" for group in ("all", *step.GROUPS)):
        entries[key] = {"value": 0.05 * at, "n": 9, "low": 0.05 * at, "high": 0.05 * at + 0.01, "source": "hand"}
    write_ledger(tmp_path / "summary.json", entries)
    figure = step.draw(Ledger(tmp_path / "summary.json"))
    agreement_, shorter, strategies, _legend = figure.axes
    for line, name in zip(strategies.lines[::3], "bc", strict=False):
        assert list(line.get_xdata()) == [entries[f"extraction.exams.{name}.{group}.f1"]["value"] for group in step.GROUPS]
    for line, name in zip(agreement_.lines[::3], step.MEASURES, strict=False):
        assert list(line.get_xdata()) == [entries[f"extraction.a.{group}.{name}"]["value"] for group in step.GROUPS]
    for line, name in zip(shorter.lines[::3], step.FORMS, strict=False):
        assert list(line.get_xdata()) == [entries[f"triplet.compression.{kind}.{name}"]["value"] for kind in ("all", "letter")]
    plt.close(figure)
    write_ledger(tmp_path / "summary.json", {"other.key": entries[keys[0]]})
    with pytest.raises(UserError, match="holds no scores of extraction; run the rule measure_extraction"):
        step.main(["--ledger", str(tmp_path / "summary.json"), "--out", str(tmp_path / "f.png")])
