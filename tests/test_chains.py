"""Two-fact chains: solvable from the facts alone, balanced, and labelled by what their texts really share."""

import json
import os
import re
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steps_path import load_step

from loci.errors import UserError
from loci.paths import ROOT
from loci.results import read_json
from loci.worlds.chain_files import Overlap, label, load_labels, save_chains, shares
from loci.worlds.chains import POOLS, Chain, answer_pools, build_chains, with_chains
from loci.worlds.overlap import shared_suffix, words
from loci.worlds.people import build_users, pool_values, sample_questions, stored_keys
from loci.worlds.records import Fact, Question, User, load_users, save_users

CHAINS = build_chains(300, 0)
OWNER = with_chains(User("owner", "test", (), ()), CHAINS)
CHAINED = [question for question in OWNER.questions if question.kind == "chained"]
AUTHORED = read_json(POOLS)
step = load_step("make_chains")


def run(*arguments, hash_seed="0"):
    command = [sys.executable, str(ROOT / "code" / "steps" / "make_chains.py"), *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def solver(facts):
    """A function from a chained question to its answer by stored sentences alone; None where they do not lead to one."""
    bridges = {}
    for fact in facts:
        own = re.fullmatch(r"My ([\w ]+) is (.+)\.", fact.statement)
        of_somebody = re.fullmatch(r"The ([\w ]+) of (my \w+ \w+) is (.+)\.", fact.statement)
        if own:
            bridges[f"my {own[1]}"] = own[2]
        elif of_somebody:
            bridges[f"{of_somebody[2]}'s {of_somebody[1]}"] = of_somebody[3]

    def solve(text):
        named = [who for who in bridges if who in text or text.startswith(f"M{who[1:]}")]
        if len(named) != 1:
            return None
        bridge = bridges[named[0]].casefold()
        about = [fact for fact in facts if bridge in fact.trigger.casefold()]
        return about[0].answer if len(about) == 1 else None

    return solve


# What a chain is


def test_three_hundred_chains_over_many_pairs():
    assert len({chain.pair for chain in CHAINS}) == len(answer_pools()) >= 12
    assert set(Counter(chain.pair for chain in CHAINS).values()) == {15}
    assert Counter(chain.form for chain in CHAINS) == {"apart": 200, "alike": 100}
    assert len(OWNER.facts) == 900
    assert Counter(question.kind for question in OWNER.questions) == {"direct": 600, "chained": 600}


@pytest.mark.parametrize("seed", [0, 1])
def test_every_chained_question_is_solved_from_the_facts_alone(seed):
    chains = build_chains(366, seed)
    solve = solver([fact for chain in chains for fact in chain.facts])
    for chain in chains:
        for question in chain.questions[:2]:
            assert solve(question.text) == question.answer == chain.second.answer


def test_neither_fact_alone_gives_the_answer():
    for chain in CHAINS[::9]:
        for missing in (chain.first, chain.second):
            rest = [fact for other in CHAINS for fact in other.facts if fact != missing]
            assert solver(rest)(chain.questions[1].text) is None


def test_entities_and_values_fit():
    pools = answer_pools()
    bridges = [chain.bridge for chain in CHAINS]
    assert len(set(bridges)) == len(bridges)
    for chain in CHAINS:
        assert chain.first.answer == chain.bridge
        assert chain.bridge.casefold() in chain.second.trigger.casefold()
        assert chain.bridge.casefold() not in chain.distractor.trigger.casefold()
        assert chain.second.answer != chain.distractor.answer
        assert {chain.second.answer, chain.distractor.answer} <= set(pools[chain.pair])
        assert all(1 <= len(fact.answer.split()) <= 5 for fact in chain.facts)


def test_questions_and_controls():
    for chain in CHAINS:
        statement, asked, first, second = chain.questions
        assert [question.kind for question in chain.questions] == ["chained", "chained", "direct", "direct"]
        assert (statement.form, asked.form) == ("statement", "question")
        for question in (statement, asked):
            assert question.required_fact_keys == (chain.first.key, chain.second.key)
            assert (question.key, question.family) == (chain.pair, chain.pair)
            assert question.accepted == chain.second.accepted
            start = f"{chain.first.statement} {chain.second.statement} So my "
            assert question.recitation.startswith(start)
            assert question.recitation.endswith(f" {chain.second.answer}.")
            assert chain.bridge not in question.text
            assert chain.second.answer not in question.text
        assert (first.answer, first.recitation) == (chain.bridge, chain.first.statement)
        assert (second.answer, second.recitation) == (chain.second.answer, chain.second.statement)
        assert chain.bridge in second.text


def test_the_two_forms_of_a_dentist():
    dentists = [chain for chain in CHAINS if chain.pair == "dentist.street"]
    apart = next(chain for chain in dentists if chain.first.statement.startswith("My dentist is Dr. "))
    assert (apart.form, apart.second.trigger) == ("apart", f"The practice of {apart.bridge} is on")
    assert apart.questions[0].text == "The street of my dentist's practice is"
    assert apart.questions[2].text == "Who is my dentist?"
    assert apart.questions[3].text == f"On which street is the practice of {apart.bridge}?"
    alike = next(chain for chain in dentists if chain.form == "alike")
    holder = re.fullmatch(r"The dentist of (my \w+ \w+) is Dr\. .+\.", alike.first.statement)[1]
    assert alike.second.trigger == f"{alike.bridge}'s practice is on"
    assert alike.distractor.trigger.endswith("'s practice is on")
    assert alike.questions[0].text == f"M{holder[1:]}'s dentist's practice is on"
    assert alike.questions[2].text == f"Who is {holder}'s dentist?"


# Chance


@pytest.mark.parametrize("count", [37, 300, 366])
def test_answers_are_uniform_over_their_pools(count):
    chains = build_chains(count, 4)
    for pair, pool in answer_pools().items():
        for facts in ([c.second for c in chains if c.pair == pair], [c.distractor for c in chains if c.pair == pair]):
            counts = Counter(fact.answer for fact in facts)
            numbers = [counts[value] for value in pool]
            assert sum(numbers) == len(facts)
            assert max(numbers) - min(numbers) <= 1


def test_the_question_alone_is_no_help():
    """The answer most frequent with a wording, learnt from ten owners, is right for ten others by chance only."""
    seen, asked, holder = {}, [], re.compile(r"\bmy \w+ [A-Z]\w+'s ")
    for seed in range(20):
        for chain in build_chains(100, seed):
            wording = holder.sub("my ", chain.questions[1].text)
            if seed < 10:
                seen.setdefault(wording, Counter())[chain.second.answer] += 1
            else:
                asked.append((wording, chain.second.answer))
    right = sum(seen[wording].most_common(1)[0][0] == answer for wording, answer in asked) / len(asked)
    chance = sum(1 / len(pool) for pool in answer_pools().values()) / len(answer_pools())
    assert right < 2 * chance
    assert 0.02 < chance < 0.05


def test_names_and_values_are_not_those_of_the_people():
    codes = {plan.key for plan in stored_keys() if plan.code}  # canaries: values by the million, of words that are nobody's
    people = {value.casefold() for key, values in pool_values().items() if key not in codes for value in values}
    ours = {value.casefold() for pool in answer_pools().values() for value in pool}
    ours |= {name.casefold() for name in AUTHORED["holders"]["names"]}
    assert ours & people == set()


# Wordings


def test_wordings_of_the_splits_are_disjoint():
    for pair in AUTHORED["pairs"]:
        wordings = [text.casefold() for split in ("write", "dev", "test") for text in pair[split]]
        assert len(set(wordings)) == len(wordings) >= 6
        assert min(len(pair[split]) for split in ("write", "dev", "test")) >= 2


def test_a_split_changes_the_wording_and_nothing_else():
    wordings = {"train": "write", "dev": "dev", "test": "test"}
    made = {split: build_chains(60, 0, split=split) for split in wordings}
    allowed = {pair["pair"]: pair for pair in AUTHORED["pairs"]}
    for split, chains in made.items():
        for chain, other in zip(chains, made["test"], strict=True):
            assert chain.facts == other.facts
            assert chain.questions[0] == other.questions[0]
            asked = re.sub(r"\b[Mm]y (\w+ [A-Z]\w+'s )?", "my ", chain.questions[1].text).casefold()
            own = {text.format("my " + allowed[chain.pair]["role"]).casefold() for text in allowed[chain.pair][wordings[split]]}
            assert asked in own


# Labels


def test_labels_are_the_longest_suffix_over_all_stored_triggers():
    labels = label(OWNER, CHAINS, words)
    assert list(labels) == [question.qid for chain in CHAINS for question in chain.questions if question.kind == "chained"]
    triggers = [words(fact.trigger) for fact in OWNER.facts]
    for chain in CHAINS[::20]:
        for question in chain.questions[:2]:
            ids, found = words(question.text), labels[question.qid]
            own = [shared_suffix(ids, words(fact.trigger)) for fact in chain.facts]
            assert [found.first, found.second, found.distractor] == own
            assert found.stored == max(shared_suffix(ids, trigger) for trigger in triggers)
            ends = range(1, len(ids) + 1)
            assert found.anywhere == max(shared_suffix(ids[:end], trigger) for trigger in triggers for end in ends)


def test_only_composed_statements_of_form_alike_end_like_a_trigger():
    labels = label(OWNER, CHAINS, words)
    for chain in CHAINS:
        statement, asked = (labels[question.qid] for question in chain.questions[:2])
        if chain.form == "apart":
            assert max(statement.stored, statement.anywhere) <= 1
        else:
            assert statement.second == statement.distractor == statement.stored >= 2
        assert asked.stored == 0
    assert shares(labels[q.qid] for q in CHAINED if q.form == "statement")[2] == 100


def hand_made(trigger, query):
    """The chain of a doctor and an employer, with a second trigger and a composed statement of one's choice."""
    first = Fact("first", "Bo Ek", "My doctor is Bo Ek.", ("Bo Ek",))
    second = Fact("second", "Acme", f"{trigger} Acme.", ("Acme",))
    other = Fact("other", "Umbra", "The employer of Al Fox is Umbra.", ("Umbra",))
    asked = Question("q", "chained", "doctor.employer", query, "Acme", ("Acme",), ("first", "second"), form="statement")
    chain = Chain("chain000", "doctor.employer", "apart", "Bo Ek", first, second, other, (asked,))
    return label(with_chains(User("u", "test", (), ()), [chain]), [chain], words)["q"]


def test_a_label_does_not_believe_the_form():
    # The published set calls the first of these free of overlap.
    assert hand_made("Bo Ek 's employer is", "My doctor 's employer is") == Overlap(1, 3, 1, 3, 3)
    assert hand_made("The employer of Bo Ek is", "The firm that pays my doctor is") == Overlap(3, 1, 1, 3, 3)
    assert hand_made("Bo Ek works at", "Where my doctor is employed they say") == Overlap(0, 0, 0, 0, 3)
    assert shares([Overlap(0, 3, 3, 3, 3), Overlap(1, 0, 0, 1, 2)]) == {1: 2, 2: 1, 3: 1}
    assert shares([]) == {}


# For given users


def test_chains_of_users_fit_what_they_have_stored():
    for user in build_users(4, 0, dev=2):
        stored = [fact.trigger for fact in user.facts]
        chains = build_chains(40, 0, user.uid, user.split, stored)
        assert not {chain.first.trigger for chain in chains} & set(stored)
        both = with_chains(user, chains)
        assert both.facts[: len(user.facts)] == user.facts
        assert len({fact.trigger for fact in both.facts}) == len(both.facts) == len(user.facts) + 120
        assert len(sample_questions(both, {"chained": 10, "unknown": 4}, seed=0)) == 14
        assert build_chains(40, 0, user.uid, user.split) != chains  # without `stored`, "My dentist is" comes again
    assert build_chains(9, 0, "u000") != build_chains(9, 0, "u001")


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.integers(1, 120), st.integers(0, 30))
def test_fewer_chains_begin_more(count, seed):
    assert build_chains(count, seed) == build_chains(120, seed)[:count]


def test_people_file_with_chains(tmp_path, capsys):
    people, out = tmp_path / "people.json", tmp_path / "chains.json"
    users = build_users(3, 0, dev=1)
    save_users(people, users)
    step.main(["--people", str(people), "--count", "6", "--out", str(out)])
    assert capsys.readouterr().out.count("\n") == 1
    made = load_users(out)
    assert [(user.uid, user.split, len(user.facts)) for user in made] == [
        ("u000", "dev", 55),
        ("u001", "test", 55),
        ("u002", "test", 55),
    ]
    labels = load_labels(out)
    # The people have chained questions of their own, whose overlap nobody computes here.
    assert sorted(labels) == sorted(q.qid for user in made for q in user.questions if ".chained.chain" in q.qid)
    rows = read_json(out)["chains"]
    assert [row["uid"] for row in rows] == ["u000"] * 6 + ["u001"] * 6 + ["u002"] * 6
    assert {qid: Overlap(**label) for row in rows for qid, label in row["overlap"].items()} == labels


def test_file_round_trip(tmp_path):
    labels = label(OWNER, CHAINS, words)
    save_chains(tmp_path / "chains.json", [OWNER], {"owner": CHAINS}, labels, {"tokenizer": {"name": "words"}})
    assert load_users(tmp_path / "chains.json") == [OWNER]
    assert load_labels(tmp_path / "chains.json") == labels


def test_the_same_bytes_under_every_hash_seed(tmp_path):
    files = [tmp_path / f"{seed}.json" for seed in "12"]
    for path, seed in zip(files, "12", strict=True):
        done = run("--count", "50", "--seed", "3", "--split", "dev", "--out", str(path), hash_seed=seed)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("\n") == 1
    assert files[0].read_bytes() == files[1].read_bytes()


# Bad input

PAIR = r"pairs\[0\]: "
BAD_POOLS = [
    (lambda c: c.pop("holders"), "holders: is missing"),
    (lambda c: c["holders"]["names"].append("Ruben"), r"holders: names\[346\]: 'Ruben' occurs twice"),
    (lambda c: c["holders"].update(relations=[]), "holders: relations: is empty"),
    (lambda c: c["holders"].update(names=["Ruben"]), "count: is 50; use a number of chains from 1 to 21"),
    (lambda c: c["bridges"].pop("doctor"), PAIR + "bridge: 'doctor' is not among the bridges"),
    (lambda c: c["bridges"]["doctor"].update(form="Dr. {}"), r"bridges.doctor: form: 'Dr. \{\}' does not fit 2 parts"),
    (lambda c: c["bridges"]["house"]["parts"][1].append("croft"), r"bridges.house: parts\[1\]\[10\]: 'croft' occurs twice"),
    (lambda c: c["bridges"]["person"].update(parts=[["Al"], ["Fox", "Ek"]]), "bridges.person: has too few names for so many"),
    (lambda c: c["pairs"].clear(), "pairs: is empty"),
    (lambda c: c["pairs"].append(c["pairs"][0]), r"pairs\[20\].role: 'dentist' occurs twice"),
    (lambda c: c["pairs"][0].pop("composed"), PAIR + "composed: is missing"),
    (lambda c: c["pairs"][0].update(alike="The practice of {} is on"), PAIR + "alike: is 'The practice of"),
    (lambda c: c["pairs"][0]["dev"].append("Who is it?"), PAIR + r"text: 'Who is it\?' has not one place"),
    (lambda c: c["pairs"][0]["dev"].append(c["pairs"][0]["test"][0]), PAIR + r"wordings\[5\].text: .* occurs twice"),
    (lambda c: c["pairs"][0].update(test=[]), PAIR + "test: is empty"),
    (lambda c: c["pairs"][0].update(answers="river"), PAIR + "answers: 'river' is not among the answers"),
    (lambda c: c["answers"].update(street=["Elm Street"]), PAIR + "answers.street: has 1 values"),
    (lambda c: c["answers"]["street"].append("elm street"), PAIR + r"answers.street\[30\].value: 'elm street' occurs twice"),
    (lambda c: c["answers"]["date"].append([]), r"pairs\[12\]: date: is empty"),
    (lambda c: c["answers"]["date"].append(["May 1", 1]), r"pairs\[12\]: date\[1\]: is a whole number"),
]


@pytest.mark.parametrize(("change", "message"), BAD_POOLS)
def test_bad_pools_name_file_and_field(change, message, tmp_path):
    content = read_json(POOLS)
    change(content)
    pools, out = tmp_path / "chains.json", tmp_path / "out" / "chains.json"
    pools.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match=message) as fault:
        step.main(["--count", "50", "--pools", str(pools), "--out", str(out)])
    assert str(fault.value).startswith((f"{pools}: ", "count: "))
    assert "\n" not in str(fault.value)
    assert not out.parent.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--count", "0"], "error: count: is 0; use a number of chains from 1 to 366\n"),
        (["--count", "367"], "error: count: is 367; use a number of chains from 1 to 366\n"),
        (["--people", "nowhere.json"], "error: nowhere.json: no such file; run code/steps/make_people.py\n"),
        (["--pools", "nowhere.json"], "error: nowhere.json: no such file; restore it from the repository\n"),
    ],
)
def test_bad_arguments_end_with_status_two(arguments, message, tmp_path):
    done = run(*arguments, "--out", str(tmp_path / "out" / "chains.json"))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)
    assert not (tmp_path / "out").exists()


def test_a_damaged_label_is_told_by_its_place(tmp_path):
    out = tmp_path / "chains.json"
    step.main(["--count", "2", "--out", str(out)])
    content = read_json(out)
    content["chains"][1]["overlap"]["owner.chained.chain001.question"]["stored"] = "2"
    out.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(
        UserError, match=r"chains\[1\]: overlap.owner.chained.chain001.question: stored: is text; make it a whole n"
    ):
        load_labels(out)


def test_an_unknown_split_is_refused():
    with pytest.raises(UserError, match="split: 'blind' is not known; use one of dev, test, train"):
        build_chains(3, 0, split="blind")
