"""People, contexts and the owner's corpus: what the bench takes for granted about them. More about people: test_people.py."""

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
from loci.worlds.plans import SET_OF, WORLDS, load_world
from loci.worlds.pools import DAYS
from loci.worlds.records import load_facts, save_facts

USERS = build_users(30, seed=0, train=4)
EVERYBODY = {"personal": USERS, "medical": build_users(30, seed=0, world="medical", train=4)}
PLANS = {world: stored_keys(world) + never_stored_keys(world) for world in WORLDS}
TRIGGERS = [plan.trigger for world in WORLDS for plan in PLANS[world]]


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
    cases = {
        "personal": ("make_people.py", "--count", "12"),
        "medical": ("make_people.py", "--count", "11", "--dev", "5", "--train", "3", "--world", "medical"),
        "corpus": ("make_corpus.py", "--count", "12"),
    }
    for name, (step, *options) in cases.items():
        files = [tmp_path / f"{name}.{seed}.json" for seed in ("1", "2")]
        for path, seed in zip(files, ("1", "2"), strict=True):
            done = run_step(step, *options, "--out", str(path), hash_seed=seed)
            assert done.returncode == 0, done.stderr
            assert done.stdout.count("\n") == 1
        assert files[0].read_bytes() == files[1].read_bytes()


def test_a_user_does_not_depend_on_how_many_are_made():
    assert build_users(12, seed=0, train=2) == USERS[:12] + USERS[30:32]
    assert build_users(30, seed=0, dev=9)[11:] == USERS[11:30]
    assert build_users(12, seed=1)[0].facts != USERS[0].facts


def test_splits():
    assert [user.split for user in USERS] == ["dev"] * 10 + ["test"] * 20 + ["train"] * 4
    assert [user.uid for user in USERS] == [f"u{at:03d}" for at in range(30)] + [f"t{at:03d}" for at in range(4)]
    assert [user.uid for user in EVERYBODY["medical"]][::30] == ["m000", "tm000"]
    assert {user.split for user in build_users(3, 0, dev=0)} == {"test"}


@pytest.mark.parametrize(("world", "kept", "indirect"), [("personal", 34, 42), ("medical", 32, 40)])
def test_every_user_has_all_facts_and_questions(world, kept, indirect):
    for user in EVERYBODY[world]:
        assert [fact.key for fact in user.facts] == [plan.key for plan in stored_keys(world)]
        assert len(user.facts) == kept + 3
        counts = Counter(question.kind for question in user.questions)
        stay = kept + 3 - 6  # four facts are updated, two deleted
        assert counts == {
            **dict.fromkeys(("statement", "direct", "paraphrase", "midconv"), stay),
            **{"unknown": 16, "updated": 12, "deleted": 6, "chained": 4, "indirect": counts["indirect"]},
        }
        # A medical user is not asked about a policy when its fact changes.
        assert counts["indirect"] == indirect - 4 if world == "personal" else indirect - 8 <= counts["indirect"] <= indirect - 4
        for fact in user.facts:
            assert fact.statement == f"{fact.trigger} {fact.answer}."
            assert 1 <= len(fact.answer.split()) <= 6
            assert len(fact.trigger.split()) >= 3
            assert len(fact.wordings) == 2


def test_triggers_differ_in_their_last_two_words():
    for world in WORLDS:
        triggers = [plan.trigger for plan in PLANS[world]]
        for words in (2, 3):
            assert len(set(endings(triggers, words))) == len(triggers)


def questions_of(plan):
    return [plan.direct, *(text for texts in plan.questions.values() for text in texts)]


def sentences_of(plan):
    return [plan.statement, *(text for texts in plan.sentences.values() for text in texts)]


def asked_in(world):
    """All question wordings of a world by set; the published ones apart."""
    plan = load_world(world)
    of_keys = {name: [text for one in plan.keys + plan.canaries for text in one.questions[name]] for name in SET_OF.values()}
    return {name: of_keys[name] + [text for one in plan.wordings.values() for text in one.questions[name]] for name in of_keys}


def test_no_other_wording_contains_a_trigger():
    for world in WORLDS:
        texts = [text for plan in PLANS[world] for text in (*questions_of(plan), *sentences_of(plan)[1:])]
        texts += [
            text for wording in load_world(world).wordings.values() for of_set in wording.questions.values() for text in of_set
        ]
        assert [text for text in texts for plan in PLANS[world] if plan.trigger.lower() in text.lower()] == []


def test_sets_of_wordings_never_meet():
    for world in WORLDS:
        by_set = asked_in(world)
        published = {bare(plan.direct) for plan in PLANS[world]}
        bared = {name: set(map(bare, texts)) for name, texts in by_set.items()}
        assert all(not bared[one] & bared[other] for one in bared for other in bared if one < other)
        assert not published & set().union(*bared.values())
        sentences = [bare(text) for plan in stored_keys(world) for text in sentences_of(plan)]
        assert len(set(sentences)) == len(sentences)
        for plan in stored_keys(world):
            assert [len(plan.sentences[name]) for name in ("write", "dev", "test")] == [2, 1, 1]
            assert len(plan.questions["write"]) >= 1 and len(plan.questions["dev"]) == len(plan.questions["test"]) == 2


def test_a_user_is_asked_in_the_wordings_of_the_split():
    for world, users in EVERYBODY.items():
        plans = {plan.key: plan for plan in stored_keys(world)}
        for user in users:
            for question in user.questions:
                if question.kind == "paraphrase":
                    assert question.text in plans[question.key].questions[SET_OF[user.split]]
                elif question.kind in ("direct", "statement"):
                    plan = plans[question.key]
                    assert question.text == (plan.direct if question.kind == "direct" else plan.trigger)


def test_contexts_of_a_user_belong_to_the_users_split_and_are_balanced():
    for users in EVERYBODY.values():
        for user in users:
            ids = [question.context_id for question in user.questions if question.kind == "midconv"]
            assert {context_id.split(".")[0] for context_id in ids} == {SET_OF[user.split]}
            counts = Counter(map(kind_of, ids)).values()
            assert len(counts) == 3 and max(counts) - min(counts) <= 1


SHARED_POOLS = [{"spouse_name", "sibling_name"}, {"condition", "second_condition"}, {"medicine", "second_medicine"}]


@pytest.mark.parametrize("world", WORLDS)
def test_a_text_value_belongs_to_one_key(world):
    owners: dict[str, set] = {}
    for key, values in pool_values(world).items():
        for value in values if len(values) < 10_000 else ():  # canaries are checked in test_people.py
            if not any(map(str.isdigit, value)):
                owners.setdefault(value.lower(), set()).add(key)
    assert [(value, keys) for value, keys in owners.items() if len(keys) > 1 and keys not in SHARED_POOLS] == []
    small = {"blood_type", "lab_day", "next_visit", "follow_up_months"}
    assert min(len(values) for key, values in pool_values(world).items() if key not in small) >= 20


FAMILIES = {world: {question.family for question in users[12].questions} - {""} for world, users in EVERYBODY.items()}


def test_families():
    common = {"age", "comparison", "routine", "allergy", "multi", "policy", "chained"}
    assert {"personal": common | {"day_set", "commute"}, "medical": common | {"set", "dose"}} == FAMILIES


def test_sample_is_fixed_stratified_and_refuses_too_much():
    sizes = {"statement": 4, "midconv": 9, "unknown": 4, "indirect": 8, "updated": 4}
    sample = sample_questions(USERS[12], sizes, seed=5)
    assert sample == sample_questions(USERS[12], dict(reversed(sizes.items())), seed=5)
    assert sample != sample_questions(USERS[12], sizes, seed=6)
    assert Counter(question.kind for question in sample) == sizes
    contexts = Counter(kind_of(question.context_id) for question in sample if question.context_id)
    assert contexts == dict.fromkeys(CONTEXT_KINDS, 3)
    for kind in ("unknown", "updated"):
        assert Counter(question.form for question in sample if question.kind == kind) == {"statement": 2, "question": 2}
    assert {question.family for question in sample} - {""} == FAMILIES["personal"] - {"chained"}
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


def test_sizes_and_worlds_are_checked_in_one_line(tmp_path):
    cases = {
        ("--count", "0"): "error: count: is 0; make 1 to 20000 users",
        ("--train", "-1"): "error: train: is -1; use a number from 0 to 20000",
        ("--world", "Narnia"): "error: world: 'Narnia' is not known; use one of personal, medical",
    }
    for options, message in cases.items():
        done = run_step("make_people.py", *options, "--out", str(tmp_path / "people.json"))
        assert (done.returncode, done.stdout, done.stderr.strip()) == (2, "", message)
        assert not (tmp_path / "people.json").exists()


@pytest.mark.parametrize(("count", "dev", "field"), [(0, 0, "count"), (20_001, 0, "count"), (5, 6, "dev"), (5, -1, "dev")])
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
    options = [option for world in WORLDS for plan in PLANS[world] for option in plan.options]
    variants = {value for option in options for value in (option.answer, *option.accepted) if not any(map(str.isdigit, value))}
    # Days and months are words of every text; no context is about one of them.
    words = f" {bare(text)} "
    assert [value for value in variants - {*DAYS, "May", "March"} if f" {bare(value)} " in words] == []


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
