"""Lessons of the shared readers: what is in them, what is learnt, and that a reader's line is read back."""

import pytest

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


def of(users, split):
    return [user for user in users if user.split == split]


def test_reciting_never_teaches_a_value_inside_a_recited_sentence(users):
    for user in of(users, "train"):
        lessons = lessons_of("recite", user, EACH, 0)
        told = [pieces for pieces in lessons if any(not piece.learnt for piece in pieces[1:])]
        assert 0.3 < len(told) / len(lessons) < 0.6
        for pieces in told:
            values = [piece.text for piece in pieces[1:] if not piece.learnt]
            assert all(any(value.strip() == fact.answer for fact in user.final_facts()) for value in values)
            assert "".join(piece.text for piece in pieces).endswith("\n") and " Answer: " in learnt(pieces)
        for pieces in lessons:
            if pieces not in told:
                line = "".join(piece.text for piece in pieces[1:])
                assert said(line.strip())[1] == NOT_KNOWN and f"{NOT_KNOWN}. Answer:" in line


def test_reading_teaches_what_stands_in_the_prompt_and_nothing_else(users):
    for reader in ("read", "answer"):
        known = unknown = 0
        for user in of(users, "train"):
            for pieces in lessons_of(reader, user, EACH, 0):
                prompt, line = pieces[0].text, "".join(piece.text for piece in pieces[1:]).strip()
                assert not pieces[0].learnt and all(piece.learnt for piece in pieces[1:])
                assert prompt.startswith("Facts about me:\n") and prompt.endswith("Thought:" if reader == "read" else "Answer:")
                answer = said(line)[1] if reader == "read" else line
                known, unknown = known + (answer != NOT_KNOWN), unknown + (answer == NOT_KNOWN)
                shown = prompt.split("\n")[1:-2]
                for fact in user.final_facts():
                    if reader == "read" and fact.statement in line:
                        assert fact.statement in shown, "nothing is recited that was not shown"
        assert 0.1 < unknown / (known + unknown) < 0.5


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
    with pytest.raises(UserError, match="reader: sing: is not known"):
        lessons_of("sing", build_users(count=2, dev=0, seed=0)[0], EACH, 0)
    with pytest.raises(UserError, match=r"lessons\.chained: asks for 99 of"):
        lessons_of("recite", build_users(count=2, dev=0, train=2, seed=0)[2], {"chained": 99}, 0)
