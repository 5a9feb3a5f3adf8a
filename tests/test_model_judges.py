"""Judges that are language models: their prompts, log-odds, kept verdicts, and a real endpoint on this machine."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
import yaml
from steps_path import load_step

from loci.bench.endpoint import KEY, Endpoint, EndpointJudge
from loci.bench.judge_prompts import Pair, distinct, judge_prompt
from loci.bench.local_judge import LocalJudge
from loci.bench.verdicts import Verdicts, file_of, key_of
from loci.errors import UserError
from loci.models.base import Base
from loci.paths import CONFIG, ROOT
from loci.results import read_jsonl, read_result, result, sha256_file, write_json, write_jsonl
from loci.worlds.locomo_file import load_or_stand_in

PAIRS = [
    Pair("Where did Ada go?", "Rome", "Rome"),
    Pair("Where did Ada go?", "Rome", "She went to Oslo last year, I think"),
    Pair("What is it?", "a very long list of things, and some more", ""),
]


def test_prompts_differ_and_show_all_of_a_case():
    strict, lenient = judge_prompt("strict"), judge_prompt("lenient")
    assert strict.sha256 != lenient.sha256 and judge_prompt("strict") is strict
    for prompt in (strict, lenient):
        verdicts = [verdict for _, verdict in prompt.examples]
        assert sorted(verdicts) == ["right", "right", "wrong", "wrong"], "neither verdict is the commoner one"
        assert prompt.beginning().count("Verdict:") == len(verdicts)
        text = prompt.asked(PAIRS[1])
        assert all(part in text for part in ("Where did Ada go?", "Rome", "She went to Oslo")) and text.endswith("Verdict:")
        assert "(nothing)" in prompt.asked(PAIRS[2])
        messages = prompt.messages(PAIRS[0])
        assert [one["role"] for one in messages] == ["system", *["user", "assistant"] * 4, "user"]
    with pytest.raises(UserError, match="judge prompt kind: is not known"):
        judge_prompt("kind")
    assert distinct([*PAIRS, *PAIRS]) == PAIRS


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [("right", True), ("Wrong.", False), ("**Right**\n", True), ('{"verdict": "wrong"}', False), ("Verdict: right", True),
     ("The answer is right", None), ("not right", None), ("", None), ("Correct", None), ("rightly so", None)],
)  # fmt: skip
def test_replies_are_read_or_left_unread(reply, verdict):
    assert judge_prompt("strict").read(reply) is verdict


def test_log_odds_are_those_of_a_full_forward(base: Base):
    prompt = judge_prompt("strict")
    found = {}
    for batch in LocalJudge(base, prompt, 2).log_odds(PAIRS):
        found.update(batch)
    assert set(found) == set(PAIRS)
    tokenizer = base.tokenizer
    for pair in PAIRS:
        ids = tokenizer(prompt.beginning()).input_ids
        ids += tokenizer(prompt.asked(pair), add_special_tokens=False).input_ids
        right, wrong = (tokenizer(word, add_special_tokens=False).input_ids for word in (" right", " wrong"))
        assert right[0] == wrong[0], "bytes: the space is the same, the letter tells"
        with torch.no_grad():
            said = base.model(torch.tensor([ids + right[:1]])).logits[0, -1].log_softmax(-1)
        assert found[pair] == pytest.approx((said[right[1]] - said[wrong[1]]).item(), abs=1e-3)


def test_a_prompt_whose_verdicts_cannot_be_told_apart_is_refused(llama: Base):
    with pytest.raises(UserError, match="one verdict begins with the other"):
        LocalJudge(llama, replace(judge_prompt("strict"), wrong="right on"), 2)


def test_verdicts_are_kept_and_belong_to_one_judge(tmp_path):
    judge = {"model": "m", "prompt": "p"}
    path = file_of(tmp_path, "verdicts", judge)
    kept = Verdicts(path, judge)
    kept.keep([(PAIRS[0], True), (PAIRS[1], -1.25)])
    kept.keep([(PAIRS[2], None)])
    kept.close()
    again = Verdicts(path, judge)
    assert again.known(PAIRS) == {PAIRS[0]: True, PAIRS[1]: -1.25, PAIRS[2]: None}
    assert again.known([Pair("another", "x", "y")]) == {}
    again.close()
    assert b"Oslo" not in path.read_bytes(), "texts are not kept"
    with pytest.raises(UserError, match=r"holds verdicts of another judge \(differs in prompt\)"):
        Verdicts(path, judge | {"prompt": "q"})
    assert file_of(tmp_path, "verdicts", judge | {"prompt": "q"}) != path
    (tmp_path / "none.sqlite").write_text("no file of verdicts at all, but long enough to be looked at")
    with pytest.raises(UserError, match="is no file of verdicts"):
        Verdicts(tmp_path / "none.sqlite", judge)
    assert key_of(PAIRS[0]) != key_of(replace(PAIRS[0], answer="rome")), "the judge may see case"


def test_a_killed_judge_keeps_what_it_said(tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path; from loci.bench.verdicts import Verdicts; "
        "from loci.bench.judge_prompts import Pair; kept = Verdicts(Path(sys.argv[1]), {'model': 'm'}); "
        "[kept.keep([(Pair('q', 'g', str(at)), True)]) for at in range(50)]; os.kill(os.getpid(), signal.SIGKILL)"
    )
    path = tmp_path / "v.sqlite"
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=False)
    assert done.returncode == -9
    assert len(Verdicts(path, {"model": "m"}).known(Pair("q", "g", str(at)) for at in range(60))) == 50


class Served:
    """A real server with a script of what it does, request by request; afterwards it says "right"."""

    def __init__(self, *script, delay: float = 0.0):
        self.asked, self.script, self.delay, self.lock, self.at_once, self.most = [], list(script), delay, threading.Lock(), 0, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer.lock:
                    outer.asked.append((self.path, dict(self.headers), body))
                    step = outer.script.pop(0) if outer.script else "right"
                    outer.at_once += 1
                    outer.most = max(outer.most, outer.at_once)
                time.sleep(outer.delay)
                status, headers, text = step if isinstance(step, tuple) else (200, {}, step)
                if text == "hangs":
                    time.sleep(1.0)
                with outer.lock:  # before the answer is sent: whoever has it may already ask again
                    outer.at_once -= 1
                self.answer(status, headers, text)

            def answer(self, status, headers, text):
                said = {"choices": [{"message": {"role": "assistant", "content": text}}]}
                data = text.encode() if text.startswith("<") else json.dumps(said).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                with contextlib.suppress(BrokenPipeError):  # the other side has given up
                    self.wfile.write(data)

            def log_message(self, *_arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_arguments):
        self.server.shutdown()
        self.server.server_close()


def endpoint(url: str, **changes) -> Endpoint:
    return replace(Endpoint(url, "m", 5.0, 3, 1, 100, pause=0.01, longest=0.5), **changes)


def judged(served: Served, pairs=PAIRS, **changes) -> tuple[dict, Counter]:
    judge = EndpointJudge(endpoint(served.url, **changes), judge_prompt("strict"))
    return dict(judge.verdicts(pairs)), judge.counts


def test_an_endpoint_is_asked_as_the_interface_says(monkeypatch):
    monkeypatch.setenv(KEY, "secret")
    with Served("right", "wrong", "Right.") as served:
        found, counts = judged(served)
    assert found == dict(zip(PAIRS, (True, False, True), strict=True)) and counts == {"requests": 3}
    path, headers, body = served.asked[0]
    assert path == "/v1/chat/completions" and headers["Authorization"] == "Bearer secret"
    assert body["model"] == "m" and body["temperature"] == 0 and "Rome" in body["messages"][-1]["content"]
    monkeypatch.delenv(KEY)
    with Served() as served:
        judged(served)
    assert all("Authorization" not in headers for _, headers, _ in served.asked)


def test_what_passes_is_tried_again_and_counted():
    slow = (429, {"Retry-After": "0.2"}, "wait")
    with Served((503, {}, "down"), slow, "right", "hangs", "wrong", "right") as served:
        start = time.perf_counter()
        found, counts = judged(served, timeout=0.5)
        assert time.perf_counter() - start > 0.2, "as long as the server asked for"
    assert found == dict(zip(PAIRS, (True, False, True), strict=True))
    assert counts == {"requests": 6, "retried: status 503": 1, "retried: status 429": 1, "retried: no answer in 0.5 s": 1}


def test_prose_is_asked_again_and_then_unreadable_never_wrong():
    with Served("I cannot say", "right", "Well, it depends", "It really does", "wrong") as served:
        found, counts = judged(served)
    assert found == dict(zip(PAIRS, (True, None, False), strict=True))
    assert counts == {"requests": 5, "reminded": 2, "unreadable": 1}
    again = served.asked[1][2]["messages"]
    assert again[-2]["content"] == "I cannot say" and "one word" in again[-1]["content"]


@pytest.mark.parametrize(
    ("script", "changes", "words"),
    [
        ([(401, {}, "no")], {}, "refuses: status 401; check url, model and the key in LOCI_JUDGE_KEY"),
        ([(429, {}, "wait")] * 9, {}, "status 429, after 3 retries; try later"),
        (["hangs"] * 9, {"timeout": 0.1, "retries": 1}, "no answer in 0.1 s, after 1 retries"),
        (["<html>"], {}, "does not answer with a chat completion"),
        ([], {"budget": 0}, "judges.endpoint.budget: 0 requests are spent"),
    ],
)
def test_an_endpoint_that_fails_says_so_in_one_line(script, changes, words):
    with Served(*script) as served, pytest.raises(UserError) as refused:
        judged(served, **changes)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_bad_settings_and_no_server_at_all():
    with pytest.raises(UserError, match="is no http or https address"):
        endpoint("ftp://host")
    with pytest.raises(UserError, match=r"judges\.endpoint\.model: is empty"):
        endpoint("http://host", model="")
    with Served() as served:
        url = served.url
    with pytest.raises(UserError, match=r"no connection \(ConnectError\), after 1 retries"):
        list(EndpointJudge(endpoint(url, retries=1), judge_prompt("strict")).verdicts(PAIRS))


def test_the_budget_stops_and_what_came_in_is_kept():
    pairs = [Pair("q", "g", str(at)) for at in range(10)]
    with Served() as served:
        judge, got = EndpointJudge(endpoint(served.url, budget=4), judge_prompt("strict")), {}
        with pytest.raises(UserError, match="4 requests are spent; raise it; what was judged is kept"):
            for pair, verdict in judge.verdicts(pairs):
                got[pair] = verdict
    assert len(got) == 4 and len(served.asked) == 4


def test_as_many_at_once_as_allowed():
    pairs = [Pair("q", "g", str(at)) for at in range(12)]
    with Served(delay=0.05) as served:
        found, _ = judged(served, pairs, concurrency=3)
    assert len(found) == 12 and 2 <= served.most <= 3


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """The stand-in with answers of two memories: one right, one wrong."""
    out = tmp_path_factory.mktemp("asked")
    load_step("make_standin").main(["--conversations", "3", "--events", "60", "--out", str(out / "s.json")])
    found = load_or_stand_in("", out / "s.json")[1]
    answers = [
        {"memory": name, "uid": one.conversation, "qid": one.id, "prediction": one.answer if name == "right" else "The moon"}
        for name in ("right", "wrong")
        for one in found.questions
        if one.category != 5
    ]
    write_jsonl(out / "a.jsonl", answers)
    metrics = {"answers_sha256": sha256_file(out / "a.jsonl")}
    write_json(out / "a.json", result("ask_locomo", {"file": "standin", "file_sha256": found.sha256}, None, metrics, [], {}))
    return ["--stand-in", str(out / "s.json"), "--asked", str(out / "a.json"), "--said", str(out / "a.jsonl")]


def test_the_local_judge_as_a_step(asked, tmp_path, llama, monkeypatch):
    step = load_step("ask_judge")
    monkeypatch.setattr(step, "load_base", lambda *_arguments: llama)
    out = ["--cache", str(tmp_path / "c"), "--out", str(tmp_path / "j.json"), "--verdicts", str(tmp_path / "v.jsonl")]
    command = ["--config", str(CONFIG / "smoke.yaml"), "--judge", "lenient", *asked, *out]
    step.main(command)
    found, first = read_result(tmp_path / "j.json"), (tmp_path / "v.jsonl").read_bytes()
    assert found["config"]["thresholds"]["local_lenient"] == 0 and found["config"]["prompt"] == "lenient"
    metrics = found["metrics"]
    assert 0 <= metrics["standin_judge.local_lenient.auroc"]["value"] <= 1
    assert metrics["standin_judge.local_lenient.unreadable"]["value"] == 0
    assert set(metrics["fit_for_claims"]) == {"local_lenient", "local_lenient_fitted"}
    verdicts = list(read_jsonl(tmp_path / "v.jsonl", ""))
    assert {one["memory"] for one in verdicts} == {"right", "wrong"} and {type(one["accepted"]) for one in verdicts} == {bool}
    monkeypatch.setattr(LocalJudge, "_read", None)  # nothing is read again
    step.main(command)
    assert (tmp_path / "v.jsonl").read_bytes() == first


def test_an_endpoint_as_a_step_goes_on_after_a_fault(asked, tmp_path):
    step, settings = load_step("ask_judge"), yaml.safe_load((CONFIG / "smoke.yaml").read_text())
    out = ["--cache", str(tmp_path / "c"), "--out", str(tmp_path / "j.json"), "--verdicts", str(tmp_path / "v.jsonl")]
    with Served(*["right", "wrong", "hm", "hm"] * 2) as served:
        options = {"url": served.url, "model": "m", "prompt": "strict", "timeout": 5, "retries": 0, "concurrency": 1}
        for budget in (5, 1000):
            settings["judges"]["endpoint"] = {**options, "budget": budget}
            (tmp_path / "smoke.yaml").write_text(yaml.safe_dump(settings))
            command = ["--config", str(tmp_path / "smoke.yaml"), "--judge", "endpoint", *asked, *out]
            if budget == 5:
                with pytest.raises(UserError, match="5 requests are spent"):
                    step.main(command)
                before = len(served.asked)
                assert not (tmp_path / "j.json").exists()
        step.main(command)
    found = read_result(tmp_path / "j.json")
    counts = found["provenance"]["counts"]
    assert counts["requests"] == len(served.asked) - before, "what was judged before was not asked again"
    unreadable = found["metrics"]["standin_judge.endpoint.unreadable"]
    assert 0 < unreadable["value"] < 0.1
    assert any(one["accepted"] is True for one in read_jsonl(tmp_path / "v.jsonl", ""))
