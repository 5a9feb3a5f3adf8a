"""The server over HTTP: who may do what, what is refused and why, and that answers come from the user's own rows."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from served import Client, facts_of, profile, served

from loci.models.base import Base
from loci.models.rows import RowMap
from loci.serve.limits import Rates
from loci.serve.metrics import Metrics
from loci.serve.store import Refused, Store
from loci.serve.streams import cut
from loci.serve.traces import TraceCache, from_bytes, to_bytes


@pytest.fixture(scope="module")
def client(llama: Base, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server with the tenants `east` (users ann, bob) and `west` (user cat); ann has one written fact."""
    with served(llama, tiny_folder, tmp_path_factory.mktemp("served")) as client:
        for tenant in ("east", "west"):
            client.register(tenant)
        for tenant, user in (("east", "ann"), ("east", "bob"), ("west", "cat")):
            assert client.post("/v1/users", tenant, {"user": user}).status_code == 201
        told = client.post("/v1/users/ann/facts?wait=true", "east", facts_of(("My dentist is", "Dr. Lee")))
        assert told.status_code == 200 and told.json()["facts"][0]["state"] == "written", told.text
        yield client


def code(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_fact_is_said_to_its_user_and_to_nobody_else(client):
    said = client.post("/v1/users/ann/ask", "east", {"text": "My dentist is"}).json()
    assert said["text"].startswith("Dr. Lee") and said["rows_read"] > 0
    for tenant, user in (("east", "bob"), ("west", "cat")):
        other = client.post(f"/v1/users/{user}/ask", tenant, {"text": "My dentist is"}).json()
        assert "Lee" not in other["text"] and other["rows_read"] == 0


def test_changes_and_deletions_leave_the_other_facts(client):
    assert client.post("/v1/users", "east", {"user": "dan"}).status_code == 201
    two = facts_of(("My boss is", "Kim"), ("The river is", "Elbe"))
    boss, river = client.post("/v1/users/dan/facts?wait=true", "east", two).json()["facts"]
    changed = client.put(f"/v1/users/dan/facts/{boss['id']}?wait=true", "east", {"value": "Max"})
    assert changed.status_code == 200 and changed.json()["facts"][0]["value"] == "Max"

    def ask(text: str) -> str:
        return client.post("/v1/users/dan/ask", "east", {"text": text}).json()["text"]

    assert ask("My boss is").startswith("Max") and ask("The river is").startswith("Elbe")
    assert client.delete(f"/v1/users/dan/facts/{river['id']}?wait=true", "east").status_code == 200
    assert ask("My boss is").startswith("Max") and not ask("The river is").startswith("Elbe")
    assert [fact["statement"] for fact in client.get("/v1/users/dan/facts", "east").json()["facts"]] == ["My boss is"]
    assert client.get("/v1/users/dan", "east").json()["bytes"] > 0
    assert client.delete("/v1/users/dan", "east").status_code == 200
    assert code(client.get("/v1/users/dan", "east")) == (404, "unknown_user")
    assert client.post("/v1/users", "east", {"user": "dan"}).status_code == 201
    assert client.get("/v1/users/dan", "east").json() == {"user": "dan", "facts": 0, "rows": 0, "bytes": 0}


def test_tokens(client, caplog):
    assert code(client.get("/v1/users/ann", None)) == (401, "no_token")
    assert code(client.get("/v1/users/ann", token="guess")) == (401, "unknown_token")
    assert code(client.get("/v1/users/nobody", "east")) == (404, "unknown_user")
    with caplog.at_level(logging.WARNING, "loci.serve"):
        for method, path, body in (
            ("GET", "/v1/users/ann", None),
            ("DELETE", "/v1/users/ann", None),
            ("POST", "/v1/users/ann/facts", facts_of(("My boss is", "Kim"))),
            ("POST", "/v1/users/ann/ask", {"text": "My dentist is"}),
            ("POST", "/v1/completions", {"model": "tiny", "prompt": "My dentist is", "user": "ann"}),
        ):
            assert code(client.send(method, path, "west", body)) == (403, "not_your_user")
    assert sum("tenant west may not speak for user ann" in line for line in caplog.messages) == 5
    assert code(client.post("/v1/tenants", "east", {"tenant": "more"})) == (403, "not_the_operator")
    assert code(client.post("/v1/tenants", None, {"tenant": "east"}, token=client.operator)) == (409, "tenant_exists")
    with sqlite3.connect(client.folder / "store.sqlite") as database:
        stored = database.execute("SELECT token FROM tenants").fetchall()
    database.close()
    assert len(stored) == 2 and not {token for (token,) in stored} & set(client.tokens.values())


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/v1/users/ann/facts", facts_of(("My dentist is", "Dr. No")), (409, "fact_exists")),
        ("/v1/users/ann/facts", facts_of(("my  DENTIST is", "Dr. No")), (409, "fact_exists")),
        ("/v1/users/ann/facts", facts_of(("x" * 201, "y")), (413, "fact_too_long")),
        ("/v1/users/ann/facts", facts_of(("My tea is", "green\nblack")), (422, "fact_not_writable")),
        ("/v1/users/ann/facts", facts_of(("My tea is", "<eos>")), (422, "fact_not_writable")),
        ("/v1/users/ann/facts", facts_of((" ", "y")), (422, "fact_not_writable")),
        ("/v1/users/ann/facts", facts_of(*((f"Number {at} is", "it") for at in range(21))), (413, "too_many_facts_at_once")),
        ("/v1/users/ann/facts", {"facts": []}, (422, "invalid")),
        ("/v1/users/ann/facts", {"facts": [{"statement": "a", "value": "b", "more": 1}]}, (422, "invalid")),
        ("/v1/users/ann/ask", {"text": "x" * 300}, (422, "prompt_too_long")),
        ("/v1/users/ann/ask", {"text": "x", "max_tokens": 65}, (422, "answer_too_long")),
        ("/v1/users/ann/ask", {"text": ""}, (422, "invalid")),
        ("/v1/users/ann/ask", b'{"text": "\\ud800"}', (422, "invalid")),
        ("/v1/users/ann/ask", b"{", (422, "invalid")),
        ("/v1/users/ann/ask", {"text": "x" * 70000}, (413, "too_large")),
        ("/v1/users/a%00b/ask", {"text": "x"}, (422, "invalid")),
        ("/v1/users", {"user": "ann"}, (409, "user_exists")),
        ("/v1/completions", {"model": "gpt-9", "prompt": "x"}, (404, "unknown_model")),
        ("/v1/completions", {"model": "tiny", "prompt": "x", "user": "nobody"}, (404, "unknown_user")),
        ("/v1/completions", {"model": "tiny", "prompt": "x", "temperature": 1}, (422, "not_offered")),
        ("/v1/nowhere", {}, (404, "no_such_route")),
    ],
)
def test_bad_input_is_refused_with_a_reason(client, path, body, expected):
    assert code(client.post(path, "east", body)) == expected
    assert client.post("/v1/users/ann/ask", "east", {"text": "My dentist is"}).json()["text"].startswith("Dr. Lee")


def test_two_writers_on_one_user(client):
    for user in ("eve", "fay"):
        assert client.post("/v1/users", "east", {"user": user}).status_code == 201
    assert client.post("/v1/users/eve/facts", "east", facts_of(("My boss is", "Kim"))).status_code == 202
    second = client.post("/v1/users/eve/facts", "east", facts_of(("My tea is", "green")))
    assert code(second) == (409, "write_under_way")
    assert client.post("/v1/users/fay/facts?wait=true", "east", facts_of(("My tea is", "black"))).status_code == 200
    assert [fact["state"] for fact in client.get("/v1/users/eve/facts", "east").json()["facts"]] == ["written"]


def test_streams_say_the_same_as_answers(client):
    whole = client.post("/v1/users/ann/ask", "east", {"text": "My dentist is"}).json()
    streamed = client.post("/v1/users/ann/ask", "east", {"text": "My dentist is", "stream": True})
    assert streamed.headers["content-type"].startswith("text/event-stream")
    *events, last = [line.removeprefix("data: ") for line in streamed.text.split("\n\n") if line]
    events = [json.loads(event) for event in events]
    assert last == "[DONE]" and len(events) > 2 and events[-1]["finish"] == whole["finish"]
    assert "".join(event["text"] for event in events).strip() == whole["text"]
    assert code(client.post("/v1/users/ann/ask", "east", {"text": "x" * 300, "stream": True})) == (422, "prompt_too_long")


def test_completions_as_openai_has_them(client):
    asked = {"model": "tiny", "prompt": "My dentist is", "user": "ann", "max_tokens": 12, "stop": ["Lee"], "temperature": 0}
    answer = client.post("/v1/completions", "east", asked).json()
    assert answer["object"] == "text_completion" and answer["choices"][0]["text"] == " Dr. "
    assert answer["choices"][0]["finish_reason"] == "stop" and answer["usage"]["prompt_tokens"] == 13
    streamed = client.post("/v1/completions", "east", asked | {"stream": True}).text
    events = [json.loads(line[6:]) for line in streamed.split("\n\n") if line.startswith("data: {")]
    assert "".join(event["choices"][0]["text"] for event in events) == " Dr. "
    plain = client.post("/v1/completions", "east", {"model": "tiny", "prompt": ["My dentist is"]}).json()
    assert "Lee" not in plain["choices"][0]["text"] and plain["choices"][0]["finish_reason"] == "length"
    assert client.get("/v1/models", "east").json()["data"][0]["id"] == "tiny"


def test_metrics_are_exposition_text(client):
    text = client.get("/metrics", None).text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    values = dict(line.rsplit(" ", 1) for line in lines)
    assert float(values["loci_tokens_total"]) > 0 and float(values["loci_tenants"]) == 2
    assert float(values['loci_write_seconds_bucket{le="+Inf"}']) == float(values["loci_write_seconds_count"]) > 0
    assert 'loci_refused_total{code="not_your_user",status="403"}' in values or "loci_refused_total" in text


def test_rates_are_limited_and_refill():
    now = [0.0]
    rates = Rates(2, 3, clock=lambda: now[0])
    for _ in range(3):
        rates.take("a")
    with pytest.raises(Refused, match=r"wait 0\.50 s"):
        rates.take("a")
    rates.take("b")
    now[0] = 0.5
    rates.take("a")
    with pytest.raises(Refused):
        rates.take("a")


def test_a_tenant_that_asks_too_much_gets_429(llama, tiny_folder, tmp_path):
    settings = profile()
    settings["serve"]["limits"] |= {"rate": 0.001, "burst": 2, "users": 1}
    with served(llama, tiny_folder, tmp_path, settings) as client:
        client.register("east")
        assert client.post("/v1/users", "east", {"user": "ann"}).status_code == 201
        assert code(client.post("/v1/users", "east", {"user": "bob"})) == (429, "too_many_users")
        refused = client.get("/v1/users/ann", "east")
        assert code(refused) == (429, "too_many_requests") and refused.headers["retry-after"]


def test_requests_that_do_not_fit_the_queue_get_429_and_the_others_an_answer(llama, tiny_folder, tmp_path):
    settings = profile()
    settings["serve"] |= {"slots": 1, "waiting": 2}
    with served(llama, tiny_folder, tmp_path, settings) as client:
        client.register("east")
        asked = {"model": "tiny", "prompt": "The", "max_tokens": 40}

        async def many() -> list[httpx2.Response]:
            return await asyncio.gather(*(client.asend("POST", "/v1/completions", "east", asked) for _ in range(12)))

        answers = client.run(many())
        assert {answer.status_code for answer in answers} == {200, 429}
        assert {code(answer) for answer in answers if answer.status_code == 429} == {(429, "busy")}
        assert len({answer.json()["choices"][0]["text"] for answer in answers if answer.status_code == 200}) == 1


def test_a_full_disk_stores_nothing_and_leaves_others_alone(client):
    writer = client.service.store._writer
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    (before,) = writer.execute("PRAGMA max_page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count={pages}")
    many = [(f"Line {at} of my long list is", "x" * 150) for at in range(20)]
    try:
        statuses = [client.post("/v1/users/bob/facts", "east", facts_of(*many)).status_code]
        assert statuses == [507] and client.get("/v1/users/bob/facts", "east").json()["facts"] == []
        assert client.post("/v1/users/ann/ask", "east", {"text": "My dentist is"}).json()["text"].startswith("Dr. Lee")
    finally:
        writer.execute(f"PRAGMA max_page_count={before}")
    assert client.post("/v1/users/bob/facts?wait=true", "east", facts_of(("My tea is", "green"))).status_code == 200


def test_rows_of_another_model_are_refused_and_others_served(client):
    assert client.post("/v1/users", "east", {"user": "gus"}).status_code == 201
    rows = RowMap.empty(client.service.graft.spec.row_width)
    about = client.service.graft.spec.about("another") | {"weights": "0"}
    with client.service.store._changing() as database:
        database.execute("INSERT INTO traces VALUES ('gus', ?)", (to_bytes(rows, about),))
    for method, path, body in (("GET", "/v1/users/gus", None), ("POST", "/v1/users/gus/ask", {"text": "x"})):
        assert code(client.send(method, path, "east", body)) == (409, "trace_of_another_model")
    told = client.post("/v1/users/gus/facts?wait=true", "east", facts_of(("My tea is", "green")))
    assert code(told) == (422, "not_learnt") and "written for base 'another'" in told.json()["error"]["message"]
    assert client.post("/v1/users/ann/ask", "east", {"text": "My dentist is"}).json()["text"].startswith("Dr. Lee")
    assert client.delete("/v1/users/gus", "east").status_code == 200


def test_rows_keep_their_half_precision_bits_and_broken_bytes_are_told(client):
    rows = client.service.traces.get("ann")
    about = client.service.graft.spec.about("tiny") | {"weights": client.service.base.model_sha256}
    again = from_bytes(to_bytes(rows.with_values(rows.values.float()), about), about)
    assert again.values.equal(rows.values) and again.addresses.equal(rows.addresses)
    with pytest.raises(Refused) as fault:
        from_bytes(to_bytes(rows, about)[:-3], about)
    assert fault.value.reason == "trace_unreadable"


def test_the_cache_holds_what_fits_and_never_what_was_dropped():
    stored = {name: to_bytes(RowMap.from_unsorted(*_rows(4)), {}) for name in "abc"}
    size = from_bytes(stored["a"], {}).nbytes
    cache = TraceCache(stored.get, {}, 2 * size)
    for name in ("a", "b", "a", "c"):
        assert len(cache.get(name)) == 4
    assert (len(cache), cache.bytes, cache.hits, cache.misses) == (2, 2 * size, 1, 3)
    cache.get("a")
    assert cache.hits == 2, "the one not used for longest went"

    def read(name: str) -> bytes:
        cache.drop(name)  # another value is committed while these bytes are on their way
        return stored[name]

    cache = TraceCache(read, {}, 10 * size)
    cache.get("a")
    assert len(cache) == 0 and cache.bytes == 0


def _rows(count: int):
    import torch

    return torch.arange(count), torch.randn(count, 8, generator=torch.Generator().manual_seed(0))


def test_one_store_has_one_server(tmp_path):
    from loci.errors import UserError

    store = Store(tmp_path / "s.sqlite")
    with pytest.raises(UserError, match="is served by another process"):
        Store(tmp_path / "s.sqlite")
    store.close()
    (tmp_path / "t.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(UserError, match="cannot be opened"):
        Store(tmp_path / "t.sqlite")


def test_histograms_and_cuts():
    metrics = Metrics()
    for seconds in (0.004, 0.3, 100.0):
        metrics.observe("t", seconds)
    text = metrics.text([("g", 2)])
    assert 't_bucket{le="0.005"} 1' in text and 't_bucket{le="0.5"} 2' in text and 't_bucket{le="+Inf"} 3' in text
    assert "t_count 3" in text and "t_sum 100.304" in text and "g 2" in text
    assert cut("a. b\nc", ["\n", ". "]) == "a" and cut("abc", []) == "abc"


def test_a_transaction_that_fails_halfway_leaves_rows_and_facts_as_they_were(tmp_path):
    store = Store(tmp_path / "s.sqlite")
    store.add_tenant("east")
    store.add_user("east", "ann", 1)
    (fact,) = store.add_facts("ann", [("My tea is", "green")], 5)
    job = store.job("ann")
    with pytest.raises(sqlite3.Error):
        store.settle(job, object(), {})  # the facts are marked before the rows turn out to be none
    assert [one.state for one in store.facts("ann")] == ["pending"] and store.trace("ann") is None
    assert store.settle(job, b"rows", {}) and store.trace("ann") == b"rows"
    assert [one.state for one in store.facts("ann")] == ["written"] and store.job("ann") is None
    store.change_fact("ann", fact, "black")
    job = store.job("ann")
    assert (job.kept, job.old, job.new) == ([], [("My tea is", "green")], [("My tea is", "black")])
    assert store.settle(job, None, {fact: "no"}) and store.facts("ann")[0].value == "green"
    store.forget_fact("ann", fact)
    job = store.job("ann")
    store.remove_user("ann")
    store.add_user("east", "ann", 1)
    assert not store.settle(job, b"late", {}) and store.trace("ann") is None, "rows of a user who is gone"
    store.close()


def test_facts_that_were_taken_and_not_written_are_taken_up_at_the_next_start(llama, tiny_folder, tmp_path):
    store = Store(tmp_path / "store.sqlite")
    store.add_tenant("east")
    store.add_user("east", "ann", 1)
    store.add_facts("ann", [("My boss is", "Kim")], 5)
    store.close()
    with served(llama, tiny_folder, tmp_path) as client:
        assert client.run(client.service.settled("ann", 60))
        assert [fact.state for fact in client.service.store.facts("ann")] == ["written"]
