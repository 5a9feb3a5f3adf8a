"""LOCOMO's figure and its sentences: every value from the ledger, the stand-in named so, the same bytes on every run."""

import json

import pytest
from steps_path import load_step

from loci.bench.ledger import Ledger
from loci.bench.locomo_findings import locomo_block
from loci.errors import UserError

MEMORIES = ("none", "gold", "bm25", "late")


def ledger_of(folder, source: str, **more: dict) -> Ledger:
    def entry(value: float, n: int = 40) -> dict:
        return {"value": value, "low": value - 0.05, "high": value + 0.05, "n": n, "source": "x.json"}

    judge = "judge" if source == "locomo" else f"{source}_judge"
    found = {}
    for at, name in enumerate(MEMORIES):
        found |= {f"{source}.{name}.turn.recall_at_{k}": entry(0.1 * at + k / 100) for k in (1, 10)}
        found |= {f"{source}.{name}.id{category}.f1": entry(0.1 * category) for category in (1, 2, 3, 4, 5)}
        found |= {f"{source}.{name}.f1": entry(0.1 + 0.1 * at), f"{source}.{name}.prompt_tokens": entry(100.0 * (at + 1))}
        found |= {f"{source}.{name}.judged": entry(0.2), f"{source}.{name}.judged_corrected": entry(0.111 * (at + 1))}
        found |= {f"{source}.{name}.judged_local_strict_fitted": entry(0.9 - 0.1 * at) | {"unfit": True}}
        found |= {f"{source}.{name}.risk_at_{share}": entry(0.5 + share / 1000) for share in (10, 50)}
    found |= {f"{judge}.lexical.right.{kind}": entry(0.9) for kind in ("framed", "labelled", "id1", "short")}
    found |= {f"{judge}.lexical.wrong.{kind}": entry(0.2) for kind in ("id1", "vague")}
    for name in ("lexical", "local_strict", "local_strict_fitted"):
        found |= {f"{judge}.{name}.sensitivity": entry(0.4321)}
        found |= {f"{judge}.{name}.wrong.{kind}": entry(0.1) for kind in ("specific", "vague")}
        found |= {f"{judge}.{name}.specificity_{kind}": entry(0.77) for kind in ("specific", "vague")}
    found |= {f"{judge}.local_strict.auroc": entry(0.4876), f"{source}.tau.f1.lexical": entry(0.6543)}
    found |= {f"{judge}.layered.kappa": entry(0.9876), f"{judge}.layered.accepts_wrong": entry(0.0123)}
    found |= {f"{source}.oracle_rows.f1": entry(0.8), f"{source}.oracle_rows.prompt_tokens": entry(90.0)}
    found |= {f"{source}.oracle_rows.fired": entry(0.95)}
    found |= {f"{judge}.lexical.wrong.{kind}": entry(0.1) for kind in ("specific", "labelled")}
    found |= {f"{judge}.lexical.specificity_{kind}": entry(0.8765) for kind in ("specific", "labelled")}
    found |= {f"{judge}.lexical.sensitivity": entry(0.4321), f"{judge}.lexical.sensitivity_labelled": entry(0.5432)}
    found |= {f"{judge}.lexical_{name}.balanced_accuracy": entry(0.5) for name in ("answer_only", "shuffled_gold")}
    path = folder / "summary.json"
    path.write_text(json.dumps({"schema": 1, "ledger": found | more}))
    return Ledger(path)


def test_the_figure_draws_what_is_in_the_ledger(tmp_path):
    step = load_step("draw_locomo")
    figure = step.draw(ledger_of(tmp_path, "locomo"))
    recall, answers, tokens, judge = figure.axes
    drawn = {text.get_text() for text in recall.get_legend().get_texts()}
    assert drawn == {"BM25", "late interaction"}, "controls are not searched for"
    assert len(answers.containers) == len(MEMORIES) and len(tokens.containers) == len(MEMORIES)
    assert [tick.get_text() for tick in judge.get_yticklabels()] == [
        "right: in a sentence (40)",
        "right: labelled by hand (40)",
        "wrong: specific (40)",
        "wrong: vague (40)",
        "wrong: labelled by hand (40)",
    ]
    assert "stand-in" not in figure.get_suptitle()
    few = ledger_of(tmp_path, "locomo")
    few._entries = {key: entry for key, entry in few._entries.items() if ".id4." not in key}
    ticks = [tick.get_text() for tick in step.draw(few).axes[1].get_xticklabels()]
    assert ticks[3].endswith("n = 0") and ticks[0].endswith("n = 40"), "a small stand-in asks nothing of a category"
    assert "stand-in" in step.draw(ledger_of(tmp_path, "standin")).get_suptitle()


def test_the_figure_of_judges(tmp_path):
    step = load_step("draw_judges")
    trust, groups, ranks, risks = step.draw(ledger_of(tmp_path, "locomo")).axes
    assert len(trust.containers) == 6, "three judges on specific and on vague wrong answers"
    assert [tick.get_text() for tick in groups.get_xticklabels()] == ["id 1\n40", "1-3\nwords\n40"]
    lines = {line.get_label(): list(line.get_ydata()) for line in ranks.get_lines()}
    assert lines == {"no memory": [3, 3, 2, 1], "BM25": [2, 2, 2, 2], "late interaction": [1, 1, 2, 3]}, "gold is in no order"
    assert len(ranks.patches) == 1, "one column is of an unfit judge"
    assert {text.get_text() for text in risks.get_legend().get_texts()} == {
        "no memory", "BM25", "late interaction", "needed facts in the prompt"
    }  # fmt: skip
    assert step.ranks_of({"a": {"value": 1}, "b": {"value": 1}, "c": None}) == {"a": 1.5, "b": 1.5}
    assert "stand-in" in step.draw(ledger_of(tmp_path, "standin")).get_suptitle()
    (tmp_path / "none.json").write_text(json.dumps({"schema": 1, "ledger": {}}))
    with pytest.raises(UserError, match="holds no judged answers"):
        step.draw(Ledger(tmp_path / "none.json"))


@pytest.mark.parametrize("figure", ["draw_locomo", "draw_judges"])
def test_the_step_writes_the_same_bytes(figure, tmp_path):
    ledger_of(tmp_path, "locomo")
    written = []
    for name in ("one", "two"):
        out = [str(tmp_path / f"{name}.{kind}") for kind in ("pdf", "png")]
        load_step(figure).main(["--ledger", str(tmp_path / "summary.json"), "--out", *out])
        written.append([(tmp_path / f"{name}.{kind}").read_bytes() for kind in ("pdf", "png")])
    assert written[0] == written[1]


def test_an_empty_ledger_is_named(tmp_path):
    (tmp_path / "summary.json").write_text(json.dumps({"schema": 1, "ledger": {}}))
    with pytest.raises(UserError, match="holds no recall of LOCOMO or its stand-in"):
        load_step("draw_locomo").draw(Ledger(tmp_path / "summary.json"))
    assert locomo_block(Ledger(tmp_path / "summary.json")) == []


def test_the_sentences_hold_the_numbers(tmp_path):
    text = "\n".join(locomo_block(ledger_of(tmp_path, "locomo")))
    for value in (
        "AUROC 0.49",
        "rows of tested questions (oracle) 0.80",
        "rows of tested questions (oracle) 0.95",
        "the lexical judge 0.65",
        "0.988",
        "BM25 0.300 [0.250, 0.350]",
        "0.432",
        "0.543 [0.493, 0.593]",
        "0.876 [0.826, 0.926]",
        "0.500",
        "0.33 [0.28, 0.38]",
    ):
        assert value in text, value
    assert locomo_block(ledger_of(tmp_path, "standin")) == [], "the stand-in's numbers are in no sentence about LOCOMO"
