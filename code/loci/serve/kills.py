"""What a server that is killed while it writes has lost: nothing that it had taken, and nothing half-written is to be seen.

Writers tell facts one after the other and keep what was acknowledged. The server is killed at a moment that a seeded
generator chooses, mostly with a worker that is at work, and started again on the same store. Then everything acknowledged
must be there, what is called written must be said, and in the end all of it must be.
"""

import random
import sqlite3
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from tqdm import tqdm

from loci.serve.process import ServerProcess

TENANT = "killed"
_LONGEST = 2.5  # seconds between the first write and the kill
_SETTLING = 240.0  # seconds until everything must be written
_COLD = 4  # every so manyth kill comes while the worker is still starting


@dataclass
class Tally:
    """kills, facts acknowledged, of these lost (or with another value), stores that did not open whole, facts that were called
    written and not said, exceptions in the server's log, resumed: acknowledged facts that a kill left pending."""

    kills: int = 0
    acknowledged: int = 0
    lost: int = 0
    broken: int = 0
    unsaid: int = 0
    exceptions: int = 0
    resumed: int = 0


@dataclass
class _Told:
    """What one user's writer was told: value by statement, of acknowledged facts only."""

    user: str
    values: dict[str, str] = field(default_factory=dict)
    told: int = 0


def trial(config: Path, folder: Path, model: Path, kills: int, users: int, seed: int) -> Tally:
    """Kill a server so often while so many users' facts are written, and count what went wrong."""
    rng, tally = random.Random(f"kills:{seed}"), Tally()
    server = ServerProcess(config, folder, model)
    with server.client(server.operator) as operator:
        token = operator.post("/v1/tenants", json={"tenant": TENANT}).json()["token"]
    everybody = [_Told(f"user{at}") for at in range(users)]
    with server.client(token) as client:
        for one in everybody:
            client.post("/v1/users", json={"user": one.user}).raise_for_status()
    for kill in tqdm(range(kills), desc="kill", unit="kill"):
        if kill % _COLD:  # what an earlier kill left is written first: the worker is at work when the next one comes
            with server.client(token) as client:
                for one in everybody:
                    _settle(client, one.user)
        stop = threading.Event()
        writers = [threading.Thread(target=_write, args=(server, token, one, stop)) for one in everybody]
        for writer in writers:
            writer.start()
        time.sleep(rng.uniform(0.02, _LONGEST))
        server.kill()
        stop.set()
        for writer in writers:
            writer.join()
        tally.kills += 1
        tally.broken += not _whole(folder / "store.sqlite")
        server = ServerProcess(config, folder, model)
        with server.client(token) as client:
            for one in everybody:
                _check(client, one, tally)
    with server.client(token) as client:
        for one in everybody:
            _settle(client, one.user)
            waiting = tally.resumed
            _check(client, one, tally)
            tally.resumed = waiting
    server.stop()
    tally.acknowledged = sum(len(one.values) for one in everybody)
    tally.exceptions = (folder / "server.log").read_text(encoding="utf-8", errors="replace").count("Traceback")
    return tally


def _write(server: ServerProcess, token: str, one: _Told, stop: threading.Event) -> None:
    """Tell one user's facts until the server is gone. A fact counts from the moment that the server says it was taken."""
    try:
        with server.client(token) as client:
            while not stop.is_set():
                statement, value = f"My word {one.told} is", f"w{one.told}{one.user[-1]}"
                answer = client.post(f"/v1/users/{one.user}/facts", json={"facts": [{"statement": statement, "value": value}]})
                if answer.status_code == 202:
                    one.values[statement] = value
                if answer.status_code == 409 and answer.json()["error"]["code"] == "write_under_way":
                    stop.wait(0.02)
                else:
                    one.told += 1
    except httpx2.TransportError:
        one.told += 1  # what was on its way may have been taken or not: either is right


def _whole(store: Path) -> bool:
    """Whether SQLite finds the file sound, as the kill left it."""
    database = sqlite3.connect(store)
    try:
        return database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    except sqlite3.DatabaseError:
        return False
    finally:
        database.close()


def _check(client: httpx2.Client, one: _Told, tally: Tally) -> None:
    """Count facts that are lost, and facts that are called written and not said."""
    facts = {fact["statement"]: fact for fact in client.get(f"/v1/users/{one.user}/facts").json()["facts"]}
    tally.lost += sum(facts.get(statement, {}).get("value") != value for statement, value in one.values.items())
    tally.resumed += sum(fact["state"] == "pending" for fact in facts.values())
    for statement, fact in facts.items():
        if fact["state"] == "written":
            said = client.post(f"/v1/users/{one.user}/ask", json={"text": statement, "max_tokens": 12}).json()["text"]
            tally.unsaid += not said.startswith(fact["value"])


def _settle(client: httpx2.Client, user: str) -> None:
    deadline = time.monotonic() + _SETTLING
    while time.monotonic() < deadline:
        if all(fact["state"] != "pending" for fact in client.get(f"/v1/users/{user}/facts").json()["facts"]):
            return
        time.sleep(0.1)
