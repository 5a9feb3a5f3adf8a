"""Timelines: every answer follows from the events alone, and nothing can be guessed from the question."""

import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import pairwise
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loci.errors import UserError
from loci.paths import DATA, ROOT
from loci.results import read_json
from loci.worlds.timeline import Event, Timeline, TimelineQuestion, ask, attributes, build_timeline
from loci.worlds.timeline_files import load_questions, load_timeline, save_events, save_questions

AUTHORED = {entry["key"]: entry for entry in read_json(DATA / "timeline.json")["attributes"]}
POOLS = {key: [[v] if isinstance(v, str) else v for v in entry["values"]] for key, entry in AUTHORED.items()}
LONG = build_timeline(0, seed=0)
PEOPLE = [build_timeline(person, seed=3, length=1500) for person in range(60)]
ASKED = {timeline.pid: ask(timeline, range(50, 1501, 50), seed=3) for timeline in PEOPLE}


def bare(text):
    return f" {' '.join(re.findall(r'[a-z0-9é]+', text.lower()))} "


def says(text, value):
    return bare(value) in bare(text)


def replay(timeline, key):
    """[(time, value)] of one attribute, from the events' structured updates alone."""
    return [(event.t, event.value) for event in timeline.events if event.kind == "update" and event.attribute == key]


def spoken(key, value):
    return tuple(next(of for of in POOLS[key] if of[0] == value))


def named_span(timeline, question):
    """First and last time that a question about then speaks of, read from its text."""
    number = re.search(r"(?:t=|time |step )(\d+)", question.text)
    if number:
        return int(number[1]), int(number[1])
    for key, entry in AUTHORED.items():
        if key == question.attribute:
            continue
        updates = [update for update in replay(timeline, key) if update[0] <= question.t]
        for place, (start, value) in enumerate(updates):
            if any(says(question.text, anchor.format(value)) for anchor in entry["anchors"]):
                assert [other for _, other in updates].count(value) == 1
                return start, updates[place + 1][0] - 1
    raise AssertionError(f"no time in {question.text}")


def check_answer(timeline, question):
    """Solve a question from the updates and compare everything that is recorded beside it."""
    updates = [update for update in replay(timeline, question.attribute) if update[0] <= question.t]
    if question.form == "now":
        first = last = question.about
        assert question.about == question.t
        stale = updates[-2][1]
    else:
        first, last = named_span(timeline, question)
        assert first <= question.about <= last
        stale = updates[-1][1]
    assert last <= question.t
    before = [update for update in updates if update[0] <= first]
    updated_at, answer = before[-1]
    assert [update for update in updates if first < update[0] <= last] == []
    assert (question.answer, question.updated_at, question.distance) == (answer, updated_at, question.t - updated_at)
    assert question.accepted == spoken(question.attribute, answer)
    assert question.stale == spoken(question.attribute, stale)
    assert answer != stale
    assert not any(says(question.text, value) for value in question.accepted + question.stale)


# Events


def test_every_time_has_one_event_and_the_updates_are_consistent():
    assert [event.t for event in LONG.events] == list(range(1, 10_001))
    assert Counter(event.kind for event in LONG.events)["mention"] > 1500
    now = {}
    for event in LONG.events:
        if event.kind == "update":
            assert event.previous == now.get(event.attribute, "")
            now[event.attribute] = event.value
        elif event.kind == "mention":
            assert now[event.attribute] == event.value


def test_no_value_returns_to_the_one_before():
    for timeline in [LONG, *PEOPLE]:
        for key in AUTHORED:
            values = [value for _, value in replay(timeline, key)]
            assert all(one != other for one, other in pairwise(values))
            assert all(one != other for one, other in zip(values, values[2:], strict=False))


def test_intervals_span_orders_of_magnitude():
    people = [LONG, *(build_timeline(person, seed=0) for person in range(1, 4))]
    gaps = {key: [b[0] - a[0] for one in people for a, b in pairwise(replay(one, key))] for key in AUTHORED}
    assert len(gaps) >= 8
    assert mean(gaps["employer"]) > 100 * mean(gaps["mood"])
    assert max(map(max, gaps.values())) > 1000 * min(map(min, gaps.values()))
    for key, entry in AUTHORED.items():
        if len(gaps[key]) > 100:
            assert 0.8 < mean(gaps[key]) / entry["interval"] < 1.25


def test_texts_say_their_value_and_no_other():
    everything = [(key, of[0], bare(of[0])) for key, values in POOLS.items() for of in values]
    for event in LONG.events[:2500]:
        text = bare(event.text)
        told = {(event.attribute, event.value)} if event.value else set()
        if event.previous and says(event.text, event.previous):
            told.add((event.attribute, event.previous))
        assert {(key, value) for key, value, words in everything if words in text} == told, event
        assert event.text[0].isupper()
        assert event.text.endswith(".")


def test_texts_vary():
    assert len({event.text for event in LONG.events if event.kind == "chat"}) > 4000
    for entry in AUTHORED.values():
        assert len(entry["updates"]) == len(set(entry["updates"])) >= 6
        assert min(len(entry[name]) for name in ("mentions", "now", "then")) >= 4
        assert len(entry["values"]) == 24


def test_values_belong_to_one_attribute():
    spellings = Counter(bare(spelling) for values in POOLS.values() for of in values for spelling in of)
    assert [spelling for spelling, count in spellings.items() if count > 1] == []


def test_a_timeline_does_not_depend_on_the_others_or_on_its_length():
    assert build_timeline(7, seed=3, length=1500) == PEOPLE[7]
    assert build_timeline(7, seed=3, length=400).events == PEOPLE[7].events[:400]
    assert build_timeline(7, seed=4, length=400).events != PEOPLE[7].events[:400]
    assert PEOPLE[7].events[0].line == f"t=1: {PEOPLE[7].events[0].text}"


# Questions


def test_every_answer_follows_from_the_updates():
    questions = ask(LONG, range(20, 10_001, 60), seed=0)
    assert len(questions) > 320
    for question in questions:
        check_answer(LONG, question)
    then = [question for question in questions if question.form == "then"]
    landmarks = [question for question in then if " back when " in f" {question.text.lower()}"]
    assert len(landmarks) > 10
    assert Counter(question.attribute for question in questions).keys() == AUTHORED.keys()
    distances = sorted(question.distance for question in questions)
    assert distances[len(distances) // 10] < 100
    assert distances[-len(distances) // 10] > 4000
    asked = {(one.attribute, one.form, one.wording) for of in ASKED.values() for one in of}
    assert len(asked) == sum(len(entry["now"]) + len(entry["then"]) for entry in AUTHORED.values())


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(), st.integers(10, 600), st.data())
def test_any_timeline_is_answerable(person, seed, length, data):
    timeline = build_timeline(person, seed, length)
    times = data.draw(st.lists(st.integers(1, length), unique=True, max_size=12))
    questions = ask(timeline, times, seed)
    for question in questions:
        check_answer(timeline, question)
    assert [question.t for question in questions if question.form == "now"] == [
        t for t in times if any(len([u for u in replay(timeline, key) if u[0] <= t]) > 1 for key in AUTHORED)
    ]


def test_a_timeline_made_by_hand_has_the_questions_that_it_should():
    cities = ["Lisbon", "Osaka", "Lyon"]
    texts = [
        "I live in Lisbon.",
        "Small news.",
        "I live in Osaka now.",
        "Small news.",
        "I moved from Osaka to Lyon.",
        "Small news.",
    ]
    events = [Event(t, "chat", text) for t, text in enumerate(texts, 1)]
    for place, city in zip((0, 2, 4), cities, strict=True):
        previous = cities[cities.index(city) - 1] if place else ""
        events[place] = Event(place + 1, "update", texts[place], "city", city, previous)
    timeline = Timeline("hand", tuple(events))
    assert ask(timeline, [1, 2], seed=0) == []
    early, past, late, latest = ask(timeline, [4, 6], seed=0)
    assert (early.form, early.answer, early.stale, early.distance) == ("now", "Osaka", ("Lisbon",), 1)
    assert (past.form, past.answer, past.stale, past.updated_at) == ("then", "Lisbon", ("Osaka",), 1)
    assert (late.qid, late.answer, late.stale, late.distance) == ("hand.now.6", "Lyon", ("Osaka",), 1)
    assert (latest.answer in ("Lisbon", "Osaka"), latest.stale) == (True, ("Lyon",))
    assert late.text in AUTHORED["city"]["now"]


def test_a_checker_that_is_wrong_would_be_noticed():
    now, then = ASKED["t000"][20:22]
    for wrong in (
        {"answer": now.stale[0], "accepted": now.stale, "stale": ()},
        {"updated_at": now.updated_at - 1, "distance": now.distance + 1},
        {"stale": ("nothing",)},
    ):
        with pytest.raises(AssertionError):
            check_answer(PEOPLE[0], TimelineQuestion(**{**fields(now), **wrong}))
    with pytest.raises(AssertionError):
        check_answer(PEOPLE[0], TimelineQuestion(**{**fields(then), "answer": "x", "accepted": ("x",)}))


def fields(record):
    return {name: getattr(record, name) for name in record.__slots__}


def test_a_guesser_who_sees_only_the_question_stays_at_chance():
    chance = 1 / 24
    known, right, n = defaultdict(Counter), 0, 0
    for pid, questions in ASKED.items():
        if pid < "t040":
            for question in questions:
                known[question.attribute, question.form, question.wording][question.answer] += 1
    for pid, questions in ASKED.items():
        if pid >= "t040":
            for question in questions:
                guess = known[question.attribute, question.form, question.wording].most_common(1)
                right += bool(guess) and guess[0][0] == question.answer
                n += 1
    # Answers of one person repeat, so that the spread is wider than a binomial one.
    assert n > 1000
    assert right / n < chance + 0.03


def test_answers_are_spread_evenly_over_the_pools():
    counts = Counter((question.attribute, question.answer) for questions in ASKED.values() for question in questions)
    for key in ("mood", "series"):
        of = [counts[key, value[0]] for value in POOLS[key]]
        assert min(of) > 0.3 * mean(of)
        assert max(of) < 2.0 * mean(of)


@pytest.mark.parametrize(
    ("times", "message"),
    [([0], r"times\[0\]: is 0"), ([5, 1501], r"times\[1\]: is 1501"), ([5, 6, 5], r"times\[2\]: asks for 5 twice")],
)
def test_requested_times_are_checked(times, message):
    with pytest.raises(UserError, match=message):
        ask(PEOPLE[0], times, seed=0)


@pytest.mark.parametrize(("person", "length", "message"), [(-1, 100, "person: is -1"), (0, 9, "length: is 9; use at least 10")])
def test_requests_for_timelines_are_checked(person, length, message):
    with pytest.raises(UserError, match=message):
        build_timeline(person, 0, length)


# Records and files


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"t": 0}, r"events\[0\]\.t: is below 1"),
        ({"kind": "news"}, r"events\[3\]\.kind: 'news' is not known"),
        ({"text": " "}, r"events\[3\]\.text: is empty"),
        ({"kind": "chat"}, r"events\[3\]\.value: does not fit the kind"),
        ({"value": ""}, r"events\[3\]\.value: does not fit the kind"),
        ({"previous": "Lyon"}, r"events\[3\]\.previous: does not fit"),
        ({"kind": "mention", "previous": "Ghent"}, r"events\[3\]\.previous: does not fit"),
    ],
)
def test_broken_events_are_refused(changes, message):
    whole = {"t": 3, "kind": "update", "text": "I live in Lyon.", "attribute": "city", "value": "Lyon", "previous": ""}
    with pytest.raises(UserError, match=message):
        Event(**{**whole, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"form": "soon"}, r"\.form: 'soon' is not known"),
        ({"about": 10**6}, r"\.about: is out of order"),
        ({"distance": -1}, r"\.distance: is not t - updated_at"),
        ({"accepted": ("x",)}, r"\.accepted: lacks the answer itself"),
        ({"stale": None}, r"\.stale: holds an accepted answer"),
    ],
)
def test_broken_questions_are_refused(changes, message):
    whole = fields(ASKED["t000"][0])
    changes = {"stale": whole["accepted"]} if changes == {"stale": None} else changes
    with pytest.raises(UserError, match=message):
        TimelineQuestion(**{**whole, **changes})


def test_files_round_trip(tmp_path):
    save_events(tmp_path, PEOPLE[5])
    save_questions(tmp_path, {"t005": ASKED["t005"]}, seed=3)
    assert load_timeline(tmp_path, "t005") == PEOPLE[5]
    assert load_questions(tmp_path) == {"t005": ASKED["t005"]}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda file: file["people"][0]["questions"][2].update(t="7"),
            r"people\[0\]: questions\[2\]: t: is text; make it a whole number",
        ),
        (lambda file: file["people"][0]["questions"][2].update(distance=-4), r"distance: is not t - updated_at"),
        (lambda file: file.update(schema=9), r"questions\.json: schema: is version 9"),
    ],
)
def test_broken_files_are_refused_by_field(spoil, message, tmp_path):
    save_questions(tmp_path, {"t005": ASKED["t005"]}, seed=3)
    file = json.loads((tmp_path / "questions.json").read_text(encoding="utf-8"))
    spoil(file)
    (tmp_path / "questions.json").write_text(json.dumps(file), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        load_questions(tmp_path)


def test_a_gap_in_the_events_is_refused(tmp_path):
    save_events(tmp_path, PEOPLE[5])
    path = tmp_path / "t005.events.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:4] + lines[5:]), encoding="utf-8")
    with pytest.raises(UserError, match=r"t005: events\[4\]\.t: is 6; make it 5"):
        load_timeline(tmp_path, "t005")
    with pytest.raises(UserError, match=r"t009.events.jsonl: no such file; run code/steps/make_timeline\.py"):
        load_timeline(tmp_path, "t009")


def run_step(*arguments, hash_seed="0"):
    command = [sys.executable, str(ROOT / "code" / "steps" / "make_timeline.py"), *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def test_the_step_writes_the_same_bytes_under_every_hash_seed(tmp_path):
    sizes = ("--people", "2", "--length", "600", "--every", "100", "--seed", "3")
    for hash_seed in ("1", "2"):
        done = run_step(*sizes, "--out", str(tmp_path / hash_seed), hash_seed=hash_seed)
        assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 1, "")
    files = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert files == ["questions.json", "t000.events.jsonl", "t001.events.jsonl"]
    for name in files:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    questions = load_questions(tmp_path / "1")
    assert load_timeline(tmp_path / "1", "t001").events == PEOPLE[1].events[:600]
    assert [question.t for question in questions["t001"] if question.form == "now"] == [100, 200, 300, 400, 500, 600]
    assert "2 timelines of 600 events; 12 questions about now and 12 about then" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--people", "0"), "error: people: is 0; make at least 1 person\n"),
        (("--length", "5", "--every", "1"), "error: length: is 5; use at least 10 events\n"),
        (("--every", "0"), "error: every: is 0; use a distance from 1 to the length, 10000\n"),
    ],
)
def test_the_step_refuses_bad_input_in_one_line(arguments, line, tmp_path):
    done = run_step(*arguments, "--out", str(tmp_path / "timeline"))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)
    assert list(tmp_path.iterdir()) == []


def test_attributes_are_ordered_by_rate():
    intervals = [plan.interval for plan in attributes().values()]
    assert intervals == sorted(intervals)
