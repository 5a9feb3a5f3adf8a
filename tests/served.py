"""What the server's tests share: a server in the test's own process, on a loop of its own, and a client that knows the tokens."""

import asyncio
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from loci.config import load_profile
from loci.models.base import Base
from loci.serve.app import make_app
from loci.serve.process import ServerProcess
from loci.serve.service import Service


def profile() -> dict:
    """The smoke profile, whose base is the tests' tiny Llama, with rows wide enough that facts are learnt in earnest."""
    settings = load_profile("smoke")
    settings["engram"] |= {"heads": 8, "row_dim": 32}
    settings["write"] |= {"rate": 0.6, "max_visits": 60}
    settings["serve"]["limits"] |= {"rate": 1000, "burst": 1000}
    return settings


def facts_of(*told: tuple[str, str]) -> dict:
    return {"facts": [{"statement": statement, "value": value} for statement, value in told]}


class Client:
    """Sends requests to an application as tenants by name; `run` runs anything else on the server's loop."""

    def __init__(self, service: Service, folder: Path):
        self.service, self.folder, self.operator = service, folder, service.operator
        self.app = make_app(service)
        self.tokens: dict[str, str] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=True)
        self._http = httpx2.AsyncClient(transport=transport, base_url="http://served", timeout=60)

    def run(self, work: Awaitable):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)

    async def asend(self, method: str, path: str, tenant: str | None, body=None, token: str = "") -> httpx2.Response:
        token = token or self.tokens.get(tenant, "")
        headers = {"authorization": f"Bearer {token}"} if token else {}
        content = {"content": body} if isinstance(body, bytes) else {} if body is None else {"json": body}
        return await self._http.request(method, path, headers=headers, **content)

    def send(self, method: str, path: str, tenant: str | None, body=None, token: str = "") -> httpx2.Response:
        return self.run(self.asend(method, path, tenant, body, token))

    def get(self, path: str, tenant: str | None = None, token: str = "") -> httpx2.Response:
        return self.send("GET", path, tenant, token=token)

    def post(self, path: str, tenant: str | None, body, token: str = "") -> httpx2.Response:
        return self.send("POST", path, tenant, body, token)

    def put(self, path: str, tenant: str, body) -> httpx2.Response:
        return self.send("PUT", path, tenant, body)

    def delete(self, path: str, tenant: str) -> httpx2.Response:
        return self.send("DELETE", path, tenant)

    def register(self, tenant: str) -> None:
        self.tokens[tenant] = self.post("/v1/tenants", None, {"tenant": tenant}, self.operator).json()["token"]

    def close(self) -> None:
        self.run(self._http.aclose())
        self.service.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def served(base: Base, model: Path, folder: Path, settings: dict | None = None) -> Iterator[Client]:
    """A server of the store in `folder`, gone at the end of the block."""
    client = Client(Service(base, settings or profile(), folder, model), folder)
    try:
        yield client
    finally:
        client.close()


def registered(server: ServerProcess, tenant: str, user: str) -> str:
    """The token of a new tenant with one user."""
    with server.client(server.operator) as operator:
        token = operator.post("/v1/tenants", json={"tenant": tenant}).json()["token"]
    with server.client(token) as client:
        assert client.post("/v1/users", json={"user": user}).status_code == 201
    return token
