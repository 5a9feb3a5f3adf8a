"""Rows at mentions: addresses of a phrase wherever it stands, teacher and student, what is learnt, the authored file, steps."""

import dataclasses

import pytest
import torch
from grafts import SPEC, grafted
from steps_path import dies_after, load_step
from torch.nn import functional as F

from loci.bench.mention_asking import Asker, passing, questions_of, right
from loci.bench.score import exact
from loci.config import load_config
from loci.errors import UserError
from loci.memories.mention_rows import DistilSettings, Lesson, Lessons, distil, first_table, mention_keys
from loci.models.suffix import find_rows
from loci.models.upper import UpperStack
from loci.paths import CONFIG, DATA
from loci.results import read_json, read_result
from loci.worlds.mentions import load_mentions, mentioned, mentions_of
from loci.worlds.people import build_users, stored_keys
from loci.worlds.records import save_users

LONG = dataclasses.replace(SPEC, layer=1, orders=(6, 11))  # a token is a byte here: " my dentist" has eleven
SETTINGS = DistilSettings(rate=0.3, batch=2, steps=40, scale=0.05)


@pytest.fixture
def graft(llama):
    with grafted(llama, LONG) as graft:
        yield graft


def ids(llama, text: str) -> list[int]:
    return llama.tokenizer(text).input_ids


def test_rows_of_a_phrase_are_read_where_it_ends_and_nowhere_else(graft, llama):
    table = first_table(graft, llama.tokenizer, ["my dentist"], SETTINGS, 0)
    assert len(table) == len(mention_keys(graft, llama.tokenizer, "my dentist")) == 2
    for text in ("Who is my dentist?", "Remind me of my dentist, please.", "So My Dentist came."):
        found = find_rows(graft, table, ids(llama, text))
        end = text.lower().index("my dentist") + len("my dentist") - 1
        assert (found[end] >= 0).all() and (found >= 0).any(-1).nonzero().flatten().tolist() == [end]
    assert (find_rows(graft, table, ids(llama, "Who is our dentist?")) >= 0).any(0).tolist() == [True, False], "a shorter n-gram"
    assert not (find_rows(graft, table, ids(llama, "Who pulls teeth?")) >= 0).any()


def lessons(llama) -> list[Lesson]:
    """The teacher has a name in front of the question; the student has not."""
    told = "My dentist is Bo.\nQ: Who is my dentist?\nA:"
    other = "Nothing is noted.\nQ: {}\nA:"
    asked = [other.format("Who is my dentist?"), other.format("Tell me my dentist.")]
    return [Lesson(ids(llama, text), ids(llama, told), ids(llama, " Bo\n")) for text in asked]


def test_divergence_is_that_of_full_forwards(graft, llama):
    table = first_table(graft, llama.tokenizer, ["my dentist"], SETTINGS, 0)
    ready = Lessons(UpperStack(graft), lessons(llama), table)
    assert ready.reads == [True, True]
    found = ready.divergences(table.values * 0)
    for one, measured in zip(lessons(llama), found, strict=True):
        said = []
        for front in (one.told, one.asked):
            logits = llama.model(torch.tensor([[*front, *one.answer[:-1]]])).logits[0, len(front) - 1 :]
            said.append(F.log_softmax(logits, -1))
        wanted = F.kl_div(said[1], said[0], log_target=True, reduction="batchmean")
        assert measured == pytest.approx(float(wanted), abs=1e-4) and measured > 0
    same = [dataclasses.replace(one, told=one.asked) for one in lessons(llama)]
    assert max(Lessons(UpperStack(graft), same, table).divergences(table.values * 0)) < 1e-5


def test_what_is_learnt_is_what_the_teacher_says(graft, llama):
    table = first_table(graft, llama.tokenizer, ["my dentist"], SETTINGS, 0)
    ready = Lessons(UpperStack(graft), lessons(llama), table)
    rows = distil(ready, table, SETTINGS, 0)
    assert sum(ready.divergences(rows.values)) < 0.9 * sum(ready.divergences(table.values * 0)), "through attention"
    here = [Lesson(ids(llama, "Q: Who is my dentist"), ids(llama, "In 1777777777"), ids(llama, " Bo\n"))]
    next_to_it = Lessons(UpperStack(graft), here, table)
    near = distil(next_to_it, table, SETTINGS, 0)
    assert next_to_it.divergences(near.values)[0] < 0.7 * next_to_it.divergences(table.values * 0)[0], "and directly"
    assert torch.equal(rows.addresses, table.addresses)
    assert torch.equal(distil(ready, table, SETTINGS, 0).values, rows.values)


def test_teacher_and_student_differ_by_the_fact_alone(graft, llama):
    user = build_users(4, 0, dev=2)[0]
    facts = mentioned(user.final_facts())[:2]
    asker = Asker(graft, llama.tokenizer, {"batch": 2, "max_tokens": 3})
    asked = questions_of(facts, "test", 2)
    assert [one.key for one in asked] == [facts[0].key, facts[0].key, facts[1].key, facts[1].key]
    told, bare = (llama.tokenizer.decode(asker.prompt(asked[0], told)) for told in (True, False))
    assert facts[0].statement in told and facts[0].statement not in bare and bare.count(asked[0].text) == 1
    answers = asker.answers(asked)
    assert len(answers) == 4 and all(len(one) <= 3 for one in answers)
    learnt = asker.lessons(asked, answers)
    assert learnt[0].told == asker.prompt(asked[0], True) and learnt[0].answer[-1] == ids(llama, "\n")[-1]
    gold = asker.said([[*ids(llama, f" {fact.answer}\nQ: more")] for fact in facts for _ in range(2)])
    assert gold == [fact.answer for fact in facts for _ in range(2)], "the first line, without the space before it"
    assert right(asked, gold) == [True] * 4 and right(asked, gold[::-1]) != [True] * 4


def test_authored_mentions_are_of_stored_facts_and_in_no_question_of_the_bench():
    mentions, keys = load_mentions(), {plan.key for plan in stored_keys()}
    assert set(mentions.phrases) <= keys and len(mentions.phrases) >= 16
    asked = {question.text.casefold() for user in build_users(4, 0, dev=2) for question in user.questions}
    for key, phrase in mentions.phrases.items():
        assert phrase.startswith("my ")
        texts = {name: mentions.texts(key, name) for name in mentions.wordings}
        assert all(phrase in text for name in texts for text in texts[name])
        studied = {text.casefold() for text in texts["study"]}
        assert studied.isdisjoint(text.casefold() for name in ("dev", "test") for text in texts[name])
        assert studied.isdisjoint(asked), "a question of the bench was studied"
    user = build_users(4, 0, dev=2)[0]
    assert {fact.key for fact in mentioned(user.final_facts())} <= set(mentions.phrases)
    assert all(mentions.phrases["dentist"] in text for text in passing(user.fact("dentist")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one["study"].append("What is it?"), r"study: 'What is it\?' does not hold its phrase once"),
        (lambda one: one["test"].append(one["study"][0]), "occurs twice"),
        (lambda one: one.pop("mentions"), "mentions: is missing"),
        (lambda one: one["mentions"].update(a="my dentist"), "'my dentist' occurs twice"),
    ],
)
def test_a_faulty_file_is_named(change, message):
    authored = read_json(DATA / "mentions.json")
    change(authored)
    with pytest.raises(UserError, match=message):
        mentions_of(authored)


@pytest.fixture(scope="module")
def options(tiny_root, tmp_path_factory):
    users = tmp_path_factory.mktemp("users") / "people.json"
    save_users(users, build_users(8, 0, dev=4))
    return ["--config", str(CONFIG / "smoke.yaml"), "--users", str(users), "--model", str(tiny_root / "tiny")]


def without_costs(path) -> dict:
    return {name: value for name, value in read_result(path).items() if name != "provenance"}


def test_a_killed_step_goes_on_and_ends_the_same(options, tmp_path, monkeypatch):
    step, out = load_step("distil_mentions"), tmp_path / "killed" / "o.json"
    with dies_after(monkeypatch):
        step.main([*options, "--out", str(out)])
    assert not out.exists()
    step.main([*options, "--out", str(out)])
    step.main([*options, "--out", str(tmp_path / "whole" / "o.json")])
    whole = without_costs(tmp_path / "whole" / "o.json")
    assert whole == without_costs(out)
    names = {key.removeprefix("inside.mention.tiny.") for key in whole["metrics"]}
    assert {"teacher.exact", "rows.exact", "none.exact", "donor.exact", "random.exact", "kl.asked.after"} <= names
    assert whole["metrics"]["inside.mention.tiny.kl.study.after"]["n"] == 4, "two facts of two users"
    for item in whole["items"]:
        for name in ("teacher", "rows", "donor", "random", "none"):
            again = [exact(one[name], one["accepted"], "question") for one in item["answers"]]
            assert item["measures"][f"{name}.exact"] == sum(again) / len(again), "shares are of the raw answers beside them"
            if name in ("teacher", "rows"):
                assert [item["measures"][f"{name}.wording{at}.exact"] for at in range(len(again))] == again


def test_layers_are_chosen_on_development_users(options, tmp_path):
    load_step("distil_mentions").main([*options, "--choose", "--out", str(tmp_path / "o.json")])
    found = read_result(tmp_path / "o.json")
    layers = load_config(CONFIG / "smoke.yaml")["inside"]["mentions"]["layers"]
    assert {item["layer"] for item in found["items"]} == set(layers)
    assert {item["fact"].partition(".")[0] for item in found["items"]} == {"u000", "u001"}
