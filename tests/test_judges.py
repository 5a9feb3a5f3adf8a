"""Judging the judges: cases known to be right or wrong, controls at chance, the lexical judge, corrected shares."""

import json
import random

import numpy as np
import pytest
from fake_encoder import FakeEncoder
from steps_path import load_step

from loci.bench.judge_cases import RIGHT, WRONG, Case, cases_of, mirrored, right_answers
from loci.bench.judging import (
    answer_only,
    answers_in,
    balanced_accuracy,
    corrected,
    kappa,
    labelled_cases,
    trust_entries,
    with_other_gold,
)
from loci.bench.lexical_judge import FEATURES, LexicalJudge, features_of, fit
from loci.errors import UserError
from loci.models.encoder import Encoder
from loci.paths import CONFIG
from loci.results import read_jsonl, read_result, result, sha256_file, write_json, write_jsonl
from loci.worlds.locomo import LocomoQuestion
from loci.worlds.locomo_file import load_or_stand_in


def asked(answer: str, category: int = 4) -> LocomoQuestion:
    return LocomoQuestion("locomo_0_qa0", "conv-41", category, "Which?", answer, "trap", ("D1:1",))


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    out = tmp_path_factory.mktemp("judges") / "standin.json"
    load_step("make_standin").main(["--conversations", "4", "--events", "150", "--out", str(out)])
    return out


@pytest.fixture(scope="module")
def cases(standin):
    found = load_or_stand_in("", standin)[1]
    return {
        split: [case for one in found.conversations if one.split == split for case in cases_of(one, {})]
        for split in ("dev", "test")
    }


def test_right_answers_by_rule():
    made = dict(right_answers(asked("7 May 2023", 2), random.Random(0)))
    assert made["verbatim"] == "7 May 2023" and made["date"] in ("May 7, 2023", "on 7 May 2023", "2023-05-07")
    assert "number" not in made, "a day is no number of things"
    assert dict(right_answers(asked("two dogs"), random.Random(0)))["number"] == "2 dogs"
    assert dict(right_answers(asked("3 cats"), random.Random(0)))["number"] == "three cats"
    assert dict(right_answers(asked("her mother's film"), random.Random(0)))["words"] == "her mom's movie"
    order = dict(right_answers(asked("red, green, blue", 1), random.Random(1)))["order"]
    assert sorted(order.replace(" and ", ", ").split(", ")) == ["blue", "green", "red"]
    assert dict(right_answers(asked("Yes; she likes it", 3), random.Random(0)))["verbatim"] == "Yes"
    assert "date" not in dict(right_answers(asked("the week before 7 May 2023", 2), random.Random(0)))


def test_cases_are_complete_and_repeat(standin, cases):
    kinds = {case.kind for case in cases["test"]}
    assert kinds <= {*RIGHT, *WRONG} and {"specific", "vague", "swapped", "shifted", "refusal", "hedged"} <= kinds
    assert all(case.right == (case.kind in RIGHT) for case in cases["test"])
    again = [case for one in load_or_stand_in("", standin)[1].conversations if one.split == "test" for case in cases_of(one, {})]
    assert again == cases["test"]
    assert all(case.answer != case.gold for case in cases["test"] if case.kind in ("shifted", "replaced"))


def test_wrong_answers_of_a_file_are_used(standin):
    conversation = load_or_stand_in("", standin)[1].conversations[0]
    first = next(one for one in conversation.questions if one.category == 4)
    found = cases_of(conversation, {"specific": {first.id: "a wrong one"}})
    assert [case.answer for case in found if case.qid == first.id and case.kind == "specific"] == ["a wrong one"]


def test_the_answer_alone_says_nothing(cases):
    """Every answer is right once and wrong once: a judge of answers alone cannot beat a coin."""
    twice = mirrored(cases["test"])
    assert sum(case.right for case in twice) * 2 == len(twice)
    verdicts = answer_only(mirrored(cases["dev"]), twice)
    assert balanced_accuracy(twice, verdicts) == pytest.approx(0.5, abs=1e-9)
    # Broken on purpose: unmirrored, refusals and hedges give themselves away.
    assert balanced_accuracy(cases["test"], answer_only(cases["dev"], cases["test"])) > 0.7


def test_the_lexical_judge_learns_the_pair(cases, tmp_path):
    encoder, learnt, twice = FakeEncoder(), mirrored(cases["dev"]), mirrored(cases["test"])

    def features(of):
        return features_of([(case.gold, case.answer) for case in of], encoder)

    judge = fit(features(learnt), learnt, 0.9)
    assert balanced_accuracy(twice, judge.accepts(features(twice))) > 0.9
    assert abs(balanced_accuracy(twice, judge.accepts(features(with_other_gold(twice)))) - 0.5) < 0.05
    (tmp_path / "judge.json").write_text(json.dumps(judge.as_dict(encoder.sha256)))
    loaded = LexicalJudge.load(tmp_path / "judge.json", encoder.sha256)
    assert np.array_equal(loaded.probabilities(features(twice)), judge.probabilities(features(twice)))
    with pytest.raises(UserError, match="encoder: is not that of this code and encoder"):
        LexicalJudge.load(tmp_path / "judge.json", "another")


def test_the_trees_are_scikit_learns(cases):
    from sklearn.ensemble import HistGradientBoostingClassifier

    learnt = mirrored(cases["dev"])
    features = features_of([(case.gold, case.answer) for case in learnt], FakeEncoder())
    judge, right = fit(features, learnt, 0.9), [case.right for case in learnt]
    model = HistGradientBoostingClassifier(max_depth=3, max_iter=100, min_samples_leaf=20, early_stopping=False, random_state=0)
    theirs = model.fit(features, right).predict_proba(features)[:, 1]
    assert np.allclose(judge.probabilities(features), theirs, atol=1e-12)


def test_features_see_what_differs():
    def of(gold, said):
        return dict(zip(FEATURES, features_of([(gold, said)], FakeEncoder())[0], strict=True))

    same = of("two dogs", "2 dogs")
    assert same["f1"] == 1.0 and same["numbers_missing"] == 0.0
    date = of("7 May 2023", "on May 7th, 2023")
    assert date["same_time"] == 1.0 and date["gold_recall"] == 1.0
    assert of("7 May 2023", "8 May 2023")["other_time"] == 1.0
    assert of("He likes Rome", "He likes Oslo")["names_missing"] == 1.0
    assert of("she does", "she does not")["negation"] == 1.0
    assert of("shooting guard", "point guard")["replaced"] == 0.25


def test_trust_by_hand():
    rows = [("c0", 4, True, "framed"), ("c0", 4, True, "hedged"), ("c1", 4, False, "vague"), ("c1", 4, False, "specific")]
    cases = [
        Case(name, f"q{at}", category, "gold", "an answer", right, kind) for at, (name, category, right, kind) in enumerate(rows)
    ]
    ledger = trust_entries(cases, [True, False, True, False], "judge.x", "j.json")
    assert ledger["judge.x.sensitivity"]["value"] == 0.5 and ledger["judge.x.specificity"]["value"] == 0.5
    assert ledger["judge.x.specificity_vague"]["value"] == 0.0 and ledger["judge.x.specificity_specific"]["value"] == 1.0
    assert ledger["judge.x.right.id4"]["value"] == 0.5 and ledger["judge.x.wrong.short"]["value"] == 0.5


def test_kappa_and_corrected_shares():
    assert kappa([True, False, True, False], [True, False, True, False]) == 1.0
    assert kappa([True, True, False, False], [True, False, True, False]) == 0.0
    assert kappa([True, True], [True, True]) == 1.0
    said = [(f"c{at % 4}", f"q{at}", float(at < 60)) for at in range(100)]  # 0.6 accepted
    right, wrong = [True] * 90 + [False] * 10, [True] * 20 + [False] * 80
    found = corrected(said, right, wrong)
    assert found.value == pytest.approx((0.6 - 0.2) / 0.7) and found.low < found.value < found.high
    assert corrected(said, [True] * 10, [False] * 10).value == pytest.approx(0.6)
    nothing = corrected([(one, item, 0.0) for one, item, _ in said], right, wrong)
    assert nothing.value == 0.0 and 0.01 < nothing.high < 0.1, "none of a hundred is not certain to be none"


def test_labels_and_files(tmp_path):
    questions = {"locomo_2_qa0": asked("x")}
    assert labelled_cases(questions, {"another": "x"}) == []
    (tmp_path / "no.json").write_text("[]")
    with pytest.raises(UserError, match="is no file of answers"):
        answers_in(tmp_path / "no.json")


def test_the_step_runs_on_the_stand_in(standin, tmp_path, monkeypatch):
    monkeypatch.setattr(Encoder, "load", lambda *_arguments: FakeEncoder())
    out = ["--out", str(tmp_path / "j.json"), "--judge", str(tmp_path / "lexical.json")]
    load_step("fit_judge").main(["--config", str(CONFIG / "smoke.yaml"), "--stand-in", str(standin), *out])
    found = read_result(tmp_path / "j.json")
    assert found["config"]["file"] == "standin" and found["config"]["cases"]["labelled"] == 0
    assert found["metrics"]["standin_judge.lexical_answer_only.balanced_accuracy"]["value"] == 0.5
    assert found["metrics"]["standin_judge.lexical.sensitivity"]["value"] > 0.8
    assert not any(key.startswith("judge.") for key in found["metrics"]), "the stand-in's numbers are never LOCOMO's"


def test_answers_are_judged_and_corrected(standin, tmp_path, monkeypatch):
    monkeypatch.setattr(Encoder, "load", lambda *_arguments: FakeEncoder())
    shared = ["--config", str(CONFIG / "smoke.yaml"), "--stand-in", str(standin)]
    fitted = ["--out", str(tmp_path / "j.json"), "--judge", str(tmp_path / "lexical.json")]
    load_step("fit_judge").main([*shared, *fitted])
    found = load_or_stand_in("", standin)[1]
    chosen = [one for conversation in found.conversations for one in conversation.questions]
    said = {"right": lambda one: one.answer or "x", "wrong": lambda _one: "The moon"}
    answers = [{"memory": name, "uid": one.conversation, "qid": one.id, "prediction": of(one)} for name, of in said.items()
               for one in chosen]  # fmt: skip
    write_jsonl(tmp_path / "a.jsonl", answers)
    about = {"file": "standin", "file_sha256": found.sha256}
    metrics = {"answers_sha256": sha256_file(tmp_path / "a.jsonl")}
    write_json(tmp_path / "a.json", result("ask_locomo", about, None, metrics, [], {}))
    asked = ["--fitted", str(tmp_path / "j.json"), "--judge", str(tmp_path / "lexical.json"), "--asked", str(tmp_path / "a.json")]
    asked += ["--answers", str(tmp_path / "a.jsonl"), "--out", str(tmp_path / "d.json"), "--verdicts", str(tmp_path / "v.jsonl")]
    load_step("judge_locomo").main([*shared, *asked])
    judged = read_result(tmp_path / "d.json")["metrics"]
    test = [one for one in chosen if one.category != 5 and one.conversation not in ("conv-26", "conv-30")]
    assert judged["standin.right.judged"]["n"] == len(test) and judged["standin.right.judged"]["value"] > 0.9
    assert judged["standin.wrong.judged"]["value"] < 0.1 and judged["standin.wrong.judged_corrected"]["value"] < 0.1
    assert len(list(read_jsonl(tmp_path / "v.jsonl", ""))) == 2 * len(test)
    (tmp_path / "lexical.json").write_text("{}")
    with pytest.raises(UserError, match="is another judge than that of"):
        load_step("judge_locomo").main([*shared, *asked])
