"""The steps of live memory on a tiny model: training that resumes, ingesting and querying in other processes, arms, scores."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from steps_path import dies_after, load_step

from loci.bench.ledger import Ledger, write_ledger
from loci.bench.live import ARMS, changed, donors, ingest, said
from loci.bench.live_findings import live_block
from loci.bench.live_scores import entries
from loci.bench.live_training import Episodes, build_live, load_live, majority, stages_of
from loci.bench.mqar import learner, learnt, sequences
from loci.config import load_config
from loci.errors import UserError
from loci.models.trainer import Trainer
from loci.paths import CONFIG, ROOT
from loci.results import read_jsonl, read_result
from loci.worlds.episodes import attribute_of, episode, numbers, pieces, values_of, vocabulary

TEXT = "I live in Lisbon.\nThe neighbours' dog barked at its own shadow.\nMy hobby is archery.\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Both models trained by the smoke profile."""
    out = tmp_path_factory.mktemp("live")
    for name in ("delta", "attention"):
        files = ["--out", str(out / f"{name}.json"), "--weights", str(out / f"{name}.safetensors")]
        load_step("pretrain_live").main(["--config", str(CONFIG / "smoke.yaml"), "--model", name, *files])
    (out / "text.txt").write_text(TEXT, encoding="utf-8")
    return out


def about() -> dict:
    return load_config(CONFIG / "smoke.yaml")["live"]


def test_the_twin_has_as_many_parameters():
    full = load_config(CONFIG / "laptop.yaml")["live"]
    sizes = [sum(weight.numel() for weight in build_live(name, full, 0).parameters()) for name in ("delta", "attention")]
    assert sizes[1] == pytest.approx(sizes[0], rel=2e-3)


def test_answers_have_their_share_of_the_loss():
    batch = Episodes(stages_of(about()), 0, 0.8).next()
    values = {number for number, word in enumerate(vocabulary()) if attribute_of(word)}
    asked = batch.weights > batch.weights[batch.weights > 0].min() * 1.5
    assert batch.weights[asked].sum().item() == pytest.approx(0.8) and batch.weights.sum().item() == pytest.approx(1.0)
    assert set(batch.targets[asked].tolist()) <= values and not batch.weights[batch.targets < 0].any()


def test_a_guesser_knows_the_most_frequent_answer():
    found = majority(stages_of(about()), 0)
    assert found and all(value in values_of(key) for key, value in found.items())


def test_a_killed_training_goes_on_to_the_same_bytes(folder, tmp_path, monkeypatch):
    step, files = load_step("pretrain_live"), ["--out", str(tmp_path / "d.json"), "--weights", str(tmp_path / "d.safetensors")]
    monkeypatch.setattr(step, "_KEEP_EVERY", 2)
    command = ["--config", str(CONFIG / "smoke.yaml"), *files]
    with dies_after(monkeypatch, Trainer, "keep"):
        step.main(command)
    assert not (tmp_path / "d.json").exists() and list(tmp_path.glob("work/pretrain_live/*/half.safetensors"))
    step.main(command)
    assert (tmp_path / "d.safetensors").read_bytes() == (folder / "delta.safetensors").read_bytes()
    assert read_result(tmp_path / "d.json")["items"] == read_result(folder / "delta.json")["items"]


def run(step: str, *options, stdin: str = "") -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "code" / "steps" / f"{step}.py"), *map(str, options)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, env=environment)


def test_ingest_and_query_in_processes_of_their_own(folder, tmp_path, capsys):
    named = ("--trained", folder / "delta.json", "--store", tmp_path / "store", "--id", "ann")
    done = run("ingest_live", *named, "--text", folder / "text.txt")
    assert done.returncode == 0 and "words read after 0" in done.stdout, done.stderr
    model = load_live(folder / "delta.json", "delta")
    state = None
    for line in TEXT.splitlines():
        state = ingest(model, torch.tensor([numbers(pieces(line))]), state)
    questions = ["Where do I live?", "What is my hobby?"]
    wanted = [said(model, [pieces(text)], state)[0] for text in questions]
    before = (tmp_path / "store" / "ann.safetensors").read_bytes()
    done = run("query_live", *named, stdin="\n".join(questions) + "\n")
    assert done.stdout.split("\n")[:2] == wanted, done.stderr
    load_step("query_live").main([*map(str, named), "--question", *questions])
    assert capsys.readouterr().out.split("\n")[:2] == wanted
    (tmp_path / "long.txt").write_text("i " * 70, encoding="utf-8")
    (tmp_path / "odd.txt").write_text("I live in Lisbon.\nzebra\n", encoding="utf-8")
    (tmp_path / "none.txt").write_text("\n", encoding="utf-8")
    for step, more, message in (
        ("ingest_live", ("--text", tmp_path / "long.txt"), "line 1: has 70 words, the window takes 64; break it into lines"),
        ("ingest_live", ("--text", tmp_path / "odd.txt"), "line 2: the word 'zebra' is not in the closed vocabulary"),
        ("ingest_live", ("--text", tmp_path / "none.txt"), "holds no text"),
        ("query_live", ("--question", "i " * 70), "question: has 70 words, the window takes 64"),
    ):
        with pytest.raises(UserError, match=message):
            load_step(step).main([*map(str, named), *map(str, more)])
    done = run("query_live", *named[:-1], "bob", "--question", "Where do I live?")
    assert done.returncode == 2 and done.stderr.startswith("error: ") and "bob: unknown id" in done.stderr.splitlines()[0]
    assert (tmp_path / "store" / "ann.safetensors").read_bytes() == before and len(list((tmp_path / "store").iterdir())) == 1
    again = load_step("ingest_live")
    again.main([*map(str, named), "--text", str(folder / "text.txt")])
    assert (tmp_path / "store" / "ann.safetensors").read_bytes() != before, "reading goes on"
    again.main([*map(str, named), "--text", str(folder / "text.txt"), "--afresh"])
    assert (tmp_path / "store" / "ann.safetensors").read_bytes() == before


def test_a_model_of_another_kind_is_refused(folder):
    with pytest.raises(UserError, match="model: is attention, not delta"):
        load_live(folder / "attention.json", "delta")


def test_arms_have_what_they_say(folder):
    model = load_live(folder / "delta.json", "delta")
    cell = [episode("dev", 0, at, 16, 1, 200) for at in range(5)]
    state, donor = ingest(model, torch.tensor([numbers(one.words) for one in cell])), donors(cell)
    for at, other in enumerate(donor):
        assert other != at and cell[other].holds[cell[at].asked.attribute] != cell[at].asked.answer
    of = {arm: changed(model, state, arm, donor, 0) for arm in ARMS}
    assert not of["none"].layers[0]["memory"].any() and of["none"].seen == 0
    assert torch.equal(of["donor"].layers[1]["memory"], state.layers[1]["memory"][donor])
    own, moved = state.layers[1]["memory"], of["shuffled"].layers[1]["memory"]
    assert not torch.equal(own, moved) and torch.equal(own.flatten(1).sort()[0], moved.flatten(1).sort()[0])
    assert not of["matrices"].layers[3]["keys"].any() and torch.equal(
        of["matrices"].layers[0]["memory"], state.layers[0]["memory"]
    )
    assert not of["bank"].layers[0]["memory"].any() and torch.equal(of["bank"].layers[3]["keys"], state.layers[3]["keys"])
    # Nothing of the text but the state can be seen: with the same state, two users get the same answer to the same question.
    same = of["donor"].pick(torch.tensor([0, 0]))
    assert len(set(said(model, [cell[0].asked.words] * 2, same))) == 1


def test_asking_resumes_and_scores_need_no_model(folder, tmp_path, monkeypatch):
    ask, score = load_step("ask_live"), load_step("score_live")
    command = ["--config", str(CONFIG / "smoke.yaml"), "--trained", str(folder / "delta.json"), "--twin"]
    command += [str(folder / "attention.json"), "--out", str(tmp_path / "a.json"), "--answers", str(tmp_path / "a.jsonl")]
    with dies_after(monkeypatch):
        ask.main(command)
    assert not (tmp_path / "a.json").exists()
    ask.main(command)
    found = read_jsonl(tmp_path / "a.jsonl")
    asked = about()["asked"]
    assert len(found) == (len(ARMS) + 1) * len(asked["gaps"]) * len(asked["updates"]) * asked["each"]
    score.main(["--asked", str(tmp_path / "a.json"), "--answers", str(tmp_path / "a.jsonl"), "--out", str(tmp_path / "l.json")])
    record = read_result(tmp_path / "l.json")
    sizes = {entry["value"] for key, entry in record["metrics"].items() if key.startswith("live.state.n") and "bytes" in key}
    assert len(sizes) == 1 and any("tokens_per_s" in key for key in record["provenance"]["costs"])
    with open(tmp_path / "a.jsonl", "a", encoding="utf-8") as stream:
        stream.write("{}\n")
    with pytest.raises(UserError, match="not the answers that the result names"):
        score.main(
            ["--asked", str(tmp_path / "a.json"), "--answers", str(tmp_path / "a.jsonl"), "--out", str(tmp_path / "m.json")]
        )
    with pytest.raises(UserError, match="is attention, not delta"):
        ask.main([*command[:3], str(folder / "attention.json"), *command[4:]])


def answer(uid: str, arm: str, said: str, **more) -> dict:
    return {"arm": arm, "seed": 0, "uid": uid, "gap": 16, "updates": 1, "attribute": "city", "question": 5, "answer": "osaka",
            "earlier": ["lisbon"], "donor": "glasgow", "said": said} | more  # fmt: skip


def test_scores_of_answers_made_by_hand():
    found = [
        answer("a", "state", "osaka"),
        answer("b", "state", "lisbon"),
        answer("c", "state", "glasgow", gap=64, updates=0, earlier=[]),
        answer("d", "state", "osaka", gap=64),
        *(answer(uid, "donor", "glasgow") for uid in "abcd"),
    ]
    ledger = entries(found, {0: {"city": "lisbon"}}, bank=32, source="x.json")
    value = {key: entry["value"] for key, entry in ledger.items()}
    assert value["live.state.current.exact"] == 0.5 and value["live.state.g16.current.exact"] == 0.5
    assert value["live.state.stale.rate"] == pytest.approx(1 / 3) and ledger["live.state.stale.rate"]["n"] == 3
    assert value["live.state.u0.current.exact"] == 0 and "live.state.u0.stale.rate" not in value
    assert value["live.donor.donor.exact"] == 1.0 and value["live.donor.current.exact"] == 0.0
    assert value["live.state_minus_donor.current.exact"] == 0.5 and value["live.prior.current.exact"] == 0.0
    assert value["live.bank.reach"] == 0.5 and value["live.bank.g64.reach"] == 0.0 and value["live.state.s0.current.exact"] == 0.5
    assert value["live.state.s0.g64.current.exact"] == 0.5
    other = [*found, *(answer(uid, "state", "lisbon", seed=1) for uid in "ab")]
    again = entries(other, {0: {}, 1: {"city": "osaka"}}, bank=32, source="x.json")
    assert again["live.state.g16.current.exact"]["value"] == 0.25 and again["live.state.g16.current.exact"]["n"] == 2
    assert again["live.state.s1.current.exact"]["value"] == 0 and again["live.state.s0.current.exact"]["value"] == 0.5
    assert again["live.prior.current.exact"]["value"] == pytest.approx((0.5 + 0.5 + 0 + 0) / 4)


def test_pairs_are_asked_for_and_never_answered():
    tokens, targets = sequences(5, 3, torch.Generator().manual_seed(0))
    for row, wanted in zip(tokens.tolist(), targets.tolist(), strict=True):
        told = dict(zip(row[:10:2], row[1:10:2], strict=True))
        assert len(told) == 5 and wanted[:10] == [-1] * 10 and [told[key] for key in row[10:]] == wanted[10:]
    with pytest.raises(UserError, match="200 pairs need as many keys"):
        sequences(200, 1, torch.Generator())


def test_the_delta_rule_learns_to_recall_a_pair():
    small = {"width": 32, "heads": 2, "pairs": [1], "steps": 100, "batch": 64, "each": 64}
    assert learnt("delta", 0.02, small, 0)[1] > 0.5
    assert not learner("linear", 32, 2, 8, 0).spec.correct and learner("delta", 32, 2, 8, 0).spec.correct


def test_the_sweep_of_rates_resumes(tmp_path, monkeypatch):
    step, command = load_step("mqar_live"), ["--config", str(CONFIG / "smoke.yaml"), "--out", str(tmp_path / "m.json")]
    with dies_after(monkeypatch):
        step.main(command)
    step.main(command)
    found = read_result(tmp_path / "m.json")
    rates, models = about()["mqar"]["rates"], about()["mqar"]["models"]
    assert len(found["items"]) == len(rates) * len(models)
    mine = [found["metrics"][f"mqar.delta.p4.r{rate:g}.exact"]["value"] for rate in rates]
    assert found["metrics"]["mqar.delta.p4.best"]["value"] == max(mine)
    assert found["metrics"]["mqar.delta.p4.best_rate"]["value"] in rates


def test_the_figure_and_the_findings_say_what_is_in_the_ledger(tmp_path):
    from loci.bench.style import plt

    step = load_step("draw_live")
    keys = [f"live.{arm}.{part}.{measure}" for arm in step.LOOK for part in ("g16", "g640", "u0", "u4")
            for measure in ("current.exact", "stale.rate")]  # fmt: skip
    keys += [f"live.{arm}.current.exact" for arm in (*step.LOOK, "prior")] + ["live.state.stale.rate", "live.bank.reach"]
    keys += [f"live.state.s{seed}{part}.current.exact" for seed in (0, 1) for part in ("", ".g16", ".g640")]
    keys += [f"live.{arm}.n{length}.bytes" for arm in ("state", "attention") for length in (256, 880)]
    rates = [f"mqar.{name}.p{pairs}.r{rate}.exact" for name in step.LEARNERS for pairs in (4, 16) for rate in ("0.001", "0.01")]
    rates += [f"mqar.{name}.p16.{which}" for name in step.LEARNERS for which in ("best", "worst")]
    made = {key: {"value": at / 200, "low": at / 200, "high": at / 200 + 0.01, "n": 40, "source": "x.json"}
            for at, key in enumerate([*keys, *rates], 1)}  # fmt: skip
    for chosen in ([*keys, *rates], keys):
        write_ledger(tmp_path / "summary.json", {key: made[key] for key in chosen})
        ledger = Ledger(tmp_path / "summary.json")
        panels = step.draw(ledger).axes
        drawn = [list(container.lines[0].get_ydata()) for container in panels[0].containers]
        assert drawn == [[made[f"live.{arm}.g{gap}.current.exact"]["value"] for gap in (16, 640)] for arm in step.LOOK]
        drawn = [list(container.lines[0].get_ydata()) for container in panels[4].containers]
        wanted = [[made[f"mqar.{name}.p16.r{rate}.exact"]["value"] for rate in ("0.001", "0.01")] for name in step.LEARNERS]
        assert drawn == (wanted if rates[0] in chosen else [])
        lines = live_block(ledger)
        assert f"present value in {made['live.state.current.exact']['value']:.2f} [" in lines[0]
        assert len(lines) == (2 if rates[0] in chosen else 1)
        plt.close("all")
    write_ledger(tmp_path / "none.json", {"a.b": {"value": 1, "n": 1, "source": "x.json"}})
    assert live_block(Ledger(tmp_path / "none.json")) == []
    with pytest.raises(UserError, match="holds no live memory"):
        step.draw(Ledger(tmp_path / "none.json"))


def test_the_trainer_takes_a_delta_model_of_prose(tmp_path):
    """Two steps of pretrain.py with the layers of a live memory in the place of attention."""
    settings = load_config(CONFIG / "smoke.yaml")
    settings["pretrain"] |= {"steps": 2, "depth": 4, "measure_every": 1}
    (tmp_path / "smoke.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    for split, words in (("train", 4000), ("heldout", 1500)):
        load_step("make_prose").main(["--tokens", str(words), "--split", split, "--out", str(tmp_path / f"{split}.parquet")])
    corpus = ["--corpus", str(tmp_path / "train.parquet")]
    load_step("train_bpe").main([*corpus, "--vocabulary", "400", "--out", str(tmp_path / "bpe.json")])
    files = ["--held-out", str(tmp_path / "heldout.parquet"), "--tokenizer", str(tmp_path / "bpe.json"), "--out"]
    files += [str(tmp_path / "p.json"), "--weights", str(tmp_path / "p.safetensors")]
    load_step("pretrain").main(["--config", str(tmp_path / "smoke.yaml"), "--model", "delta", *corpus, *files])
    found = read_result(tmp_path / "p.json")
    losses = [item["loss"] for item in found["items"] if "loss" in item]
    assert len(losses) == 2 and losses[1] < losses[0] and found["config"]["model"] == "delta"
