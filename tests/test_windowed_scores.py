"""Answers about evicted text, scored by hand: sets, what is new, swapped values, causes, perplexities; and their figure."""

import math

import pytest
from steps_path import load_step

from loci.bench.ledger import Ledger, write_ledger
from loci.bench.style import plt
from loci.bench.windowed import (
    arm_entries,
    cause_records,
    content_entries,
    contrast_entries,
    exact_records,
    perplexity,
    perplexity_drop,
    seeds_entries,
)
from loci.errors import UserError
from loci.results import result, sha256_file, write_json, write_jsonl


def said(qid: str, kind: str, prediction: str, accepted: str, content: str = "right", **more) -> dict:
    one = {"qid": qid, "kind": kind, "prediction": prediction, "accepted": [accepted], "content": content}
    return one | {"novel": "none", "other": "", "fact": "stood", "positions": 80} | more


ANSWERS = [
    said("a.1", "fact", "Ulm", "Ulm"),
    said("a.2", "fact", "Bern", "Ulm"),
    said("a.3", "confusion", "Bern", "Ulm", other="Bern", fact="wrong"),
    said("b.1", "update", "tea", "black tea", fact="absent"),
    said("b.2", "yes_no", "No", "No", fact="absent"),
    said("b.3", "fact", "Kelm", "Kelm", novel="names", fact="absent"),
]


def test_sets_and_what_is_new_stand_apart():
    found = exact_records(ANSWERS)
    assert found["fact.exact"] == [("a", "a.1", True), ("a", "a.2", False)]
    assert found["values.exact"] == [("a", "a.1", True), ("a", "a.2", False), ("a", "a.3", False), ("b", "b.1", False)]
    assert found["yes_no.exact"] == [("b", "b.2", True)] and found["names.fact.exact"] == [("b", "b.3", True)]
    assert found["confusion.swapped"] == [("a", "a.3", True)]


def test_trainings_are_the_unit_of_seeds():
    worse = [{**one, "prediction": "?"} for one in ANSWERS]
    better = [{**one, "prediction": one["accepted"][0]} for one in ANSWERS]
    found = seeds_entries({"raw": {0: worse, 1: ANSWERS}, "zone": {0: ANSWERS, 1: better}}, "s")
    assert found["triplet.raw.seeds.values.exact"]["value"] == pytest.approx((0 + 1 / 6) / 2)
    gap = found["triplet.zone_minus_raw.seeds.values.exact"]
    assert gap["value"] == pytest.approx((1 / 6 + 5 / 6) / 2) and gap["n"] == 2 and gap["low"] < 0 < 1 < gap["high"]
    assert found["triplet.zone.seeds.names.fact.exact"]["value"] == 1.0
    wrong = [said("a.1", "fact", "Ulm", "Ulm"), said("a.1", "fact", "Bern", "Ulm", "other")]
    assert seeds_entries({"zone": {0: wrong}}, "s")["triplet.zone.seeds.fact.exact"]["value"] == 1.0


def test_an_arm_that_lacks_a_seed_is_named(tmp_path):
    step = load_step("score_windowed_seeds")
    paths = []
    for name, seed in (("raw", 0), ("raw", 1), ("zone", 0)):
        answers = tmp_path / f"{name}{seed}.jsonl"
        write_jsonl(answers, ANSWERS)
        about = {"answers_sha256": sha256_file(answers)}
        write_json(answers.with_suffix(".json"), result("ask_windowed", {"name": name}, seed, about, [], {}))
        paths.append(answers)
    asked = [path.with_suffix(".json") for path in paths]
    with pytest.raises(UserError, match=r"--asked: zone: lacks seeds \[1\]; ask all arms with all seeds"):
        step.gather(asked, paths)
    with pytest.raises(UserError, match=r"--answers: are 2 files for 3 results; give one for each, in order"):
        step.gather(asked, paths[:2])
    write_jsonl(paths[0], ANSWERS[:1])
    with pytest.raises(UserError, match=r"raw0.jsonl: holds other answers than those of .*raw0.json; run ask_windowed.py again"):
        step.gather(asked, paths)
    assert sorted(step.gather(asked[1:2], paths[1:2])["raw"]) == [1]


def test_every_wrong_value_has_one_cause():
    found = cause_records(ANSWERS)
    assert {name: [one[1] for one in records if one[2]] for name, records in found.items()} == {
        "cause.ignored": ["a.2"],
        "cause.mis_extracted": ["a.3"],
        "cause.absent": ["b.1"],
    }
    assert {len(records) for records in found.values()} == {4}


def test_an_arm_has_causes_only_where_its_zone_holds_triplets():
    alone = arm_entries("raw", ANSWERS, "s")
    assert not any("cause" in key for key in alone) and alone["triplet.raw.positions"]["value"] == 80
    assert alone["triplet.raw.values.exact"]["value"] == pytest.approx(1 / 6), "documents count alike: a third and none"
    both = arm_entries("zone", [*ANSWERS, said("a.1", "fact", "", "Ulm", "none")], "s")
    assert both["triplet.zone.cause.ignored"]["value"] == pytest.approx(1 / 6)
    assert both["triplet.zone.fact.exact"]["n"] == 2, "what stands in place of the right content is not counted"


def nats(doc: str, content: str, fact: float, tokens: int) -> dict:
    return {"doc_id": doc, "content": content, "fact_nats": fact, "fact_tokens": tokens, "other_nats": 3.0, "other_tokens": 3}


def test_perplexity_is_over_tokens_and_its_drop_is_paired():
    items = [nats("a", "right", 2.0, 2), nats("b", "right", 0.0, 2)]
    others = [nats("a", "none", 4.0, 2), nats("b", "none", 2.0, 2)]
    found = perplexity(items, "fact")
    assert found.value == pytest.approx(math.exp(0.5)) and found.n == 4
    assert (found.low, found.high) == pytest.approx((1.0, math.e))
    assert perplexity(items, "other").value == pytest.approx(math.e)
    drop = perplexity_drop(items, others, "fact")
    assert drop.value == drop.low == drop.high == pytest.approx(1 - math.exp(-1)), "every document gains alike"
    assert perplexity([*items, *items], "fact") == found, "the same documents of another seed are no further documents"
    with pytest.raises(ValueError, match="other tokens"):
        perplexity_drop(items, [nats("a", "none", 4.0, 3), others[1]], "fact")


def test_contents_and_arms_are_contrasted():
    masked = [said("a.1", "fact", "", "Ulm", "none"), said("a.2", "fact", "Ulm", "Ulm", "none")]
    masked += [said("a.3", "confusion", "", "Ulm", "none"), said("b.1", "update", "", "x", "none")]
    items = [nats("a", "right", 1.0, 2), nats("a", "none", 3.0, 2)]
    found = content_entries("triplet", [*ANSWERS, *masked], items, "s")
    assert found["triplet.with.fact.exact"]["value"] == found["triplet.masked.fact.exact"]["value"] == 0.5
    assert found["triplet.with_minus_masked.values.exact"]["value"] == 0
    assert found["triplet.with_below_masked.fact_ppl"]["value"] == pytest.approx(1 - math.exp(-1))
    assert "triplet.with.names.fact.exact" not in found and "triplet.with_minus_with.values.exact" not in found
    better = [one | {"prediction": one["accepted"][0]} for one in ANSWERS]
    gaps = contrast_entries({"one": ANSWERS, "two": better, "three": ANSWERS}, ["two"], "s")
    assert list(gaps) == ["triplet.two_minus_one.values.exact"]
    assert gaps["triplet.two_minus_one.values.exact"]["value"] == pytest.approx(5 / 6)


@pytest.fixture
def ledger(tmp_path):
    """Every key that the figure asks for, but no arm of summary vectors."""
    step = load_step("draw_windowed")
    arms = [name for name in (*step.RAW, *step.ARMS) if name != "summary"]
    keys = [f"triplet.{name}.{measure}" for name in arms for measure in ("values.exact", "positions")]
    keys += [f"triplet.{name}.{kind}.exact" for name in arms for kind in step.SETS]
    keys += [f"triplet.{name}.{measure}" for name in step.CONTENTS for measure in ("values.exact", "fact_ppl")]
    entries = {}
    for at, key in enumerate(dict.fromkeys(keys)):
        value = 0.1 + 0.7 * (at * 0.618 % 1)
        entries[key] = {"value": value, "n": 40, "low": value - 0.05, "high": value + 0.03 + 0.001 * (at % 7), "source": "hand"}

    def written(without: str = "") -> Ledger:
        write_ledger(tmp_path / "summary.json", {key: one for key, one in entries.items() if key != without})
        return Ledger(tmp_path / "summary.json")

    return written


def test_every_point_of_the_figure_is_an_entry(ledger):
    step, entries = load_step("draw_windowed"), ledger()
    figure = step.draw(entries)
    positions, sets, contents, ppl = figure.axes
    drawn = {tuple(line.get_xydata()[at]) for line in positions.lines for at in range(len(line.get_xydata()))}
    for name in (*step.RAW, "quarter_window", "vectors", "pooled"):
        point = tuple(entries[f"triplet.{name}.{measure}"]["value"] for measure in ("positions", "values.exact"))
        assert point in drawn
    shown = {float(x) for line in sets.lines for x in line.get_xdata()}
    arms = [name for name in step.ARMS if name != "summary"]
    assert {entries[f"triplet.{name}.{kind}.exact"]["value"] for name in arms for kind in step.SETS} <= shown
    for axes, measure in ((contents, "values.exact"), (ppl, "fact_ppl")):
        values = [entries[f"triplet.{name}.{measure}"]["value"] for name in step.CONTENTS]
        assert list(axes.lines[0].get_xdata()) == values
    plt.close(figure)


def test_a_ledger_without_arms_is_named(ledger, tmp_path):
    ledger("triplet.with.values.exact")
    with pytest.raises(UserError, match="holds no arms that read through a window; run the rule score_windowed"):
        load_step("draw_windowed").main(["--ledger", str(tmp_path / "summary.json"), "--out", str(tmp_path / "f.png")])
    assert not (tmp_path / "f.png").exists()
