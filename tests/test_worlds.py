"""People, contexts and the owner's corpus: what the bench takes for granted about them."""

import os
import re
import subprocess
import sys
from collections import Counter

import pytest

from loci.errors import UserError
from loci.paths import DATA, ROOT
from loci.results import read_json
from loci.worlds.contexts import KINDS as CONTEXT_KINDS
from loci.worlds.contexts import kind_of, load_contexts
from loci.worlds.corpus import build_corpus
from loci.worlds.people import build_users, donor_of, never_stored_keys, pool_values, sample_questions, stored_keys
from loci.worlds.records import load_facts, save_facts

USERS = build_users(30, seed=0)
PLANS = stored_keys() + never_stored_keys()
TRIGGERS = [plan.statement.removesuffix(" {}.") for plan in PLANS]


def endings(triggers, words):
    return [" ".join(trigger.split()[-words:]).lower() for trigger in triggers]


def bare(text):
    return " ".join(re.findall(r"\w+", text.lower()))


def run_step(name, *arguments, hash_seed="0"):
    command = [sys.executable, str(ROOT / "code" / "steps" / name), *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


# People


def test_users_are_the_same_under_every_hash_seed(tmp_path):
    for step in ("make_people.py", "make_corpus.py"):
        files = [tmp_path / f"{step}.{seed}.json" for seed in ("1", "2")]
        for path, seed in zip(files, ("1", "2"), strict=True):
            done = run_step(step, "--count", "12", "--out", str(path), hash_seed=seed)
            assert done.returncode == 0, done.stderr
            assert done.stdout.count("\n") == 1
        assert files[0].read_bytes() == files[1].read_bytes()


def test_a_user_does_not_depend_on_how_many_are_made():
    assert build_users(12, seed=0) == USERS[:12]
    assert build_users(12, seed=1)[0].facts != USERS[0].facts


def test_splits():
    assert [user.split for user in USERS] == ["dev"] * 10 + ["test"] * 20
    assert {user.split for user in build_users(3, 0, dev=0)} == {"test"}


def test_every_user_has_all_facts_and_questions():
    for user in USERS:
        assert len(user.facts) == 34
        counts = Counter(question.kind for question in user.questions)
        assert counts == {"statement": 34, "direct": 34, "paraphrase": 34, "midconv": 34, "unknown": 16}
        for fact in user.facts:
            assert fact.statement == f"{fact.trigger} {fact.answer}."
            assert 1 <= len(fact.answer.split()) <= 5
            assert len(fact.trigger.split()) >= 3


def test_triggers_differ_in_their_last_two_words():
    for words in (2, 3):
        assert len(set(endings(TRIGGERS, words))) == len(PLANS)


def test_questions_never_contain_a_trigger():
    wordings = [text for plan in PLANS for text in (plan.direct, *(t for texts in plan.paraphrases.values() for t in texts))]
    assert [text for text in wordings for trigger in TRIGGERS if trigger.lower() in text.lower()] == []


def test_wordings_are_disjoint_between_splits_and_from_the_direct_one():
    wordings = [text for plan in stored_keys() for text in (plan.direct, *plan.paraphrases["dev"], *plan.paraphrases["test"])]
    assert len({text.lower() for text in wordings}) == len(wordings)
    for plan in stored_keys():
        assert min(len(plan.paraphrases[split]) for split in ("dev", "test")) >= 2
    for user in USERS:
        asked = {question.key: question.text for question in user.questions if question.kind == "paraphrase"}
        for plan in stored_keys():
            assert asked[plan.key] in plan.paraphrases[user.split]


def test_contexts_of_a_user_belong_to_the_users_split_and_are_balanced():
    for user in USERS:
        ids = [question.context_id for question in user.questions if question.kind == "midconv"]
        assert {context_id.split(".")[0] for context_id in ids} == {user.split}
        assert sorted(Counter(map(kind_of, ids)).values()) == [11, 11, 12]


def test_dates_fit_together():
    for user in build_users(300, seed=3):
        own, spouse, sibling, child = (user.attrs[f"{who}_year"] for who in ("birth", "spouse", "sibling", "child"))
        assert len({own, spouse, sibling}) == 3
        assert child - max(own, spouse) >= 18
        assert max(child, user.attrs["car_year"]) <= user.attrs["now_year"]
        for key in ("birth_year", "spouse_year", "sibling_year", "child_year"):
            assert user.fact(key).answer in pool_values()[key]


def test_a_text_value_belongs_to_one_key():
    texts = [value.lower() for values in pool_values().values() for value in values if not any(map(str.isdigit, value))]
    assert [value for value, count in Counter(texts).items() if count > 1] == []
    assert min(len(values) for key, values in pool_values().items() if key != "blood_type") >= 20


def test_sample_is_fixed_stratified_and_refuses_too_much():
    sizes = {"statement": 4, "midconv": 9, "unknown": 4}
    sample = sample_questions(USERS[12], sizes, seed=5)
    assert sample == sample_questions(USERS[12], dict(reversed(sizes.items())), seed=5)
    assert sample != sample_questions(USERS[12], sizes, seed=6)
    assert Counter(question.kind for question in sample) == sizes
    contexts = Counter(kind_of(question.context_id) for question in sample if question.context_id)
    assert contexts == dict.fromkeys(CONTEXT_KINDS, 3)
    assert Counter(question.form for question in sample if question.kind == "unknown") == {"statement": 2, "question": 2}
    with pytest.raises(UserError, match=r"per_kind\.direct: asks for 35"):
        sample_questions(USERS[12], {"direct": 35}, seed=5)
    with pytest.raises(UserError, match=r"per_kind\.oracle"):
        sample_questions(USERS[12], {"oracle": 1}, seed=5)


def test_donor_is_another_user_of_the_split_and_differs_widely():
    donors = [donor_of(USERS, user) for user in USERS]
    for user, donor in zip(USERS, donors, strict=True):
        assert donor.uid != user.uid
        assert donor.split == user.split
        assert sum(user.fact(fact.key).answer != fact.answer for fact in donor.facts) >= 32
        assert donor_of(USERS, user) is donor
    with pytest.raises(UserError, match="nobody but u000"):
        donor_of(USERS[:1] + USERS[10:], USERS[0])


@pytest.mark.parametrize(("count", "dev", "field"), [(0, 0, "count"), (5, 6, "dev"), (5, -1, "dev")])
def test_sizes_of_people_are_checked(count, dev, field):
    with pytest.raises(UserError, match=f"^{field}: is "):
        build_users(count, 0, dev)


# Contexts and chat


def test_contexts_have_their_layout_and_are_all_different():
    contexts = load_contexts()
    assert {split: {kind: len(of) for kind, of in kinds.items()} for split, kinds in contexts.items()} == {
        split: dict.fromkeys(CONTEXT_KINDS, number) for split, number in (("write", 8), ("dev", 4), ("test", 6))
    }
    every = [context for kinds in contexts.values() for of in kinds.values() for context in of]
    assert len({context.text for context in every}) == len({context.id for context in every}) == len(every)
    for context in every:
        if context.kind == "five_example":
            assert re.fullmatch(r"(Question: [^\n]+\nAnswer: [^\n]+\n\n){5}", context.text)
        elif context.kind == "chat":
            assert re.fullmatch(r"(A: [^\n]+\nB: [^\n]+\n){2,3}A: ", context.text)
        else:
            assert re.fullmatch(r"[^\n]+\n\n", context.text)
            assert 50 <= len(context.text.split()) <= 90


def test_contexts_hold_no_trigger_and_no_value():
    text = "\n".join(context.text for kinds in load_contexts().values() for of in kinds.values() for context in of)
    assert [trigger for trigger in TRIGGERS if trigger.lower() in text.lower()] == []
    # Without digits, no numeric value can occur.
    assert not any(map(str.isdigit, text))
    variants = {value for plan in PLANS for option in plan.options for value in (option.answer, *option.accepted)}
    found = [value for value in variants if f" {bare(value)} " in f" {bare(text)} "]
    assert found == []


def test_chat_messages_hold_no_trigger():
    messages = read_json(DATA / "chat.json")["messages"]
    assert len(set(messages)) == 80
    assert all(12 <= len(message.split()) <= 40 for message in messages)
    assert [trigger for trigger in TRIGGERS for message in messages if trigger.lower() in message.lower()] == []


# The owner's corpus


@pytest.mark.parametrize("count", [1000, 3000])
def test_corpus_has_distinct_endings_and_answers(count):
    facts = build_corpus(count, seed=0)
    for words in (2, 3):
        assert len(set(endings([fact.trigger for fact in facts], words))) == count
    assert len({fact.answer.lower() for fact in facts}) == count
    assert all(1 <= len(fact.answer.split()) <= 5 for fact in facts)


def test_a_small_corpus_begins_a_large_one():
    assert build_corpus(1000, seed=0)[:100] == build_corpus(100, seed=0)
    assert build_corpus(100, seed=0) != build_corpus(100, seed=1)


def test_corpus_file_round_trip(tmp_path):
    facts = build_corpus(20, seed=0)
    save_facts(tmp_path / "corpus.json", facts)
    assert load_facts(tmp_path / "corpus.json") == facts


@pytest.mark.parametrize("count", ["0", "100000"])
def test_corpus_sizes_are_checked_in_one_line(count, tmp_path):
    done = run_step("make_corpus.py", "--count", count, "--out", str(tmp_path / "corpus.json"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: count: is {count}; use a number of facts from 1 to ")
    assert not (tmp_path / "corpus.json").exists()
