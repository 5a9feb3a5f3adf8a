"""LOCOMO: its known faults are read, unknown ones refused, and nobody's text leaves the file. All people here are invented."""

import gzip
import io
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from copy import deepcopy
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steps_path import load_step

from loci.errors import UserError
from loci.paths import ROOT
from loci.results import read_json, read_result, sha256_file
from loci.worlds import locomo_file
from loci.worlds.locomo import (
    CANONICAL_COUNTS,
    CATEGORIES,
    Conversation,
    Correction,
    LocomoQuestion,
    Session,
    Turn,
    counts,
    duplicates,
    session_number,
    turn_text,
)
from loci.worlds.locomo_file import SHA256, load_locomo, locate

SEARCH = "heron statue zzyzx"  # the image search phrase, which must never be seen
SMALL = [
    {
        "sample_id": "conv-26",
        "conversation": {
            "speaker_a": "Ines",
            "speaker_b": "Tobias",
            "session_10_date_time": "12:05 am on 1 March, 2023",
            "session_10": [
                {"speaker": "Ines", "dia_id": "D10:1", "text": "The loom arrived.\n"},
                {"speaker": "Tobias", "dia_id": "D10:2", "text": "", "blip_caption": "a photo of a loom "},
            ],
            "session_2_date_time": "12:30 pm on 29 February, 2020",
            "session_2": [
                {"speaker": "Ines", "dia_id": "D2:1", "text": "I planted\nquinces."},
                {
                    "speaker": "Tobias",
                    "dia_id": "D2:2",
                    "text": "Look!",
                    "img_url": ["https://example.org/1.jpg"],
                    "blip_caption": "a photo of a heron",
                    "query": SEARCH,
                    "re-download": True,
                },
            ],
            "session_3_date_time": "9:00 am on 2 April, 2021",
            "session_4": [],
        },
        "qa": [
            {"question": "What did Ines plant?", "answer": "quinces", "category": 4, "evidence": ["D2:1"]},
            {"question": "In what year did Ines plant them?", "answer": 2020, "category": 2, "evidence": "D2:01; D:10:1"},
            {
                "question": "What moved in?",
                "answer": "loom, heron",
                "category": 1,
                "evidence": ["D10:1 D2:2", "D2:2", "D", "D9:9"],
            },
            {"question": "Does Ines own sheep?", "answer": "No; she weaves", "category": 3, "evidence": []},
            {"question": "What did Tobias plant?", "adversarial_answer": "quinces", "category": 5, "evidence": ["D2:1"]},
            {"question": "what did Ines plant?", "answer": "fruit trees", "category": 4, "evidence": ["D2:1"]},
        ],
        "event_summary": {},
    },
    {
        "sample_id": "conv-41",
        "conversation": {
            "speaker_a": "Ruth",
            "speaker_b": "Ivo",
            "session_1_date_time": "1:56 pm on 8 May, 2023",
            "session_1": [{"speaker": "Ivo", "dia_id": "D1:1", "text": "My boat is called Merle."}],
        },
        "qa": [
            {
                "question": "Is the boat Ruth's?",
                "answer": "No",
                "adversarial_answer": "Yes",
                "category": 5,
                "evidence": ["D1:1"],
            },
        ],
    },
]
AUDIT = [
    {
        "question_id": "locomo_0_qa0",
        "question": "What did Ines plant?",
        "golden_answer": "quinces",
        "category": 4,
        "error_type": "WRONG_CITATION",
        "cited_evidence": ["D2:1"],
        "correct_evidence": ["D2:1", "D2:2"],
        "correct_answer": "quinces (right, but see D2:2)",
    },
    {
        "question_id": "locomo_0_qa1",
        "question": "In what year did Ines plant them?",
        "golden_answer": "2020",
        "category": 2,
        "error_type": "TEMPORAL_ERROR",
        "cited_evidence": ["D2:1"],
        "correct_evidence": [],
        "correct_answer": "2019",
    },
]


def write(folder: Path, value: object = SMALL, name: str = "mine.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def load(folder: Path, value: object = SMALL, **options):
    return load_locomo(write(folder, value), accept_other=True, **options)


def run_step(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "code" / "steps" / "check_locomo.py"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "code"), **environment}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


# What is read


def test_everything_of_a_small_file(tmp_path):
    found = load(tmp_path)
    first, second = found.conversations
    assert first.speakers == ("Ines", "Tobias")
    assert first.sessions == (
        Session(
            2,
            datetime(2020, 2, 29, 12, 30),
            (
                Turn("D2:1", "Ines", "I planted\nquinces."),
                Turn("D2:2", "Tobias", "Look!", "a photo of a heron", has_image=True),
            ),
        ),
        Session(
            10,
            datetime(2023, 3, 1, 0, 5),
            (Turn("D10:1", "Ines", "The loom arrived."), Turn("D10:2", "Tobias", "", "a photo of a loom")),
        ),
    )
    assert [(q.id, q.category, q.answer, q.evidence, q.unresolved) for q in first.questions] == [
        ("locomo_0_qa0", 4, "quinces", ("D2:1",), ()),
        ("locomo_0_qa1", 2, "2020", ("D2:1", "D10:1"), ()),
        ("locomo_0_qa2", 1, "loom, heron", ("D10:1", "D2:2"), ("D", "D9:9")),
        ("locomo_0_qa3", 3, "No; she weaves", (), ()),
        ("locomo_0_qa4", 5, "", ("D2:1",), ()),
        ("locomo_0_qa5", 4, "fruit trees", ("D2:1",), ()),
    ]
    assert second.questions == (LocomoQuestion("locomo_1_qa0", "conv-41", 5, "Is the boat Ruth's?", "No", "Yes", ("D1:1",)),)
    assert found.questions == first.questions + second.questions
    assert (first.split, second.split) == ("dev", "test")
    assert found.sha256 == sha256_file(tmp_path / "mine.json")


def test_pictures_are_read_but_never_what_was_searched_for(tmp_path):
    found = load(tmp_path)
    assert [turn_text(turn) for turn in found.conversations[0].turns] == [
        "I planted quinces.",
        "Look! [sends a picture: a photo of a heron]",
        "The loom arrived.",
        "[sends a picture: a photo of a loom]",
    ]
    assert "zzyzx" not in repr(found)
    assert "example.org" not in repr(found)


def test_questions_in_the_same_words_are_kept_and_found(tmp_path):
    first, second = load(tmp_path).conversations
    assert duplicates(first) == (("locomo_0_qa0", "locomo_0_qa5"),)
    assert duplicates(second) == ()


def test_counts(tmp_path):
    found = counts(load(tmp_path).conversations)
    assert list(found) == list(CANONICAL_COUNTS)
    assert list(found.values()) == [2, 3, 5, 1, 2, 7, 6, 1, 1, 1, 2, 2]
    assert sum(CANONICAL_COUNTS[f"category{category}"] for category in CATEGORIES) == CANONICAL_COUNTS["questions"]


@given(st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)))
@settings(database=None, derandomize=True, deadline=None, max_examples=50)
def test_every_date_comes_back(moment):
    first = ("January", "February", "March", "April", "May", "June")
    months = (*first, "July", "August", "September", "October", "November", "December")
    half, hour = ("pm" if moment.hour >= 12 else "am"), (moment.hour + 11) % 12 + 1
    text = f"{hour}:{moment.minute:02} {half} on {moment.day} {months[moment.month - 1]}, {moment.year}"
    assert locomo_file._date_time({"session_1_date_time": text}, "session_1_date_time") == moment.replace(second=0, microsecond=0)


@pytest.mark.parametrize(
    "text",
    [
        "8 May, 2023",
        "0:56 pm on 8 May, 2023",
        "13:56 pm on 8 May, 2023",
        "1:60 pm on 8 May, 2023",
        "1:56 pm on 29 February, 2023",
        "1:56 pm on 8 Mai, 2023",
        "1:56 pm on 8 May, 0000",
        "1:56 pm on 8 May, 2023 or so",
    ],
)
def test_other_dates_are_refused(text):
    with pytest.raises(UserError, match=rf"^session_1_date_time: '{text}' is not a date and time; write it like 1:56 pm"):
        locomo_file._date_time({"session_1_date_time": text}, "session_1_date_time")


@given(st.data())
@settings(database=None, derandomize=True, deadline=None, max_examples=60)
def test_evidence_is_found_however_it_is_written(data):
    known = [f"D{session}:{turn}" for session in range(1, 13) for turn in (1, 2, 10)]
    cited = data.draw(st.lists(st.sampled_from([*known, "D77:1"]), max_size=6))
    texts = []
    for dia_id in cited:
        session, turn = dia_id[1:].split(":")
        colon, *zeros = (data.draw(st.sampled_from(options)) for options in (("", ":"), ("", "0"), ("", "00")))
        texts.append(f"D{colon}{zeros[0]}{session}:{zeros[1]}{turn}")
    separator = data.draw(st.sampled_from([" ", "; ", ", ", ";"]))
    value = data.draw(st.sampled_from([texts, separator.join(texts), [separator.join(texts)]]))
    resolved, unresolved = locomo_file._evidence({"evidence": value}, "evidence", set(known))
    assert resolved == tuple(dict.fromkeys(dia_id for dia_id in cited if dia_id != "D77:1"))
    assert unresolved == (("D77:1",) if "D77:1" in cited else ())


# What is refused


def damaged(place: str, value: object) -> list:
    """The small file with one thing changed; DROP takes it out."""
    copy = deepcopy(SMALL)
    *way, last = [int(part) if part.isdigit() else part for part in place.split("/")]
    inner = copy
    for part in way:
        inner = inner[part]
    if value is DROP:
        del inner[last]
    else:
        inner[last] = value
    return copy


DROP = object()
BAD = [
    ("0/sample_id", DROP, r"\[0\]: sample_id: is missing"),
    ("1/sample_id", "conv-26", r"\[1\].sample_id: 'conv-26' occurs twice"),
    ("1/qa", DROP, "conv-41: qa: is missing"),
    ("0/qa/3/category", 6, "conv-26: locomo_0_qa3: category: is 6; use a number from 1 to 5"),
    ("0/qa/3/category", 0, "conv-26: locomo_0_qa3: category: is 0"),
    ("0/qa/3/category", "3", "conv-26: locomo_0_qa3: category: is text; make it a whole number"),
    ("0/qa/3/category", True, "conv-26: locomo_0_qa3: category: is True"),
    ("0/qa/3/category", DROP, "conv-26: locomo_0_qa3: category: is missing"),
    ("0/qa/3", "sheep", "conv-26: locomo_0_qa3: category: cannot be read"),
    ("0/qa/0/question", DROP, "conv-26: locomo_0_qa0: question: is missing"),
    ("0/qa/0/question", " ", "conv-26: locomo_0_qa0: question: is empty"),
    ("0/qa/0/answer", DROP, "conv-26: locomo_0_qa0: answer: is missing"),
    ("0/qa/0/answer", ["quinces"], "conv-26: locomo_0_qa0: answer: is a list; make it text"),
    ("0/qa/0/answer", None, "conv-26: locomo_0_qa0: answer: is None"),
    ("0/qa/4/adversarial_answer", DROP, "conv-26: locomo_0_qa4: adversarial_answer: is missing"),
    ("0/qa/0/evidence", DROP, "conv-26: locomo_0_qa0: evidence: is missing"),
    ("0/qa/0/evidence", {"D2": 1}, "conv-26: locomo_0_qa0: evidence: is an object; make it a list"),
    ("0/qa/0/evidence", [2], "conv-26: locomo_0_qa0: evidence: holds 2; cite turns as texts"),
    ("0/qa/0/evidence", ["D2:1", "S2:1"], "conv-26: locomo_0_qa0: evidence: 'S2:1' is not a turn's id"),
    ("0/qa/0/evidence", "D0:1", "conv-26: locomo_0_qa0: evidence: 'D0:1' is not a turn's id"),
    ("0/conversation/speaker_b", DROP, "conv-26: speaker_b: is missing"),
    ("0/conversation/session_2_date_time", DROP, "conv-26: session_2_date_time: is missing"),
    ("0/conversation/session_2", {"1": 2}, "conv-26: session_2: is an object; make it a list"),
    ("0/conversation/session_2/1/text", DROP, r"conv-26: session_2\[1\]: text: is missing"),
    ("0/conversation/session_10/1/blip_caption", "", r"conv-26: session_10\[1\]: text: is empty, and there is no caption"),
    ("0/conversation/session_2/1/speaker", "Ruth", "conv-26: D2:2.speaker: 'Ruth' is neither Ines nor Tobias"),
    ("0/conversation/session_2/1/dia_id", "D3:1", "conv-26: session_2.dia_id: 'D3:1' is of another session"),
    ("0/conversation/session_2/1/dia_id", "D2:1", r"conv-26: turns\[1\].dia_id: 'D2:1' occurs twice"),
    ("0/conversation/session_2/1/dia_id", "D2:02", r"conv-26: session_2\[1\]: dia_id: 'D2:02' is not a turn's id"),
    ("1/conversation/session_1", [], "conv-41: conversation: has no turns"),
]


@pytest.mark.parametrize(("place", "value", "message"), BAD)
def test_a_fault_is_one_line_that_names_conversation_question_and_field(place, value, message, tmp_path):
    with pytest.raises(UserError, match=f"mine.json: {message}") as fault:
        load(tmp_path, damaged(place, value))
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("value", [{}, [], "conversations"])
def test_another_kind_of_file_is_refused(value, tmp_path):
    with pytest.raises(UserError, match=r"mine\.json: top level: is not a list of conversations"):
        load(tmp_path, value)


def test_records_made_by_hand_are_checked_too():
    turns = (Turn("D1:1", "Ruth", "Hello."),)
    session, question = Session(1, datetime(2023, 5, 8), turns), LocomoQuestion("q", "c", 4, "Who?", "Ruth", "", ("D1:2",))
    with pytest.raises(UserError, match=r"q\.evidence: D1:2 is no turn"):
        Conversation("c", ("Ruth", "Ivo"), (session,), (question,))
    with pytest.raises(UserError, match="error_type: 'TYPO' is not known"):
        Correction("TYPO", "Ruth", ())
    assert session_number("D12:3") == 12


# The file: hash, absence, download


def test_another_file_is_refused_by_both_hashes_and_accepted_with_a_warning(tmp_path):
    path = write(tmp_path)
    with pytest.raises(UserError) as fault:
        load_locomo(path)
    for part in ("mine.json: SHA-256 is", sha256_file(path), SHA256, "accept_other=True", "--accept-other-file"):
        assert part in str(fault.value)
    warning = load_locomo(path, accept_other=True).warning
    assert warning.startswith(f"{path}: not the canonical file: 2 conversations instead of 10, 3 sessions instead of 272, ")
    assert warning.endswith(" 2 category5 instead of 446")


def test_the_pinned_file_gives_no_warning(tmp_path, monkeypatch):
    path = write(tmp_path)
    monkeypatch.setattr(locomo_file, "SHA256", sha256_file(path))
    assert load_locomo(path).warning == ""


def test_absence_is_said_clearly(tmp_path):
    assert str(locomo_file.absent(None)).startswith("LOCOMO file: not given; get it from https://")
    assert str(locomo_file.absent(tmp_path / "no.json")).startswith(f"{tmp_path}/no.json: no such file; get it from https://")
    assert locomo_file.absent(write(tmp_path)) is None
    assert locomo_file.absent(locomo_file.URL) is None
    for source, message in ((None, "not given"), (tmp_path / "no.json", "no such file"), (tmp_path, "is a folder")):
        with pytest.raises(UserError, match=message):
            load_locomo(source)


ADDRESS = "https://example.org/locomo10.json"


class Net:
    """Stands in for the network: gives `content` or raises it, and counts the calls."""

    def __init__(self, content: bytes | Exception):
        self.content, self.calls = content, 0

    def __call__(self, address: str, timeout: float) -> io.BytesIO:
        self.calls += 1
        if isinstance(self.content, Exception):
            raise self.content
        return io.BytesIO(self.content)


@pytest.fixture
def net(monkeypatch) -> Net:
    """The small file, as if it were the canonical one, at every address."""
    net = Net(json.dumps(SMALL).encode())
    monkeypatch.setattr(urllib.request, "urlopen", net)
    monkeypatch.setattr(locomo_file, "SHA256", locomo_file.hashlib.sha256(net.content).hexdigest())
    return net


def test_a_download_happens_once_and_again_when_its_file_is_damaged(tmp_path, net):
    path = locate(ADDRESS, cache=tmp_path / "cache")
    assert path.parent == tmp_path / "cache"
    assert path.read_bytes() == net.content
    assert locate(ADDRESS, cache=tmp_path / "cache") == path
    assert net.calls == 1
    path.write_bytes(net.content[:-1])
    assert locate(ADDRESS, cache=tmp_path / "cache").read_bytes() == net.content
    assert net.calls == 2
    assert locate(f"{ADDRESS}?2", cache=tmp_path / "cache") != path
    assert load_locomo(ADDRESS, cache=tmp_path / "cache").questions == load(tmp_path).questions


@pytest.mark.parametrize(
    ("content", "accept_other", "message"),
    [
        (b"[]", False, rf"{ADDRESS}: SHA-256 is 4f53cda18c2b.*, the canonical file's is "),
        (b"<html>Log in", True, f"{ADDRESS}: does not hold JSON"),
        (b'"\xff"', True, f"{ADDRESS}: does not hold JSON"),
        (
            urllib.error.URLError("no route"),
            False,
            f"{ADDRESS}: cannot be downloaded .*no route.*; check the address and the network",
        ),
        (TimeoutError("timed out"), True, f"{ADDRESS}: cannot be downloaded .timed out."),
        (locomo_file.http.client.IncompleteRead(b"[", 9), False, f"{ADDRESS}: cannot be downloaded"),
    ],
)
def test_a_failed_download_leaves_nothing(content, accept_other, message, tmp_path, net):
    net.content = content
    with pytest.raises(UserError, match=message):
        locate(ADDRESS, accept_other, tmp_path / "cache")
    assert list(tmp_path.rglob("*")) == []


def test_only_https(tmp_path, net):
    with pytest.raises(UserError, match=r"http://example\.org/x: is not an https address"):
        locate("http://example.org/x", cache=tmp_path)
    assert net.calls == 0


# The audit


def test_the_audit_is_joined(tmp_path):
    plain, found = load(tmp_path), load(tmp_path, audit=write(tmp_path, AUDIT, "errors.json"))
    cited, wrong, *rest = found.questions
    assert cited.correction == Correction("WRONG_CITATION", "quinces (right, but see D2:2)", ("D2:1", "D2:2"))
    assert (cited.corrupt, cited.corrected_answer, cited.corrected_evidence) == (False, "quinces", ("D2:1", "D2:2"))
    assert (wrong.corrupt, wrong.answer, wrong.corrected_answer, wrong.corrected_evidence) == (True, "2020", "2019", ())
    assert rest == list(plain.questions[2:])
    assert not any(question.corrupt or question.correction for question in plain.questions)
    assert plain.questions[0].corrected_evidence == ("D2:1",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question_id": "locomo_7_qa0"}, "locomo_7_qa0: is no question of the LOCOMO file"),
        ({"question_id": "locomo_0_qa1"}, r"\[1\].question_id: 'locomo_0_qa1' occurs twice"),
        ({"question_id": "locomo_0_qa5"}, "locomo_0_qa5: question: is not that of the LOCOMO file"),
        ({"golden_answer": "pears"}, "locomo_0_qa0: golden_answer: is not that of the LOCOMO file"),
        ({"category": 1}, "locomo_0_qa0: category: is not that of the LOCOMO file"),
        ({"error_type": "TYPO"}, "locomo_0_qa0: error_type: 'TYPO' is not known"),
        ({"correct_answer": ""}, "locomo_0_qa0: correct_answer: is empty"),
        ({"correct_evidence": 7}, "locomo_0_qa0: correct_evidence: is a whole number"),
    ],
)
def test_an_audit_of_another_file_is_refused(change, message, tmp_path):
    audit = write(tmp_path, [{**AUDIT[0], **change}, AUDIT[1]], "errors.json")
    with pytest.raises(UserError, match=f"errors.json: {message}"):
        load(tmp_path, audit=audit)


# The step


def test_the_step_says_that_the_file_is_absent(tmp_path):
    out = tmp_path / "out.json"
    for arguments, message in (([], "LOCOMO file: not given"), (["--file", str(tmp_path / "no.json")], "no.json: no such file")):
        done = run_step("--out", str(out), *arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert message in done.stderr
        assert list(tmp_path.iterdir()) == []
    done = run_step("--out", str(out), "--if-present")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{out}: no LOCOMO file (LOCOMO file: not given)")
    assert read_result(out)["metrics"] == {"present": False}


def test_the_step_refuses_bad_input_and_leaves_nothing(tmp_path):
    path, bad = write(tmp_path), write(tmp_path, damaged("0/qa/3/category", 6), "bad.json")
    for arguments, message in (
        (["--file", str(path)], f"mine.json: SHA-256 is {sha256_file(path)}"),
        (["--file", str(path), "--if-present"], "--accept-other-file"),
        (["--file", str(bad), "--accept-other-file"], "bad.json: conv-26: locomo_0_qa3: category: is 6"),
        (["--file", str(path), "--accept-other-file", "--audit", str(tmp_path / "no.json")], "no.json: no such file"),
        (["--file", "https://127.0.0.1:9/x.json", "--cache", str(tmp_path / "cache")], "cannot be downloaded"),
    ):
        done = run_step("--out", str(tmp_path / "out.json"), *arguments, no_proxy="*")
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
        assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
        assert sorted(entry.name for entry in tmp_path.iterdir()) == ["bad.json", "mine.json"]


def test_the_step_counts_and_gives_the_same_bytes_in_every_process(tmp_path):
    path, audit = write(tmp_path), write(tmp_path, AUDIT, "errors.json")
    out, found = tmp_path / "out.json", []
    for environment in ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2", "LC_ALL": "tr_TR.UTF-8"}):
        done = run_step("--file", str(path), "--audit", str(audit), "--accept-other-file", "--out", str(out), **environment)
        assert done.returncode == 0, done.stderr
        assert done.stderr.startswith("warning: ") and done.stderr.count("\n") == 1
        assert done.stdout.endswith("5 turns, 7 questions, 6 with evidence, 1 with a gold answer that the audit rejects\n")
        found.append(json.dumps({**read_result(out), "provenance": None}))
    assert found[0] == found[1]
    for conversation in SMALL:
        assert not any(json.dumps(question["question"]) in found[0] for question in conversation["qa"])
    metrics = read_result(out)["metrics"]
    assert metrics["locomo_file.turns"] == {"value": 5, "n": 2, "source": "out.json"}
    assert metrics["locomo_audit.temporal_error"] == {"value": 1, "n": 5, "source": "out.json"}
    assert metrics["locomo_audit.corrupt"]["value"] == 1
    several = metrics["categories"]["1"]
    assert (several["mean_evidence_sessions"], several["evidence_sessions"]["2"]) == (2.0, 1)
    assert metrics["categories"]["3"]["evidence_sessions"]["0"] == 1
    assert metrics["categories"]["3"]["mean_evidence_sessions"] is None
    assert [line["corrupt"] for line in read_result(out)["items"]] == [1, 0]
    assert [line["corrupt"] for line in metrics["categories"].values()] == [0, 1, 0, 0, None]
    assert read_result(out)["items"][0]["days"] == 1096


def test_without_an_audit_nothing_is_called_sound(tmp_path):
    check = load_step("check_locomo")
    check.main(["--file", str(write(tmp_path)), "--accept-other-file", "--out", str(tmp_path / "out.json")])
    found = read_result(tmp_path / "out.json")
    assert not any(key.startswith("locomo_audit.") for key in found["metrics"])
    assert {line["corrupt"] for line in found["items"]} == {None}
    assert {line["corrupt"] for line in found["metrics"]["categories"].values()} == {None}


def test_histograms_and_distances_by_hand(tmp_path):
    check = load_step("check_locomo")
    assert check.histogram([0, 1, 1, 2, 3, 9], (1, 2, 4)) == {"1": 2, "2-3": 2, "4+": 1}
    assert check.histogram([], (0, 1)) == {"0": 0, "1+": 0}
    distances = check.evidence_distances(load(tmp_path).conversations[0])
    assert distances == {"locomo_0_qa0": 3, "locomo_0_qa1": 3, "locomo_0_qa2": 2, "locomo_0_qa4": 3, "locomo_0_qa5": 3}


# The real file, which is not part of Loci

REAL = Path(os.environ.get("LOCI_LOCOMO", ROOT.parent / "shared" / "data" / "locomo10.json"))
real = pytest.mark.skipif(not REAL.is_file(), reason=f"no LOCOMO file at {REAL} (its licence keeps it out); set LOCI_LOCOMO")


@real
def test_the_real_file_has_its_known_sizes():
    found = load_locomo(REAL)
    assert found.warning == ""
    assert counts(found.conversations) == CANONICAL_COUNTS
    assert [one.id for one in found.conversations if one.split == "dev"] == ["conv-26", "conv-30"]
    assert sum(len(group) - 1 for one in found.conversations for group in duplicates(one)) == 12
    assert [part for question in found.questions for part in question.unresolved] == ["D10:19", "D", "D4:36"]
    check = load_step("check_locomo")
    lines = check.metrics_of(found, False, "x")["categories"]
    assert [round(line["mean_answer_words"], 1) for line in lines.values()] == [6.3, 3.3, 6.6, 4.8, 4.5]
    assert [round(line["mean_evidence_sessions"], 1) for line in lines.values()] == [2.7, 1.1, 1.8, 1.0, 1.0]


@real
def test_the_real_file_is_shown_as_text_and_caption_alone():
    found, searched = load_locomo(REAL), 0
    for one, raw in zip(found.conversations, read_json(REAL), strict=True):
        spoken = {turn["dia_id"]: turn for turns in raw["conversation"].values() if isinstance(turns, list) for turn in turns}
        for turn in one.turns:
            text, caption = spoken[turn.dia_id]["text"], spoken[turn.dia_id].get("blip_caption")
            shown = f"{text} [sends a picture: {caption}]" if caption else text
            assert turn_text(turn).split() == shown.split()
            searched += "query" in spoken[turn.dia_id]
        for question, asked in zip(one.questions, raw["qa"], strict=True):
            assert question.answer == str(asked.get("answer", "")).strip()
    assert searched == 888


@real
def test_the_real_audit_finds_99_corrupt_questions():
    audit = REAL.with_name("locomo_audit_errors.json")
    if not audit.is_file():
        pytest.skip(f"no audit beside the LOCOMO file ({audit})")
    found = load_locomo(REAL, audit)
    corrupt = [question.category for question in found.questions if question.corrupt]
    assert [corrupt.count(category) for category in CATEGORIES] == [28, 26, 9, 36, 0]
    assert sum(question.correction is not None for question in found.questions) == 156


@real
def test_no_text_of_the_real_file_is_in_the_project():
    """Ten words in a row of any turn, question or observation in any tracked file; what a model said may quote a few words."""
    raw = read_json(REAL)
    known = {shingle for one in raw for text in _texts_of(one) for shingle in _shingles(text)}
    assert len(known) > 100_000
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    found = []
    for name in tracked:
        path = ROOT / name
        if path.suffix in (".png", ".pdf", ".parquet") or not path.is_file():
            continue
        text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text(encoding="utf-8")
        if name.startswith(("results/reference/locomo/answers.", "results/reference/locomo/rows.")) and path.suffix == ".gz":
            records = [json.loads(line) for line in text.splitlines()]
            hits = {"prompt_hits", "answer_hits"} if "/rows." in name else set()
            withheld = [one for one in records if one["memory"] == "oracle_rows"]
            assert all(set(one) == (ANSWERED | hits) - {"prediction"} | {"prediction_sha256"} for one in withheld)
            said = [one for one in records if one["memory"] != "oracle_rows"]
            assert all(set(one) == ANSWERED | hits for one in said)
            assert max(len(one["prediction"].split()) for one in said) <= 40
            continue
        found += [(name, shingle) for shingle in _shingles(text) if shingle in known]
    assert found == []


ANSWERED = {"memory", "uid", "qid", "sources", "prompt_sha256", "prompt_tokens", "prediction", "log_prob"}


def _texts_of(one: dict):
    """Every text of one conversation of the raw file: turns and captions, questions, observations, summaries."""
    for name, value in one["conversation"].items():
        if name.startswith("session_") and isinstance(value, list):
            yield from (turn["text"] for turn in value)
    yield from (question["question"] for question in one["qa"])
    yield from (sentence for of in one["observation"].values() for told in of.values() for sentence, _ in told)
    yield from one["session_summary"].values()


def _shingles(text: str) -> list[str]:
    words = re.findall(r"[a-z0-9']+", text.lower())
    return [" ".join(words[at : at + 10]) for at in range(len(words) - 9)]
