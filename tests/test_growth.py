"""Recalls and memories that grow: measures on hand-made records, what a memory is filled with, and the user filter."""

from dataclasses import replace

import pytest
from fake_encoder import FakeEncoder
from steps_path import load_step

from loci.bench.recalls import holds, read_questions, recall_all, recalled_share, told_to
from loci.bench.told import tell_facts, told_keys
from loci.errors import UserError
from loci.memories.base import Recall
from loci.memories.registry import text_memory
from loci.worlds.growth import about_others, grown, own_facts, population, storable
from loci.worlds.people import build_users
from loci.worlds.records import Fact

USERS = build_users(6, 0, dev=2)
CORPUS = [Fact(f"c{at}", f"value{at}", f"The number {at} house is value{at}.", (f"value{at}",)) for at in range(500)]
STEP = load_step("grow_memories")


def test_shares_and_leaks_of_hand_made_recalls():
    record = {
        "lines": ["My dentist is Dr. Lee.", "I row."],
        "sources": [["dentist", "old"], ["sport"]],
        "needed": ["dentist", "city"],
    }
    assert recalled_share(record) == 0.5
    assert recalled_share({**record, "needed": ["sport"]}) == 1 and recalled_share({**record, "needed": []}) == 0
    assert holds(record, ["Lee"]) and not holds(record, ["Le"]) and not holds(record, ["row a boat"])


def test_records_say_when_each_line_was_told():
    user = next(user for user in USERS if any(change.action == "update" for change in user.changes))
    memory, keys = text_memory("all", None, 5), told_keys(user)
    questions = [question for question in user.questions if question.kind in ("direct", "updated", "deleted")]
    trace, spent = told_to(memory, lambda one: tell_facts(one, user))
    records, times = recall_all(memory, trace, questions, keys)
    assert len(records) == len(questions) == len(times) and trace.nbytes > 0 and spent > 0
    for record in records:
        assert record["positions"] == sorted(record["positions"]) and record["told"]
        assert recalled_share(record) == (record["kind"] != "deleted")
    updated = {question.qid: question for question in questions if question.kind == "updated"}
    assert updated and not any(holds(record, [updated[record["qid"]].stale]) for record in records if record["qid"] in updated)


def test_a_memory_grows_by_other_people_and_by_the_corpus():
    user = USERS[2]
    own = own_facts(user)
    assert len(own) == 34
    told = grown(user, 134, CORPUS, 0)
    assert len(told) == 134 == len({key for key, _ in told}) and set(own) < set(told) and told != sorted(told)
    assert sum(key.startswith("other.") for key, _ in told) == sum(key.startswith("corpus.") for key, _ in told) == 50
    assert grown(user, 134, CORPUS, 0) == told != grown(user, 134, CORPUS, 1)
    assert grown(user, 34, CORPUS, 0) != own and sorted(grown(user, 34, CORPUS, 0)) == sorted(own)
    for _, sentence in about_others(0):
        assert not sentence.startswith(("I ", "My pet")), "told of somebody else"
    for size in (33, 10_000):
        with pytest.raises(UserError, match=f"growth.facts: {size} is out of reach; use 34 to"):
            grown(user, size, CORPUS, 0)


def test_what_is_stored_by_its_beginning():
    user = USERS[2]
    own = [fact for fact in user.final_facts() if "code" not in fact.key and fact.key not in ("locker_phrase", "safe_word")]
    facts = storable(user, 134, CORPUS, 0)
    assert len(facts) == 134 == len({fact.trigger for fact in facts}) and facts[: len(own)] == own
    added = facts[len(own) :]
    assert abs(sum(fact.key.startswith("other.") for fact in added) - len(added) / 2) <= 1
    assert all(fact.statement == f"{fact.trigger} {fact.answer}." for fact in facts)
    assert storable(user, 134, CORPUS, 0) == facts != storable(user, 134, CORPUS, 1)
    alike = [replace(fact, key=f"c{at % 5}") for at, fact in enumerate(CORPUS)]
    assert len({fact.key for fact in storable(user, 134, alike, 0)}) == 134, "two corpora number their facts alike"
    with pytest.raises(UserError, match=r"layered_growth\.sizes or finder\.facts: 10000 is out of reach"):
        storable(user, 10_000, CORPUS, 0)


def test_a_shared_index_with_and_without_a_user_filter():
    told = population(iter(USERS))
    assert len(told) == 6 * 37 and len({key for key, _ in told}) == len(told)
    recall = Recall(("a", "b", "c", "d"), (("u1/x",), ("u2/x",), ("u1/y",), ("u1/z",)))
    assert STEP.only_of(recall, "u1", 2).lines == ("a", "c") and STEP.only_of(recall, "u2", 2).lines == ("b",)
    settings = {"matrix": {"k": 5}, "people": {"seed": 0}}
    ledger, _ = STEP.grow_population("bm25", 6, USERS[2:], FakeEncoder(), settings, "hand.json")
    assert ledger["population.bm25.u6.shared.leak"]["value"] > 0.5
    assert ledger["population.bm25.u6.filtered.leak"]["value"] == 0.0
    assert ledger["population.bm25.u6.filtered.at_5"]["value"] > ledger["population.bm25.u6.shared.at_5"]["value"]


def test_one_point_of_own_growth():
    settings = {"matrix": {"k": 5, "lines": 2}, "people": {"seed": 0}, "growth": {"questions": 3, "read": ["all", "recent"]}}
    for name, least, most in (("all", 1.0, 1.0), ("recent", 0.0, 0.3)):
        ledger, times, kept = STEP.grow_own(name, 60, USERS[2:4], CORPUS, FakeEncoder(), settings, "hand.json")
        for kind in ("direct", "paraphrase"):
            found = ledger[f"growth.{name}.n60.{kind}.at_5"]
            assert least <= found["value"] <= most and found["source"] == "hand.json"
        assert ledger[f"growth.{name}.n60.bytes"]["value"] > 0
        assert {key.rpartition(".")[2] for key in times} == {"write_ms_per_note", "recall_ms_p50", "recall_ms_p95"}
        assert len(kept) == 6 and {record["notes"] for record in kept} == {60}
        shown = {"all": 60, "recent": 2}[name]
        assert {len(record["lines"]) for record in kept} == {shown}, "the reader gets `lines`, recall is measured at k"


def test_questions_are_read_once_and_their_cost_stands_apart():
    user = build_users(count=2, dev=1, seed=0)[1]

    class Counting(FakeEncoder):
        query_ms: list = []

        def query(self, text):
            self.query_ms.append(2.0)
            return super().query(text)

    questions = [question for question in user.questions if question.kind == "direct"]
    entries = read_questions(Counting(), [*questions, *questions], "growth", "x.json")
    wanted = {"value": 2.0, "n": len({question.text for question in questions}), "source": "x.json"}
    assert entries == {"growth.encoder.query_ms_p50": wanted, "growth.encoder.query_ms_p95": wanted}
