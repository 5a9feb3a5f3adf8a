"""Conversations: they tell what the clean facts say, in so many words, and give nothing else away."""

import os
import random
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steps_path import load_step

from loci.errors import UserError
from loci.paths import ROOT
from loci.worlds.dialogue import build_conversations
from loci.worlds.dialogue_lines import bare, key_lines, others
from loci.worlds.dialogue_records import load_conversations, render, replay, save_conversations
from loci.worlds.people import build_users, stored_keys
from loci.worlds.plans import WORLDS, load_world
from loci.worlds.records import Change, Fact, User, load_users, save_users

PLANS = {plan.key: plan for world in WORLDS for plan in stored_keys(world)}
STEP = load_step("make_dialogues")
COUNT = 18  # users of each world, as many of each split


def with_three_changes_of_one(user, world):
    """The user's own changes and, in between, three of one more fact: another value, taken back, one more value."""
    rng = random.Random(user.uid)
    changed = {change.key for change in user.changes}
    plan = rng.choice([plan for plan in world.keys if plan.key not in changed and plan.key != "name"])
    before = user.fact(plan.key).answer
    options = {option.answer: option for option in world.pools[user.split][plan.key] if option.answer != before}
    told = [plan.fact(option) for option in rng.sample(list(options.values()), 2)]
    first, second = (Change(one.key, "update", one.answer, one.statement, one.accepted, one.wordings) for one in told)
    changes = list(user.changes)
    places = sorted(rng.choices(range(len(changes) + 1), k=3), reverse=True)
    for place, change in zip(places, (second, Change(plan.key, "delete"), first), strict=True):
        changes.insert(place, change)
    return replace(user, changes=tuple(changes))


def users_of(world):
    users = build_users(2 * COUNT // 3, seed=0, dev=COUNT // 3, world=world, train=COUNT // 3)
    return [with_three_changes_of_one(user, load_world(world)) for user in users]


USERS = {world: users_of(world) for world in WORLDS}
TALKS = {world: build_conversations(users, seed=0, private=STEP.private_keys(users)) for world, users in USERS.items()}
EVERYBODY = [user for users in USERS.values() for user in users]
ALL_TALKS = [talk for talks in TALKS.values() for talk in talks]
BOTH = list(zip(EVERYBODY, ALL_TALKS, strict=True))
PERSONAL = USERS["personal"]


def housemates(user):
    """The users in whose file this one stands: those of the same world."""
    return USERS[user.attrs["world"]]


def sentences(record):
    return (record.statement, *record.wordings)


def final_state(user):
    """What holds in the end, by the clean records alone: for each key the sentences that say it, () for deleted."""
    state = {fact.key: sentences(fact) for fact in user.facts}
    for change in user.changes:
        state[change.key] = sentences(change) if change.action == "update" else ()
    return state


def values_of(user):
    return [bare(value) for record in (*user.facts, *user.changes) for value in record.accepted]


def said(sentence, text):
    # "My shoe size is 43." also begins "My shoe size is 43.5."
    return re.search(re.escape(sentence) + r"(?!\S)", text) is not None


def test_the_users_are_of_both_worlds_and_all_splits_and_their_facts_change_up_to_three_times():
    assert Counter(user.split for user in EVERYBODY) == dict.fromkeys(("dev", "test", "train"), 2 * COUNT // 3)
    assert Counter(user.attrs["world"] for user in EVERYBODY) == dict.fromkeys(WORLDS, COUNT)
    for user in EVERYBODY:
        actions = {}
        for change in user.changes:
            actions.setdefault(change.key, []).append(change.action)
        assert sorted(actions.values()) == sorted([["update"]] * 4 + [["delete"]] * 2 + [["update", "delete", "update"]])


# The conversations agree with the clean facts


def test_replay_gives_the_final_state_of_every_user():
    for user, talk in BOTH:
        state, expected = replay(talk), final_state(user)
        assert state.keys() == expected.keys()
        for key, statement in state.items():
            assert statement in expected[key] if expected[key] else statement is None


def test_the_text_alone_gives_the_final_state():
    """From lines and names only: the user's known sentence that comes last, or a request to forget after it."""
    to_forget = re.compile(r"forget (what|it\b)|(longer remember|drop|strike|delete|remove|never told you|is history)\b")
    for user, talk in BOTH:
        known = {fact.key: sentences(fact) for fact in user.facts}
        for change in user.changes:
            known[change.key] += sentences(change) if change.action == "update" else ()
        state = {}
        for line in render(talk).splitlines():
            speaker, _, text = line.partition(": ")
            if speaker != talk.user_name:
                continue
            told = [(key, one) for key, wordings in known.items() for one in wordings if said(one, text)]
            state.update(told)
            if not told and to_forget.search(text):
                state.update((key, None) for key in known if key_lines(key).topic in text)
        for key, wordings in final_state(user).items():
            assert state[key] in wordings if wordings else state[key] is None


def test_every_fact_is_told_once_and_every_change_once_in_a_later_session():
    for user, talk in BOTH:
        told = {fact.key: [] for fact in user.facts}
        for session in talk.sessions:
            for turn in session.turns:
                if turn.role in ("fact", "update", "delete"):
                    for index, key in enumerate(turn.fact_keys):
                        told[key].append((session.number, turn.role, turn.statements[index] if turn.statements else None))
        for fact in user.facts:
            changes = [change for change in user.changes if change.key == fact.key]
            numbers, roles, statements = zip(*told[fact.key], strict=True)
            assert list(roles) == ["fact", *(change.action for change in changes)]
            assert len(set(numbers)) == len(numbers)
            assert sorted(numbers) == list(numbers)
            assert statements[0] in sentences(fact)
            for change, statement in zip(changes, statements[1:], strict=True):
                assert statement in sentences(change) if change.action == "update" else statement is None
            text = "\n".join(turn.text for turn in talk.turns)
            assert sum(text.count(f"{one} ") + text.count(f"{one}\n") for one in sentences(fact)) == 1


def test_evidence_lists_the_turns_that_decide():
    for user, talk in BOTH:
        text = {turn.turn_id: turn.text for turn in talk.turns}
        evidence = talk.evidence
        assert evidence.keys() == final_state(user).keys()
        for key, wordings in final_state(user).items():
            last = text[evidence[key][-1]]
            assert any(said(one, last) for one in wordings) if wordings else key_lines(key).topic in last


def test_facts_are_told_in_all_the_words_that_a_memory_may_learn_from_and_in_no_others():
    used = Counter()
    for user, talk in BOTH:
        text = " ".join(turn.text for turn in talk.turns if turn.speaker == talk.user_name)
        plans = {plan.key: plan for plan in stored_keys(user.attrs["world"])}
        for told in (*user.facts, *(change for change in user.changes if change.action == "update")):
            assert len(told.wordings) == 2
            assert all(re.fullmatch(r"[A-Z].*[^.]\.", one) for one in sentences(told))
            # Several only where an answer comes back after a change.
            used.update(index for index, one in enumerate(sentences(told)) if said(one, text))
            kept_back = [one for name in ("dev", "test") for one in plans[told.key].sentence_wordings(name, told.answer)]
            assert [one for one in kept_back if said(one, text)] == []
    assert all(0.3 < used[index] / used.total() < 0.37 for index in range(3))


# What is said around the facts


def test_no_value_of_the_user_is_said_outside_the_sentences_that_tell_it():
    for user, talk in BOTH:
        values = values_of(user)
        for turn in talk.turns:
            rest = turn.text
            if turn.role in ("fact", "update"):
                for statement in turn.statements:
                    rest = rest.replace(statement, "", 1)
            assert [value for value in values if value in bare(rest)] == [], turn


def test_turns_of_the_partner_tell_nothing_about_the_user():
    for talk in ALL_TALKS:
        for turn in talk.turns:
            if turn.speaker == talk.partner_name:
                assert turn.role in ("chat", "mention", "distractor")
                assert turn.role == "distractor" or not turn.statements


def test_distractors_are_other_peoples_facts_in_the_third_person():
    tellers = Counter()
    for user, talk in BOTH:
        lent = [fact for other in housemates(user) if other is not user for fact in other.facts]
        for turn in (turn for turn in talk.turns if turn.role == "distractor"):
            (key,), (sentence,) = turn.fact_keys, turn.statements
            answers = {fact.answer for fact in lent if fact.key == key}
            template = key_lines(key).other
            assert sentence in {template.format(who=who, whose=f"{who}'s", answer=one) for who in others() for one in answers}
            assert not any(fact.trigger in sentence for fact in user.facts)
            tellers[turn.speaker == talk.user_name] += 1
    assert tellers[False] > 0.05 * tellers.total()
    assert 6 * len(BOTH) < tellers.total() <= 7 * len(BOTH)


def test_slips_are_corrected_at_once():
    count = 0
    for user, talk in BOTH:
        for session in talk.sessions:
            for index, turn in enumerate(session.turns):
                if turn.role != "mention" or not turn.statements:
                    continue
                count += 1
                (key,), (wrong,) = turn.fact_keys, turn.statements
                assert turn.speaker == talk.user_name
                assert wrong not in sentences(user.fact(key))
                assert any(wrong in sentences(other.fact(key)) for other in housemates(user))
                soon = [later for later in session.turns[index + 1 : index + 3] if later.fact_keys == (key,)]
                assert [later.role for later in soon] == ["fact"]
                assert soon[0].turn_id in talk.evidence[key]
                assert turn.turn_id not in talk.evidence[key]
    assert 1.2 * len(BOTH) < count <= 2 * len(BOTH)


def test_shares():
    for user, talk in BOTH:
        roles = Counter(turn.role for turn in talk.turns)
        double = sum(len(turn.fact_keys) == 2 for turn in talk.turns)
        assert all(len(turn.fact_keys) <= 2 for turn in talk.turns)
        assert double == 2 <= 0.1 * roles["fact"]
        assert 5.5 <= roles.total() / len(user.facts) <= 8
        assert roles["chat"] > roles.total() / 2
    for world, talks in TALKS.items():
        told = sum(len(user.facts) for user in USERS[world])
        assert 5.8 <= sum(len(talk.turns) for talk in talks) / told <= 6.6


def test_sessions_are_dated_in_order():
    sizes = Counter()
    for talk in ALL_TALKS:
        dates = [datetime.fromisoformat(session.date) for session in talk.sessions]
        assert [when.date() for when in dates] == sorted({when.date() for when in dates})
        assert date(2026, 1, 1) <= dates[0].date() <= dates[-1].date() <= date(2026, 11, 30)
        assert (dates[-1] - dates[0]).days > 60
        sizes[len(dates)] += 1
        for session, when in zip(talk.sessions, dates, strict=True):
            first, last = session.turns[0].text, session.turns[-1].text
            assert when.hour < 10 or "morning" not in first.lower()
            assert when.hour >= 19 or "evening" not in first.lower()
            assert when.hour >= 20 or not re.search(r"[Nn]ight\.|late\.", last)
            assert (when.month, when.day) <= (1, 7) or "new year" not in first.lower()
    assert set(sizes) <= set(range(8, 21))
    assert len(sizes) > 6


def test_speakers_are_a_first_name_and_a_friend_or_an_assistant():
    partners = Counter(talk.partner_name == "Assistant" for talk in ALL_TALKS)
    assert min(partners[True], partners[False]) >= len(BOTH) // 4
    for user, talk in BOTH:
        assert talk.user_name == user.fact("name").answer.split()[0]
        assert bare(talk.partner_name) not in values_of(user)


def test_text_has_no_accidents():
    for talk in ALL_TALKS:
        for turn in talk.turns:
            assert not re.search(
                r"  |[.?!,:;]{2}|\s[.?!,:;]|[{}]|\b(\w+) \1\b|\b[Mm]y (the|my|a) |\ba [aeio]|\ban (?!hour)[^aeiou]", turn.text
            ), turn
            assert re.match(r"[A-Z]", turn.text)
            assert turn.text[-1] in ".?!"


def test_lines_are_not_soon_repeated():
    for talk in ALL_TALKS:
        texts = [turn.text for turn in talk.turns if turn.role == "chat"]
        for index, text in enumerate(texts):
            assert text not in texts[max(0, index - 15) : index], text


# Which values may be lent


def test_a_canary_is_said_once_by_its_owner_and_nowhere_else():
    canaries = {world: [plan.key for plan in load_world(world).canaries] for world in WORLDS}
    assert {world: STEP.private_keys(users) for world, users in USERS.items()} == canaries
    assert STEP.private_keys(EVERYBODY) == canaries["personal"] + canaries["medical"]
    values = [(user.uid, bare(user.fact(key).answer)) for user in EVERYBODY for key in canaries[user.attrs["world"]]]
    assert len(set(values)) == len(dict(map(reversed, values))) == 3 * len(EVERYBODY)
    for talk in ALL_TALKS:
        # The names of the speakers and the dates are read as well.
        text = bare(render(talk))
        said_here = [uid for uid, value in values for _ in range(text.count(value))]
        assert said_here == [talk.uid] * 3


def test_private_keys_are_lent_to_nobody():
    told = build_conversations(PERSONAL, seed=0, private=["dentist", "rent"])
    for user, talk in zip(PERSONAL, told, strict=True):
        others = {fact.statement for other in PERSONAL for fact in other.facts if fact.key in ("dentist", "rent")}
        own = {one for record in (*user.facts, *user.changes) for one in sentences(record)}
        for turn in talk.turns:
            assert not any(said(statement, turn.text) for statement in others - own)
            assert not (turn.role == "distractor" and {"dentist", "rent"} & set(turn.fact_keys))
        assert replay(talk).keys() == final_state(user).keys()
    assert any("dentist" in turn.fact_keys for talk in TALKS["personal"] for turn in talk.turns if turn.role == "distractor")
    with pytest.raises(UserError, match=r"^private: names 'shoes', which is a key of no user"):
        build_conversations(PERSONAL, seed=0, private=["shoes"])


def test_a_user_alone_has_nobody_to_be_confused_with():
    # Values without a letter or digit cannot be told from others by their words.
    wordless = User("a", "test", tuple(a_fact(key, "?!", f"My {key} is ?!.") for key in PLANS), ())
    for user in (PERSONAL[0], USERS["medical"][0], wordless):
        (talk,) = build_conversations([user], seed=0)
        assert replay(talk).keys() == final_state(user).keys()
        assert not any(turn.role == "distractor" or (turn.role == "mention" and turn.statements) for turn in talk.turns)


# Facts that nobody has written lines for


def a_fact(key, answer, statement, *wordings):
    return Fact(key, answer, statement, (answer,), wordings)


def test_unknown_keys_get_generic_lines():
    told = ["My locker opens with {}.", "My sister lives in {}.", "I have a dog named {}."]
    users = [
        User(uid, "test", tuple(map(a_fact, ("locker_code", "sister2", "dog"), values, map(str.format, told, values))), ())
        for uid, values in (("a", ("ninety", "Lima", "Ol")), ("b", ("twelve", "Oslo", "Bo")))
    ]
    users[0] = replace(users[0], changes=(Change("locker_code", "delete"),))
    others_told = set()
    for seed in range(30):
        talk, _ = build_conversations(users, seed)
        assert talk.user_name == "User"
        assert replay(talk) == {"locker_code": None, "sister2": "My sister lives in Lima.", "dog": "I have a dog named Ol."}
        assert ["my locker code" in turn.text for turn in talk.turns if turn.role == "delete"] == [True]
        others_told |= {turn.statements[0] for turn in talk.turns if turn.role == "distractor"}
    # "I have a dog" has no owner to be exchanged.
    allowed = {f"{person}'s {end}" for person in others() for end in ("locker opens with twelve.", "sister lives in Oslo.")}
    assert others_told
    assert others_told <= allowed


# Determinism, odd users and the step

ANSWERS = st.text(alphabet="abcXYZ 019.,'{}", min_size=1, max_size=8).filter(lambda text: text == text.strip() != "")
KEYS = st.lists(st.sampled_from([*PLANS, "locker", "sister_city2", "x"]), min_size=1, max_size=7, unique=True)


@st.composite
def odd_users(draw):
    users = []
    for uid in ("a", "b"):
        facts, changes = [], []
        for key in draw(KEYS):
            one = draw(ANSWERS)
            facts.append(a_fact(key, one, f"My {key} is {one}.", f"It is {one}, my {key}."))
            for action in draw(st.lists(st.sampled_from(["update", "delete"]), max_size=3)):
                new = draw(ANSWERS)
                told = (new, f"My {key} is {new}.", (new,)) if action == "update" else ()
                changes.append(Change(key, action, *told))
        users.append(User(uid, "test", tuple(facts), (), {}, tuple(draw(st.permutations(changes)))))
    return users


@settings(max_examples=40, deadline=None, database=None, derandomize=True)
@given(odd_users(), st.integers(0, 5))
def test_any_users_facts_survive_the_conversation(users, seed):
    talks = build_conversations(users, seed)
    for user, talk in zip(users, talks, strict=True):
        state, expected = replay(talk), final_state(user)
        assert state.keys() == expected.keys()
        assert all(state[key] in of if of else state[key] is None for key, of in expected.items())
        assert 8 <= len(talk.sessions) <= 20
        assert not re.search(r"\{(topic|who|whose|answer)\}", render(talk))


def test_a_file_comes_back_equal(tmp_path):
    save_conversations(tmp_path / "talks.json", ALL_TALKS)
    assert load_conversations(tmp_path / "talks.json") == ALL_TALKS


def test_another_seed_gives_another_conversation_and_the_same_seed_the_same():
    assert build_conversations(PERSONAL[:4], seed=3) == build_conversations(PERSONAL[:4], seed=3)
    assert render(build_conversations(PERSONAL[:4], seed=3)[0]) != render(build_conversations(PERSONAL[:4], seed=4)[0])


@pytest.mark.parametrize(
    ("user", "message"),
    [
        (User("u7", "test", (), ()), r"user u7: facts: is empty"),
        (replace(PERSONAL[0], changes=(Change("city", "delete"),) * 20), r"user u000: changes\[city\]: are 20; use at most 19"),
        (
            User("u8", "test", (a_fact("x", "a\nb", "My x is a\nb."),), ()),
            r"user u8: turns\[S\d+:\d+\].text: is empty or broken into lines",
        ),
    ],
)
def test_users_that_cannot_be_told_are_refused(user, message):
    with pytest.raises(UserError, match=message):
        build_conversations([user], seed=0)


def run_step(*arguments, hash_seed="0"):
    command = [sys.executable, str(ROOT / "code" / "steps" / "make_dialogues.py"), *map(str, arguments)]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def test_the_step_writes_the_same_bytes_under_every_hash_seed(tmp_path):
    save_users(tmp_path / "people.json", PERSONAL)
    assert load_users(tmp_path / "people.json") == PERSONAL
    outs = [tmp_path / f"talks{seed}.json" for seed in ("1", "2")]
    for out, seed in zip(outs, ("1", "2"), strict=True):
        done = run_step("--users", tmp_path / "people.json", "--out", out, hash_seed=seed)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("\n") == 1
        assert f"{out}: {COUNT} conversations with " in done.stdout
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert load_conversations(outs[0]) == TALKS["personal"]


def test_the_step_keeps_canaries_private_whatever_they_look_like(tmp_path):
    # Sentences that could be told of somebody else, for a key without a line for that.
    users = [
        User(
            uid,
            "test",
            (a_fact("parcel_code", code, f"My box opens with {code}."), a_fact("box", size, f"My box holds {size}.")),
            (),
        )
        for uid, code, size in (("a", "BB-1000", "shoes"), ("b", "CC-2000", "hats"))
    ]
    save_users(tmp_path / "people.json", users)
    lent, kept = set(), set()
    for seed in range(30):
        STEP.main(["--users", str(tmp_path / "people.json"), "--seed", str(seed), "--out", str(tmp_path / "talks.json")])
        for found, talks in ((lent, build_conversations(users, seed)), (kept, load_conversations(tmp_path / "talks.json"))):
            found.update(
                turn.fact_keys
                for talk in talks
                for turn in talk.turns
                if turn.role == "distractor" or (turn.statements and turn.role == "mention")
            )
    assert lent == {("parcel_code",), ("box",)}
    assert kept == {("box",)}


def test_the_step_tells_medical_users_as_the_library_does(tmp_path, capsys):
    save_users(tmp_path / "medical.json", USERS["medical"])
    STEP.main(["--users", str(tmp_path / "medical.json"), "--out", str(tmp_path / "talks.json")])
    assert capsys.readouterr().out.startswith(f"{tmp_path}/talks.json: {COUNT} conversations with ")
    assert load_conversations(tmp_path / "talks.json") == TALKS["medical"]


def test_the_step_refuses_bad_input_in_one_line(tmp_path):
    save_users(tmp_path / "people.json", [User("u7", "test", (), ())])
    for arguments, message in [
        (["--users", tmp_path / "none.json"], f"error: {tmp_path}/none.json: no such file; run code/steps/make_people.py\n"),
        (
            ["--users", tmp_path / "people.json"],
            f"error: {tmp_path}/people.json: user u7: facts: is empty; give the user at least one fact\n",
        ),
    ]:
        done = run_step(*arguments, "--out", tmp_path / "talks.json")
        assert (done.returncode, done.stdout, done.stderr) == (2, "", message)
        assert not (tmp_path / "talks.json").exists()
