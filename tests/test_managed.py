"""Managed memories: what is taken out of notes, what a new statement does to the old ones, and that forgetting forgets."""

import json
import random
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loci.errors import UserError
from loci.memories.base import Note, Query
from loci.memories.extract import Statement, is_own_fact, owner_among, sentences_of, statements_of
from loci.memories.llm_decider import ModelDecider, parse, prompt_of
from loci.memories.managed import ManagedMemory
from loci.memories.managed_graph import ManagedGraphMemory, things_in
from loci.memories.slots import Decision, SlotDecider, contrast, kind_of, slot_of
from loci.memories.triples import Triple, parts_of, triple_of
from loci.models.encoder import Encoder
from loci.paths import MODELS


class WordEncoder:
    """Texts are near where they share words: the mean of one random vector a word, scaled to length 1."""

    sha256, width = "words", 64

    def sentences(self, texts):
        return np.stack([self._vector(text) for text in texts]) if texts else np.zeros((0, self.width), np.float32)

    def query(self, text):
        return self._vector(text), np.zeros((0, self.width), np.float32)

    def _vector(self, text):
        words = text.lower().strip(".?").split() or [""]
        total = sum(np.random.default_rng(zlib.crc32(word.encode())).normal(size=self.width) for word in words)
        return (total / np.linalg.norm(total)).astype(np.float32)


ENCODER = WordEncoder()


def memories(k=5):
    return [ManagedMemory(ENCODER, k), ManagedGraphMemory(ENCODER, k)]


def told(text, topic="", corrects=False, key="k", kind="tell"):
    return Statement(kind, text, topic, corrects, key, "")


def turns(*texts, speaker="Ana"):
    return [Note(f"S1:{at:02d}", text, speaker, "2026-03-14T18:42") for at, text in enumerate(texts, 1)]


def everything(trace):
    return json.dumps([trace.extra, [[note.text, note.key] for note in trace.notes]], ensure_ascii=False)


# Statements in turns


@pytest.mark.parametrize(
    "sentence",
    [
        "My dentist is Dr. Lee.",
        "I work as a florist.",
        "The city I live in is Denver.",
        "My child was born in 2006.",
        "My brother lives in Graz.",
        "When it is serious, my family says rudlowenvosk.",
        "Give me Persian cooking and I am happy.",
        "In an emergency, please call Barnaby Okonkwo.",
    ],
)
def test_what_lasts_is_a_statement(sentence):
    assert is_own_fact(sentence)
    assert [one.text for one in statements_of(Note("k", f"Of course. {sentence} Now you know.", "Ana"))] == [sentence]


@pytest.mark.parametrize(
    "sentence",
    [
        "I dropped a jar of jam on the kitchen floor.",
        "I am learning to juggle with oranges.",
        "I have to go now.",
        "I like that.",
        "My battery is nearly empty, so I have to stop.",
        "My neighbor is married to Curtis.",
        "My cousin's child is called Bonnie.",
        "My sister-in-law pays 1800 dollars in rent every month.",
        "My bowling partner's shoe size is 38.",
        "Is my dentist Dr. Lee?",
        "I thought you should know.",
        "See you.",
    ],
)
def test_small_talk_and_other_people_are_none(sentence):
    assert not is_own_fact(sentence)


def test_a_clean_sentence_is_taken_as_it_is():
    assert statements_of(Note("f", "Two left socks.")) == [Statement("tell", "Two left socks.", "", False, "f", "")]


def test_titles_do_not_end_a_sentence():
    assert sentences_of("I go to Dr. Lee for my teeth. 7:30 is early! Why?") == [
        "I go to Dr. Lee for my teeth.",
        "7:30 is early!",
        "Why?",
    ]


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("Please forget what I said about my dentist.", "my dentist"),
        ("Could you forget what you know about the model of my phone? It is over.", "the model of my phone"),
        ("Please remove your notes on my running pace. They are no longer right.", "my running pace"),
        ("About my shoe size: that is history now. Please do not hold on to what I told you.", "my shoe size"),
        ("What I said about my rent does not hold anymore. Please forget it.", "my rent"),
        ("I read it with two. Delete my address.", "my address"),
        ("Could you forget what you know about the doctor on my case?", "the doctor on my case"),
    ],
)
def test_requests_to_forget(text, topic):
    assert statements_of(Note("k", text, "Ana")) == [Statement("forget", "", topic, False, "k", "")]


@pytest.mark.parametrize(
    "text", ["I always forget my keys.", "Do not forget me.", "I told my boss about my rent.", "Forget about the rain."]
)
def test_other_words_of_forgetting_are_no_requests(text):
    assert [one for one in statements_of(Note("k", text, "Ana")) if one.kind == "forget"] == []


def test_announcements_and_corrections_go_with_the_statement_that_follows():
    note = Note("k", "Something has changed since I told you about my employer. My salary comes from Kestrel Aviation.", "Ana")
    assert statements_of(note) == [told("My salary comes from Kestrel Aviation.", topic="my employer")]
    note = Note("k", "Sorry, I got that wrong. My car is from 2021. My shoe size is 39.", "Ana")
    assert statements_of(note) == [told("My car is from 2021.", corrects=True), told("My shoe size is 39.")]
    assert statements_of(Note("k", "There is news about my employer.", "Ana")) == []


def test_the_owner_is_who_is_called_so_or_tells_most():
    notes = [*turns("Hello!", "My dog is called Rex.", speaker="Bo"), *turns("My dentist is Dr. Lee.", "I live in Graz.")]
    assert owner_among(notes, "u000") == "Ana"
    assert owner_among(notes, "bo") == "Bo"
    assert owner_among(notes[:1], "u000") == owner_among([Note("f", "My dentist is Dr. Lee.")], "u000") == ""


# Slots and triples


@pytest.mark.parametrize(
    ("statement", "parts", "triple"),
    [
        ("My dentist is Dr. Lee.", ("My dentist is", "Dr. Lee", ""), ("my dentist", "is", "Dr. Lee")),
        ("I work as a florist.", ("I work as a", "florist", ""), ("I", "work as a", "florist")),
        ("I go to Dr. Lee for my teeth.", ("I go to", "Dr. Lee", "for my teeth"), ("I", "go to … for my teeth", "Dr. Lee")),
        ("Nothing beats origami for me.", ("Nothing beats", "origami", "for me"), ("I", "Nothing beats … for me", "origami")),
        (
            "The birth year of my child is 2006.",
            ("The birth year of my child is", "2006", ""),
            ("my child", "has the birth year", "2006"),
        ),
        ("My spouse's name is Wendell.", ("My spouse's name is", "Wendell", ""), ("my spouse", "has the name", "Wendell")),
        ("My shift starts at 7:00.", ("My shift starts at", "7:00", ""), ("my shift", "starts at", "7:00")),
        (
            "I work on Monday, Tuesday and Sunday.",
            ("I work on", "Monday, Tuesday and Sunday", ""),
            ("I", "work on", "Monday, Tuesday and Sunday"),
        ),
        (
            "My phone model is iPhone 12 Mini.",
            ("My phone model is", "iPhone 12 Mini", ""),
            ("my phone model", "is", "iPhone 12 Mini"),
        ),
    ],
)
def test_parts_and_triples(statement, parts, triple):
    assert parts_of(statement) == parts
    assert triple_of(statement) == Triple(*triple)


def test_triples_read_as_sentences():
    assert triple_of("The birth year of my child is 2006.").line == "My child has the birth year 2006."
    for sentence in ("I go to Dr. Lee for my teeth.", "Home for me is Denver.", "My dentist is Dr. Lee.", "I work as a florist."):
        assert triple_of(sentence).line == sentence


@given(st.text(min_size=1, max_size=60).filter(str.strip))
@settings(max_examples=200, deadline=None)
def test_any_text_has_a_value(text):
    assert parts_of(text)[1].strip()
    assert triple_of(text).line.endswith(".")


def test_kinds_and_contrasts():
    assert [kind_of(value) for value in ("7:30", "39.5", "Monday and Sunday", "Kestrel Aviation", "cold brew")] == [
        "time",
        "number",
        "days",
        "name",
        "words",
    ]
    assert contrast("my sister lives in", "my brother lives in")
    assert contrast("my systolic value is", "my diastolic value is")
    assert contrast("my sibling was born in", "the birth year of my child is")
    assert not contrast("the company i work for is", "my salary comes from")
    assert slot_of("I drive an Opel.") == slot_of("I drive a Toyota.") == "i drive a"


# Decisions


@pytest.mark.parametrize(
    ("statement", "olds", "decision"),
    [
        (told("My dentist is Dr. Lee."), ["My dentist is Dr. Lee"], Decision("NOOP", 0)),
        (told("My dentist is Dr. Lee."), ["My shoe size is 39.", "My dentist is Dr. Roy."], Decision("UPDATE", 1)),
        (told("My dentist is Dr. Lee."), ["My doctor is Dr. Roy."], Decision("ADD")),
        (told("My sister lives in Graz."), ["My brother lives in Linz."], Decision("ADD")),
        (told("My child was born in 2006."), ["My spouse was born in 1973.", "I was born in 1974."], Decision("ADD")),
        (told("I like jazz."), ["I like chess."], Decision("ADD")),
        (told("I like jazz.", topic="my favorite music"), ["I like soul music."], Decision("UPDATE", 0)),
        (told("My car is from 2021.", corrects=True), ["The papers of my car say 2001."], Decision("UPDATE", 0)),
        (told("My car is from 2021.", corrects=True), ["My dentist is Dr. Lee."], Decision("ADD")),
        (told("", topic="my dentist", kind="forget"), ["My shoe size is 39.", "My dentist is Dr. Lee."], Decision("DELETE", 1)),
        (told("", topic="my dentist", kind="forget"), [], Decision("NOOP")),
        (told("", topic="my dentist", kind="forget"), ["We ran far."], Decision("NOOP")),
        (told("My dentist is Dr. Lee."), [], Decision("ADD")),
    ],
)
def test_decisions(statement, olds, decision):
    assert SlotDecider(ENCODER)(statement, olds) == decision


def test_decisions_are_checked():
    with pytest.raises(UserError, match=r"decision\.action: 'add' is not known"):
        Decision("add")


@pytest.mark.parametrize(
    ("answer", "decision"),
    [
        ("ADD", Decision("ADD")),
        (" update 2\n", Decision("UPDATE", 1)),
        ("DELETE: 1.", Decision("DELETE", 0)),
        ("NONE", Decision("NOOP")),
        ("UPDATE 3", None),
        ("UPDATE 0", None),
        ("DELETE", None),
        ("ADDRESS", None),
        ("I would add it", None),
        ("", None),
    ],
)
def test_answers_of_a_model(answer, decision):
    assert parse(answer, 2) == decision


def test_a_model_decides_and_invalid_answers_are_counted():
    asked, answers = [], ["ADD", "UPDATE 1", "no idea"]

    def complete(prompt):
        asked.append(prompt)
        return answers[len(asked) - 1]

    decide = ModelDecider(complete)
    memory = ManagedMemory(ENCODER, 5, decide)
    notes = [Note("a", "My dentist is Dr. Roy."), Note("b", "Teeth: Dr. Lee."), Note("c", "My dentist is Dr. Lee.")]
    trace = memory.write("u000", notes)
    assert [item[-1][0] for item in trace.extra["items"]] == ["Teeth: Dr. Lee.", "My dentist is Dr. Lee."]
    assert (decide.asked, decide.invalid) == (3, 1)
    assert "1. My dentist is Dr. Roy.\n\nNew statement: Teeth: Dr. Lee.\nDecision:" in asked[1]
    assert "(none)" in asked[0]
    assert "Forget what I said about my rent." in prompt_of(told("", "my rent", kind="forget"), [])
    assert "News about my rent: I pay 900." in prompt_of(told("I pay 900.", "my rent"), [])
    assert "Correction: I pay 900." in prompt_of(told("I pay 900.", corrects=True), [])


# Memories

TALK = (
    "Hello! My dentist is Dr. Roy. Now you know.",
    "I live in Graz. My shoe size is 39.",
    "I baked a cake and forgot the sugar.",
    "Something has changed since I told you about my dentist. My dentist is Dr. Lee.",
    "My cousin's dentist is Dr. Amari.",
    "Please forget what I told you about my shoe size.",
)


def test_a_conversation_leaves_what_holds():
    trace = ManagedMemory(ENCODER, 5).write("u000", turns(*TALK))
    date = "2026-03-14T18:42"
    assert trace.extra["items"] == [
        [["My dentist is Dr. Roy.", date, ["S1:01"]], ["My dentist is Dr. Lee.", date, ["S1:04"]]],
        [["I live in Graz.", date, ["S1:02"]]],
    ]
    assert trace.notes == () and trace.extra["speaker"] == "Ana"
    for gone in ("39", "Amari", "sugar", "Hello"):
        assert gone not in everything(trace).replace("u39", "")


def test_recall_has_dates_lineage_and_only_what_holds():
    for memory in memories():
        recall = memory.recall(memory.write("u000", turns(*TALK)), Query("Who is my dentist?"))
        assert recall.lines[0] == "My dentist is Dr. Lee."
        assert recall.sources[0][-1] == "S1:04"
        assert not any("Roy" in line for line in recall.lines)
        assert len(memories(1)[0].recall(memories()[0].write("u000", turns(*TALK)), Query("Who?")).lines) == 1


def test_the_history_is_that_of_the_items():
    managed, graph = (memory.write("u000", turns(*TALK)) for memory in memories())
    assert managed.extra["items"] == graph.extra["items"]
    nodes = graph.extra["nodes"]
    assert [(nodes[source], relation, nodes[target], valid) for source, relation, target, valid, *_ in graph.extra["edges"]] == [
        ("my dentist", "is", "Dr. Roy", False),
        ("my dentist", "is", "Dr. Lee", True),
        ("I", "live in", "Graz", True),
    ]


def test_the_partner_is_not_listened_to():
    notes = turns("I live in Graz.", "My dentist is Dr. Lee.")
    notes.append(Note("S1:09", "My shoe size is 39.", "Bo"))
    for memory in memories():
        assert "shoe" not in everything(memory.write("u000", notes))
        trace = memory.update(memory.write("u000", notes), Note("S1:10", "My rent is 900.", "Bo"))
        assert "rent" not in everything(trace)


def test_a_slip_leaves_no_trace():
    for memory in memories():
        trace = memory.write(
            "u000", turns("I live in Graz. I start work at 13:00.", "Sorry, I meant something else. I start work at 11:00.")
        )
        assert "13:00" not in everything(trace) and "11:00" in everything(trace)
        trace = memory.write("u000", turns("I live in Graz. I start work at 13:00."))
        trace = memory.update(trace, Note("x", "Sorry, I got that wrong. My shift starts at 11:00.", "Ana"))
        assert "13:00" not in everything(trace) and "11:00" in everything(trace)


def test_said_twice_is_kept_once_and_goes_when_both_are_forgotten():
    for memory in memories():
        trace = memory.write("u000", turns("I live in Graz.", "Yes. I live in Graz."))
        assert trace.extra["items"] == [[["I live in Graz.", "2026-03-14T18:42", ["S1:01", "S1:02"]]]]
        trace = memory.forget(trace, "S1:01")
        assert memory.recall(trace, Query("Where do I live?")).sources == (("S1:02",),)
        assert "Graz" not in everything(memory.forget(trace, "S1:02"))


def test_forgetting_takes_items_and_history():
    for memory in memories():
        trace = memory.write("u000", turns(*TALK))
        old = memory.forget(trace, "S1:01")
        assert "Roy" not in everything(old) and "Dr. Lee" in everything(old)
        new = memory.forget(trace, "S1:04")  # as if the change had not been told: what was told before holds
        assert "Dr. Lee" not in everything(new)
        assert memory.recall(new, Query("Who is my dentist?")).lines[0] == "My dentist is Dr. Roy."
        both = memory.forget(new, "S1:01")
        assert "dentist" not in everything(both) and len(both.arrays["vectors"]) == 1
        assert "Roy" in everything(trace)  # traces are values


def test_update_under_the_same_key_replaces():
    for memory in memories():
        notes = [Note("dentist", "My dentist is Dr. Roy."), Note("city", "I live in Graz."), Note("shoe", "My shoe size is 39.")]
        trace = memory.update(memory.write("u000", notes), Note("dentist", "My teeth are in the hands of Dr. Lee."))
        assert "Roy" not in everything(trace)
        assert memory.recall(trace, Query("My teeth are in the hands of")).sources[0] == ("dentist",)
        assert len(trace.extra["items"]) == 3
        assert "Dr. Lee" not in everything(memory.forget(trace, "dentist"))


def test_bad_keys_are_refused_in_one_line():
    for memory in memories():
        trace = memory.write("u000", turns("I live in Graz.", "Well, well."))
        with pytest.raises(UserError, match=r"^forget: nothing: nothing was told under this key; name a key that was written$"):
            memory.forget(trace, "nothing")
        memory.forget(trace, "S1:02")  # told, although nothing was taken from it
        with pytest.raises(UserError, match=r"notes\[a\]: is told twice"):
            memory.write("u000", [Note("a", "I live in Graz."), Note("a", "I live in Linz.")])


def test_empty_traces_recall_nothing():
    for memory in memories():
        trace = memory.write("u000", [])
        assert memory.recall(trace, Query("Who is my dentist?")).lines == ()
        assert memory.update(trace, Note("a", "I live in Graz.")).extra["told"] == ["a"]
        gone = memory.forget(memory.write("u000", [Note("a", "I live in Graz.")]), "a")
        assert memory.recall(gone, Query("Where do I live?")).lines == ()


def test_saved_and_loaded_traces_recall_the_same(tmp_path):
    for memory in memories():
        trace = memory.write("u000", turns(*TALK))
        trace.save(tmp_path / memory.name)
        loaded = memory.load(tmp_path / memory.name, "u000")
        for question in ("Who is my dentist?", "Where do I live?", "zebra"):
            assert memory.recall(loaded, Query(question)) == memory.recall(trace, Query(question))
        assert memory.update(loaded, Note("x", "I own a boat.")).extra == memory.update(trace, Note("x", "I own a boat.")).extra
        with pytest.raises(UserError, match="owner"):
            memory.load(tmp_path / memory.name, "u001")


def test_owners_do_not_meet():
    for memory in memories():
        first = memory.write("u000", [Note("a", "I live in Graz.")])
        before = memory.recall(first, Query("Where do I live?"))
        second = memory.write("u001", [Note("a", "I live in Linz.")])
        assert "Linz" in everything(second) and "Graz" not in everything(second)
        assert memory.recall(first, Query("Where do I live?")) == before
        assert [line for line in memory.recall(second, Query("Where do I live?")).lines if "Graz" in line] == []


@given(st.lists(st.sampled_from(["live in", "work at", "was born in", "drive a"]), min_size=1, max_size=8), st.randoms())
@settings(max_examples=40, deadline=None)
def test_forgetting_everything_leaves_nothing(verbs, rng):
    notes = [Note(f"n{at}", f"I {verb} Place{at}.") for at, verb in enumerate(verbs)]
    for memory in memories():
        trace = memory.write("u000", notes)
        for key in random.Random(rng.random()).sample([note.key for note in notes], len(notes)):
            trace = memory.forget(trace, key)
            assert f"Place{key[1:]}" not in everything(trace)
        assert trace.extra["items"] == [] and all(len(array) == 0 for array in trace.arrays.values())


def test_nodes_merge_where_names_are_near_and_nobody_is_confused():
    memory = ManagedGraphMemory(ENCODER, 5)
    notes = [
        "My weekly class is ballet.",
        "My weekly class meets on Monday.",
        "My own weekly class costs 20 dollars.",
        "My child is called Bo.",
    ]
    trace = memory.write("u000", [Note(str(at), text) for at, text in enumerate([*notes, "My sibling is called Jo."])])
    assert trace.extra["nodes"] == ["my weekly class", "my child", "my sibling", "ballet", "Monday", "20", "Bo", "Jo"]
    assert len(trace.arrays["nodes"]) == 8


def test_values_that_look_alike_stay_apart():
    memory = ManagedGraphMemory(ENCODER, 5)
    memory._encoder = type("Same", (WordEncoder,), {"_vector": lambda self, _: np.eye(1, 64, dtype=np.float32)[0]})()
    trace = memory.write("u000", [Note("a", "I was born in 1970."), Note("b", "My car is from 1971.")])
    assert {"1970", "1971"} <= set(trace.extra["nodes"])


def test_questions_lead_to_edges_one_step_away():
    memory = ManagedGraphMemory(ENCODER, 2)
    notes = ["My dentist is Dr. Lee.", "My child is called Wyatt.", "My child was born in 2006.", "I live in Graz."]
    trace = memory.write("u000", [Note(str(at), text) for at, text in enumerate(notes)])
    assert memory.recall(trace, Query("Who is my dentist?")).lines[0] == "My dentist is Dr. Lee."
    assert memory.recall(trace, Query("What about Wyatt?")).lines == ("My child is called Wyatt.",)
    assert memory.recall(trace, Query("What is it?")).lines == ()
    assert things_in("What time zone is my team in?") == ["time zone", "my team"]
    assert things_in("Is Ursula older than my child?") == ["Ursula", "Ursula older", "my child"]


@pytest.mark.skipif(not (MODELS / "minilm-l6").exists(), reason="needs models/minilm-l6")
def test_slots_in_other_words_with_the_real_encoder():
    encoder = Encoder.load("minilm-l6")
    decide = SlotDecider(encoder)
    assert decide(told("My profession is welder.", "my profession"), ["I live in Graz.", "I work as a florist."]) == Decision(
        "UPDATE", 1
    )
    assert decide(told("The doctor who treats me is Dr. Roy."), ["My dentist is Dr. Lee."]).action == "ADD"
    assert decide(told("My spouse was born in 1973."), ["My sibling was born in 1970.", "I was born in 1974."]).action == "ADD"
    trace = ManagedMemory(encoder, 1).write("u000", turns(*TALK))
    assert ManagedMemory(encoder, 1).recall(trace, Query("Whose chair do I sit in for my teeth?")).lines[0].endswith("Dr. Lee.")
