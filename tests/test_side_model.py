"""Extraction B: how text is cut, what a word is to say, what is hidden in training, that a model learns to copy, its steps."""

import importlib.util
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
import yaml
from steps_path import load_step

from loci.bench.extraction import ExtractionScore
from loci.config import load_config
from loci.errors import UserError
from loci.memories import side_training
from loci.memories.prose_facts import ENDED, HOLDS, NEVER
from loci.memories.prose_words import words_of
from loci.memories.side_model import Reader, SideModel, SideSettings
from loci.memories.side_stream import Follower
from loci.memories.side_training import begin, examples_of, hidden, train
from loci.memories.side_words import (
    BEGINS,
    CAPITAL,
    GOES_ON,
    SEPARATOR,
    UNKNOWN,
    Places,
    anchors_of,
    segments_of,
    window_of,
)
from loci.paths import CONFIG, ROOT
from loci.results import read_result
from loci.worlds.extracted_files import read_extracted
from loci.worlds.prose import document
from loci.worlds.prose_files import read_documents, write_documents
from loci.worlds.prose_records import Document, Sentence, Triplet

SMALL = SideSettings(width=32, least=24, context=24, names=6, epochs=2, batch=8, rate=0.005, surely=0.5)
TOLD = Document(
    "hand",
    "letter",
    "none",
    (
        Sentence("Ada Berg wrote this.", ()),
        Sentence("She lives in Ulm.", (Triplet("Ada Berg", "lives_in", "Ulm", "yes", 1970),), " "),
        Sentence(
            "She has never lived in Graz, nor does she still sing.", (Triplet("Ada Berg", "lives_in", "Graz", "no", None),), " "
        ),
        Sentence("The old mill employs her on Tuesdays.", (Triplet("Ada Berg", "works_at", "the old mill", "yes", 1970),), "\n"),
        Sentence("Not any more.", (Triplet("Ada Berg", "works_at", "the old mill", "no", 1971),), " "),
    ),
)
NAMES = {"Ada Berg", "Ulm", "Graz", "the old mill", "Tuesday"}


@pytest.fixture(scope="module")
def words():
    return words_of(TOLD.text)


def test_segments_are_whole_sentences_and_cover_the_text(words):
    found = list(segments_of(TOLD, words, 8))
    assert [one.first for one in found] == [0, *(one.last for one in found[:-1])] and found[-1].last == len(words.words)
    assert [number for one in found for number, _ in one.sentences] == list(range(5))
    assert all(one.last - one.first >= 8 for one in found[:-1])
    for number, last in (of for one in found for of in one.sentences):
        assert words.ends[last] == list(TOLD.spans())[number][1], "a segment ends where a sentence does"
    (whole,) = segments_of(TOLD, words, 500)
    assert (whole.first, whole.last) == (0, len(words.words))
    real = document(3, 5, "train")
    cut = list(segments_of(real, words_of(real.text), 30))
    assert [number for one in cut for number, _ in one.sentences] == list(range(len(real.sentences)))


def test_names_stand_in_front_once_they_are_out_of_sight(words):
    places = Places(words, NAMES)
    last = list(segments_of(TOLD, words, 8))[2]
    earlier = places.last_before(last.first)
    assert [words.between(*one) for one in sorted(earlier)] == ["Ada Berg", "Ulm", "Graz"]
    order = window_of(last, earlier, 2, 9)
    told = " ".join("|" if at == SEPARATOR else words.words[at] for at in order)
    assert told.startswith("| Ada Berg | Ulm | Graz | sing . The old mill"), "in their order, then two words before"
    assert window_of(last, earlier, 2, 1)[:2] == [SEPARATOR, *range(*max(earlier))], "only the latest where there is room for one"
    assert SEPARATOR not in window_of(last, earlier, 500, 9)[1:], "what is in sight is not said again"


def test_a_word_says_the_triplet_of_its_sentence(words):
    places = Places(words, NAMES)
    (segment,) = segments_of(TOLD, words, 500)
    said = {words.words[one.at]: one for one in anchors_of(TOLD, places, segment)}
    assert list(said) == ["Ulm", "Graz", "The", "."]
    assert [one.tone for one in said.values()] == [HOLDS, NEVER, HOLDS, ENDED]
    assert all(one.subjects == (0,) for one in said.values()), "she is who was named in full"
    assert said["."].at == len(words.words) - 1 and said["."].objects == (words.words.index("The"),), "a thing not named again"
    assert [places.tags[words.words.index(word)] for word in ("Ada", "Berg", "Tuesdays")] == [BEGINS, GOES_ON, BEGINS]


def test_the_first_word_of_a_name_stands_for_it():
    text = Document("d", "letter", "none", (Sentence("Ada Berg and Ada met old Mill and the old mill.", ()),))
    words = words_of(text.text)
    places = Places(words, NAMES)
    assert places.of("Ada Berg") == [0, 3] and places.tags[3] == BEGINS
    assert places.of("the old mill") == [8] and places.short == {"ada": [3]}, "a small letter shortens nothing"
    model = SideModel(SMALL, ["|"], ["r"], [], [])
    reader = Reader(model, words)
    reader._remember(range(len(words.words)), places.tags)
    order = list(range(len(words.words)))
    assert reader._name(order, places.tags, 3) == "Ada Berg" and reader._name(order, places.tags, 8) == "the old mill"
    assert ("ada",) not in reader._last and ("ada", "berg") in reader._last


def test_hidden_names_stay_equal_and_everything_else_stays(monkeypatch):
    model = begin([TOLD, document(0, 1, "train")], SMALL, 0)
    monkeypatch.setattr(side_training, "_HIDE_ALL", 1.0)
    monkeypatch.setattr(side_training, "_HIDE_WORD", 0.0)
    twice = replace(TOLD, sentences=(*TOLD.sentences, Sentence("Ada sleeps.", (), " "), Sentence("Ada Berg sleeps.", (), " ")))
    model.settings = replace(SMALL, least=500)
    (example,) = examples_of(model, twice)
    out = hidden(example, np.random.default_rng(0))
    text = [word.casefold() for word in words_of(twice.text).words]
    ada = [1 + at for at, word in enumerate(text) if word == "ada"]  # behind the mark
    assert len(ada) == 3 and (out[ada] == out[ada[0]]).all() and out[ada[0], 0] == UNKNOWN and out[ada[0], 1] == CAPITAL
    assert (out[ada, 2:] != example.inputs[ada, 2:]).any() and ((out[:, 2:] == 0) == (example.inputs[:, 2:] == 0)).all()
    untouched = [1 + text.index(word) for word in ("wrote", "lives", "never", "employs", "sleeps")]
    assert (out[untouched] == example.inputs[untouched]).all()
    assert not (hidden(example, np.random.default_rng(1))[ada[0]] == out[ada[0]]).all(), "each time with other pieces"


def test_a_model_learns_to_copy_and_never_sees_gold():
    learned = [document(0, 21, "train")]
    model = begin(learned, replace(SMALL, epochs=100), 0)
    examples = [one for each in learned for one in examples_of(model, each)]
    losses = train(model, examples, 0)
    assert losses[-1] < 0.2 * losses[0]
    score = ExtractionScore()
    for each in learned:
        found = model.extract(replace(each, sentences=tuple(replace(one, triplets=()) for one in each.sentences)))
        assert found == model.extract(each)
        score.add(each, found)
    assert score.metrics()["f1"] > 0.7


def test_the_same_model_comes_back_from_its_file(tmp_path):
    model = begin([TOLD], SMALL, 0)
    train(model, list(examples_of(model, TOLD)), 0)
    model.settings = replace(model.settings, surely=0.0)  # every word says something
    model.save(tmp_path / "side.safetensors")
    other = SideModel.load(tmp_path / "side.safetensors")
    assert asdict(other.settings) == asdict(model.settings) and other.extract(TOLD) == model.extract(TOLD) != [[]] * 5
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "side.safetensors").read_bytes()[:500])
    torch.save({}, tmp_path / "none.safetensors")
    for name, message in (("cut", "holds no weights, or was cut short"), ("none", "holds no weights"), ("away", "no such file")):
        with pytest.raises(UserError, match=message):
            SideModel.load(tmp_path / f"{name}.safetensors")
    with pytest.raises(UserError, match="documents to learn from: hold no triplets"):
        begin([replace(TOLD, sentences=TOLD.sentences[:1])], SMALL, 0)


def test_a_follower_reads_the_same_in_its_own_time(words, monkeypatch):
    model = begin([TOLD], replace(SMALL, surely=0.0), 0)
    segments, reader = list(segments_of(TOLD, words, 8)), Reader(model, words)
    wanted = [one for segment in segments for one in reader.read(segment)]
    assert wanted
    with Follower(model, words) as follower:
        assert follower.ready() == [] and follower.behind == 0
        for segment in segments:
            follower.evict(segment)
        found = follower.ready()
        assert found + follower.rest() == wanted and follower.behind == 0
    monkeypatch.setattr(Reader, "read", lambda *_: 1 / 0)
    with Follower(model, words) as follower:
        follower.evict(segments[0])
        with pytest.raises(ZeroDivisionError):
            follower.rest()


def test_the_benchmark_times_both(tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("bench_side_reader", ROOT / "benchmarks" / "side_reader.py")
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    benchmark.main(["--config", str(CONFIG / "smoke.yaml"), "--texts", "1", "--out", str(tmp_path / "bench.json")])
    found = read_result(tmp_path / "bench.json")["metrics"]
    assert found["alone_ms"] > 0 and found["beside_ms"] > 0 and found["segments"] > 0
    assert 0 <= found["behind_words"] <= found["behind_words_most"] < found["words"]
    assert "words after their text has left the window" in capsys.readouterr().out


@pytest.fixture
def files(tmp_path):
    """Two small files of documents and a profile."""
    settings = load_config(CONFIG / "smoke.yaml")
    settings["side"] |= {"epochs": 3}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    write_documents(tmp_path / "train.parquet", [document(index, 8, "train") for index in range(3)], {})
    texts = [document(index, 9, "heldout") for index in range(4)]
    write_documents(tmp_path / "text.parquet", texts, {"documents": "4"})
    return tmp_path


def teach(files, out):
    named = {"config": files / "small.yaml", "corpus": files / "train.parquet", "out": out / "side.json"}
    named["weights"] = out / "side.safetensors"
    load_step("train_side").main([part for name, value in named.items() for part in (f"--{name}", str(value))])


def test_a_killed_training_goes_on_to_the_same_bytes(files, monkeypatch):
    teach(files, files / "whole")
    kept = side_training.write_checkpoint

    def dies(*given):
        kept(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(side_training, "write_checkpoint", dies)
        teach(files, files / "cut")
    assert not list((files / "cut").glob("side.*"))
    teach(files, files / "cut")
    assert (files / "whole" / "side.safetensors").read_bytes() == (files / "cut" / "side.safetensors").read_bytes()
    whole, cut = (read_result(files / name / "side.json") for name in ("whole", "cut"))
    assert whole["metrics"] == cut["metrics"] and whole["items"] == cut["items"] and len(whole["items"]) == 3


def test_the_step_reads_every_document(files, capsys):
    teach(files, files)
    named = {"config": files / "small.yaml", "trained": files / "side.json", "text": files / "text.parquet"}
    named |= {"out": files / "found.parquet", "result": files / "found.json"}
    command = [part for name, value in named.items() for part in (f"--{name}", str(value))]
    load_step("extract_side").main(command)
    texts = list(read_documents(files / "text.parquet"))
    found = read_extracted(files / "found.parquet")
    assert {name: len(of) for name, of in found.items()} == {one.doc_id: len(one.sentences) for one in texts}
    result = read_result(files / "found.json")
    assert result["metrics"]["n"] == sum(len(sentence.triplets) for one in texts for sentence in one.sentences)
    assert "of 4 documents" in capsys.readouterr().out
    begin([TOLD], SMALL, 0).save(files / "side.safetensors")
    with pytest.raises(
        UserError, match=r"side\.safetensors: missing or not the weights that the result names; delete .* train_side\.py"
    ):
        load_step("extract_side").main(command)
