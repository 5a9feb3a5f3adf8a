"""Extraction from prose: what the hard cases come to, that gold is never read, how it is scored, and the step from end to end."""

import json
from dataclasses import replace

import pytest
import torch
from fake_encoder import FakeEncoder
from inner_prose import inner_documents
from steps_path import load_step

from loci.bench.extraction import ExtractionScore
from loci.errors import UserError
from loci.memories.prose_discourse import Discourse, Pronouns
from loci.memories.prose_extract import Extractor
from loci.memories.prose_facts import Schema
from loci.memories.prose_judge import RelationModel, views_of
from loci.memories.prose_mentions import joined_up
from loci.memories.prose_words import NameList, Span, words_of
from loci.models.encoder import Encoder
from loci.models.tiny import make_tiny
from loci.paths import CONFIG, MODELS
from loci.worlds.extracted_files import read_extracted, write_extracted
from loci.worlds.prose import document
from loci.worlds.prose_files import write_documents
from loci.worlds.prose_records import Document, Sentence, Triplet

LEARNED = [document(index, 11, "train") for index in range(40)]
READ = [document(index, 12, "train") for index in range(6)]


@pytest.fixture(scope="module")
def extractor():
    """One with the real encoder: without it no wording of the hard cases is understood."""
    if not (MODELS / "minilm-l6").is_dir():
        pytest.skip("models/minilm-l6 was not fetched")
    torch.set_num_threads(1)
    return Extractor.fit(LEARNED, Encoder.load("minilm-l6"))


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    """Of the step, with words for vectors."""
    monkeypatch.setattr(Encoder, "load", lambda *_: FakeEncoder())
    write_documents(tmp_path / "train.parquet", LEARNED[:6], {})
    write_documents(tmp_path / "text.parquet", inner_documents("heldout", 4, 5), {})
    return ["--config", str(CONFIG / "smoke.yaml"), "--train", str(tmp_path / "train.parquet"), "--learn", "1500"]


def told(*texts, kind="notes"):
    """A document of sentences without gold; a text may begin with its lead."""
    sentences = []
    for at, text in enumerate(texts):
        lead = text[: len(text) - len(text.lstrip("\n"))] or (" " if at else "")
        sentences.append(Sentence(text.lstrip("\n"), (), lead))
    return Document("x", kind, "none", tuple(sentences))


def read(extractor, *texts):
    (found,) = extractor.extract([told(*texts)])
    return [sorted((one.subject, one.relation, one.object, one.polarity, one.time) for one in of) for of in found]


# Hard cases


def test_a_statement_and_a_pronoun(extractor):
    found = read(extractor, "The year is 1990.", "Ilse Marn works as a baker.", "She speaks Portuguese.")
    assert found == [[], [("Ilse Marn", "works_as", "baker", "yes", 1990)], [("Ilse Marn", "speaks", "Portuguese", "yes", None)]]


def test_a_change_denies_what_held_and_has_the_year_named_last(extractor):
    found = read(
        extractor,
        "The year is 1990.",
        "Ilse Marn lives in Aldwick.",
        "\n\nNow the year is 1993.",
        "Ilse moved from Aldwick to Brammere.",
    )
    assert found[1] == [("Ilse Marn", "lives_in", "Aldwick", "yes", 1990)]
    assert found[3] == [("Ilse Marn", "lives_in", "Aldwick", "no", 1993), ("Ilse Marn", "lives_in", "Brammere", "yes", 1993)]


def test_negations_for_good_and_for_now(extractor):
    found = read(extractor, "The year is 1990.", "Anton Garde does not speak Swahili.", "Anton no longer lives in Aldwick.")
    assert found[1:] == [
        [("Anton Garde", "speaks", "Swahili", "no", None)],
        [("Anton Garde", "lives_in", "Aldwick", "no", 1990)],
    ]


def test_two_facts_in_one_sentence(extractor):
    found = read(extractor, "The year is 1990.", "Anton Garde, who works for Millbrace Trading, speaks Swahili.")
    assert found[1] == [
        ("Anton Garde", "speaks", "Swahili", "yes", None),
        ("Anton Garde", "works_for", "Millbrace Trading", "yes", 1990),
    ]


def test_i_and_you_questions_and_short_answers(extractor):
    found = read(
        extractor,
        "In 1990, Ilse Marn meets Anton Garde on the stairs.",
        "\nIlse: Where do you live?",
        "\nAnton: Aldwick.",
        "\nIlse: I speak Portuguese.",
        "\nAnton: Do you work for Millbrace Trading?",
        "\nIlse: No, not any more.",
        "\nAnton: What do you work as?",
        "\nIlse: I would rather not say.",
    )
    assert found == [
        [],
        [],
        [("Anton Garde", "lives_in", "Aldwick", "yes", 1990)],
        [("Ilse Marn", "speaks", "Portuguese", "yes", None)],
        [],
        [("Ilse Marn", "works_for", "Millbrace Trading", "no", 1990)],
        [],
        [],
    ]


def test_what_states_nothing(extractor):
    found = read(
        extractor,
        "The year is 1990.",
        "A cold wind blows from the hills.",
        "Does Ilse Marn speak Portuguese?",
        "Time passes quietly.",
    )
    assert found == [[], [], [], []]


# Protocol


def test_reading_never_looks_at_gold(extractor):
    bare = [replace(one, sentences=tuple(replace(sentence, triplets=()) for sentence in one.sentences)) for one in READ]
    other = Triplet("A B", "speaks", "Dutch", "yes", None)
    wrong = [replace(one, sentences=tuple(replace(sentence, triplets=(other,)) for sentence in one.sentences)) for one in READ]
    assert extractor.extract(READ) == extractor.extract(bare) == extractor.extract(wrong)


def test_documents_do_not_change_each_other(extractor):
    together = extractor.extract(READ[:4])
    assert together == [extractor.extract([one])[0] for one in READ[:4]]


def test_most_of_new_documents_of_known_parts_is_found(extractor):
    score = ExtractionScore()
    for one, found in zip(READ, extractor.extract(READ), strict=True):
        score.add(one, found)
    metrics = score.metrics()
    assert metrics["f1"] > 0.6  # learned from 20,000 words; the step learns from seven times as many
    assert metrics["time"] > 0.98
    assert metrics["shifted"]["f1"] < 0.02


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(UserError, match="hold no triplets; give documents with gold triplets"):
        Extractor.fit([told("The year is 1990.")], FakeEncoder())


def test_the_inner_hold_out_takes_from_train_alone():
    outer = {sentence.text for index in range(40) for sentence in document(index, 3, "train").sentences}
    assert outer  # the authored lists are back in place after the inner ones were made
    inner = inner_documents("heldout", 12, 3)
    assert outer == {sentence.text for index in range(40) for sentence in document(index, 3, "train").sentences}
    assert {one.novel for one in inner} == {"none", "names", "wordings", "both"}


# Parts


def test_the_longest_listed_name_is_found_and_weekdays_in_the_plural():
    names = NameList({"the old mill": "venue", "mill": "venue", "Tuesday": "weekday"})
    sentence = words_of("The old mill is open on Tuesdays, the mill's gate too.")
    found = [(sentence.between(span.first, span.last), span.kind) for span in names.spans(sentence)]
    assert found == [("The old mill", "venue"), ("Tuesdays", "weekday"), ("mill", "venue")]


def test_two_names_of_a_kind_without_a_word_between_are_one():
    water, polo, chess = (Span(at, at + 1, kind, (-float(at),)) for at, kind in ((2, "sport"), (3, "sport"), (4, "game")))
    assert joined_up([water, polo, chess]) == [Span(2, 4, "sport", (-5.0,)), chess]


def test_word_vectors_are_one_a_word_whatever_else_is_read(tmp_path):
    make_tiny(tmp_path / "encoder", family="bert", steps=0)
    encoder = Encoder.load("tiny-encoder", tmp_path / "encoder")
    sentences = [("Ilse", "'s", "uncommonness"), (), ("Time", "passes", "quietly", "everywhere", ".")]
    found = encoder.words(sentences)
    assert [one.shape for one in found] == [(len(words), 2 * encoder.width) for words in sentences]
    (alone,) = encoder.words(sentences[:1])
    assert abs(alone.astype(float) - found[0]).max() < 2e-3
    assert (found[0] != 0).any(axis=1).all()


def test_a_view_has_kinds_for_names_and_years_and_keeps_the_places_of_words():
    body = words_of("In 1990 Ilse Marn joined.")
    (view,) = views_of([body], [[Span(2, 4, "person")]], FakeEncoder())
    assert view.text == ("in", "year", "person", "joined", ".")
    assert view.places.tolist() == [0, 1, 2, 2, 3, 4]
    assert view.vectors.shape == (5, 64)
    assert (view.between(0, 3) == view.vectors[1]).all()
    assert not view.between(4, 5).any()


def test_relations_of_questions_are_learned_the_same_twice():
    schema = Schema.load()
    texts = {"speaks": "Which tongue is spoken?", "plays": "Which instrument is heard?"}
    views = list(views_of([words_of(text) for text in texts.values()], [[], []], FakeEncoder()))
    models = [RelationModel.fit(list(zip(views, texts, strict=True)), schema, seed=1) for _ in range(2)]
    first, second = ([model.scores(view) for view in views] for model in models)
    assert first == second
    assert first[0]["speaks"] > first[0]["plays"]
    assert first[1]["plays"] > first[1]["speaks"]


def test_spans_of_time_are_counted():
    discourse = Discourse({}, frozenset(), frozenset(), Pronouns())
    years = []
    for lead, text in (
        ("", "In 1990, A B left."),
        ("\n\n", "Two years later, A left."),
        ("\n\n", "Twelve months on, A left."),
        (" ", "In 1970."),
    ):
        discourse.enter(lead, text, not lead)
        years.append(discourse.year)
    assert years == [1990, 1992, 1993, 1993]


def test_the_schema_has_kinds_but_no_names():
    schema = Schema.load()
    assert schema.between("person", "town") == ["born_in", "lives_in"]
    assert schema.nouns["the town"] == "town"
    assert {"person", "town", "year"} <= set(schema.kinds)


# Scores


def lives(where, polarity="yes", time=1990, who="Ilse Marn"):
    return Triplet(who, "lives_in", where, polarity, time)


def scored(*pairs, novel="wordings"):
    sentences = tuple(Sentence(text, tuple(gold)) for text, gold, _ in pairs)
    score = ExtractionScore()
    score.add(Document("x", "notes", novel, sentences), [found for _, _, found in pairs])
    return score.metrics()


def test_scores_by_hand():
    metrics = scored(
        ("Ilse lives in Garn.", [lives("Garn")], [lives("Garn")]),
        ("She moved to Tolm.", [lives("Garn", "no", 1992), lives("Tolm", time=1992)], [lives("Tolm", time=1991), lives("Garn")]),
        ("Time passes.", [], [lives("Tolm", who="Anton Garde")]),
    )
    assert (metrics["precision"], metrics["recall"], metrics["n"]) == (2 / 4, 2 / 3, 3)
    assert metrics["f1"] == pytest.approx(4 / 7)
    assert metrics["time"] == 1 / 2
    assert metrics["by_novel"]["wordings"]["f1"] == metrics["f1"]
    assert metrics["by_novel"]["names"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "n": 0}
    assert metrics["by_case"]["pronoun"] == {"precision": 1 / 3, "recall": 1 / 2, "f1": pytest.approx(0.4), "n": 2}
    assert metrics["by_case"]["negation"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "n": 1}
    assert (metrics["by_case"]["update"]["recall"], metrics["by_case"]["update"]["n"]) == (1.0, 1)
    assert metrics["wordings_by_case"]["update"]["n"] == 1


def test_a_swapped_subject_and_a_wrong_polarity_are_wrong():
    gold = Triplet("Ilse Marn", "taught_by", "Anton Garde", "yes", None)
    swapped = Triplet("Anton Garde", "taught_by", "Ilse Marn", "yes", None)
    for wrong in (swapped, replace(gold, polarity="no"), replace(gold, relation="child_of")):
        assert scored(("Anton taught Ilse.", [gold], [wrong]))["f1"] == 0.0


def test_scoring_refuses_another_number_of_sentences():
    with pytest.raises(UserError, match="x: has 1 sentences, extracted are 0; extract again"):
        ExtractionScore().add(told("A."), [])


# Files and the step


def test_files_keep_what_was_extracted(tmp_path):
    parts = [(one, [list(sentence.triplets) for sentence in one.sentences]) for one in READ[:3]]
    count = write_extracted(tmp_path / "a.parquet", iter(parts), group=2)
    assert count == sum(len(sentence.triplets) for one in READ[:3] for sentence in one.sentences)
    assert read_extracted(tmp_path / "a.parquet") == {one.doc_id: found for one, found in parts}
    (tmp_path / "b.parquet").write_text("no", encoding="utf-8")
    for name, why in (("none.parquet", "no such file"), ("b.parquet", "is no parquet file")):
        with pytest.raises(UserError, match=f"{why}; run code/steps/extract_prose.py"):
            read_extracted(tmp_path / name)


def outputs(folder, name):
    return ["--out", str(folder / f"{name}.parquet"), "--result", str(folder / f"{name}.json")]


def test_the_step_writes_the_same_triplets_twice_and_says_what_they_are_worth(tmp_path, arguments, capsys):
    step = load_step("extract_prose")
    for name in ("a", "b"):
        step.main([*arguments, "--text", str(tmp_path / "text.parquet"), *outputs(tmp_path, name)])
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    record = json.loads((tmp_path / "a.json").read_text())
    assert record["experiment"] == "extract_prose"
    assert set(record["metrics"]["by_novel"]) == {"none", "names", "wordings", "both"}
    assert set(record["metrics"]["by_case"]) == {"pronoun", "negation", "update"}
    assert {"fit_seconds", "extract_seconds"} == set(record["provenance"]["costs"])
    assert capsys.readouterr().out.count("\n") == 2


def test_what_is_learned_from_is_read_by_halves_and_no_half_by_its_own_extractor(tmp_path, arguments, monkeypatch):
    learned, read = [], []
    fit = Extractor.fit

    def noted_fit(documents, *rest):
        made = fit(documents, *rest)
        learned.append({one.doc_id for one in documents})
        extract = made.extract

        def noted_extract(part):
            read.append((len(learned) - 1, {one.doc_id for one in part}))
            return extract(part)

        made.extract = noted_extract
        return made

    monkeypatch.setattr(Extractor, "fit", noted_fit)
    load_step("extract_prose").main([*arguments, "--text", str(tmp_path / "train.parquet"), *outputs(tmp_path, "a")])
    assert len(learned) == 2
    assert all(not learned[by] & part for by, part in read)
    assert list(read_extracted(tmp_path / "a.parquet")) == [one.doc_id for one in LEARNED[:6]]
    config = json.loads((tmp_path / "a.json").read_text())["config"]
    assert config["documents"] == 6
    assert config["learned_documents"] == [len(one) for one in learned]


def test_the_step_refuses_to_learn_from_nothing(tmp_path):
    with pytest.raises(UserError, match="--learn: is 0; learn from at least 1 word"):
        arguments = ["--config", str(CONFIG / "smoke.yaml"), "--text", "x.parquet", "--learn", "0"]
        load_step("extract_prose").main([*arguments, *outputs(tmp_path, "a")])
    assert list(tmp_path.iterdir()) == []


def test_a_missing_text_is_one_clear_line(tmp_path, arguments):
    with pytest.raises(UserError, match=r"none.parquet: no such file; run code/steps/make_prose.py"):
        load_step("extract_prose").main([*arguments, "--text", str(tmp_path / "none.parquet"), *outputs(tmp_path, "a")])
