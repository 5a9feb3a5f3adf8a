"""Lessons of the shared readers: what is in them, what is learnt, and that a reader's line is read back."""

import pytest
from fake_encoder import FakeEncoder

from loci.bench.finding import finding_lessons
from loci.bench.lessons import NOT_KNOWN, READERS, asked, encoded, lessons_of, said
from loci.errors import UserError
from loci.worlds.people import build_users

EACH = {"direct": 20, "paraphrase": 20, "indirect": 30, "chained": 4, "unknown": 8}


@pytest.fixture(scope="module")
def users():
    return build_users(count=4, dev=2, train=6, seed=0)


def texts(lessons):
    return ["".join(piece.text for piece in pieces) for pieces in lessons]


def learnt(pieces):
    return "".join(piece.text for piece in pieces if piece.learnt)


def pieces_of(user):
    return lessons_of("recite", user, EACH, 0)


def of(users, split):
    return [user for user in users if user.split == split]


def test_reciting_teaches_no_value_that_is_not_in_the_prompt(users):
    for user in of(users, "train"):
        values = {fact.answer for fact in user.final_facts()}
        told = shown = unknown = 0
        for pieces in lessons_of("recite", user, EACH, 0):
            prompt, line = pieces[0].text, "".join(piece.text for piece in pieces[1:])
            assert not pieces[0].learnt and line.endswith("\n") and " Answer: " in learnt(pieces)
            if prompt.startswith("Facts about me:\n"):
                shown += 1
                assert all(piece.learnt for piece in pieces[1:])
                for fact in user.final_facts():
                    assert fact.statement not in line or fact.statement in prompt, "nothing is recited that was not shown"
                continue
            given = [piece.text.strip() for piece in pieces[1:] if not piece.learnt]
            told += bool(given)
            unknown += said(line)[1] == NOT_KNOWN
            assert set(given) <= values
            assert all(piece.learnt for piece in pieces[1:] if NOT_KNOWN in piece.text)
        assert 0.2 < shown / len(pieces_of(user)) < 0.5 and 0.4 < told / (told + unknown) < 0.8


def test_a_name_is_looked_for_until_it_is_found(users):
    found = set()
    for user in of(users, "train"):
        chained = {question.text: question for question in user.questions if question.kind == "chained"}
        for pieces in lessons_of("recite", user, {"chained": 4}, 0):
            question = chained[pieces[0].text.split("Question: ")[1].split("\n")[0]]
            if not pieces[0].text.startswith("Facts"):
                line = "".join(piece.text for piece in pieces[1:])
                keys = question.required_fact_keys
                assert line.startswith(f" {user.fact('spouse_name').trigger}"), "the first name that it can be"
                assert (user.fact("sibling_name").trigger in line) == (keys[0] == "sibling_name")
                found.add(keys[0])
    assert found == {"spouse_name", "sibling_name"}


def test_answering_teaches_the_answer_behind_facts_and_nothing_else(users):
    known = unknown = 0
    for user in of(users, "train"):
        for pieces in lessons_of("answer", user, {**EACH, "sums": 9}, 0):
            assert pieces[0].text.startswith("Facts about me:\n") and pieces[0].text.endswith("Answer:") and len(pieces) == 2
            known, unknown = known + (NOT_KNOWN not in pieces[1].text), unknown + (NOT_KNOWN in pieces[1].text)
    assert 0.1 < unknown / (known + unknown) < 0.5


@pytest.mark.parametrize("reader", READERS)
def test_half_of_the_prompts_hold_what_an_index_finds(users, reader):
    user = of(users, "train")[0]
    facts = user.final_facts()
    found = (facts[3].statement, facts[0].statement)
    prompted = [
        pieces for pieces in lessons_of(reader, user, EACH, 0, recalled=lambda _: found) if "Facts about me" in pieces[0].text
    ]
    head = "Facts about me:\n" + "".join(f"{line}\n" for line in found) + "Question: "
    recalled = [pieces for pieces in prompted if pieces[0].text.startswith(head)]
    assert 0.3 < len(recalled) / len(prompted) < 0.7
    needed = {one.text: one.required_fact_keys for one in user.questions}
    answers = set()
    for pieces in recalled:
        keys = needed[pieces[0].text.removeprefix(head).split("\n")[0]]
        known = bool(keys) and set(keys) <= {facts[3].key, facts[0].key}
        assert known != pieces[-1].text.endswith(f"{NOT_KNOWN}\n"), "what the index did not find is not known"
        answers.add(known)
    assert answers == {True, False}


def test_sums_are_about_nobody(users):
    lessons = lessons_of("recite", of(users, "train")[0], {"sums": 40}, 0)
    for pieces in lessons:
        thought, answer = said("".join(piece.text for piece in pieces[1:]).strip())
        assert (
            thought.rstrip(".").lower().endswith(answer.lower())
            and pieces[0].text.startswith("Sum: ")
            and not pieces[0].learnt
            and pieces[1].learnt
        )
    assert len(lessons) == 40 and len({pieces[0].text for pieces in lessons}) > 30


def test_the_same_seed_gives_the_same_lessons_and_wordings_are_not_those_of_test_users(users):
    user = of(users, "train")[0]
    asked_later = {
        question.text
        for other in of(users, "test")
        for question in other.questions
        if question.kind in ("paraphrase", "indirect")
    }
    for reader in READERS:
        assert (
            texts(lessons_of(reader, user, EACH, 0))
            == texts(lessons_of(reader, user, EACH, 0))
            != texts(lessons_of(reader, user, EACH, 1))
        )
        for text in texts(lessons_of(reader, user, EACH, 0)):
            assert text.split("Question: ")[1].split("\n")[0] not in asked_later


def test_traces_reason_without_reciting_and_families_can_be_left_out(users):
    user = of(users, "train")[0]
    statements = [fact.statement for fact in user.final_facts()]
    lessons = lessons_of("trace", user, {"indirect": 12}, 0)
    for prompt, *rest in lessons:
        assert prompt.text.startswith("Facts about me:") and prompt.text.endswith("Thought:")
        assert all(piece.learnt for piece in rest) and not any(line in piece.text for piece in rest for line in statements)
    assert any(" minus " in rest[0].text for _, *rest in lessons)
    family = {one.text: one.family for one in user.questions}
    asked_of = {
        without: {
            family[pieces[0].text.split("Question: ")[1].split("\n")[0]]
            for pieces in lessons_of("recite", user, {"indirect": 20}, 0, without)
        }
        for without in ((), ("age", "multi"))
    }
    assert {"age", "multi"} <= asked_of[()] and asked_of["age", "multi"] == asked_of[()] - {"age", "multi"}


def test_tokens_follow_their_pieces(llama, users):
    pieces = next(
        one for one in lessons_of("recite", of(users, "train")[0], EACH, 0) if any(not piece.learnt for piece in one[1:])
    )
    example = encoded(pieces, llama.tokenizer)
    marked = llama.tokenizer.decode([one for one, mark in zip(example.ids, example.marked, strict=True) if mark])
    assert marked == learnt(pieces)


def test_lines_are_read_back():
    assert asked("Who?", ("I am Bo.",), recited=False) == "Facts about me:\nI am Bo.\nQuestion: Who?\nAnswer:"
    assert asked("Who?") == "Question: Who?\nThought:"
    assert said(" My name is Bo. Answer: Bo") == ("My name is Bo.", "Bo")
    assert said(" My name is Bo.") == ("My name is Bo.", "")
    assert said("Answer: Bo") == ("", "Bo")
    with pytest.raises(UserError, match="reader: sing: is not known"):
        lessons_of("sing", build_users(count=2, dev=0, seed=0)[0], EACH, 0)
    with pytest.raises(UserError, match=r"lessons\.chained: asks for 99 of"):
        lessons_of("recite", build_users(count=2, dev=0, train=2, seed=0)[2], {"chained": 99}, 0)


def test_a_reader_of_retrieval_recites_what_was_found_among_other_peoples_facts(users):
    (user, *_), kinds = of(users, "train"), {"direct": 8, "paraphrase": 8, "indirect": 12, "unknown": 2, "sums": 3}
    found = finding_lessons(user, 120, [4, 9], kinds, "hybrid", FakeEncoder(), 0)
    assert len(found) == 33 and all(pieces[0].text.startswith("Sum: ") for pieces in found[-3:])
    own, answered, counts = {fact.statement for fact in user.final_facts()}, 0, set()
    for pieces in found[:-3]:
        prompt, line = pieces[0].text, "".join(piece.text for piece in pieces[1:])
        shown = prompt.partition("Question: ")[0].splitlines()[1:]
        counts.add(len(shown))
        assert prompt.startswith("Facts about me:\n") and all(piece.learnt for piece in pieces[1:])
        assert not any(fact in line and fact not in shown for fact in own), "nothing is recited that was not found"
        assert any(fact not in own for fact in shown), "others' facts are among the lines"
        answered += said(line)[1] != NOT_KNOWN
    assert counts == {4, 9} and 0 < answered < 30
    again = finding_lessons(user, 120, [4, 9], kinds, "hybrid", FakeEncoder(), 0)
    assert again == found
