"""Refusals as JSON, and a limit on what a request may bring."""

from collections.abc import Mapping

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """{"error": {"code", "message"}}; what cannot be said in UTF-8 is replaced."""
    named = dict(headers or {}) | ({"www-authenticate": "Bearer"} if status == 401 else {})
    named |= {"retry-after": "1"} if status == 429 else {}
    message = message.encode("utf-8", "replace").decode()
    return JSONResponse({"error": {"code": code, "message": message}}, status, named)


class BodyLimit:
    """Middleware that answers 413 to a request whose body is longer than `most` bytes, announced or not."""

    def __init__(self, app: ASGIApp, most: int):
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more and len(body) <= self._most:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
        if len(body) > self._most:
            await refusal(413, "too_large", f"a request may have {self._most} bytes")(scope, receive, send)
            return
        unread = [{"type": "http.request", "body": body, "more_body": False}]

        async def whole() -> Message:
            return unread.pop() if unread else await receive()

        await self._app(scope, whole, send)
