"""The log-in of a server that others can reach: one token, asked for once, then a cookie.

The token is printed with the address, as Jupyter does: ``SCVI_STUDIO_TOKEN``, or one that is made and kept in the
workspace, readable by its owner alone. The cookie proves that the token was known without holding it: it is made
with a secret of the workspace, so neither a guess of the token nor another dashboard of the same host makes one.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import os
import secrets
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl

from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse

TOKEN_FILE = "token"
_MONTH = 30 * 86_400  # seconds a browser keeps the cookie
_MINUTE = 60.0
_EACH, _ALL = 10, 100  # wrong tokens a minute from one address, from all together
_HERE = Path(__file__).parent


class Login:
    def __init__(self, token: str, secret: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.token = token
        self.cookie = f"scvi-studio-{_digest(secret, 'name')[:8]}"  # ports of a host share their cookies
        self._proof = _digest(secret, f"log-in {token}")
        self._clock = clock
        self._wrong: deque[tuple[float, str]] = deque()

    def knows(self, cookie_header: str) -> bool:
        """Whether a request with these cookies is logged in."""
        return _same(cookie_parser(cookie_header).get(self.cookie, ""), self._proof)

    def waits(self, client: str) -> bool:
        """Whether ``client`` has to wait, after too many wrong tokens, before another is looked at."""
        while self._wrong and self._wrong[0][0] <= self._clock() - _MINUTE:
            self._wrong.popleft()
        return len(self._wrong) >= _ALL or sum(who == client for _, who in self._wrong) >= _EACH

    def admits(self, given: str, client: str) -> bool:
        """Whether ``given`` is the token; a wrong one counts against ``client``, who must not be waiting."""
        if _same(given, self.token):
            return True
        self._wrong.append((self._clock(), client))
        return False

    def set_cookie(self, *, secure: bool, path: str) -> str:
        """The ``Set-Cookie`` header. Without a path it holds for the folder of the page, as the browser sees it."""
        parts = [f"{self.cookie}={self._proof}", f"Max-Age={_MONTH}", "HttpOnly", "SameSite=Lax"]
        if path:
            parts.append(f"Path={path}")
        if secure:
            parts.append("Secure")
        return "; ".join(parts)


def kept_secret(workspace: Path) -> str:
    """The secret of this workspace, made where there is none; readable by its owner alone."""
    path = workspace / TOKEN_FILE
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
    with suppress(OSError):  # some file systems have no permissions
        path.chmod(0o600)
    secret = path.read_text(encoding="utf-8", errors="replace").strip()
    if len(secret) < 32:  # emptied, or broken off while it was written
        path.unlink(missing_ok=True)
        return kept_secret(workspace)
    return secret


def token_of_form(body: bytes) -> str:
    """What was typed into the log-in page."""
    fields = dict(
        parse_qsl(body.decode("utf-8", errors="replace"), keep_blank_values=True, max_num_fields=10)
    )
    return fields.get("token", "").strip()


def login_page(problem: str = "", status: int = 401) -> HTMLResponse:
    """The page that asks for the token; it posts to its own address, wherever a proxy has put that."""
    text = (_HERE / "login.html").read_text(encoding="utf-8")
    mark = (_HERE.parent / "assets" / "wordmark.svg").read_text(encoding="utf-8")
    said = f'<p class="problem" role="alert">{html.escape(problem)}</p>' if problem else ""
    return HTMLResponse(
        text.replace("<!-- wordmark -->", mark).replace("<!-- problem -->", said),
        status,
        headers={
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
        },
    )


def _digest(secret: str, of: str) -> str:
    return hmac.new(secret.encode(), of.encode(), hashlib.sha256).hexdigest()


def _same(one: str, other: str) -> bool:
    """In constant time, whatever the lengths."""
    return hmac.compare_digest(hashlib.sha256(one.encode()).digest(), hashlib.sha256(other.encode()).digest())
