"""The owner's corpora: sizes, axes that differ in nothing but how triggers end, and pools that cannot be used."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steps_path import load_step

from loci.bench.units import suffix_units
from loci.errors import UserError
from loci.paths import MODELS, ROOT
from loci.results import read_json, sha256_text
from loci.worlds.corpus import AXES, POOLS, SIZES, build_corpus, build_named, build_organisations
from loci.worlds.overlap import endings, shared_suffix, sharing, words
from loci.worlds.records import load_facts

CORPORA = {(name, axis): build_named(name, 0, axis) for name in ("base", "xl") for axis in AXES}
SHARED = [(axis, int(axis[-1])) for axis in AXES if axis != "distinct"]
step = load_step("make_corpus")


def shared_units(facts):
    return Counter(sharing(words(fact.trigger) for fact in facts))


def run(*arguments, hash_seed="0"):
    command = [sys.executable, str(ROOT / "code" / "steps" / "make_corpus.py"), *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def test_the_density_corpus_has_not_changed():
    for seed, digest in ((0, "411c39fe"), (7, "ab95d489")):
        lines = "\n".join(f"{fact.key} {fact.statement} {'|'.join(fact.accepted)}" for fact in build_corpus(1000, seed))
        assert sha256_text(lines)[:8] == digest


@pytest.mark.parametrize("name", ["base", "xl"])
def test_sizes(name):
    facts = CORPORA[name, "distinct"]
    personal, organisations = SIZES[name]
    assert [fact.key for fact in facts[:personal]] == [f"c{at:04d}" for at in range(personal)]
    assert [fact.key for fact in facts[personal:]] == [f"o{at:04d}" for at in range(organisations)]
    assert facts[:personal] == build_corpus(personal, 0)


@pytest.mark.parametrize("axis", AXES)
def test_the_largest_corpus_has_ten_thousand_answers(axis):
    facts = build_named("xxl", 0, axis)
    assert len({fact.answer.casefold() for fact in facts}) == len(facts) == 10_000
    assert len({fact.trigger for fact in facts}) == 10_000
    lengths = Counter(len(fact.answer.split()) for fact in facts)
    assert sorted(lengths) == [1, 2, 3, 4, 5]
    assert min(lengths.values()) >= 100
    wanted = {1: 10_000} if axis == "distinct" else {int(axis[-1]): 10_000}
    assert shared_units(facts) == wanted


@pytest.mark.parametrize("name", ["base", "xl"])
@pytest.mark.parametrize(("axis", "length"), SHARED)
def test_axes_differ_in_the_trigger_alone(name, axis, length):
    for plain, grouped in zip(CORPORA[name, "distinct"], CORPORA[name, axis], strict=True):
        assert (grouped.key, grouped.answer, grouped.accepted) == (plain.key, plain.answer, plain.accepted)
        said = grouped.trigger.split()
        assert said[:-length] + said[-1:] == plain.trigger.split()


@pytest.mark.parametrize("name", ["base", "xl"])
def test_groups_share_exactly_the_words_of_their_axis(name):
    assert set(shared_units(CORPORA[name, "distinct"])) == {1}
    for axis, length in SHARED:
        facts = CORPORA[name, axis]
        units = shared_units(facts)
        assert set(units) <= {1, length}
        assert units[length] >= 0.98 * len(facts)
        sizes = Counter(" ".join(words(fact.trigger)[-length:]) for fact in facts)
        assert len(sizes) < len(facts) / 5


@pytest.mark.parametrize(("axis", "length"), SHARED)
def test_every_phrase_makes_its_groups(axis, length):
    endings_used = Counter(" ".join(fact.trigger.split()[-length:-1]) for fact in CORPORA["xl", axis])
    authored = json.loads((POOLS / "shared.json").read_text(encoding="utf-8"))
    assert sorted(endings_used) == sorted(authored["now"][str(length)] + authored["past"][str(length)])
    assert min(endings_used.values()) > 200


def test_any_two_triggers_of_an_axis():
    for axis, length in SHARED:
        triggers = [words(fact.trigger) for fact in CORPORA["base", axis]]
        found = {shared_suffix(one, other) for at, one in enumerate(triggers) for other in triggers[:at]}
        assert found == {0, 1, length}


def test_all_answers_of_a_corpus_differ():
    for name in ("base", "xl"):
        assert len({fact.answer.casefold() for fact in CORPORA[name, "distinct"]}) == sum(SIZES[name])


def test_organisation_facts_are_in_the_third_person_and_personal_ones_are_the_owners():
    facts = build_organisations(1500, 3)
    first_person = re.compile(r"\b(I|my|me|mine)\b", re.IGNORECASE)
    assert [fact.statement for fact in facts if first_person.search(fact.statement)] == []
    assert sum(bool(first_person.search(fact.statement)) for fact in build_corpus(3000, 3)) > 2000


@settings(max_examples=5, deadline=None, derandomize=True)
@given(st.integers(1, 400), st.integers(0, 5), st.sampled_from(AXES))
def test_a_smaller_corpus_begins_a_larger_one(count, seed, axis):
    assert build_corpus(count, seed, axis) == build_corpus(400, seed, axis)[:count]
    assert build_organisations(count, seed, axis) == build_organisations(400, seed, axis)[:count]


def test_the_file_says_how_triggers_end(tmp_path, capsys):
    out = tmp_path / "corpus.json"
    step.main(["--kind", "base", "--axis", "shared3", "--out", str(out)])
    assert capsys.readouterr().out.count("\n") == 1
    assert load_facts(out) == CORPORA["base", "shared3"]
    written = read_json(out)
    units = shared_units(CORPORA["base", "shared3"])
    assert written["endings"]["longest"] == {str(length): count for length, count in sorted(units.items())}
    assert written["endings"]["distinct"]["3"] < written["endings"]["distinct"]["4"] == 200
    assert (written["axis"], written["tokenizer"]) == ("shared3", {"name": "words"})


def test_the_same_bytes_under_every_hash_seed(tmp_path):
    files = [tmp_path / f"{seed}.json" for seed in "12"]
    for path, seed in zip(files, "12", strict=True):
        done = run("--kind", "base", "--axis", "shared4", "--seed", "5", "--out", str(path), hash_seed=seed)
        assert done.returncode == 0, done.stderr
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.skipif(not (MODELS / "smollm2-135m" / "tokenizer.json").is_file(), reason="the model has not been fetched")
def test_the_axes_hold_in_tokens_of_the_base_model():
    encode, _ = suffix_units(MODELS / "smollm2-135m")
    for axis, length in [("distinct", 1), *SHARED]:
        found = endings([fact.trigger for fact in CORPORA["base", axis]], encode, (length, length + 1))
        assert found.longest[length] >= 195
        assert found.distinct[length] <= 40
        assert found.distinct[length + 1] == 200


# Pools that cannot be used


def damage(folder, file, change):
    shutil.copytree(POOLS, folder)
    content = json.loads((folder / file).read_text(encoding="utf-8"))
    change(content)
    (folder / file).write_text(json.dumps(content), encoding="utf-8")


KIND = r"kinds\[0\]: "
BAD_POOLS = [
    ("owner.json", lambda c: c["kinds"][0]["nouns"].append("Falcon"), KIND + r"nouns\[80\]: 'Falcon' occurs twice"),
    ("owner.json", lambda c: c["kinds"][0]["adjectives"].clear(), KIND + "adjectives: is empty"),
    ("owner.json", lambda c: c["kinds"][0].update(entity="the {}"), KIND + "entity: 'the {}' has not two places"),
    ("owner.json", lambda c: c["kinds"][0]["templates"][0].pop(), KIND + r"templates\[0\]: value: is not a list of three texts"),
    ("owner.json", lambda c: c["kinds"][0]["templates"][2].__setitem__(0, "The cook at {} so far is"), r"templates\[2\]: text: "),
    ("owner.json", lambda c: c["kinds"][0]["templates"][2].__setitem__(1, "song"), r"templates\[2\]: answer: 'song' is not"),
    ("owner.json", lambda c: c["kinds"][0]["templates"][2].__setitem__(2, "soon"), r"templates\[2\]: tense: 'soon' is not"),
    (
        "owner.json",
        lambda c: c["answers"]["person"]["parts"][1].append("Adler"),
        r"answers.person: parts\[1\]\[60\]: 'Adler' occ",
    ),
    ("owner.json", lambda c: c["answers"]["person"].update(form="{}"), "answers.person: form: has 1 places for 2 parts"),
    ("owner.json", lambda c: c["answers"]["number"].update(digits=[4, 2]), "answers.number: digits: runs from 4 to 2"),
    ("owner.json", lambda c: c["answers"].update(date={}), "answers.date: value: has no rule"),
    (
        "collections.json",
        lambda c: c["kinds"][0]["nouns"].append("Falcon"),
        "kinds.recipe.nouns: 'Falcon' is a noun of .*boat.nouns",
    ),
    (
        "organisations.json",
        lambda c: c["kinds"][0]["nouns"].append("falcon"),
        "kinds.company.nouns: 'falcon' is a noun of .*boat",
    ),
    (
        "organisations.json",
        lambda c: c["kinds"].__delitem__(slice(0, 3)),
        "organisations: is 100; use a number of facts from 1 to 0",
    ),
    ("shared.json", lambda c: c["past"].update({"3": ["lately"]}), "past.3: 'lately' has not 2 words"),
    ("shared.json", lambda c: c["past"]["3"].append("some days"), "3: two phrases end with 'days'"),
    ("shared.json", lambda c: c.pop("now"), "shared.json: now: is missing"),
    ("owner.json", lambda c: c["answers"]["person"].update(parts=[["Al"], ["Bo"]]), "answers.person: has too few values"),
]


@pytest.mark.parametrize(("file", "change", "message"), BAD_POOLS)
def test_bad_pools_name_file_and_field(file, change, message, tmp_path):
    damage(tmp_path / "pools", file, change)
    out = tmp_path / "out" / "corpus.json"
    with pytest.raises(UserError, match=f"^{re.escape(str(tmp_path))}.*{message}|^{message}") as fault:
        step.main(["--kind", "base", "--axis", "shared3", "--pools", str(tmp_path / "pools"), "--out", str(out)])
    assert "\n" not in str(fault.value)
    assert not out.parent.exists()


def test_an_answer_of_both_parts_is_refused(tmp_path):
    numbers = {"digits": [6, 6]}
    shutil.copytree(POOLS, tmp_path / "pools")
    for file in ("owner.json", "organisations.json"):
        content = json.loads((POOLS / file).read_text(encoding="utf-8"))
        content["answers"] = {name: {**numbers, "form": "{}"} for name in content["answers"]}
        (tmp_path / "pools" / file).write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match=r"organisations.json: answers: lets o\d+ have the answer '\d+' of c\d+"):
        for seed in range(20):
            build_named("xl", seed, pools=tmp_path / "pools")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--count", "0"], "error: count: is 0; use a number of facts from 1 to "),
        (["--count", "99999"], "error: count: is 99999; use a number of facts from 1 to "),
        (["--count", "3", "--pools", "nowhere"], "error: nowhere/owner.json: no such file; restore it"),
        (["--count", "3", "--tokenizer", "nowhere"], "error: nowhere/tokenizer.json: no such file; "),
    ],
)
def test_bad_arguments_end_with_status_two(arguments, message, tmp_path):
    done = run(*arguments, "--out", str(tmp_path / "out" / "corpus.json"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_unknown_axis_is_refused():
    with pytest.raises(UserError, match="axis: 'shared9' is not known; use one of distinct, shared2"):
        build_corpus(3, 0, "shared9")
