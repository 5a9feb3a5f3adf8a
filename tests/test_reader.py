"""The reader's prompt: what stands where, in every form and order; and choices that are not known."""

import json

import pytest
from steps_path import load_step

from loci.bench.reader import PROMPT_FILE, Reader
from loci.config import load_profile
from loci.errors import UserError
from loci.paths import REFERENCE
from loci.results import read_result
from loci.worlds.people import never_stored_keys, stored_keys
from loci.worlds.records import Question

PLAIN = {
    "start": "", "facts_heading": "Facts:", "no_facts": "(none)", "question": "Q: {question}", "question_first": False,
    "answer": "A:", "gap": " ", "end": "\n\n", "statement_heading": "Facts:", "examples": 0, "not_known_examples": 0,
    "facts_per_example": 1, "order": "best_first",
}  # fmt: skip


def question(form: str) -> Question:
    text = "Who is my dentist?" if form == "question" else "My dentist is"
    return Question("q", "direct" if form == "question" else "statement", "dentist", text, "Lee", ("Lee",), (), form=form)


def test_prompts_of_both_forms():
    reader = Reader.load(changes=PLAIN)
    lines = ("My dentist is Lee.", "I like tea.")
    assert reader.prompt(question("question"), lines, "") == "Facts:\nMy dentist is Lee.\nI like tea.\nQ: Who is my dentist?\nA:"
    assert reader.prompt(question("question"), (), "") == "Facts:\n(none)\nQ: Who is my dentist?\nA:"
    assert reader.prompt(question("statement"), lines, "Hi. ") == "Facts:\nMy dentist is Lee.\nI like tea.\n\nHi. My dentist is"
    assert reader.prompt(question("statement"), (), "Hi. ") == "Hi. My dentist is"
    first = Reader.load(changes={**PLAIN, "question_first": True, "facts_heading": ""})
    assert first.prompt(question("question"), lines, "") == "Q: Who is my dentist?\nMy dentist is Lee.\nI like tea.\nA:"


def test_examples_hold_the_needed_fact_unless_they_show_what_is_not_known():
    reader = Reader.load(changes={**PLAIN, "examples": 4, "not_known_examples": 1, "facts_per_example": 5})
    assert [len(example["facts"]) for example in reader.examples] == [5, 5, 5, 5]
    assert [example["answer"] for example in reader.examples].count("not known") == 1
    for example in reader.examples:
        told = any(example["answer"] in fact for fact in example["facts"])
        assert told == (example["answer"] != "not known")
    text = reader.prompt(question("question"), ("I like tea.",), "")
    assert text.count("A:") == 5 and text.endswith("A:") and text.index(" Golden Crust\n\n") > 0
    one = Reader.load(changes={**PLAIN, "examples": 2, "facts_per_example": 1})
    assert [len(example["facts"]) for example in one.examples] == [1, 1]


def test_examples_are_about_nothing_that_users_tell_or_are_asked():
    plans = [*stored_keys(), *never_stored_keys()]
    answers = {option.answer.casefold() for plan in plans if not plan.code for option in plan.options}
    reader = Reader.load(changes={**PLAIN, "examples": 8, "not_known_examples": 2, "facts_per_example": 5})
    for example in reader.examples:
        assert example["answer"].casefold() not in answers
        assert not any(plan.direct == example["question"] for plan in plans)


def test_orders_of_lines():
    lines, positions = ["newest", "oldest", "middle"], [9, 1, 5]
    arranged = {order: Reader.load(changes={**PLAIN, "order": order}).arranged for order in ("best_first", "best_last", "told")}
    assert arranged["best_first"](lines, positions, False) == ("newest", "oldest", "middle")
    assert arranged["best_last"](lines, positions, False) == ("middle", "oldest", "newest")
    assert arranged["told"](lines, positions, False) == ("oldest", "middle", "newest")
    assert arranged["best_last"](lines, positions, True) == ("newest", "oldest", "middle"), "an order of its own is kept"


def test_the_hash_tells_prompts_apart():
    assert Reader.load().sha256 == Reader.load().sha256
    assert len({Reader.load(changes={**PLAIN, "examples": count}).sha256 for count in (0, 1, 2)}) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order": "random"}, "order: 'random' is not known; use one of best_first, best_last, told"),
        ({"examples": "many"}, "examples: is no int"),
        ({"colour": 1}, "colour: not known"),
        ({"examples": 40}, "holds too few examples"),
    ],
)
def test_bad_choices(change, message):
    with pytest.raises(UserError, match=message):
        Reader.load(changes={**PLAIN, **change})


def test_a_missing_choice(tmp_path):
    parts = json.loads(PROMPT_FILE.read_text("utf-8"))
    del parts["answer"]
    path = tmp_path / "prompt.json"
    path.write_text(json.dumps(parts), encoding="utf-8")
    with pytest.raises(UserError, match=r"prompt\.json: answer: missing"):
        Reader.load(path)


def test_the_shortest_prompt_within_one_standard_error_of_the_best_is_chosen():
    step = load_step("sweep_reader")
    means = {
        "best": {"a": 0.9, "b": 0.7},  # mean 0.8, standard error 0.1
        "as good, shorter": {"a": 0.71, "b": 0.71},
        "as short, worse": {"a": 0.7, "b": 0.7},
        "shortest, worse": {"a": 0.69, "b": 0.69},
    }
    tokens = {"best": 300.0, "as good, shorter": 100.0, "as short, worse": 100.0, "shortest, worse": 20.0}
    assert step.chosen(means, tokens) == "as good, shorter"
    one_user = {name: {"a": of["a"]} for name, of in means.items()}  # one user says nothing about errors
    assert step.chosen(one_user, tokens) == "best"
    scores = {"x.exact": [("a", "1", 1.0), ("a", "2", 0.0), ("b", "1", 1.0)], "y.exact": [("a", "3", 0.0), ("b", "3", 1.0)]}
    assert step.mean_by_user(scores, ["x", "y"]) == {"a": 0.25, "b": 1.0}


def test_the_frozen_prompt_is_the_one_that_the_study_chose():
    step, study = load_step("sweep_reader"), read_result(REFERENCE / "sweeps" / "reader.json")
    frozen = {**Reader.load().parts, "lines": load_profile("laptop")["matrix"]["lines"]}
    assert set(study["metrics"]["chosen"]) == {"question", "statement"}
    for form, name in study["metrics"]["chosen"].items():
        (chosen,) = [item for item in study["items"] if item["candidate"] == name and item["form"] == form]
        assert step.read_by(form, chosen["choices"]) == step.read_by(form, frozen) and chosen["frozen"]


def test_choices_that_a_form_does_not_read_do_not_count():
    step, one = load_step("sweep_reader"), {**Reader.load().parts, "lines": 5}
    heading, answer = {**one, "statement_heading": "Else:"}, {**one, "answer": "Else:"}
    assert step.read_by("question", heading) == step.read_by("question", one) != step.read_by("question", answer)
    assert step.read_by("statement", heading) != step.read_by("statement", one) == step.read_by("statement", answer)
    assert step.read_by("statement", {**one, "lines": 1}) != step.read_by("statement", one)
