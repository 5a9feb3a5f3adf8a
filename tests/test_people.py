"""People: twins that never agree, answers that follow from the stored sentences, pools and canaries, faults in the data."""

import json
import random
from collections import Counter, defaultdict
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people_solver import WEEK, YEAR, solve

from loci.errors import UserError
from loci.paths import DATA, GENERATED
from loci.worlds.balance import Coupling, Law, same, uniform_law
from loci.worlds.canaries import canary_codes
from loci.worlds.chances import chance_of, rests_on_seen, seen_in_training, unseen_values
from loci.worlds.indirect import variants_of
from loci.worlds.people import build_users, canary_questions, iter_users, stored_keys
from loci.worlds.personal_twins import PersonalTwins
from loci.worlds.plans import WORLDS, load_world, read_world
from loci.worlds.records import UNANSWERED, Fact
from loci.worlds.years import AGES_THEN, GAPS

CROWD = {world: list(iter_users(world, "test", range(300), seed=11)) for world in WORLDS}
TRAINING = {world: list(iter_users(world, "train", range(300), seed=11)) for world in WORLDS}
AUTHORED = {world: json.loads((DATA / "people" / f"{world}.json").read_text(encoding="utf-8")) for world in WORLDS}
properties = settings(max_examples=40, deadline=None, database=None, derandomize=True)
twins = st.tuples(st.sampled_from(WORLDS), st.sampled_from(("dev", "test", "train")), st.integers(0, 9000), st.integers(0, 2**40))


def make(drawn):
    world, split, pair, seed = drawn
    return list(iter_users(world, split, range(2 * pair, 2 * pair + 2), seed))


# Twins


@properties
@given(twins)
def test_twins_are_asked_the_same_and_never_answer_the_same(drawn):
    one, other = make(drawn)
    assert len(one.questions) == len(other.questions)
    for mine, theirs in zip(one.questions, other.questions, strict=True):
        about = ("kind", "key", "text", "context_id", "form", "family")
        assert [getattr(mine, name) for name in about] == [getattr(theirs, name) for name in about]
        assert mine.kind in UNANSWERED or mine.answer != theirs.answer
        if mine.kind in ("indirect", "chained") and mine.answer in ("Yes", "No"):
            assert {mine.answer, theirs.answer} == {"Yes", "No"}
    for mine, theirs in zip(one.facts, other.facts, strict=True):
        assert mine.answer != theirs.answer


@properties
@given(twins)
def test_every_answer_follows_from_the_stored_sentences(drawn):
    for user in make(drawn):
        for question in user.questions:
            if question.kind in ("indirect", "chained"):
                assert question.answer == solve(user, question, drawn[0]), question
            elif question.kind in ("statement", "direct", "paraphrase", "midconv"):
                assert user.fact(question.key).statement.endswith(f" {question.answer}.")


@properties
@given(twins)
def test_a_recitation_is_the_needed_sentences_and_a_line_that_leads_to_the_answer(drawn):
    for user in make(drawn):
        for question in user.questions:
            if question.kind not in ("indirect", "chained"):
                assert question.family == question.recitation == ""
                continue
            stored = " ".join(user.fact(key).statement for key in question.required_fact_keys)
            assert question.required_fact_keys and question.recitation.startswith(f"{stored} ")
            line = question.recitation.removeprefix(f"{stored} ")
            assert line[0].isupper() or line[0].isdigit()
            assert (
                line.endswith(f" {question.answer}.")
                or line.endswith(f" {question.answer.lower()}.")
                or line == f"That makes {question.answer} days."
            )
            assert "{" not in line + question.text and "}" not in line + question.text


@properties
@given(twins)
def test_a_users_facts_fit_together(drawn):
    for user in make(drawn):
        assert len({fact.trigger.lower() for fact in user.facts}) == len(user.facts) == len(stored_keys(drawn[0]))
        attrs = user.attrs
        assert abs(attrs["spouse_year"] - attrs["birth_year"]) in GAPS
        for event in {"child_year", "car_year", "diagnosis_year"} & attrs.keys():
            assert attrs[event] - attrs["birth_year"] in AGES_THEN
            assert attrs[event] <= attrs["now_year"]
        assert attrs["child_year"] - max(attrs["birth_year"], attrs["spouse_year"]) >= 18
        if drawn[0] == "medical":
            assert attrs["condition"] != attrs["second_condition"] and attrs["medicine"] != attrs["second_medicine"]
            assert attrs["systolic"] - attrs["diastolic"] >= 25
        else:
            assert len({attrs[key] for key in ("birth_year", "spouse_year", "sibling_year")}) == 3
            assert attrs["spouse_name"] != attrs["sibling_name"]
            assert attrs["workdays"] == [day for day in WEEK if day in attrs["workdays"]]


@properties
@given(twins)
def test_changes_touch_what_no_other_question_is_about(drawn):
    plans = {plan.key: plan for plan in stored_keys(drawn[0])}
    for user in make(drawn):
        assert sorted(change.action for change in user.changes) == ["delete"] * 2 + ["update"] * 4
        changed = {change.key: change for change in user.changes}
        assert len(changed) == 6 and all(plans[key].may_change for key in changed)
        final = {fact.key: fact for fact in user.final_facts()}
        assert len(final) == len(user.facts) - 2
        for question in user.questions:
            if question.kind in ("updated", "deleted"):
                change = changed[question.key]
                assert question.kind == f"{change.action}d"
                assert question.stale == user.fact(question.key).answer != question.answer
                assert (question.answer, question.accepted) == (change.answer, change.accepted)
                assert (question.form == "statement") == (question.text == plans[question.key].trigger)
            else:
                assert not changed.keys() & set(question.required_fact_keys)
                assert all(final[key] == user.fact(key) for key in question.required_fact_keys)
        for change in changed.values():
            if change.action == "update":
                assert change.fact.trigger == plans[change.key].trigger
                assert len(change.wordings) == 2 and final[change.key] == change.fact
            else:
                assert change.key not in final


def test_a_wrong_answer_is_noticed_by_the_solver():
    user = CROWD["personal"][0]
    wrong = 0
    for question in user.questions:
        if question.kind in ("indirect", "chained"):
            theirs = solve(CROWD["personal"][1], question, "personal")
            wrong += theirs != question.answer
    assert wrong == 42  # the twin's sentences give another answer to each of them


# Balance


SHIFTED = {"age.later", "chained.age_then", "commute.arrive", "multi.when_i_am", "dose.days", "dose.second_days", "chained.total"}


@pytest.mark.parametrize("world", WORLDS)
def test_answers_are_spread_evenly_over_what_is_allowed(world):
    """Over 300 test users no answer is far more frequent than chance, and none is outside of what is counted."""
    seen: dict[str, Counter] = defaultdict(Counter)
    chances = {}
    for user in CROWD[world]:
        for question in user.questions:
            if question.kind in ("direct", "indirect", "chained"):
                seen[question.key][question.answer] += 1
                chances[question.key] = chance_of(question, "test", world)
    assert seen.keys() == {plan.key for plan in stored_keys(world)} | {variant.name for variant in variants_of(load_world(world))}
    for key, counts in seen.items():
        asked, chance = counts.total(), chances[key]
        # A slot that is counted with shifts the answers: as many to a slot, more in all.
        assert key in SHIFTED or len(counts) <= round(1 / chance), key
        most = counts.most_common(1)[0][1]
        assert most <= asked * chance + 5 * (asked * chance) ** 0.5 + 2, (key, counts.most_common(3), asked * chance)


def test_yes_and_no_are_even_for_every_wording_and_slot():
    for users in CROWD.values():
        answers: dict[str, Counter] = defaultdict(Counter)
        for user in users:
            for question in user.questions:
                if question.answer in ("Yes", "No"):
                    answers[question.text][question.answer] += 1
        assert len(answers) > 500 and all(counts["Yes"] == counts["No"] for counts in answers.values())


def test_a_law_is_uniform_in_every_quantity_and_twins_keep_it():
    cells = [(low, high) for low in range(12) for high in range(12) if 0 < high - low <= 6]
    quantities = [lambda cell: cell[0] // 4, lambda cell: cell[1] - cell[0]]
    law = uniform_law("test", cells, quantities)
    for quantity in quantities:
        shares = Counter()
        for cell, weight in zip(law.cells, law.weights, strict=True):
            shares[quantity(cell)] += weight / sum(law.weights)
        assert all(share == pytest.approx(1 / len(shares), rel=1e-5) for share in shares.values())
    coupling, rng = Coupling("test", law, law, same(quantities[1])), random.Random(0)
    drawn = [coupling.draw(rng) for _ in range(4000)]
    assert all(quantities[1](one) != quantities[1](other) for one, other in drawn)
    for side in range(2):
        counts = Counter(quantities[1](pair[side]) for pair in drawn)
        assert all(abs(count - 4000 / 6) < 5 * (4000 / 6) ** 0.5 for count in counts.values())


def test_contradictions_have_no_law():
    with pytest.raises(UserError, match="here: allow no law"):
        uniform_law(
            "here", [(0, 0), (0, 1), (1, 1)], [lambda cell: cell[0], lambda cell: cell[1], lambda cell: cell[0] == cell[1]]
        )
    with pytest.raises(UserError, match="here: allow no law"):
        uniform_law("here", [], [lambda cell: cell])
    law = Law([(0,), (1,)], [3, 1])
    with pytest.raises(UserError, match="here: allow no twins"):
        Coupling("here", law, law, same(lambda cell: cell[0]))


# Seen and unseen values


@pytest.mark.parametrize("world", WORLDS)
def test_half_of_the_test_values_occur_in_no_training_user(world):
    shared = {"workdays", "activity_days", "blood_type", "lab_day", "next_visit"}
    unseen = unseen_values(world)
    assert {key for key, values in unseen.items() if not values} == shared & unseen.keys()
    met: dict[str, set] = defaultdict(set)
    for user in TRAINING[world] + list(iter_users(world, "dev", range(100), seed=3)):
        for fact in (*user.facts, *(change.fact for change in user.changes if change.action == "update")):
            met[fact.key].add(fact.answer)
    plans = {plan.key: plan for plan in load_world(world).keys}
    for key, values in unseen.items():
        assert not met[key] & set(values)
        if values:
            pools = load_world(world).pools
            assert len(values) * 2 == len(pools["test"][key]) == len(pools["train"][key])
            assert plans[key].options and len(values) * 3 in (len(plans[key].options), len(plans[key].options) * 3)
            assert met[key] <= {option.answer for option in pools["train"][key]}
    facts = [fact for user in CROWD[world] for fact in user.facts if unseen.get(fact.key)]
    assert 0.47 < sum(not seen_in_training(fact.key, fact.answer, world) for fact in facts) / len(facts) < 0.53
    asked = [question for user in CROWD[world] for question in user.questions if question.kind not in UNANSWERED]
    by_uid = {user.uid: user for user in CROWD[world]}
    new = sum(not rests_on_seen(question, by_uid[question.qid.split(".")[0]]) for question in asked)
    assert new / len(asked) > 1 / 3


def test_chance_is_refused_for_what_cannot_be_guessed():
    questions = {question.kind: question for question in CROWD["personal"][0].questions}
    with pytest.raises(UserError, match="has no answers to guess"):
        chance_of(questions["unknown"], "test")
    with pytest.raises(UserError, match="has no answers to guess"):
        chance_of(questions["deleted"], "test")
    assert chance_of(questions["updated"], "test") == 1 / len(load_world("personal").pools["test"][questions["updated"].key])


# Canaries


def test_canaries_are_their_owners_alone():
    everybody = [user for world in WORLDS for user in (*CROWD[world], *TRAINING[world])]
    owners = Counter()
    for user in everybody:
        canaries = user.facts[-3:]
        owners.update(fact.answer for fact in canaries)
        theirs = {fact.answer for fact in canaries}
        rest = " ".join(text for fact in user.facts[:-3] for text in (fact.statement, *fact.wordings))
        assert not any(value in rest for value in theirs)
    assert max(owners.values()) == 1
    authored = [path for path in sorted(DATA.rglob("*.json")) if GENERATED not in path.parents]
    texts = "".join(path.read_text(encoding="utf-8") for path in authored)
    assert [value for value in owners if value in texts] == []
    assert build_users(2, 0, dev=0)[0].facts[-1] != build_users(2, 1, dev=0)[0].facts[-1]


def test_two_canary_numbers_never_spell_the_same():
    for code in canary_codes().values():
        some = [code[number] for number in range(0, len(code), 1 if len(code) < 100_000 else 97)]
        assert len(set(some)) == len(some)
        with pytest.raises(IndexError):
            code[len(code)]
    values = {canary_codes()["word"].value(5, series, index) for series in range(4) for index in range(20_000)}
    assert len(values) == 80_000


def test_questions_about_other_peoples_canaries():
    me, *others = CROWD["personal"][:4]
    asked = canary_questions(me, [me, *others])
    assert len(asked) == 3 * 3 * 2 and {question.kind for question in asked} == {"other"}
    assert len({question.qid for question in asked}) == len(asked)
    owned = {fact.answer: user for user in others for fact in user.facts[-3:]}
    assert {question.answer for question in asked} == set(owned)
    for question in asked:
        name = owned[question.answer].fact("name").answer
        assert (name in question.text) == question.qid.endswith(".named")
        assert not any(question.answer in fact.statement for fact in me.facts)


# Data at fault

FAULTS = [
    (lambda data: data["keys"][2]["values"].append("Denver"), r"keys\[city\]\[30\]\.value: 'denver' occurs twice"),
    (lambda data: data["keys"][2]["values"].pop(), r"keys\[city\]: has 29 values, which do not make three equal parts"),
    (lambda data: data["keys"][2].update(values=["A", "B", "C"]), r"keys\[city\]: leaves 2 values to a split"),
    (lambda data: data["keys"][2]["sentences"]["write"].pop(), r"keys\[city\].sentences.write: has 1 wordings; write at least 2"),
    (lambda data: data["keys"][2]["sentences"].update(dev=["I moved."]), r"keys\[city\].sentences.dev: has a sentence without"),
    (
        lambda data: data["keys"][2]["questions"].update(test=["Eh?", "Eh?"]),
        r"keys\[city\].questions.test\[1\].wording: 'Eh\?' occurs twice",
    ),
    (lambda data: data["keys"][3].update(key="city"), r"keys\[3\].key: 'city' occurs twice"),
    (lambda data: data["keys"][3].update(statement="the city i live in is {}."), r"keys\[3\].statement: .* occurs twice"),
    (lambda data: data["canaries"][0].update(form="song"), r"canaries\[locker_phrase\].form: 'song' is not known"),
    (lambda data: data["exposures"]["crab"].append("marzipan"), r"exposures\[\d+\].thing: 'marzipan' occurs twice"),
    (lambda data: data["exposures"].pop("crab"), r"exposures: are not about the values of any key"),
    (lambda data: data.pop("keys"), r"keys: is missing"),
]


@pytest.mark.parametrize(("damage", "message"), FAULTS)
def test_a_fault_in_the_data_names_file_and_field(damage, message):
    data = deepcopy(AUTHORED["personal"])
    damage(data)
    with pytest.raises(UserError, match=rf"personal\.json: {message}") as fault:
        read_world("personal", data, Path("personal.json"))
    assert "\n" not in str(fault.value)


def test_pools_of_class_and_evening_must_be_equally_long():
    data = deepcopy(AUTHORED["personal"])
    entry = next(entry for entry in data["keys"] if entry["key"] == "hobby2")
    entry["values"] = entry["values"][:21]
    with pytest.raises(UserError, match=r"personal\.json: keys activity, hobby2: have pools of different sizes"):
        PersonalTwins(read_world("personal", data, Path("personal.json")), "test")


def test_each_time_to_leave_and_each_week_of_travel_is_reached_in_one_way():
    for pools in load_world("personal").pools.values():
        starts = [
            sum(int(part) * unit for part, unit in zip(one.raw.split(":"), (60, 1), strict=True)) for one in pools["work_start"]
        ]
        ways = [one.raw for one in pools["commute_min"]]
        assert len({start - way for start in starts for way in ways}) == len(starts) * len(ways)
        assert len({2 * days * way for days in (3, 4) for way in ways}) == 2 * len(ways)


def test_every_computation_has_wordings_and_the_other_way_round():
    for world in WORLDS:
        assert [variant.name for variant in variants_of(load_world(world))] == list(load_world(world).wordings)


def test_ranges_too_small_for_the_balance_are_refused():
    data = deepcopy(AUTHORED["personal"])
    next(entry for entry in data["keys"] if entry["key"] == "child_year")["range"] = [2018, 2023, 1]
    world = read_world("personal", data, Path("personal.json"))
    with pytest.raises(UserError, match=r"personal\.json: keys birth_year, .*child_year.*: allow no law"):
        PersonalTwins(world, "test")


def test_months_and_days_of_the_solver_are_those_of_the_data():
    plans = {plan.key: [option.answer for option in plan.options] for plan in load_world("medical").keys}
    assert plans["next_visit"] == YEAR and plans["lab_day"] == WEEK


def test_sentence_wordings_for_all_sets_hold_the_answer():
    for world in WORLDS:
        for user in CROWD[world][:2]:
            for plan, fact in zip(stored_keys(world), user.facts, strict=True):
                assert isinstance(fact, Fact) and fact.wordings == plan.sentence_wordings("write", fact.answer)
                for name in ("write", "dev", "test"):
                    assert all(
                        fact.answer in text and text != fact.statement for text in plan.sentence_wordings(name, fact.answer)
                    )
