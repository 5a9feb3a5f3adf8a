"""Answers as one text, and as server-sent events."""

import json
from collections.abc import AsyncIterator, Callable

from fastapi.responses import StreamingResponse

from loci.serve.engine import Request
from loci.serve.service import Service


def cut(text: str, stops: list[str]) -> str:
    """The text before the first of the stops."""
    return min((text.partition(stop)[0] for stop in stops), key=len, default=text)


async def answer_of(service: Service, request: Request, said: AsyncIterator[int], stops: list[str]) -> str:
    """All that is said, without the stop."""
    async for _ in said:
        pass
    return cut(service.text_of(request.tokens), stops)


async def events_of(
    service: Service, request: Request, said: AsyncIterator[int], stops: list[str], shape: Callable[[str, str | None], dict]
) -> StreamingResponse:
    """Server-sent events: one for each new piece of text, one that says how it ended, then [DONE].

    A refusal comes before the first event, as JSON: the first token is waited for here.
    """
    first = await anext(said, None)

    async def events() -> AsyncIterator[str]:
        sent, tokens = "", []
        token = first
        try:
            while token is not None:
                tokens.append(token)
                text = cut(service.text_of(tokens), stops)
                text = text[: len(text) - _half(text, stops)].rstrip("\N{REPLACEMENT CHARACTER}")  # half a character: later
                if len(text) > len(sent):
                    yield _event(shape(text[len(sent) :], None))
                    sent = text
                token = await anext(said, None)
            whole = cut(service.text_of(request.tokens), stops)
            yield _event(shape(whole[len(sent) :], request.finish))
            yield "data: [DONE]\n\n"
        finally:
            await said.aclose()

    return StreamingResponse(events(), media_type="text/event-stream", headers={"cache-control": "no-cache"})


def _half(text: str, stops: list[str]) -> int:
    """Characters at the end of the text that may be the beginning of a stop."""
    return max((length for stop in stops for length in range(1, len(stop)) if text.endswith(stop[:length])), default=0)


def _event(content: dict) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n"
