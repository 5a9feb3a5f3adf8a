"""Results made again: what agrees, what differs and by how much, what of raw answers may differ."""

import copy

import pytest

from loci.bench.agreement import ASKED, EXACT, TRAINED, answers_apart, differences, tolerance_of
from loci.results import sha256_text

RESULT = {
    "schema": 1,
    "metrics": {"a.b.exact": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 40, "source": "a.json"}, "a.b.seconds": 3.0},
    "items": [{"uid": "u1", "score": 1}, {"uid": "u2", "score": 0.25}],
    "provenance": {"wall_seconds": 3.0},
}


def changed(**parts) -> dict:
    return copy.deepcopy(RESULT) | parts


def test_what_is_equal_agrees_and_times_and_machines_do_not_count():
    fresh = copy.deepcopy(RESULT)
    fresh["provenance"] = {"wall_seconds": 9.0, "gpu": "another"}
    fresh["metrics"]["a.b.seconds"] = 7.0
    fresh["metrics"]["a.b.exact"]["value"] = 0.5000001
    assert differences(RESULT, fresh, EXACT) == []


@pytest.mark.parametrize(
    ("value", "allowed", "agrees"),
    [(0.501, EXACT, False), (0.501, ASKED, True), (0.53, ASKED, False), (0.54, TRAINED, True)],
)
def test_numbers_may_be_apart_by_so_much(value, allowed, agrees):
    fresh = copy.deepcopy(RESULT)
    fresh["metrics"]["a.b.exact"]["value"] = value
    found = differences(RESULT, fresh, allowed)
    assert bool(found) != agrees
    if found:
        assert str(found[0]) == f"metrics.a.b.exact.value: committed 0.5, made again {value} (apart by {value - 0.5:+.4g})"


@pytest.mark.parametrize(
    ("fresh", "where"),
    [
        (changed(metrics={}), "metrics.a.b.exact"),
        (changed(extra=1), "extra"),
        (changed(items=RESULT["items"][:1]), "items (length)"),
        (changed(items=[{"uid": "u1", "score": 1}, {"uid": "u3", "score": 0.25}]), "items[1].uid"),
        (changed(schema=True), "schema"),
        (changed(items=None), "items"),
    ],
)
def test_other_shapes_keys_and_words_differ_whatever_is_allowed(fresh, where):
    assert differences(RESULT, fresh, TRAINED)[0].where == where


def test_timings_are_told_by_whole_words():
    for key in ("bench.row_write.seconds_per_fact.n34", "growth.bm25.recall_ms_p95", "live.state.tokens_per_s", "x.speedup.n3"):
        assert differences({key: 1.0}, {key: 2.0}, EXACT) == [], key
    for key in ("layered.k.items", "matrix.rows.mseconds", "triplet.seeds.values"):
        assert differences({key: 1.0}, {key: 2.0}, EXACT), key


def test_a_share_of_raw_answers_may_differ():
    committed = [{"qid": at, "prediction": "yes"} for at in range(100)]
    fresh = copy.deepcopy(committed)
    fresh[7]["prediction"] = "no"
    share, found = answers_apart(committed, fresh, ASKED, "answers.jsonl")
    assert share == 0.99 and found == []
    share, found = answers_apart(committed, fresh, EXACT, "answers.jsonl")
    assert share == 0.99 and found[0].fresh == 0.99 and found[1].where == "answers.jsonl: record 8.prediction"
    assert answers_apart(committed, fresh[1:], TRAINED, "answers.jsonl")[1][0].where == "answers.jsonl (records)"


def test_withheld_answers_are_compared_by_their_hashes():
    committed = [{"qid": 1, "prediction_sha256": sha256_text("her gold")}]
    assert answers_apart(committed, [{"qid": 1, "prediction": "her gold"}], EXACT, "a")[1] == []
    assert answers_apart(committed, [{"qid": 1, "prediction": "his gold"}], EXACT, "a")[1]


def test_steps_without_torch_are_deterministic():
    assert tolerance_of("score_matrix", uses_torch=False) is EXACT
    assert tolerance_of("score_layered", uses_torch=True) is EXACT
    assert tolerance_of("ask_rows", uses_torch=True) is ASKED and tolerance_of("train_reader", uses_torch=True) is TRAINED
