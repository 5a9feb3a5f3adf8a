"""The completions route of the OpenAI API, with its field `user`: whose rows are laid over the model; nobody's without it.

Decoding is greedy: a temperature other than 0 is refused, and so is what is not offered here, rather than ignored.
"""

import time
import uuid
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from loci.serve.service import Service
from loci.serve.store import Refused
from loci.serve.streams import answer_of, events_of

_DEFAULTS = {"n": (1,), "best_of": (1,), "echo": (False,), "logprobs": (0,), "suffix": ("",), "temperature": (0, 0.0)}


class Completion(BaseModel):
    """As OpenAI's, as far as it is offered."""

    model_config = ConfigDict(extra="allow")

    model: str
    prompt: str | Annotated[list[str], Field(min_length=1, max_length=1)]
    max_tokens: int = Field(default=16, ge=1)
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    stream: bool = False
    user: Annotated[str, Field(min_length=1, max_length=64)] | None = None


def add_completions(app: FastAPI, service: Service, tenant: Callable[..., str], allowed: Callable[[str, str], str]) -> None:
    """POST /v1/completions and GET /v1/models. tenant: who asks. allowed: refuses a user of another tenant."""
    asking = Annotated[str, Depends(tenant)]

    @app.get("/v1/models")
    def models(_tenant: asking) -> dict:
        return {"object": "list", "data": [service.card()]}

    @app.post("/v1/completions", response_model=None)
    async def complete(body: Completion, tenant: asking):
        if body.model != service.base.name:
            raise Refused(404, "unknown_model", f"this server runs {service.base.name}")
        for name, value in (body.model_extra or {}).items():
            if name in _DEFAULTS and value is not None and value not in _DEFAULTS[name]:
                raise Refused(422, "not_offered", f"{name} can only be {_DEFAULTS[name][0]!r} here: decoding is greedy")
        if body.user is not None:
            await run_in_threadpool(allowed, body.user, tenant)
        prompt = body.prompt if isinstance(body.prompt, str) else body.prompt[0]
        stops = [stop for stop in ([body.stop] if isinstance(body.stop, str) else body.stop or []) if stop]
        asked = await run_in_threadpool(service.request, body.user, prompt, body.max_tokens, service.stop_at(stops))
        about = {"id": f"cmpl-{uuid.uuid4().hex}", "object": "text_completion", "created": int(time.time()), "model": body.model}

        def shape(text: str, finish: str | None) -> dict:
            return {**about, "choices": [{"text": text, "index": 0, "logprobs": None, "finish_reason": finish}]}

        said = service.tokens(asked)
        if body.stream:
            return await events_of(service, asked, said, stops, shape)
        text = await answer_of(service, asked, said, stops)
        counts = {"prompt_tokens": len(asked.ids), "completion_tokens": len(asked.tokens)}
        return {**shape(text, asked.finish), "usage": {**counts, "total_tokens": sum(counts.values())}}
