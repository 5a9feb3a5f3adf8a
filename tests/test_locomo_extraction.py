"""Triplets out of LOCOMO: sessions as dialogue, coverage by hand, and the step with and without a file."""

import json
from datetime import datetime

import pytest
from fake_encoder import FakeEncoder
from steps_path import load_step

from loci.bench.locomo_extraction import asked, coverage, document_of, in_text
from loci.memories.prose_extract import Extractor
from loci.models.encoder import Encoder
from loci.results import read_result
from loci.worlds.locomo import Conversation, Correction, LocomoQuestion, Session, Turn
from loci.worlds.prose import documents
from loci.worlds.prose_files import write_documents
from loci.worlds.prose_records import Triplet


def question(at: int, category: int, answer: str, evidence: tuple[str, ...], **more) -> LocomoQuestion:
    trap = "a trap" if category == 5 else ""
    return LocomoQuestion(f"q{at}", "conv-1", category, "?", answer, trap, evidence, **more)


@pytest.fixture
def conversation() -> Conversation:
    turns = (
        Turn("D1:1", "Ruth Weir", "I moved to Ulm.  It rains! Do you still play the harp?"),
        Turn("D1:2", "Ben", "Sure.", caption="a harp"),
        Turn("D1:3", "Ben", "I gave it to my sister."),
    )
    questions = (
        question(0, 4, "Ulm", ("D1:1",)),
        question(1, 4, "the harp", ("D1:1",)),
        question(2, 1, "harp, sister", ("D1:1", "D1:3")),
        question(3, 2, "2019", ("D1:1",)),
        question(4, 5, "", ("D1:1",)),
        question(5, 4, "Bern", ("D1:1",), correction=Correction("HALLUCINATION", "Ulm", ("D1:1",))),
        question(6, 4, "Ulm", ()),
    )
    return Conversation("conv-1", ("Ruth Weir", "Ben"), (Session(1, datetime(2023, 5, 1), turns),), questions)


def test_a_session_is_dialogue_with_a_line_a_turn(conversation):
    document, turns = document_of(conversation, conversation.sessions[0])
    assert document.text == (
        "Ruth: I moved to Ulm. It rains! Do you still play the harp?\nBen: Sure.\nBen: I gave it to my sister."
    )
    assert turns == ["D1:1", "D1:1", "D1:1", "D1:2", "D1:3"] and document.kind == "dialogue"


def test_coverage_by_hand(conversation):
    by_turn = {
        "D1:1": [Triplet("Ruth Weir", "lives_in", "Ulm", "yes", None)],
        "D1:2": [Triplet("Ben", "plays", "harps", "yes", None)],
    }
    assert [one.id for one in asked(conversation)] == ["q0", "q1", "q2", "q3"], (
        "no traps, wrong answers, or answers without turns"
    )
    found = {name: {qid: covered for _, qid, covered in records} for name, records in coverage(conversation, by_turn).items()}
    assert found["4.triplets"] == {"q0": 1, "q1": 0} and found["4.text"] == {"q0": 1, "q1": 1}
    assert found["4.anywhere"] == {"q0": 1, "q1": 1}, "the harp is in another turn's triplet, in the plural"
    assert found["1.text"] == {"q2": 1} and found["1.anywhere"] == {"q2": 0}
    assert found["2.text"] == {"q3": 0} and list(found["all.triplets"].values()) == [1, 0, 0, 0]


def test_what_was_never_said_is_not_in_the_text(conversation):
    document, _ = document_of(conversation, conversation.sessions[0])
    extracted = [
        [Triplet("Ruth Weir", "lives_in", "Ulm", "yes", None), Triplet("Ruth", "plays", "harp", "yes", None)],
        [], [], [Triplet("Ben", "plays", "harp", "yes", None)], [Triplet("Ben", "brother_of", "Anna", "yes", None)],
    ]  # fmt: skip
    assert list(in_text(document, extracted, {"ruth", "weir", "ben"})) == [1, 0, 1, 0], (
        "a harp that is named later does not count"
    )


def test_without_the_file_the_step_says_so(tmp_path):
    out = ["--triplets", str(tmp_path / "t.parquet"), "--out", str(tmp_path / "l.json")]
    load_step("extract_locomo").main(["--config", "config/smoke.yaml", "--if-present", *out])
    assert read_result(tmp_path / "l.json")["metrics"] == {"present": False} and not (tmp_path / "t.parquet").exists()


def test_the_step_reads_every_session(tmp_path, monkeypatch):
    class Stub:
        def extract(self, given):
            for document in given:
                yield [
                    [Triplet("Ruth", "likes", "fruit trees", "yes", None)] if "trees" in one.text else []
                    for one in document.sentences
                ]

    monkeypatch.setattr(Extractor, "fit", classmethod(lambda *_: Stub()))
    monkeypatch.setattr(Encoder, "load", lambda *_: FakeEncoder())
    stream = documents(0, "train", 0)
    write_documents(tmp_path / "prose.parquet", [next(stream) for _ in range(2)], {"split": "train"})
    turns = [{"speaker": "Ruth", "dia_id": f"D1:{at}", "text": text} for at, text in enumerate(("I grow trees.", "Good."), 1)]
    kinds = {"question": "What does she grow?", "answer": "fruit trees", "category": 4, "evidence": ["D1:1"]}
    said = {"speaker_a": "Ruth", "speaker_b": "Ben", "session_1_date_time": "1:56 pm on 8 May, 2023", "session_1": turns}
    (tmp_path / "locomo.json").write_text(json.dumps([{"sample_id": "conv-26", "conversation": said, "qa": [kinds]}]))
    given = ["--config", "config/smoke.yaml", "--train", str(tmp_path / "prose.parquet"), "--file", str(tmp_path / "locomo.json")]
    out = ["--accept-other-file", "--triplets", str(tmp_path / "t.parquet"), "--out", str(tmp_path / "l.json")]
    load_step("extract_locomo").main([*given, *out])
    found = read_result(tmp_path / "l.json")
    assert found["metrics"]["extraction.locomo.covered.4.triplets"]["value"] == 1.0
    assert found["metrics"]["extraction.locomo.covered.4.text"]["value"] == 0.0, "nobody said fruit"
    assert found["metrics"]["extraction.locomo.triplets_a_turn"]["value"] == 0.5
    assert "trees" not in (tmp_path / "l.json").read_text() and (tmp_path / "t.parquet").exists()
