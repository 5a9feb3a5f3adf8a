"""Claims: every predicate on hand-made ledgers, wrong ones included; keys that are missing, typed numbers, other profiles."""

import copy
import json
import math
from pathlib import Path

import pytest
import yaml
from steps_path import load_step

from loci.bench.claims import (
    FAILS,
    HOLDS,
    UNTESTABLE,
    changes,
    check,
    claims_block,
    failing_block,
    headlines_block,
    judge,
    load_claims,
    number,
    typed_numbers,
)
from loci.bench.ledger import Ledger, write_ledger
from loci.bench.predicates import Quantity, parse
from loci.errors import UserError
from loci.paths import PAPER, REFERENCE
from loci.results import read_json

_REFERENCE = read_json(REFERENCE / "summary.json")["ledger"]
PAPERS = load_claims(PAPER / "claims.yaml")
LEDGER = {
    "a.up": {"value": 0.3, "low": 0.1, "high": 0.5, "n": 40},
    "a.flat": {"value": 0.1, "low": -0.1, "high": 0.3, "n": 20},
    "a.down": {"value": -0.3, "low": -0.5, "high": -0.1, "n": 30},
    "a.gemma3-270m.bytes": {"value": 2000, "n": 3},
    "a.zero": {"value": 0.0, "n": 3},
    "a.hollow": {"value": None, "n": 3},
}


def found(text: str, **names: float):
    """What a text comes to on LEDGER."""

    def find(word):
        if not word.startswith("["):
            return Quantity(names[word], names[word], names[word])
        entry = LEDGER[word[1:-1]]
        return Quantity(entry["value"], entry.get("low", entry["value"]), entry.get("high", entry["value"]), entry["n"])

    return parse(text, "here").of(find)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[a.up] > 0", True),
        ("[a.up] > 0.1", None),  # its lower end is 0.1
        ("[a.up] >= 0.1", True),
        ("[a.up] > 0.5", False),
        ("[a.up] >= 0.5", None),
        ("[a.flat] > 0", None),
        ("[a.flat] < 0.3", None),
        ("[a.flat] <= 0.3", True),
        ("[a.down] > 0", False),
        ("0 > [a.down]", True),
        ("[a.up] > [a.down]", True),
        ("[a.up] > [a.flat]", None),
        ("[a.down] > [a.up]", False),
        ("value[a.flat] > 0", True),
        ("low[a.up] >= 0.1 and high[a.up] <= 0.5", True),
        ("n[a.up] - n[a.flat] >= 20", True),
        ("[a.up] > 0 and [a.flat] > 0", None),
        ("[a.down] > 0 and [a.flat] > 0", False),
        ("[a.up] > 0 or [a.flat] > 0", True),
        ("[a.down] > 0 or [a.flat] > 0", None),
        ("[a.down] > 0 or [a.up] > 0 and [a.flat] > 0", None),
        ("([a.down] > 0 or [a.up] > 0) and [a.up] < 1", True),
        ("[a.gemma3-270m.bytes] / 1000 <= 2", True),
        ("[a.gemma3-270m.bytes] >= 2e3 and [a.gemma3-270m.bytes] < 2.5E3", True),
        ("ours >= 0.5", True),
        ("-ours < 0", True),
        ("1 - ours * 2 <= 0", True),
    ],
)
def test_comparisons_hold_where_the_whole_interval_does(text, wanted):
    assert found(text, ours=0.5) is wanted


def test_arithmetic_carries_intervals_and_the_smaller_n():
    gap = found("[a.up] - [a.flat]")
    assert (gap.value, gap.low, gap.high, gap.n) == pytest.approx((0.2, -0.2, 0.6, 20))
    product = found("[a.down] * [a.up]")
    assert (product.value, product.low, product.high) == pytest.approx((-0.09, -0.25, -0.01))
    ratio = found("[a.gemma3-270m.bytes] / [a.up]")
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((2000 / 0.3, 4000, 20000))
    assert found("-[a.up]").low == -0.5 and found("2 + 3 * 4 - 1").value == 13 and found("8 / 4 / 2").value == 1
    endless = found("[a.up] / [a.flat]")
    assert endless.value == pytest.approx(3) and (endless.low, endless.high) == (-math.inf, math.inf)
    assert found("[a.up] / [a.flat] > 0") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ends too early"),
        ("[a.up] >", "ends too early"),
        ("[a.up] > 0 and", "ends too early"),
        ("[a.up > 0", "cannot read"),
        ("a.up > 0", "cannot read '.up"),
        ("([a.up] > 0", "bracket is not closed"),
        ("[a.up] > 0 [a.up]", "unexpected '[a.up]'"),
        ("[a.up] > 0 > 1", "unexpected '>'"),
        ("[a.up] and [a.flat]", "'and' joins two comparisons"),
        ("([a.up] > 0) + 1", "'\\+' stands between two numbers"),
        ("[a.up] > ([a.up] > 0)", "'>' stands between two numbers"),
        ("or > 0", "unexpected 'or'"),
        ("__import__('os')", "cannot read"),
        ("ours ** 2 > 0", "unexpected '\\*'"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_says_where(text, message):
    with pytest.raises(UserError, match=message.replace("[", "\\[")) as fault:
        parse(text, "claims.yaml: one: predicate")
    assert str(fault.value).startswith("claims.yaml: one: predicate:") and "\n" not in str(fault.value)


def test_division_by_zero_names_the_place():
    with pytest.raises(UserError, match="division by zero"):
        found("1 / [a.zero] > 0")


CLAIM = {
    "id": "one",
    "kind": "published",
    "sentence": "It rises by {gap} of {gap.n}, that is {gap.value}.",
    "source": "somebody, 2020",
    "published": {"value": 0.2, "says": "0.2"},
    "measures": {"gap": "[a.up]"},
    "predicate": "gap > 0",
    "profile": "laptop",
}


@pytest.fixture
def made(tmp_path):
    """Writes claims that differ from CLAIM as told, and a ledger; gives both, loaded."""

    def written(*differences: dict, profile: str | None = "laptop", base: str = "gemma3-270m"):
        claims = []
        for at, difference in enumerate(differences):
            claim = {**copy.deepcopy(CLAIM), "id": f"claim{at}", **difference}
            claims.append({name: value for name, value in claim.items() if value is not None})
        path = tmp_path / "claims.yaml"
        path.write_text(yaml.safe_dump({"base": base, "claims": claims}), encoding="utf-8")
        write_ledger(tmp_path / "summary.json", {key: {**one, "source": "a.json"} for key, one in LEDGER.items()}, profile)
        return load_claims(path), Ledger(tmp_path / "summary.json")

    return written


def test_a_claim_reports_value_interval_n_and_its_filled_sentence(made):
    (claim,), ledger = made({})
    one = judge(claim, ledger)
    assert one["status"] == HOLDS and one["reason"] == "" and one["certainty"] == "of the interval"
    assert (one["value"], one["low"], one["high"], one["n"]) == (0.3, 0.1, 0.5, 40)
    assert one["sentence"] == "It rises by 0.300 [0.100, 0.500] of 40, that is 0.300." and one["keys"] == ["a.up"]


@pytest.mark.parametrize(
    ("measure", "predicate", "status", "outcome"),
    [
        ("[a.up]", "gap > 0", "holds", "holds"),
        ("[a.flat]", "gap > 0", "fails", "undecided"),
        ("[a.down]", "gap > 0", "fails", "refuted"),
        ("[a.up]", "gap > published", "fails", "undecided"),
        ("[a.up] - [a.down]", "gap >= published", "holds", "holds"),
    ],
)
def test_failing_is_refuted_or_undecided(made, measure, predicate, status, outcome):
    (claim,), ledger = made({"measures": {"gap": measure}, "predicate": predicate})
    one = judge(claim, ledger)
    assert (one["status"], one["outcome"]) == (status, outcome) and (one["reason"].startswith(outcome) or status == "holds")


def test_a_value_without_interval_decides_by_itself_and_says_so(made):
    (claim, mixed), ledger = made(
        {"measures": {"gap": "[a.{base}.bytes] / 1000"}},
        {"measures": {"gap": "[a.up]", "size": "[a.{base}.bytes]"}, "predicate": "gap > 0 and size > 1"},
    )
    assert judge(claim, ledger)["certainty"] == "of the value alone" and judge(claim, ledger)["value"] == 2
    assert judge(mixed, ledger)["certainty"] == "of both"


def test_a_missing_key_is_an_error_with_the_nearest_one(made):
    (claim, hollow), ledger = made({"measures": {"gap": "[a.upp]"}}, {"measures": {"gap": "[a.hollow]"}})
    with pytest.raises(UserError, match=r"claim0: a\.upp: no such key in .*summary\.json; did you mean 'a\.up'\?"):
        check([claim], ledger, "laptop")
    with pytest.raises(UserError, match=r"a\.hollow: no such key"):
        check([hollow], ledger, "laptop")


def test_what_nothing_here_can_test_says_why(made):
    claims, ledger = made({"measures": None, "predicate": None, "needs": {"because": "too large"}})
    assert (judge(claims[0], ledger)["status"], judge(claims[0], ledger)["reason"]) == (UNTESTABLE, "too large")
    with pytest.raises(UserError, match="claim0: needs: says that nothing can test it, beside a predicate"):
        made({"needs": {"because": "too large"}})


def whole_of(folder: Path, **sources: str) -> Ledger:
    """A ledger of all results: keys, with _ for dots, and the file that each is from."""
    entries = {
        key.replace("_", "."): {"value": 1.0, "low": 1.0, "high": 1.0, "n": 9, "source": of} for key, of in sources.items()
    }
    write_ledger(folder / "whole.json", entries, "laptop")
    return Ledger(folder / "whole.json")


def test_what_a_run_did_not_make_is_not_testable_here(made, tmp_path):
    (claim, half, typo), ledger = made(*({"measures": {"gap": key}} for key in ("[far.up]", "[a.up] - [far.up]", "[far.upp]")))
    whole = whole_of(tmp_path, far_up="sweep.json")
    for one in (claim, half):
        found = judge(one, ledger, whole)
        assert (found["status"], found["value"], found["outcome"]) == (UNTESTABLE, None, None)
        assert found["reason"] == "sweep.json is no part of this run; `make sweeps` or `make benchmarks` makes it"
        assert found["sentence"] == "It rises by … of …, that is …."
    with pytest.raises(UserError, match=r"claim0: far\.up: no such key"):
        judge(claim, ledger)
    with pytest.raises(UserError, match=r"claim2: far\.upp: no such key"):
        judge(typo, ledger, whole)
    made_here = whole_of(tmp_path, far_up=ledger["a.up"]["source"])
    with pytest.raises(UserError, match=r"claim0: far\.up: no such key"):  # its file was made, and lacks it
        judge(claim, ledger, made_here)


def test_without_locomo_its_claims_are_not_testable_here(made, tmp_path):
    (claim,), ledger = made({"measures": {"gap": "[locomo.up]"}})
    source = ledger["a.up"]["source"]
    whole = whole_of(tmp_path, locomo_up=source)
    with pytest.raises(UserError, match=r"locomo\.up: no such key"):
        judge(claim, ledger, whole)
    stand_in = whole_of(tmp_path, standin_down=source)
    assert "a stand-in took its place" in judge(claim, stand_in, whole)["reason"]


@pytest.mark.parametrize(
    ("difference", "message"),
    [
        ({"predicate": "gapp > 0"}, "gapp: is no measure of this claim; did you mean 'gap'"),
        ({"sentence": "It is {gp}."}, "gp: is no measure of this claim"),
        ({"predicate": None}, "has no predicate"),
        ({"predicate": "gap - 1"}, "compares nothing"),
        ({"predicate": "gap >"}, "claim0: predicate: it ends too early"),
        ({"measures": {"gap": "[a.up] > 0"}}, "gap: is no measure"),
        ({"measures": {"gap": "[a.up]", "spare": "[a.down]"}}, "spare: is measured and not used"),
        ({"measures": None}, "compares nothing"),
        ({"published": None}, "published: missing"),
        ({"published": {"says": "more"}, "predicate": "gap > published"}, "published: has no value"),
        ({"kind": "rumour"}, "claim0: kind: 'rumour' is not one of"),
        ({"source": None}, "'source' is a required property"),
        ({"colour": "red"}, "colour"),
        ({"id": "One"}, "does not match"),
    ],
)
def test_a_wrong_claim_is_refused_by_name(made, difference, message):
    with pytest.raises(UserError, match=message) as fault:
        made(difference)
    assert "claims.yaml" in str(fault.value) and "\n" not in str(fault.value)


def test_two_claims_of_one_id_and_broken_files_are_refused(made, tmp_path):
    with pytest.raises(UserError, match="is the id of two claims"):
        made({"id": "same"}, {"id": "same"})
    broken = tmp_path / "broken.yaml"
    broken.write_text("claims: [", encoding="utf-8")
    with pytest.raises(UserError, match="invalid YAML"):
        load_claims(broken)


def test_a_typed_result_is_refused_and_names_are_not(made):
    (typed, named), ledger = made(
        {"sentence": "BM25 gains {gap}, or 0.3, at F1."}, {"sentence": "Of SmolLM2-135M with BM25 and int8 {gap} at F1."}
    )
    assert typed_numbers(typed)[0] == "0.3," and typed_numbers(named) == []
    with pytest.raises(UserError, match="typed number"):
        judge(typed, ledger)


@pytest.mark.parametrize(("profile", "message"), [("gpu", "is a ledger of the profile gpu"), (None, "does not say its profile")])
def test_a_ledger_of_another_profile_is_refused(made, profile, message):
    claims, ledger = made({}, profile=profile)
    with pytest.raises(UserError, match=message):
        check(claims, ledger, "laptop")


def test_a_profile_of_which_nothing_is_claimed_is_refused(made):
    claims, ledger = made({}, profile="smoke")
    with pytest.raises(UserError, match="no claim is made of smoke"):
        check(claims, ledger, "smoke")


def test_changes_are_told_with_both_values(made):
    claims, ledger = made({}, {})
    before = check(claims, ledger, "laptop")
    after = copy.deepcopy(before)
    after[1] |= {"outcome": "undecided", "value": 0.1, "low": -0.1}
    assert changes(before, before) == []
    (told,) = changes(before, after)
    assert told == "claim1: holds with 0.300 [0.100, 0.500] (n = 40), now undecided with 0.100 [-0.100, 0.500] (n = 40)"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0.000"),
        (-1e-17, "0.000"),
        (5.2e-5, "0.000052"),
        (0.98, "0.980"),
        (1, "1.00"),
        (54.2, "54.2"),
        (48.0, "48"),
        (2087.4, "2,087"),
    ],
)
def test_numbers_keep_three_digits(value, shown):
    assert number(value) == shown


def test_the_step_writes_verdicts_and_tables_the_same_bytes_each_run(made, tmp_path):
    made({"sentence": "Half & more_of {gap}"}, {"kind": "result", "published": None, "needs": None})
    step, files = load_step("check_claims"), []
    for name in ("a", "b"):
        out, table = tmp_path / f"{name}.json", tmp_path / f"{name}.tex"
        about = ["--claims", str(tmp_path / "claims.yaml"), "--ledger", str(tmp_path / "summary.json")]
        step.main([*about, "--out", str(out), "--table", str(table)])
        files.append((out.read_bytes(), table.read_bytes()))
    assert files[0] == files[1]
    record, table = json.loads(files[0][0]), files[0][1].decode()
    assert record["profile"] == "laptop" and record["counts"]["published"] == {"holds": 1, "fails": 0, "not testable here": 0}
    assert r"Half \& more\_of 0.300 [0.100, 0.500]" in table
    assert table.count(r"\begin{table*}") == table.count(r"\end{table*}") == 2
    assert "| published claims | 1 | 0 | 0 | 0 |" in claims_block(record["claims"])
    assert failing_block(record["claims"]) == []
    record["claims"][0] |= {"status": FAILS, "outcome": "refuted"}
    (line,) = failing_block(record["claims"])
    assert line.startswith("- Half & more_of") and line.endswith("*refuted*") and "Published: " in line


def test_headlines_open_the_readme_and_say_when_they_do_not_hold():
    told = [
        {"sentence": "Kept.", "status": HOLDS, "outcome": HOLDS, "headline": True},
        {"sentence": "Passed over.", "status": HOLDS, "outcome": HOLDS, "headline": False},
        {"sentence": "Lost.", "status": FAILS, "outcome": "refuted", "headline": True},
        {"sentence": "Unmeasured.", "status": UNTESTABLE, "outcome": None, "headline": True},
    ]
    assert headlines_block(told) == ["- Kept.", "- Lost. *refuted*", "- Unmeasured. *not testable here*"]


def test_the_claims_of_the_paper_are_those_of_the_reference_ledger(tmp_path):
    assert len(PAPERS) >= 40 and not [claim.where for claim in PAPERS if typed_numbers(claim)]
    assert {claim.record["kind"] for claim in PAPERS} == {"published", "correction", "result"}
    load_step("check_claims").main(["--out", str(tmp_path / "claims.json"), "--table", str(tmp_path / "claims.tex")])
    assert (tmp_path / "claims.json").read_bytes() == (REFERENCE / "claims.json").read_bytes(), "run `make figures`"
    assert (tmp_path / "claims.tex").read_bytes() == (PAPER / "tables" / "claims.tex").read_bytes(), "run `make figures`"


@pytest.mark.parametrize("claim", PAPERS, ids=lambda claim: claim.record["id"])
def test_every_predicate_of_the_paper_can_hold_and_can_fail(claim, tmp_path):
    """On ledgers made for it, narrow and wide: some put it right, some wrong; no claim is true whatever is measured."""
    if claim.predicate is None:
        assert claim.record["needs"]["because"]
        return
    near = {key: _REFERENCE.get(key, {"value": 0.5})["value"] for key in claim.keys}
    outcomes = set()
    for spread in (1e-6, 1e9):
        for at in range(3 ** min(len(near), 4)):
            values = {key: (value, -9.0, 90.0)[at // 3**place % 3] for place, (key, value) in enumerate(near.items())}
            entries = {key: {"value": one, "low": one - spread, "high": one + spread, "n": 9} for key, one in values.items()}
            write_ledger(tmp_path / "made.json", entries, claim.record["profile"])
            outcomes.add(judge(claim, Ledger(tmp_path / "made.json"))["outcome"])
    assert {"holds", "refuted"} <= outcomes


def test_committed_verdicts_are_readable():
    record = read_json(REFERENCE / "claims.json")
    assert {one["status"] for one in record["claims"]} <= {"holds", "fails", UNTESTABLE}
    assert all(one["reason"] for one in record["claims"] if one["status"] != HOLDS)
