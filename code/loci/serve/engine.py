"""Continuous batching: requests of many users are admitted into free slots between two tokens of the others.

A step takes the next token of every decoding slot and, in the room that is left, whole chunks of waiting prompts. Chunks
are cut by the prompt alone, never by the load. So the arithmetic of an answer is the same whether it is served alone or
among others; `exact.py` proves it for the products of the machine at hand before anything is served.

`Engine.step` is plain and synchronous; `Runner` calls it in a thread of its own.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch

from loci.errors import UserError
from loci.models.rows import RowMap
from loci.serve.overlay import Hits, Reading, ServedGraft, read_next, width_of
from loci.serve.slots import NAME, Chunk, SlotCache, Step

_LOG = logging.getLogger("loci.serve")
CHUNK = 32  # prompt tokens that are read at once
WIDTHS = (2, 4, 8, 16, 24, 32, 48, 64)  # rows of a forward


class Busy(Exception):
    """The queue is full."""


@dataclass
class Request:
    """One prompt to be continued greedily.

    ids: at least one token. rows: of the user, or None. stop: whether the answer so far is complete (its last token included).
    emit: told each token as it is said, then None; called in the engine's thread. watch: shown the logits [V] of each token.
    cancelled: set by anybody who wants no more of it.
    """

    ids: list[int]
    rows: RowMap | None
    max_tokens: int
    stop: Callable[[list[int]], bool]
    emit: Callable[[int | None], None] = lambda token: None
    watch: Callable[[torch.Tensor], None] | None = None
    user: str = ""
    tokens: list[int] = field(default_factory=list)
    finish: str = ""  # stop, length, cancelled, failed
    cancelled: bool = False
    reading: Reading | None = None


@dataclass
class _Active:
    request: Request
    read: int = 0  # prompt tokens that are in the cache

    @property
    def decoding(self) -> bool:
        return self.read == len(self.request.ids)

    @property
    def position(self) -> int:
        """Of the token that is read next."""
        return self.read + len(self.request.tokens) - 1


class Engine:
    """Greedy decoding of up to `slots` requests at a time, each of up to `positions` tokens, prompt and answer together.

    widths: of a forward, increasing; `exact_widths` tells which. waiting: requests that may queue. around: a context for each
    forward, from the users of its rows (adapters that somebody else's library lays over).
    """

    def __init__(
        self,
        graft: ServedGraft,
        slots: int,
        positions: int,
        widths: list[int],
        waiting: int = 256,
        around: Callable[[list[str]], AbstractContextManager] | None = None,
        room_for_prompts: int = CHUNK,
    ):
        if slots + room_for_prompts > max(widths):
            raise UserError("slots", f"{slots} are too many", f"at most {max(widths) - room_for_prompts} fit into a step")
        self.graft, self.widths, self._around = graft, widths, around
        self.cache = SlotCache(graft.model.config, slots, positions)  # refuses some models, which then stay as they are
        self._config = graft.model.config.get_text_config()
        self._before = self._config._attn_implementation
        self._config._attn_implementation = NAME
        self._decoder, self._head = graft.model.get_decoder(), graft.model.get_output_embeddings()
        self._slots: list[_Active | None] = [None] * slots
        self._waiting: deque[Request] = deque()
        self._limit = waiting
        self.steps = self.rows = 0

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_fault) -> None:
        """Give the model back its own attention."""
        self._config._attn_implementation = self._before

    @property
    def active(self) -> int:
        return sum(one is not None for one in self._slots)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        return not self._waiting and not self.active

    def submit(self, request: Request) -> None:
        """Queue a request. Busy when too many wait; UserError when it cannot fit into a slot."""
        room = self.cache.positions - len(request.ids)
        if not request.ids or room < request.max_tokens:
            most = self.cache.positions - request.max_tokens
            raise UserError("prompt", f"has {len(request.ids)} tokens", f"give 1 to {max(most, 0)}, or ask for a shorter answer")
        if len(self._waiting) >= self._limit:
            raise Busy(f"{self._limit} requests are waiting")
        if request.reading is None:
            request.reading = Reading(self.graft, request.rows, request.ids)
        self._waiting.append(request)

    def give_up(self) -> None:
        """End everything that is asked, as failed."""
        for at, one in enumerate(self._slots):
            if one is not None:
                self._end(at, "failed")
        while self._waiting:
            request = self._waiting.popleft()
            request.finish = "failed"
            request.emit(None)

    def serve(self, requests: list[Request]) -> None:
        """Answer these requests, in this thread."""
        for request in requests:
            self.submit(request)
        while not self.idle:
            self.step()

    @torch.no_grad()
    def step(self) -> None:
        """Admit what fits, run one forward, tell each request its token."""
        self._admit()
        used = [at for at, one in enumerate(self._slots) if one is not None and one.decoding]
        positions = [-1] * (used[-1] + 1 if used else 0)
        ids, rows, read, owners = [0] * len(positions), [], [], [""] * len(positions)
        mine = [self._slots[at].request for at in used]
        found = read_next(self.graft, [request.reading for request in mine], [request.tokens[-1] for request in mine])
        for at, request, read_now in zip(used, mine, found, strict=True):
            positions[at], ids[at], owners[at] = self._slots[at].position, request.tokens[-1], request.user
            if read_now is not None:
                rows.append(torch.tensor([at]))
                read.append(read_now)
        chunks = []
        for at, one in enumerate(self._slots):
            if one is None or one.decoding:
                continue
            length = min(CHUNK, len(one.request.ids) - one.read)
            if len(ids) + length > self.widths[-1]:
                continue
            chunks.append(Chunk(at, one.read, len(ids), length))
            found = one.request.reading.of_prompt(one.read, length)
            if found is not None:
                rows.append(found[0] + len(ids))
                read.append(found[1])
            ids += one.request.ids[one.read : one.read + length]
            owners += [one.request.user] * length
        if not ids:
            return
        width = width_of(len(ids), self.widths)
        step = Step(self.cache, positions, chunks, width)
        padded = torch.tensor(ids + [0] * (width - len(ids)))[:, None]  # [N, 1]
        hits = Hits(torch.cat(rows), torch.cat(read)) if rows else None
        hidden = self.forward(padded, step, hits, owners + [""] * (width - len(ids)))
        self.steps, self.rows = self.steps + 1, self.rows + len(ids)
        ends = []  # (slot, row) of what says a token now
        for chunk in chunks:
            one = self._slots[chunk.slot]
            one.read += chunk.length
            if one.decoding:
                ends.append((chunk.slot, chunk.row + chunk.length - 1))
        self._say([(at, at) for at in used] + ends, hidden)

    def _admit(self) -> None:
        for at, one in enumerate(self._slots):
            if one is not None and one.request.cancelled:
                self._end(at, "cancelled")
            while self._slots[at] is None and self._waiting:
                request = self._waiting.popleft()
                if request.cancelled:
                    request.finish = "cancelled"
                    request.emit(None)
                else:
                    self._slots[at] = _Active(request)

    def forward(self, ids: torch.Tensor, step: Step, hits: Hits | None, owners: list[str]) -> torch.Tensor:
        """Final hidden states [N, d]."""

        def forward() -> torch.Tensor:
            options = {"position_ids": step.position_ids, "use_cache": False, "step": step}
            if self._around is None:
                return self._decoder(input_ids=ids, **options).last_hidden_state
            with self._around(owners):
                return self._decoder(input_ids=ids, **options).last_hidden_state

        return self.graft.run(forward, hits, self.widths)[:, 0]

    def logits(self, hidden: torch.Tensor, rows: list[int]) -> torch.Tensor:
        """Logits [N', V] of the chosen rows of hidden states [N, d], and of padding behind them."""
        return self._head(hidden[rows + [0] * (width_of(len(rows), self.widths) - len(rows))])

    def _say(self, places: list[tuple[int, int]], hidden: torch.Tensor) -> None:
        """Greedy next tokens of the slots, from their rows of the hidden states [N, d]."""
        if not places:
            return
        logits = self.logits(hidden, [row for _, row in places])
        for (slot, _), at, token in zip(places, range(len(places)), logits.argmax(-1).tolist(), strict=False):
            request = self._slots[slot].request
            if request.watch is not None:
                request.watch(logits[at])
            request.tokens.append(token)
            done = "stop" if request.stop(request.tokens) else "length" if len(request.tokens) >= request.max_tokens else ""
            request.emit(token)
            if done:
                self._end(slot, done)

    def _end(self, slot: int, finish: str) -> None:
        request = self._slots[slot].request
        self._slots[slot], request.finish = None, finish
        request.emit(None)


class Runner:
    """An engine in a thread of its own; `submit` from any thread."""

    def __init__(self, engine: Engine):
        self._engine, self._ready = engine, threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> None:
        """Queue a request; Busy also when the engine is being stopped."""
        request.reading = Reading(self._engine.graft, request.rows, request.ids)  # not in the engine's thread
        with self._ready:
            if self._stopping:
                raise Busy("the server is being stopped")
            self._engine.submit(request)
            self._ready.notify()

    def stop(self) -> None:
        """Answer what was submitted, then end the thread."""
        with self._ready:
            self._stopping = True
            self._ready.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._ready:
                while self._engine.idle and not self._stopping:
                    self._ready.wait()
                if self._engine.idle:
                    return
            try:
                self._engine.step()
            except Exception:  # those who wait are told, and the next ones are served
                _LOG.exception("the engine failed")
                self._engine.give_up()
