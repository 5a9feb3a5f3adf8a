"""Assembled prompts before a reader: the questions and lines that it gets, and how its answers are counted."""

import json
import random

import pytest
import yaml
from steps_path import load_step

from loci.bench.distilled_ablation import CONDITIONS, Case, episode, presence, store_of
from loci.bench.distilled_reading import Shown, entries, read_sweep, scored, shown_of
from loci.errors import UserError
from loci.paths import CONFIG

ABOUT = {"events": 120, "runs": 3}
READ = ["sections", "sections_recall", "recall_alone"]
TRIED = {"people": 1, "budget": 60, "conditions": READ, "kinds": ["now", "then", "file"]}


def test_the_reader_gets_the_prompts_that_the_ablation_counts():
    shown = list(shown_of(0, 0, ABOUT, TRIED))
    messages, cases = episode(0, 0, ABOUT["events"], ABOUT["runs"])
    for name in TRIED["conditions"]:
        store = store_of(messages, CONDITIONS[name])
        counted = {(case.kind, case.name): present for case, present, *_ in presence(store, cases, CONDITIONS[name], 60)}
        own = [one for one in shown if one.condition == name]
        assert own and {one.case.kind for one in own} <= set(TRIED["kinds"])
        for one in own:
            assert scored(one, "")["present"] == counted[one.case.kind, one.case.name]
            assert sum(len(line.split()) for line in one.lines) <= 60
    plain = {one.lines for one in shown if one.condition == "sections"}
    assert len(plain) == 1, "what is not asked for does not depend on the question, so a person's prompts begin alike"


def answer(condition: str, case: Case, lines: tuple[str, ...], prediction: str) -> dict:
    return scored(Shown(condition, case, lines), prediction)


def test_right_stale_and_unread_answers_are_told_apart():
    now = Case("p", "a", "now", "What do I drink?", ("tea", "green tea"), ("coffee",))
    file = Case("p", "b", "file", "Which file?", ("src/a.py",))
    right = answer("sections", now, ("- I drink tea.",), "Green tea.")
    stale = answer("recall_alone", now, ("I drink tea.", "I drink coffee."), "coffee")
    unread = answer("sections", file, ("[pytest: src/a.py]",), "src/b.py")
    absent = answer("recall_alone", file, ("nothing",), "src/a.py")
    assert (right["exact"], right["stale"], right["present"]) == (True, False, True)
    assert (stale["exact"], stale["stale"], stale["present"]) == (False, True, True)
    assert (unread["exact"], unread["present"]) == (False, True) and (absent["exact"], absent["present"]) == (True, False)
    found = entries([right, stale, unread, absent], "r", "x.json")
    assert found["r.sections.now.exact"]["value"] == 1 and found["r.recall_alone.now.stale"]["value"] == 1
    assert found["r.sections.file.read"]["value"] == 0 and "r.recall_alone.file.read" not in found
    assert not any("_minus_" in key for key in found), "of PAIRS none was read on both sides"


def test_pairs_are_compared_question_by_question():
    rng, answers = random.Random(0), []
    for person in "pqrs":
        for at in range(5):
            case = Case(person, str(at), "then", "?", ("x",))
            answers.append(answer("sections_recall", case, ("x",), "x"))
            answers.append(answer("recall_alone", case, ("x",), rng.choice(["x", "y"])))
    found = entries(answers, "r", "x.json")
    gap = found["r.sections_recall_minus_recall_alone.then.exact"]
    assert gap["value"] == pytest.approx(1 - found["r.recall_alone.then.exact"]["value"]) and gap["n"] == 20


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"people": 0}, "people: is no positive whole number"),
        ({"conditions": ["section"]}, "conditions: is no list of"),
        ({"kinds": []}, "kinds: is no list of"),
        ({"extra": 1}, "does not hold budget, conditions, kinds, people"),
    ],
)
def test_a_sweep_that_asks_for_something_else_is_refused(change, fault, tmp_path):
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(TRIED | change))
    with pytest.raises(UserError, match=fault):
        read_sweep(tmp_path / "s.yaml")
    assert read_sweep(CONFIG / "sweep_distilled.yaml")["people"] > 1


def test_the_step_reads_and_goes_on(tiny_folder, tmp_path, monkeypatch):
    settings = yaml.safe_load((CONFIG / "smoke.yaml").read_text())
    settings["distilled"] |= {"people": 1, "events": 60, "runs": 2}
    settings["matrix"]["max_tokens"] = 3
    (tmp_path / "smoke.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(TRIED))
    step = load_step("read_distilled")
    command = ["--config", str(tmp_path / "smoke.yaml"), "--sweep", str(tmp_path / "s.yaml"), "--model", str(tiny_folder)]
    step.main([*command, "--out", str(tmp_path / "a.json")])
    before = (tmp_path / "a.json").read_text()
    monkeypatch.setattr("loci.bench.asking.answer_unit", lambda *_: pytest.fail("what was read is read again"))
    step.main([*command, "--out", str(tmp_path / "a.json")])

    one, other = json.loads(before), json.loads((tmp_path / "a.json").read_text())
    assert one["metrics"] == other["metrics"] and one["items"] == other["items"]
