"""LOCOMO in rows: where sentences are cut, what oracle write learns, the step killed and resumed; risks and orders by hand."""

import numpy as np
import pytest
import yaml
from fake_encoder import FakeEncoder
from steps_path import dies_after, load_step

from loci.bench import rankings
from loci.bench.lexical_judge import LexicalJudge
from loci.bench.locomo_asked import frozen
from loci.bench.locomo_rows import MOST, of_observations, of_questions, of_triplets, writable
from loci.bench.rankings import comparable, sums_of, tau, tau_entries
from loci.bench.reader import Reader
from loci.bench.risk_coverage import Given, curve, given_of, risk_entries
from loci.errors import UserError
from loci.memories.row_examples import Sentence
from loci.models.encoder import Encoder
from loci.paths import CONFIG
from loci.results import read_jsonl, read_result, write_json
from loci.worlds.locomo import LocomoQuestion
from loci.worlds.locomo_file import load_or_stand_in
from loci.worlds.locomo_observations import observations_of
from loci.worlds.prose_records import Triplet


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    out = tmp_path_factory.mktemp("standin") / "standin.json"
    load_step("make_standin").main(["--conversations", "4", "--events", "60", "--out", str(out)])
    return out


def test_sentences_are_cut_where_they_become_the_only_ones():
    said = [
        "Ada went to a concert in Rome with her brother and her two cousins last spring.",
        "Ada went to a concert in Oslo.",
        "Ada went to the sea.",
        "Ada is tired",
        "Ada went to a concert in Oslo.",
    ]
    found = of_observations(said)
    assert found[0] == Sentence("Ada went to a concert in Rome", "with her brother and her two cousins last", ".")
    assert found[1] == Sentence("Ada went to a concert in", "Oslo", "."), "one word is left to be said"
    assert found[2] == Sentence("Ada went to the", "sea", ".")
    assert len(found) == 3, "three words are a trigger without an answer, and what is said twice is written once"
    assert all(len(one.answer.split()) <= MOST for one in found)


def test_the_latest_object_of_a_relation_stands():
    said = [("Ada", "lives_in", "Rome", "yes"), ("Bo", "plays", "chess", "yes"), ("Ada", "lives_in", "Oslo", "yes")]
    found = of_triplets(Triplet(*one, None) for one in [*said, ("Bo", "plays", "golf", "no")])
    assert found == [Sentence("They said that Ada lives in", "Oslo", "."), Sentence("They said that Bo plays", "chess", ".")]


def test_oracle_write_learns_the_prompt_that_is_asked():
    question = LocomoQuestion("locomo_0_qa0", "conv-41", 4, "Where did Ada go?", "to Rome", "trap", ("D1:1",))
    reader = Reader.load()
    (sentence,), (before,) = of_questions([question], reader)
    assert before + sentence.trigger == reader.prompt(question_as_asked(question), (), "") and sentence.answer == "to Rome"
    assert sentence.trigger.startswith("Where did Ada go?") and sentence.stop == "\n"


def question_as_asked(question):
    from loci.bench.locomo_asked import Asked

    return Asked(question.id, question.text)


def test_what_the_tokenizer_cannot_hold_is_left_out(llama):
    good, odd = Sentence("Ada went to the", "sea"), Sentence("Ada went to the", "a\nb")
    assert writable([good, odd], llama.tokenizer) == [True, False]


def test_observations_are_read_in_the_order_of_sessions(standin, tmp_path):
    found = observations_of("", standin)
    assert set(found) == {one.id for one in load_or_stand_in("", standin)[1].conversations} and all(found.values())
    sessions = {f"session_{at}_observation": {"A": [[f"A said {at}.", "D1:1"]]} for at in (10, 2)}
    write_json(tmp_path / "f.json", [{"sample_id": "conv-1", "observation": sessions}])
    assert observations_of("", tmp_path / "f.json") == {"conv-1": ["A said 2.", "A said 10."]}
    write_json(tmp_path / "f.json", [{"sample_id": "conv-1", "observation": {}}])
    with pytest.raises(UserError, match="conv-1: has no observations"):
        observations_of("", tmp_path / "f.json")


@pytest.fixture
def shared(tmp_path, tiny_folder, standin, monkeypatch):
    settings = yaml.safe_load((CONFIG / "smoke.yaml").read_text())
    settings["locomo_asked"] |= {"each": 1}
    settings["write"] |= {"max_visits": 3}
    settings["layered"] |= {"max_tokens": 8}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.setattr(Encoder, "load", lambda *_arguments: FakeEncoder())
    load_step("make_prose").main(["--tokens", "4000", "--split", "train", "--out", str(tmp_path / "prose.parquet")])
    config = ["--config", str(tmp_path / "small.yaml")]
    adapter = str(tmp_path / "recite.safetensors")
    taught = ["--out", str(tmp_path / "r.json"), "--adapter", adapter]
    load_step("train_reader").main([*config, "--model", str(tiny_folder), "--reader", "recite", *taught])
    return [*config, "--stand-in", str(standin), "--model", str(tiny_folder), "--train", str(tmp_path / "prose.parquet")], adapter


def answered(arguments: list[str], reader: str, folder) -> list[dict]:
    out = ["--out", str(folder / f"{reader}.json"), "--answers", str(folder / f"{reader}.jsonl")]
    load_step("rows_locomo").main([*arguments, "--reader", reader, *out])
    return list(read_jsonl(folder / f"{reader}.jsonl", ""))


def test_the_step_writes_asks_resumes_and_is_scored(shared, standin, tmp_path, monkeypatch):
    arguments, adapter = shared
    base = answered(arguments, "base", tmp_path / "one")
    assert {one["memory"] for one in base} == {"rows_observed", "rows_extracted", "oracle_rows", "rows_observed_donor"}
    with dies_after(monkeypatch):
        answered(arguments, "base", tmp_path / "two")
    assert not (tmp_path / "two" / "base.jsonl").exists()
    assert answered(arguments, "base", tmp_path / "two") == base
    recite = answered([*arguments, "--adapter", adapter], "recite", tmp_path / "one")
    wanted = {"recite", "recite_gold", "recite_rows_observed", "recite_rows_extracted", "recite_rows_observed_donor"}
    assert {one["memory"] for one in recite} == wanted
    conversations = load_or_stand_in("", standin)[1].conversations
    asked = {one.id for one in frozen(conversations, "test", 1)}
    assert {one["qid"] for one in base} == asked, "test conversations alone, and the frozen questions"
    oracle = [one for one in base if one["memory"] == "oracle_rows"]
    answerable = {one.id for one in frozen(conversations, "test", 1) if one.answer}
    assert all(one["prompt_hits"] > 0 for one in oracle if one["qid"] in answerable), "its address is the question's own"
    assert not any("thought" in one for one in recite), "a recitation may be text of LOCOMO"
    files = [tmp_path / "one" / f"{name}.json" for name in ("base", "recite")]
    scoring = ["--asked", *map(str, files), "--answers", *(str(path.with_suffix(".jsonl")) for path in files)]
    load_step("score_locomo").main([*arguments[:4], *scoring, "--out", str(tmp_path / "s.json")])
    scores = read_result(tmp_path / "s.json")["metrics"]
    assert scores["standin.oracle_rows.fired"]["value"] > 0 and "standin.recite.f1" in scores
    assert 0 <= scores["standin.recite.coverage"]["value"] <= 1
    with pytest.raises(UserError, match="names 2 results for 1 files of answers"):
        load_step("score_locomo").main([*arguments[:4], *scoring[:-1], "--out", str(tmp_path / "s.json")])


def test_risk_falls_where_the_surest_answers_are_right():
    given = np.array([True, True, True, False])
    risks = curve(given, np.array([3.0, 2.0, 1.0, 9.0]), np.array([1.0, 1.0, 0.0, 1.0]))
    assert risks[0.5] == 0.0 and risks[0.7] == pytest.approx(1 / 3) and 0.8 not in risks, "the fourth declines, however sure"
    found = [Given("a", True, 1.0, 1.0), Given("b", True, 0.0, 0.0)]
    ledger = risk_entries(found, "locomo.x", "s.json")
    assert ledger["locomo.x.risk_at_50"]["value"] == 0.0 and ledger["locomo.x.risk"]["value"] == 0.5
    assert ledger["locomo.x.coverage"] == {"value": 1.0, "n": 2, "low": 1.0, "high": 1.0, "source": "s.json"}


@pytest.mark.parametrize(
    ("category", "said", "given", "score"),
    [(4, "Rome", True, 1.0), (5, "Rome", True, 0.0), (5, "Not mentioned in the conversation", False, 0.0), (4, "", False, 0.0)],
)
def test_an_answer_to_what_nobody_said_is_never_right(category, said, given, score):
    question = LocomoQuestion("locomo_0_qa0", "conv-41", category, "Where?", "Rome", "trap", ("D1:1",))
    found = given_of({"prediction": said, "log_prob": -0.5}, question)
    assert (found.given, found.score, found.sure) == (given, score, -0.5)


def test_tau_by_hand():
    assert tau(np.array([1.0, 2, 3]), np.array([10.0, 20, 30])) == 1
    assert tau(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == -1
    assert tau(np.array([1.0, 2, 3]), np.array([1.0, 3, 2])) == pytest.approx(1 / 3)
    assert tau(np.array([1.0, 1, 2]), np.array([1.0, 2, 2])) == pytest.approx(0.5), "tau-b: ties count in the norm"
    assert tau(np.array([1.0, 1, 1]), np.array([1.0, 2, 3])) == 0


def test_orders_are_compared_over_conversations(monkeypatch):
    monkeypatch.setattr(rankings, "RESAMPLES", 200)

    def scores(of: dict[str, float]) -> dict:
        return {name: {(f"c{at % 4}", f"q{at}"): value for at in range(8)} for name, value in of.items()}

    same, turned = scores({"a": 0.1, "b": 0.2, "c": 0.3}), scores({"a": 0.9, "b": 0.5, "c": 0.1})
    found = tau_entries({"f1": same, "judge": turned}, "locomo", "d.json")
    assert found["locomo.tau.f1.judge"]["value"] == -1 and found["locomo.tau.f1.f1"]["value"] == 1
    assert found["locomo.tau.f1.judge"]["n"] == 3
    with pytest.raises(ValueError, match="not asked the same"):
        sums_of({"a": {("c", "q"): 1.0}, "b": {("c", "r"): 1.0}})


def test_what_a_judge_could_not_be_read_on_orders_nothing():
    items = [("c", str(at)) for at in range(20)]
    right = {"a": dict.fromkeys(items, 0.0), "b": dict.fromkeys(items, 1.0)}
    once = {"a": dict.fromkeys(items, 1.0) | {items[3]: None}, "b": dict.fromkeys(items, 1.0)}
    seldom = {"a": dict.fromkeys(items, None), "b": dict.fromkeys(items, 1.0)}
    kept, unread = comparable({"f1": right, "once": once, "seldom": seldom})
    assert set(kept) == {"f1", "once"} and unread == {"seldom": 0.0}
    for scores in kept.values():
        assert all(set(said) == set(items) - {items[3]} for said in scores.values()), "every memory and metric loses the question"
    # A verdict that could not be read, counted as wrong, would order two memories that this judge cannot tell apart.
    assert tau_entries(kept, "locomo", "d.json")["locomo.tau.f1.once"]["value"] == 0
    assert comparable({"f1": right})[0] == {"f1": right}


def test_layered_answers_are_judged_beside_exact(tmp_path, monkeypatch):
    from loci.bench.people import asked_questions, asked_users
    from loci.config import load_config
    from loci.results import result, sha256_file, write_jsonl
    from loci.worlds.people import build_users
    from loci.worlds.records import save_users

    monkeypatch.setattr(Encoder, "load", lambda *_arguments: FakeEncoder())
    settings, everybody = load_config(CONFIG / "smoke.yaml"), build_users(count=6, dev=4, train=0, seed=0)
    save_users(tmp_path / "people.json", everybody)
    users = asked_users(everybody, settings)
    answers = [
        {"memory": name, "uid": user.uid, "qid": one.qid, "prediction": one.answer if name == "right" else "never"}
        for name in ("right", "wrong")
        for user in users
        for one in asked_questions(user, everybody, settings, settings["layered"]["questions"])
    ]
    write_jsonl(tmp_path / "a.jsonl", answers)
    judge = LexicalJudge((((0, 0.5, 1, 2, 0.0), (-1, 0.0, 0, 0, -1.0), (-1, 0.0, 0, 0, 1.0)),), 0.0, 0.5)  # official F1 above 0.5
    write_json(tmp_path / "lexical.json", judge.as_dict(FakeEncoder().sha256))
    metrics = {"judge_sha256": sha256_file(tmp_path / "lexical.json"), "fit_for_claims": True}
    write_json(tmp_path / "j.json", result("fit_judge", {"file": "standin"}, None, metrics, [], {}))
    command = ["--config", str(CONFIG / "smoke.yaml"), "--users", str(tmp_path / "people.json")]
    command += ["--answers", str(tmp_path / "a.jsonl"), "--fitted", str(tmp_path / "j.json")]
    command += ["--judge", str(tmp_path / "lexical.json"), "--out", str(tmp_path / "out.json")]
    load_step("judge_layered").main(command)
    found = read_result(tmp_path / "out.json")
    assert found["config"]["judge_fitted_on"] == "standin"
    assert found["metrics"]["standin_judge.layered.kappa"]["value"] == 1.0 and found["items"] == []
    assert found["metrics"]["layered.right.tiny.paraphrase.judged"]["value"] == 1.0
    assert found["metrics"]["layered.wrong.tiny.paraphrase.judged"]["value"] == 0.0
    (tmp_path / "lexical.json").write_text("{}")
    with pytest.raises(UserError, match="is another judge than that of"):
        load_step("judge_layered").main(command)
