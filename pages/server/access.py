"""Who may use the application's own routes: pages of this very server that know its token.

These routes sit outside Streamlit's protection against forged requests, so each one calls ``refusal`` first. That
host and origin are ours, and who is logged in, the gate has seen before (``gate``).
"""

from __future__ import annotations

import hmac
import secrets

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN = secrets.token_urlsafe(32)  # new with every start of the server; pages hand it to their components
TOKEN_HEADER = "X-Studio-Token"


def refusal(request: Request, *, token_in_query: bool = False) -> str | None:
    """Why this request is refused, as a sentence; None when it may pass."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return "This request comes from another site and was refused."
    given = request.headers.get(TOKEN_HEADER) or (
        request.query_params.get("token") if token_in_query else None
    )
    if not hmac.compare_digest((given or "").encode(), TOKEN.encode()):
        return "This page is from before the server was started anew. Reload the page and try again."
    return None


class SecurityHeaders:
    """Middleware: no guessing of content types, no framing by other sites, no address leaked to them."""

    HEADERS = {  # noqa: RUF012 - read only
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "frame-ancestors 'self'",
        "Referrer-Policy": "same-origin",
    }

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)
