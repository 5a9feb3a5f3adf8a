"""Where rows for a reciting reader are written: behind its prompt, alone and after another of the owner's facts."""

import pytest

from loci.bench.pupils import wordings
from loci.bench.recited import prompts_before, write_recited
from loci.errors import UserError
from loci.worlds.people import build_users

USER = next(user for user in build_users(count=3, dev=1, train=0, seed=0) if user.split == "test")


def test_every_fact_is_written_after_a_question_and_after_two_other_facts():
    facts = USER.final_facts()
    first, other, alike = prompts_before(facts, "0:u")
    assert len(first) == len(other) == len(alike) == len(facts)
    known = wordings()
    later = {question.text for question in USER.questions}
    for at, fact in enumerate(facts):
        question = first[at].removeprefix("Question: ").removesuffix("\nThought: ")
        assert question in known.get(fact.key, ()) and question not in later
        for text in (other[at], alike[at]):
            before = text.partition("Thought: ")[2].strip()
            assert before in {one.statement for one in facts} - {fact.statement} and not text.endswith("  ")
    by_key = {fact.key: alike[at] for at, fact in enumerate(facts)}
    assert by_key["spouse_year"].endswith(f"{USER.fact('birth_year').statement} ")
    assert "The birth year of my spouse is" in by_key["birth_year"] or "The birth year of my sibling is" in by_key["birth_year"]
    assert prompts_before(facts, "0:u") == [first, other, alike] != prompts_before(facts, "1:u")


def test_too_few_facts_are_refused():
    with pytest.raises(UserError, match="user u9: has 1 facts"):
        write_recited(None, USER.final_facts()[:1], "u9", {}, 0)
