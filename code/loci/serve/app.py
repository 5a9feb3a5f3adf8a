"""The HTTP routes. Every refusal is JSON with a reason: {"error": {"code": ..., "message": ...}}."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import compare_digest
from typing import Annotated

from fastapi import Depends, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from loci.serve.bodies import BodyLimit, refusal
from loci.serve.completions import add_completions
from loci.serve.service import Service
from loci.serve.store import Refused
from loci.serve.streams import answer_of, events_of

_LOG = logging.getLogger("loci.serve")
_WAIT = 600.0  # seconds that a write may be waited for
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
UserPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
FactPath = Annotated[int, Path(ge=1, le=2**62)]
Wait = Annotated[bool, Query(description="answer when it is settled, not when it is taken")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewTenant(_Body):
    tenant: Name


class NewUser(_Body):
    user: Name


class NewFact(_Body):
    """A sentence: "My dentist is" and "Dr. Lee"."""

    statement: str = Field(min_length=1)
    value: str = Field(min_length=1)


class NewFacts(_Body):
    facts: list[NewFact] = Field(min_length=1)


class NewValue(_Body):
    value: str = Field(min_length=1)


class Question(_Body):
    """What is to be continued, up to the end of the line."""

    text: str = Field(min_length=1)
    max_tokens: int = Field(default=16, ge=1)
    stream: bool = False


def make_app(service: Service) -> FastAPI:
    """The application around a service, which it closes when it is shut down."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(service.close)

    app = FastAPI(title="Loci", description="Facts of many users, inside one frozen model.", lifespan=lifespan)
    app.add_middleware(BodyLimit, most=service.limits.body)
    _add_errors(app, service)

    def refuse(status: int, code: str, message: str) -> Refused:
        _LOG.warning("refused: %s: %s", code, message)
        return Refused(status, code, message)

    def bearer(request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise refuse(401, "no_token", "give a header Authorization: Bearer TOKEN")
        return token.strip()

    def operator(token: Annotated[str, Depends(bearer)]) -> None:
        if not compare_digest(token.encode("utf-8", "replace"), service.operator.encode()):
            raise refuse(403, "not_the_operator", "only the operator may register tenants")

    def tenant(token: Annotated[str, Depends(bearer)]) -> str:
        found = service.store.tenant_of(token)
        if found is None:
            raise refuse(401, "unknown_token", "no tenant has this token")
        service.rates.take(found)
        return found

    def allowed(user: str, tenant: str) -> str:
        owner = service.store.owner_of(user)
        if owner is None:
            raise refuse(404, "unknown_user", f"there is no user {user}")
        if owner != tenant:
            raise refuse(403, "not_your_user", f"tenant {tenant} may not speak for user {user}")
        return user

    def own_user(user: UserPath, tenant: Annotated[str, Depends(tenant)]) -> str:
        return allowed(user, tenant)

    Tenant, Own = Annotated[str, Depends(tenant)], Annotated[str, Depends(own_user)]

    @app.get("/health")
    async def health() -> dict:
        return {"status": "ok"}

    @app.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> str:
        return service.metrics.text(service.gauges())

    @app.post("/v1/tenants", status_code=201, dependencies=[Depends(operator)])
    def register_tenant(body: NewTenant) -> dict:
        return {"tenant": body.tenant, "token": service.store.add_tenant(body.tenant)}

    @app.post("/v1/users", status_code=201)
    def register_user(body: NewUser, tenant: Tenant) -> dict:
        service.store.add_user(tenant, body.user, service.limits.users)
        return {"user": body.user}

    @app.get("/v1/users/{user}")
    def describe_user(user: Own) -> dict:
        rows = service.traces.get(user)
        facts = service.store.facts(user)
        return {"user": user, "facts": len(facts), "rows": len(rows) if rows else 0, "bytes": rows.nbytes if rows else 0}

    @app.delete("/v1/users/{user}")
    def forget_user(user: Own) -> dict:
        service.store.remove_user(user)
        service.traces.drop(user)
        return {"user": user, "forgotten": True}

    @app.get("/v1/users/{user}/facts")
    def list_facts(user: Own) -> dict:
        return {"facts": [_shown(fact) for fact in service.store.facts(user)]}

    @app.post("/v1/users/{user}/facts", status_code=202)
    async def write_facts(user: Own, body: NewFacts, wait: Wait = False) -> JSONResponse:
        told = [(fact.statement, fact.value) for fact in body.facts]
        await run_in_threadpool(service.check_facts, told)
        ids = await run_in_threadpool(service.store.add_facts, user, told, service.limits.facts)
        return await _taken(service, user, ids, wait)

    @app.put("/v1/users/{user}/facts/{fact}", status_code=202)
    async def change_fact(user: Own, fact: FactPath, body: NewValue, wait: Wait = False) -> JSONResponse:
        known = {one.id: one for one in await run_in_threadpool(service.store.facts, user)}
        if fact not in known:
            raise Refused(404, "unknown_fact", f"{user} has no fact {fact}")
        await run_in_threadpool(service.check_facts, [(known[fact].statement, body.value)])
        await run_in_threadpool(service.store.change_fact, user, fact, body.value)
        return await _taken(service, user, [fact], wait)

    @app.delete("/v1/users/{user}/facts/{fact}", status_code=202)
    async def forget_fact(user: Own, fact: FactPath, wait: Wait = False) -> JSONResponse:
        await run_in_threadpool(service.store.forget_fact, user, fact)
        return await _taken(service, user, [], wait)

    @app.post("/v1/users/{user}/ask", response_model=None)
    async def ask(user: Own, body: Question):
        asked = await run_in_threadpool(service.request, user, body.text, body.max_tokens, service.stop_at_line)
        said = service.tokens(asked)
        if body.stream:
            return await events_of(service, asked, said, ["\n"], lambda text, finish: {"text": text, "finish": finish})
        text = await answer_of(service, asked, said, ["\n"])
        counts = {"tokens": len(asked.tokens), "rows_read": asked.reading.hits}
        return {"text": text.strip(), "finish": asked.finish, **counts}

    add_completions(app, service, tenant, allowed)
    return app


async def _taken(service: Service, user: str, ids: list[int], wait: bool) -> JSONResponse:
    """202 for what is committed and will be written; with `wait`, 200 when it is written and 422 when it could not be."""
    service.writes.put(user)
    done = await service.settled(user, _WAIT) if wait else False
    facts = [fact for fact in await run_in_threadpool(service.store.facts, user) if fact.id in ids]
    failed = next((fact for fact in facts if fact.reason), None)
    if done and failed:
        raise Refused(422, "not_learnt", f"{failed.statement!r}: {failed.reason}")
    return JSONResponse({"facts": [_shown(fact) for fact in facts]}, 200 if done else 202)


def _shown(fact) -> dict:
    about = {"id": fact.id, "statement": fact.statement, "value": fact.value, "state": fact.state}
    return about | {name: text for name, text in (("new_value", fact.new_value), ("reason", fact.reason)) if text}


def _add_errors(app: FastAPI, service: Service) -> None:
    @app.exception_handler(Refused)
    async def refused(_request: Request, fault: Refused) -> JSONResponse:
        service.metrics.count("loci_refused_total", ("code", fault.reason), ("status", fault.status))
        return refusal(fault.status, fault.reason, fault.message)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, fault: RequestValidationError) -> JSONResponse:
        first = fault.errors()[0]
        service.metrics.count("loci_refused_total", ("code", "invalid"), ("status", 422))
        return refusal(422, "invalid", f"{'.'.join(map(str, first['loc']))}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def wrong_route(_request: Request, fault: HTTPException) -> JSONResponse:
        return refusal(fault.status_code, "no_such_route", str(fault.detail), fault.headers)
