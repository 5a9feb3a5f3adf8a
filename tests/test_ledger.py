"""Ledger, figure and table: from hand-made results, never from typed numbers, the same bytes on every run."""

import ast
import gzip
import json
import subprocess

import pytest
from steps_path import load_step

from loci.bench.ledger import Ledger, collect
from loci.bench.matrix import cost_entries, entries_of_answers, judged, prior_entries, side_effect_entries
from loci.errors import UserError
from loci.paths import ROOT
from loci.results import read_jsonl, read_result, result, write_bytes, write_json, write_jsonl
from loci.worlds.people import build_users, canary_questions, donor_of


def made(metrics: dict, costs: dict | None = None) -> dict:
    return result("matrix", {}, None, metrics, [], {"costs": costs or {}})


def entry(value: float) -> dict:
    return {"value": value, "n": 4, "low": max(value - 0.1, 0), "high": value + 0.1, "source": "hand.json"}


def test_collect_takes_entries_and_costs_and_refuses_a_key_twice(tmp_path):
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    write_json(one, made({"a.b.c.d.exact": entry(0.5), "answers": 7}, {"a.b.c.ms": entry(3)}))
    write_json(two, made({"a.b.c.d.exact": entry(0.5)}))
    assert list(collect([one])) == ["a.b.c.d.exact", "a.b.c.ms"]
    with pytest.raises(UserError, match="already in the ledger"):
        collect([one, two])


def test_a_missing_key_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "summary.json"
    write_json(path, {"schema": 1, "ledger": {}})
    with pytest.raises(UserError, match=r"matrix\.rows\.x: no such key"):
        Ledger(path)["matrix.rows.x"]
    write_json(path, {"schema": 2, "ledger": {}})
    with pytest.raises(UserError, match="schema"):
        Ledger(path)


def test_results_of_another_schema_or_cut_short_are_refused(tmp_path):
    path = tmp_path / "r.json"
    for text, message in (
        ("{}", "schema"),
        ('{"schema": 7}', "version 7"),
        ('{"schema": 1}', "missing"),
        ('{"sch', "invalid JSON"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match=message):
            read_result(path)


def test_jsonl_keeps_every_separator_inside_a_string(tmp_path):
    records = [{"text": "a\u2028b\u0085c\nd"}, {"text": ""}]
    write_jsonl(tmp_path / "a.jsonl", records)
    assert read_jsonl(tmp_path / "a.jsonl") == records


def answer(user, question, memory: str, prediction: str) -> dict:
    return {
        "memory": memory,
        "seed": 0,
        "uid": user.uid,
        "qid": question.qid,
        "prediction": prediction,
        "first_token": 1,
        "gold_first_token": 1,
    }


def by_id(users, question):
    return next(user for user in users if question.qid.startswith(f"{user.uid}."))


def test_the_matrix_of_a_perfect_and_of_a_donor_memory():
    users = build_users(6, 0, dev=2)
    tested = users[2:]
    donor = {user.uid: donor_of(users, user) for user in tested}
    answers = []
    for user in tested:
        for question in user.questions:
            theirs = {fact.key: fact.answer for fact in donor[user.uid].facts}
            right = question.answer or ("not known" if question.form == "question" else "nobody")
            for memory, said in (("rows", right), ("rows_donor", theirs.get(question.key, "x"))):
                answers.append(answer(user, question, memory, said))
            answers += [answer(user, question, control, "") for control in ("none", "gold", "rows_random")]
    leak = canary_questions(tested[0], tested)[0]
    leaks = [answer(tested[0], leak, memory, said) for memory, said in (("gold", f"It is {leak.answer}"), ("rows", "not known"))]
    told = [{**one, "write": "dialogue"} for one in answers if one["memory"] == "rows"]
    questions = {question.qid: question for user in tested for question in user.questions} | {leak.qid: leak}
    scores = judged(answers + leaks + told, questions, tested, donor)
    ledger = entries_of_answers(scores, "tiny", "hand.json")
    assert ledger["matrix.rows.tiny.statement.exact"]["value"] == 1.0
    assert (
        ledger["matrix.rows.tiny.unknown.exact"]["value"] == 1.0 and ledger["matrix.rows.tiny.unknown.pool_rate"]["value"] == 0.0
    )
    assert ledger["matrix.rows.tiny.midconv.chat.exact"]["value"] == 1.0
    assert ledger["matrix.rows.tiny.direct.donor"]["value"] == 0.0
    assert ledger["matrix.rows_donor.tiny.direct.donor"]["value"] == 1.0
    assert ledger["matrix.rows_donor.tiny.direct.exact"]["value"] < 0.1
    assert ledger["matrix.rows_minus_none.tiny.paraphrase.exact"]["value"] == 1.0
    assert ledger["matrix.gold.tiny.other.leak"]["value"] == 1.0 and ledger["matrix.rows.tiny.other.leak"]["value"] == 0.0
    assert ledger["matrix.rows.tiny.updated.exact"]["value"] == 1.0 and ledger["matrix.rows.tiny.updated.stale"]["value"] == 0.0
    stale = [question for user in tested for question in user.questions if question.kind == "deleted"]
    said = [answer(by_id(tested, question), question, "managed", f"{question.stale}, I think") for question in stale]
    brought_back = entries_of_answers({**scores, **judged(said, questions, tested, donor)}, "tiny", "hand.json")
    assert brought_back["matrix.managed.tiny.deleted.stale"]["value"] == 1.0
    assert brought_back["matrix.managed.tiny.deleted.exact"]["value"] == 0.0
    assert ledger["matrix_dialogue.rows.tiny.direct.exact"]["value"] == 1.0
    assert ledger["matrix.rows.tiny.direct.refused"]["value"] == 0.0
    asked = {user.uid: list(user.questions) for user in tested}
    prior = prior_entries(asked, users[:2], "tiny", "hand.json")["matrix.prior.tiny.direct.exact"]
    assert prior["value"] < 0.2 and 0 < prior["chance"] < 0.1


def test_side_effects_are_zero_by_construction_only_where_nothing_is_attached():
    lines = [
        {
            "uid": uid,
            "memory": "rows",
            "text": "chat",
            "dbpb": value,
            "dbpb_worst": 2 * value,
            "hit_rate": 0.1,
            "dnats_at_hits": 1.0,
        }
        for uid, value in (("u1", 0.2), ("u2", 0.4))
    ]
    ledger = side_effect_entries(lines, ["none", "gold"], "tiny", "hand.json")
    assert ledger["matrix.rows.tiny.chat.dbpb"]["value"] == pytest.approx(0.3)
    assert ledger["matrix.rows.tiny.chat.dbpb_worst"]["value"] == 0.8
    assert ledger["matrix.none.tiny.chat.dbpb"] == {"value": 0.0, "n": 0, "low": 0.0, "high": 0.0, "source": "by construction"}


@pytest.fixture
def ledger_file(tmp_path):
    """A ledger with every key that figure and table ask for."""
    entries = {}
    for at, memory in enumerate(("none", "gold", "rows", "rows_donor", "prior")):
        measures = ["statement.exact", "midconv.exact", "direct.exact"]
        measures += [] if memory == "prior" else ["others.dbpb", "chat.dbpb", "bytes", "paraphrase.exact", "unknown.exact"]
        measures += ["write_seconds_per_fact"] if memory == "rows" else []
        for measure in measures:
            entries[f"matrix.{memory}.tiny.{measure}"] = entry(0.1 * at)
    path = tmp_path / "summary.json"
    write_json(path, {"schema": 1, "ledger": entries})
    return path


def test_figure_and_table_are_the_same_bytes_on_every_run(ledger_file, tmp_path):
    figure, table = load_step("draw_recall"), load_step("make_matrix_table")
    for name in ("a", "b"):
        files = [str(tmp_path / f"{name}.{kind}") for kind in ("pdf", "png")]
        figure.main(["--ledger", str(ledger_file), "--base", "tiny", "--out", *files])
        table.main(["--ledger", str(ledger_file), "--base", "tiny", "--out", str(tmp_path / f"{name}.tex")])
    for kind in ("pdf", "png", "tex"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
    text = (tmp_path / "a.tex").read_text(encoding="utf-8")
    assert "statement 4" in text and r"\tiny [" in text, "every table states n and intervals"


def test_no_figure_script_draws_a_typed_number():
    for path in sorted((ROOT / "code" / "steps").glob("draw_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in {
                "draw_intervals",
                "errorbar",
                "plot",
                "bar",
                "barh",
                "scatter",
                "axhline",
            }:
                data = [*node.args, *(word.value for word in node.keywords if word.arg in {"x", "y", "xerr", "yerr", "height"})]
                numbers = [part for one in data for part in ast.walk(one) if isinstance(part, ast.Constant)]
                assert not [part.value for part in numbers if isinstance(part.value, int | float)], f"{path.name}:{node.lineno}"


def test_promote_withholds_what_is_not_ours_to_give():
    step = load_step("promote")
    records = [{"memory": "oracle_rows", "qid": "q", "prediction": "her gold"}, {"memory": "rows_observed", "prediction": "mine"}]
    content = "".join(json.dumps(one) + "\n" for one in records).encode()
    kept = [json.loads(line) for line in step.shown(content).decode().splitlines()]
    assert "prediction" not in kept[0] and len(kept[0]["prediction_sha256"]) == 64 and kept[1] == records[1]
    verdicts = b'{"memory": "oracle_rows", "accepted": true}\n'
    assert step.shown(verdicts) == verdicts and step.shown(b"as it is\n") == b"as it is\n"


def test_promote_copies_results_compresses_answers_and_rebuilds_the_ledger(tmp_path):
    fresh, reference = tmp_path / "fresh", tmp_path / "reference"
    write_json(fresh / "matrix" / "matrix.tiny.json", made({"matrix.rows.tiny.statement.exact": entry(0.5)}))
    write_jsonl(fresh / "matrix" / "answers.tiny.s0.jsonl", [{"a": 1}])
    write_json(fresh / "matrix" / "work" / "x" / "shard.json", {"left": "behind"})
    step = load_step("promote")
    step.main(["--from", str(fresh), "--to", str(reference)])
    assert sorted(path.name for path in (reference / "matrix").iterdir()) == ["answers.tiny.s0.jsonl.gz", "matrix.tiny.json"]
    assert json.loads(gzip.decompress((reference / "matrix" / "answers.tiny.s0.jsonl.gz").read_bytes())) == {"a": 1}
    assert list(json.loads((reference / "summary.json").read_text("utf-8"))["ledger"]) == ["matrix.rows.tiny.statement.exact"]
    with pytest.raises(UserError, match="holds no results"):
        step.main(["--from", str(tmp_path / "nothing"), "--to", str(reference)])


def test_promoting_one_part_keeps_what_other_runs_left(tmp_path):
    fresh, later, reference = tmp_path / "fresh", tmp_path / "later", tmp_path / "reference"
    header = "s\th:m:s\tmax_rss\n"
    for folder, rule, seconds in (
        (fresh, "density", 5),
        (fresh, "sweep_rows", 7),
        (later, "density", 4),
        (fresh, "train_windowed.renamed.s0", 3),
        (later, "stress_rows.smollm2-135m", 9),
    ):
        write_bytes(folder / "benchmarks" / f"{rule}.tsv", f"{header}{seconds}\t0:00:00\t10\n".encode())
    write_json(fresh / "sweeps" / "rows.json", made({"a.b.tiny.exact": entry(0.5)}))
    write_json(later / "sweeps" / "stress.tiny.json", made({"c.d.tiny.exact": entry(0.5)}))
    step = load_step("promote")
    step.main(["--from", str(fresh), "--to", str(reference)])
    step.main(["--from", str(later), "--to", str(reference), "--rule", "sweeps"])
    assert sorted(path.name for path in (reference / "sweeps").iterdir()) == ["rows.json", "stress.tiny.json"]
    costs = json.loads((reference / "rule_costs.json").read_text("utf-8"))
    seconds = {name: cost["seconds"] for name, cost in costs["rules"].items()}
    assert seconds == {"density": 4, "sweep_rows": 7, "stress_rows.smollm2-135m": 9}, "no line of a job that is no more"
    assert costs["default_run_seconds"] == 4 / 2  # one of two cores
    assert costs["of_them_locomo"] == 0 and "score_locomo" in costs["untimed"] and "density" not in costs["untimed"]
    write_bytes(later / "benchmarks" / "rows_locomo.base.tsv", f"{header}6\t0:00:00\t10\n".encode())
    step.main(["--from", str(later), "--to", str(reference), "--rule", "sweeps"])
    costs = json.loads((reference / "rule_costs.json").read_text("utf-8"))
    assert (costs["default_run_seconds"], costs["of_them_locomo"]) == (5, 3)
    step.main(["--from", str(later), "--to", str(reference)])
    assert [path.name for path in (reference / "sweeps").iterdir()] == ["stress.tiny.json"]


@pytest.mark.parametrize("found", [{"standin.bm25.f1": entry(0.9)}, {"standin_judge.a.b": entry(0.9)}, {"present": False}])
def test_a_run_without_locomo_replaces_no_number_of_it(tmp_path, found):
    fresh, reference, step = tmp_path / "fresh", tmp_path / "reference", load_step("promote")
    write_json(fresh / "locomo" / "locomo.tiny.json", made({"locomo.bm25.f1": entry(0.1)}))
    promoted = ["--from", str(fresh), "--to", str(reference)]
    step.main(promoted)
    kept = {path: path.read_bytes() for path in reference.rglob("*") if path.is_file()}
    write_json(fresh / "locomo" / "locomo.tiny.json", made(found))
    for part in ([], ["--rule", "locomo"]):
        with pytest.raises(UserError, match=r"locomo/locomo\.tiny\.json is of a run without LOCOMO's file.*promote other parts"):
            step.main([*promoted, *part])
    assert {path: path.read_bytes() for path in reference.rglob("*") if path.is_file()} == kept


def test_the_numbers_of_readme_and_reproduce_are_those_of_the_reference(tmp_path):
    step = load_step("write_findings")
    pages = {"--readme": "README.md", "--reproduce": "REPRODUCE.md"}
    pages |= {"--checklist": "docs/checklist.md", "--findings": "docs/findings.md"}
    for name in pages.values():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    step.main([part for option, name in pages.items() for part in (option, str(tmp_path / name))])
    for name in pages.values():
        assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes(), f"{name}: run `make figures`"


def test_context_tokens_are_what_a_memory_adds_to_the_same_question():
    def asked(memory, uid, qid, tokens, write="facts"):
        about = {"memory": memory, "uid": uid, "qid": qid, "form": "question", "prompt_tokens": tokens}
        return about | ({"write": write} if memory != "rows" else {})

    answers = [asked("none", "u1", "a", 100), asked("none", "u2", "b", 110), asked("none", "u2", "b", 110, "dialogue")]
    answers += [asked("bm25", "u1", "a", 120), asked("bm25", "u2", "b", 160), asked("bm25", "u2", "b", 510, "dialogue")]
    answers += [asked("rows", "u1", "a", 100)]
    ledger = cost_entries([{"memory": "rows", "uid": "u1", "bytes": 5}], {}, answers, "b", "x.json")
    wanted = {"matrix.none": 0, "matrix.bm25": 35, "matrix_dialogue.bm25": 400, "matrix.rows": 0}
    assert {name: ledger[f"{name}.b.question.context_tokens"]["value"] for name in wanted} == wanted
    assert ledger["matrix.bm25.b.question.prompt_tokens"]["value"] == 140


def test_items_of_scores_are_means_of_users_by_measure():
    records = [("u1", "a", 1.0), ("u1", "a", 0.0), ("u1", "b", 1.0), ("u2", "a", 0.0)]  # the first question with two seeds
    found = load_step("score_matrix").per_user({"matrix|rows|direct.exact": records})
    assert found == [{"experiment": "matrix", "memory": "rows", "measure": "direct.exact", "users": {"u1": 0.75, "u2": 0.0}}]


def test_committed_results_stay_small():
    listed = subprocess.run(["git", "ls-files", "results"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert sum((ROOT / name).stat().st_size for name in listed) < 20e6, "compress or sample raw answers, give items by group"
