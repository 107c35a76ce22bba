"""The gate before everything the server answers: pages, Streamlit's own paths, files, websocket, our routes.

Refuses a foreign ``Host``, a foreign ``Origin`` and, where the server has a log-in, whoever is not logged in.
``keep`` sets the rules once at the start. Redirects leave here relative, since a proxy may have put the dashboard
under a path that only the browser knows.
"""

from __future__ import annotations

import asyncio
import posixpath
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.server.hosts import Hosts
from pages.server.login import Login, login_page, token_of_form

_LARGEST_FORM = 4096  # bytes
_SILENCE = 10.0  # seconds for the form of the log-in page to arrive
_NO_PAGES = ("/api/", "/_stcore/", "/static/", "/media/", "/component/")
_WANT_JSON = ("/api/upload", "/api/import")
_NOT_KEPT = {"Cache-Control": "no-store"}

FOREIGN_HOST = (
    "This address is not one the server answers to. Open the address that it printed when it started; a proxy's "
    "own name belongs into SCVI_STUDIO_ALLOWED_HOSTS."
)
FOREIGN_ORIGIN = "This request comes from another site and was refused."
NOT_LOGGED_IN = "Log in first: open the dashboard's page and enter the token that the server printed."
TOO_OFTEN = "Too many wrong tokens. Wait a minute and try again."
WRONG = "This is not the token. Copy it again from where the server was started."


@dataclass(frozen=True, slots=True)
class Rules:
    hosts: Hosts = field(default_factory=Hosts)
    login: Login | None = None  # None: nobody but this computer reaches the server
    base: str = ""  # the path the server is under: "/node/host/8501"


_rules = Rules()


def keep(rules: Rules) -> None:
    """Make these the rules of this process."""
    global _rules
    _rules = rules


class Gate:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        answer = _foreign(scope, headers) or await _stranger(scope, headers, receive)
        if answer is None:
            scope = _as_browsers_see_it(scope, headers)
            await self.app(scope, receive, _redirecting_relatively(scope, headers, send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
        else:
            await answer(scope, receive, send)


def _foreign(scope: Scope, headers: Headers) -> Response | None:
    host = headers.get("host", "")
    if not _rules.hosts.allow(host) or not scope["path"].startswith("/"):
        return _refused(scope, headers, FOREIGN_HOST, 403)
    origin = headers.get("origin")
    scheme = "https" if scope["scheme"] in ("https", "wss") else "http"
    if origin is not None and not _rules.hosts.allow_origin(origin, scheme, host):
        return _refused(scope, headers, FOREIGN_ORIGIN, 403)
    return None


def _as_browsers_see_it(scope: Scope, headers: Headers) -> Scope:
    """With the public name where a proxy tells another: Streamlit compares host and origin of its websocket too."""
    origin = urlsplit(headers.get("origin", "")).netloc
    if scope["type"] != "websocket" or not origin or origin == headers["host"]:
        return scope
    kept = [(name, value) for name, value in scope["headers"] if name != b"host"]
    return {**scope, "headers": [*kept, (b"host", origin.encode("latin-1"))]}


async def _stranger(scope: Scope, headers: Headers, receive: Receive) -> Response | None:
    """What somebody gets who is not logged in; None for all others."""
    login = _rules.login
    if login is None:
        return None
    path = scope["path"].removeprefix(_rules.base)
    page = scope["type"] == "http" and not path.startswith(_NO_PAGES)
    given = _link_token(scope) if page and scope["method"] == "GET" else None
    if login.knows(headers.get("cookie", "")):
        return None if given is None else _go_to_page(scope)
    client = scope["client"][0] if scope["client"] else ""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        if login.waits(client):
            return _refused(scope, headers, TOO_OFTEN, 429)
        return None if login.admits(bearer.strip(), client) else _refused(scope, headers, WRONG, 401)
    if page and scope["method"] == "POST":
        given = await _form_token(scope, headers, receive)
    if not given:
        return login_page() if _wants_page(headers) else _refused(scope, headers, NOT_LOGGED_IN, 401)
    if login.waits(client):
        return login_page(TOO_OFTEN, 429)
    if not login.admits(given, client):
        return login_page(WRONG)
    welcome = _go_to_page(scope)
    cookie = login.set_cookie(secure=scope["scheme"] == "https", path=_rules.base and f"{_rules.base}/")
    welcome.headers.append("Set-Cookie", cookie)
    return welcome


def _link_token(scope: Scope) -> str | None:
    """The token in the address, as it is printed."""
    return dict(_query(scope)).get("token")


async def _form_token(scope: Scope, headers: Headers, receive: Receive) -> str:
    if not headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return ""
    body = b""
    try:
        async with asyncio.timeout(_SILENCE):
            async for chunk in Request(scope, receive).stream():
                body += chunk
                if len(body) > _LARGEST_FORM:
                    return ""
    except (TimeoutError, ClientDisconnect):
        return ""
    return token_of_form(body)


def _go_to_page(scope: Scope) -> Response:
    """To the page that was asked for, without the token in its address."""
    name = quote(posixpath.basename(scope["path"]))
    query = urlencode([(key, value) for key, value in _query(scope) if key != "token"])
    address = f"./{name}{'?' if query else ''}{query}"
    return Response(status_code=303, headers={"Location": address, **_NOT_KEPT})


def _query(scope: Scope) -> list[tuple[str, str]]:
    try:
        return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return []


def _wants_page(headers: Headers) -> bool:
    return "text/html" in headers.get("accept", "")


def _refused(scope: Scope, headers: Headers, reason: str, status: int) -> Response:
    if scope["path"].endswith(_WANT_JSON) and not _wants_page(headers):
        return JSONResponse({"error": reason}, status, headers=_NOT_KEPT)
    return PlainTextResponse(reason, status, headers=_NOT_KEPT)


# --- redirects ----------------------------------------------------------------------------------------


def _redirecting_relatively(scope: Scope, headers: Headers, send: Send) -> Send:
    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start" and 300 <= message["status"] < 400:
            answer = MutableHeaders(scope=message)
            if location := answer.get("location"):
                answer["location"] = relative(location, scope["path"], headers.get("host", ""))
        await send(message)

    return send_on


def relative(location: str, path: str, host: str) -> str:
    """A ``Location`` on this server as seen from ``path``; one elsewhere stays what it is."""
    parts = urlsplit(location)
    if (parts.netloc and parts.netloc != host) or not parts.path.startswith("/"):
        return location
    up = "../" * (path.count("/") - 1)
    query = f"?{parts.query}" if parts.query else ""
    return f"{up or './'}{parts.path.lstrip('/')}{query}"
