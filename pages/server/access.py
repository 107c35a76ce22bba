"""Who may use the application's own routes: pages of this very server that know its token.

These routes sit outside Streamlit's protection against forged requests, so each one calls ``refusal`` first.
A browser names where a request comes from (``Origin``); it has to be the address it talks to. A program
sends none, and needs the token like everyone else. A foreign ``Host`` (DNS rebinding) is refused.
"""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

TOKEN = secrets.token_urlsafe(32)  # new with every start of the server; pages hand it to their components
TOKEN_HEADER = "X-Studio-Token"


def refusal(request: Request, *, token_in_query: bool = False) -> str | None:
    """Why this request is refused, as a sentence; None when it may pass."""
    host = request.headers.get("host", "")
    if not _host_allowed(host):
        return (
            "This address is not one the server answers to. Open the address that it printed when it started."
        )
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return "This request comes from another site and was refused."
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return "This request comes from another site and was refused."
    given = request.headers.get(TOKEN_HEADER) or (
        request.query_params.get("token") if token_in_query else None
    )
    if not hmac.compare_digest((given or "").encode(), TOKEN.encode()):
        return "This page is from before the server was started anew. Reload the page and try again."
    return None


def _host_allowed(host: str) -> bool:
    allowed = [name.strip().lower() for name in config.get_option("server.allowedHosts")]
    if not allowed or "*" in allowed:
        return True
    try:
        name = (urlsplit(f"//{host}").hostname or "").lower().rstrip(".")
    except ValueError:
        return False
    return any(name == entry or (entry.startswith("*.") and name.endswith(entry[1:])) for entry in allowed)


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
