"""Random requests, made from the server's own description of its routes, never find a fault of the server."""

import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import facts_of, profile, registered

from loci.serve.process import ServerProcess

EACH = 130  # random requests an operation; there are thirteen


def test_random_requests_never_find_a_fault_of_the_server(tmp_path, tiny_folder):
    mine = profile()
    mine["write"] |= {"max_visits": 1}  # hardly any random fact is learnt; that takes long, and is not what is tried here
    mine["serve"]["limits"] |= {"tokens": 8}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine), encoding="utf-8")
    server = ServerProcess(tmp_path / "mine.yaml", tmp_path / "store", tiny_folder)
    token = registered(server, "fuzz", "ann")
    with server.client(token) as client:
        description = client.get("/openapi.json").json()
        client.post("/v1/users/ann/facts", json=facts_of(("My tea is", "green"))).raise_for_status()
        fact = client.get("/v1/users/ann/facts").json()["facts"][0]["id"]
    schema = schemathesis.openapi.from_dict(description)
    counts: dict[int, int] = {}
    operations = [one.ok() for one in schema.get_all_operations()]
    assert len(operations) >= 13
    for operation in operations:

        @settings(max_examples=EACH, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(), known=st.sampled_from([True, True, False]))
        def ask(case, known):
            if known and case.path_parameters and "user" in case.path_parameters:
                case.path_parameters["user"] = "ann"
            if known and case.path_parameters and "fact" in case.path_parameters:
                case.path_parameters["fact"] = fact
            case.headers["authorization"] = f"Bearer {token}"
            if case.method == "DELETE" and known and not case.path_parameters.get("fact"):
                return  # ann must stay
            answer = case.call(base_url=server.url, timeout=60)
            counts[answer.status_code] = counts.get(answer.status_code, 0) + 1
            assert answer.status_code < 500, (case.method, case.formatted_path, case.body, answer.text)
            if answer.status_code >= 400:
                assert set(answer.json()["error"]) == {"code", "message"}

        ask()
    assert sum(counts.values()) >= 1000 and sum(count for status, count in counts.items() if status < 300) > 100, counts
    with server.client(token) as client:
        assert client.get("/v1/users/ann").status_code == 200
    assert server.stop() == 0
    assert "Traceback" not in (server.folder / "server.log").read_text(encoding="utf-8")
