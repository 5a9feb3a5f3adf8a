"""A judge behind any OpenAI-compatible endpoint: chat completions over HTTP, asked patiently and within a budget.

Time-outs, broken connections, 429 and 5xx are tried again after a pause that doubles, or as long as the server asks for; all
are counted. A reply without a verdict is asked for once more with a reminder, and then kept as unreadable, never as wrong.
"""

import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

import httpx2

from loci.bench.judge_prompts import JudgePrompt, Pair
from loci.errors import UserError

KEY = "LOCI_JUDGE_KEY"  # environment variable
_KEPT = "what was judged is kept: run it again to go on"


@dataclass(frozen=True)
class Endpoint:
    """url: up to, not including, /chat/completions. timeout: seconds of one request. budget: requests in one run, tries
    included. pause: seconds before the first retry; longest: seconds of the longest."""

    url: str
    model: str
    timeout: float
    retries: int
    concurrency: int
    budget: int
    pause: float = 1.0
    longest: float = 60.0

    def __post_init__(self):
        if not self.url.startswith(("http://", "https://")):
            raise UserError("judges.endpoint.url", f"{self.url!r} is no http or https address", "give one like https://host/v1")
        if not self.model:
            raise UserError("judges.endpoint.model", "is empty", "name the model that the endpoint serves")


@dataclass
class EndpointJudge:
    """counts: requests, answers that could not be read, and what was tried again, by reason."""

    endpoint: Endpoint
    prompt: JudgePrompt
    counts: Counter = field(default_factory=Counter)

    def verdicts(self, pairs: Sequence[Pair]) -> Iterator[tuple[Pair, bool | None]]:
        """(pair, verdict) as they come in; None for a reply that holds none. UserError where the endpoint refuses, does not
        answer after all retries, or the budget is spent; nothing new is sent after that, and what came in before is yielded."""
        self._lock, self._stop = threading.Lock(), threading.Event()
        headers = {"Authorization": f"Bearer {key}"} if (key := os.environ.get(KEY)) else {}
        at_once = ThreadPoolExecutor(self.endpoint.concurrency)
        with httpx2.Client(headers=headers, timeout=self.endpoint.timeout) as client, at_once:
            asked = {at_once.submit(self._judge, client, pair): pair for pair in pairs}
            fault = None
            try:
                for done in as_completed(asked):
                    if (broken := done.exception()) is None:
                        yield asked[done], done.result()
                    else:
                        fault = fault or broken
                        self._stop.set()  # whatever waits now fails at once
            finally:
                self._stop.set()
                at_once.shutdown(cancel_futures=True)
            if fault:
                raise fault

    def _judge(self, client: httpx2.Client, pair: Pair) -> bool | None:
        messages = self.prompt.messages(pair)
        reply = self._reply(client, messages)
        verdict = self.prompt.read(reply)
        if verdict is None:
            self._count("reminded")
            more = [{"role": "assistant", "content": reply}, {"role": "user", "content": self.prompt.remind}]
            verdict = self.prompt.read(self._reply(client, [*messages, *more]))
        if verdict is None:
            self._count("unreadable")
        return verdict

    def _reply(self, client: httpx2.Client, messages: list[dict]) -> str:
        """The text of one completion."""
        body = {"model": self.endpoint.model, "messages": messages, "temperature": 0, "max_tokens": 8}
        address, pause, fault = f"{self.endpoint.url.rstrip('/')}/chat/completions", self.endpoint.pause, ""
        for left in range(self.endpoint.retries, -1, -1):
            self._spend()
            asked_for = 0.0
            try:
                response = client.post(address, json=body)
                if response.is_success:
                    return _text(response, address)
                fault = f"status {response.status_code}"
                if response.status_code != 429 and response.status_code < 500:
                    raise UserError(address, f"refuses: {fault}", f"check url, model and the key in {KEY}; {_KEPT}")
                asked_for = _seconds(response.headers.get("Retry-After", ""))
            except httpx2.TimeoutException:
                fault = f"no answer in {self.endpoint.timeout:g} s"
            except httpx2.TransportError as broken:
                fault = f"no connection ({type(broken).__name__})"
            if left:
                self._count(f"retried: {fault}")
                if self._stop.wait(min(max(pause, asked_for), self.endpoint.longest)):
                    break
                pause *= 2
        raise UserError(address, f"{fault}, after {self.endpoint.retries} retries", f"try later; {_KEPT}")

    def _spend(self) -> None:
        with self._lock:
            if self._stop.is_set():
                raise UserError("endpoint", "was stopped by an earlier fault", _KEPT)
            if self.counts["requests"] >= self.endpoint.budget:
                raise UserError("judges.endpoint.budget", f"{self.endpoint.budget} requests are spent", f"raise it; {_KEPT}")
            self.counts["requests"] += 1

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1


def _text(response: httpx2.Response, address: str) -> str:
    """What the completion says; UserError for a body that is no completion."""
    try:
        return str(response.json()["choices"][0]["message"]["content"] or "")
    except (ValueError, KeyError, IndexError, TypeError):
        raise UserError(address, "does not answer with a chat completion", "give an OpenAI-compatible endpoint") from None


def _seconds(header: str) -> float:
    """Retry-After in seconds; 0 where it is a date or nothing."""
    return float(header) if header.strip().replace(".", "", 1).isdigit() else 0.0
