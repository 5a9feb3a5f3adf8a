"""What the routes stand on: one engine, one store, one queue of writes, and what is counted.

Everything that may take time (the store, the tokenizer, a user's rows) happens in threads of the web server, never in
the engine's thread or in the event loop.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from pathlib import Path

from loci.bench.decode import newline_tokens
from loci.errors import UserError
from loci.memories.row_examples import Sentence, encode_sentence
from loci.models.base import Base
from loci.models.engram import EngramSpec
from loci.results import whole_file
from loci.serve.engine import Busy, Engine, Request, Runner
from loci.serve.exact import exact_widths
from loci.serve.limits import Limits, Rates
from loci.serve.metrics import Metrics
from loci.serve.overlay import ServedGraft
from loci.serve.store import Refused, Store
from loci.serve.traces import TraceCache
from loci.serve.worker import Settings
from loci.serve.writing import Worker, WriteQueue


class Service:
    """A base model that serves the users of one store. settings: a profile; folder: of the store and the operator's token."""

    def __init__(self, base: Base, settings: dict, folder: Path, model: Path | None = None):
        serve = settings["serve"]
        self.base, self.limits, self.metrics = base, Limits(**serve["limits"]), Metrics()
        self.rates = Rates(self.limits.rate, self.limits.burst)
        self.graft = ServedGraft(base.model, base.tokenizer, EngramSpec.of(settings["engram"]))
        about = self.graft.spec.about(base.name) | {"weights": base.model_sha256}
        self.store = Store(folder / "store.sqlite")
        self.operator = operator_token(folder / "operator.token")
        self.traces = TraceCache(self.store.trace, about, int(serve["cache_mb"] * 1e6))
        self.engine = Engine(self.graft, serve["slots"], serve["positions"], exact_widths(self.graft), serve["waiting"])
        self.runner = Runner(self.engine)
        worker = Settings(base.name, str(model or ""), settings["engram"], settings["write"], about)
        self._waiters: dict[str, list[Callable[[], None]]] = {}
        self.writes = WriteQueue(self.store, Worker(worker), self._settled)

    def close(self) -> None:
        """Answer what was asked, finish the commit that is under way, close the store."""
        self.runner.stop()
        self.writes.stop()
        self.engine.__exit__()
        self.graft.detach()
        self.store.close()

    # Writing

    def check_facts(self, told: list[tuple[str, str]]) -> None:
        """Refused with 413 for what is too long, 422 for what the tokenizer cannot keep apart."""
        if len(told) > self.limits.batch:
            raise Refused(413, "too_many_facts_at_once", f"{len(told)} facts; give at most {self.limits.batch} at once")
        for statement, value in told:
            longest = max(len(statement), len(value))
            if longest > self.limits.characters:
                raise Refused(413, "fact_too_long", f"{longest} characters; at most {self.limits.characters} are allowed")
            try:
                encode_sentence(self.base.tokenizer, "", Sentence(statement, value))
            except UserError as fault:
                raise Refused(422, "fact_not_writable", f"{fault.what}; {fault.remedy}") from None

    async def settled(self, user: str, seconds: float) -> bool:
        """Wait until a user's next write is settled; False when that takes longer."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        waiters = self._waiters.setdefault(user, [])
        waiters.append(wake := lambda: loop.call_soon_threadsafe(done.set))
        try:
            if await asyncio.to_thread(self.store.job, user) is None:
                return True
            await asyncio.wait_for(done.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            waiters.remove(wake)
            if not waiters:
                self._waiters.pop(user, None)
        return True

    def _settled(self, user: str, seconds: float) -> None:
        self.traces.drop(user)
        self.metrics.observe("loci_write_seconds", seconds)
        for wake in list(self._waiters.get(user, [])):
            wake()

    # Reading

    def request(self, user: str | None, text: str, max_tokens: int, stop: Callable[[list[int]], bool]) -> Request:
        """A request with the user's rows as they are now. Refused with 422 when it cannot be served."""
        if max_tokens > self.limits.tokens:
            raise Refused(422, "answer_too_long", f"at most {self.limits.tokens} tokens may be asked for")
        ids = self.base.tokenizer(text).input_ids
        rows = None if user is None else self.traces.get(user)
        return Request(ids, rows, max_tokens, stop, user=user or "")

    def stop_at_line(self, tokens: list[int]) -> bool:
        """The end of a line or of the text."""
        return tokens[-1] in newline_tokens(self.base.tokenizer)

    def stop_at(self, texts: list[str]) -> Callable[[list[int]], bool]:
        """The end of the text, or one of these texts."""
        special = frozenset(self.base.tokenizer.all_special_ids)
        return lambda tokens: tokens[-1] in special or any(text in self.text_of(tokens) for text in texts)

    def text_of(self, tokens: list[int]) -> str:
        return self.base.tokenizer.decode(tokens, skip_special_tokens=True)

    async def tokens(self, request: Request) -> AsyncIterator[int]:
        """Each token as it is said. Refused with 429 when too many requests wait, 422 when the prompt is too long."""
        loop, said = asyncio.get_running_loop(), asyncio.Queue()
        request.emit = lambda token: loop.call_soon_threadsafe(said.put_nowait, token)
        start = loop.time()
        try:
            await asyncio.to_thread(self.runner.submit, request)
        except Busy as busy:
            raise Refused(429, "busy", f"{busy}; try again") from None
        except UserError as fault:
            raise Refused(422, "prompt_too_long", f"{fault.what}; {fault.remedy}") from None
        try:
            while (token := await said.get()) is not None:
                if len(request.tokens) == 1:
                    self.metrics.observe("loci_first_token_seconds", loop.time() - start)
                yield token
            if request.finish == "failed":
                raise Refused(503, "engine_failed", "the engine failed; the server's log says how; try again")
        finally:  # also when the client went away
            request.cancelled = True
            self.metrics.observe("loci_request_seconds", loop.time() - start)
            self.metrics.count("loci_tokens_total", by=len(request.tokens))
            self.metrics.count("loci_rows_read_total", by=request.reading.hits)

    def gauges(self) -> list[tuple[str, float]]:
        """What stands in the metrics beside the counters."""
        counts = {f"loci_{name}": count for name, count in self.store.counts().items()}
        mine = {
            "loci_requests_active": self.engine.active,
            "loci_requests_waiting": self.engine.waiting,
            "loci_writes_waiting": self.writes.waiting,
            "loci_steps": self.engine.steps,
            "loci_step_rows": self.engine.rows,
            "loci_traces_cached": len(self.traces),
            "loci_traces_cached_bytes": self.traces.bytes,
            "loci_traces_hits": self.traces.hits,
            "loci_traces_misses": self.traces.misses,
        }
        return sorted((counts | mine).items())

    def card(self) -> dict:
        """What is served, for /v1/models."""
        return {"id": self.base.name, "object": "model", "owned_by": "loci", "engram": asdict(self.graft.spec)}


def operator_token(path: Path) -> str:
    """The operator's token: made at the first start, in a file that its owner alone can read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        token = secrets.token_urlsafe(32)
        with whole_file(path) as stream:
            stream.write(f"{token}\n".encode())
        path.chmod(0o600)
        return token
