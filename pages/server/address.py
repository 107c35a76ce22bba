"""Where the server is: the path it is under, what it is bound to, and the address that is printed."""

from __future__ import annotations

import socket
from urllib.parse import quote

from streamlit import config

from pages.server.hosts import is_loopback, is_wildcard


def base_path() -> str:
    """``/node/host/8501`` for a server under that path, else nothing."""
    path = (config.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


def bound_to() -> str:
    """The address the server listens at; without one Streamlit takes every network."""
    return str(config.get_option("server.address") or "0.0.0.0")


def printed_address(token: str = "", *, here: bool = False) -> str:
    """What to open in a browser, with the token that logs in where there is one; ``here``: of this computer."""
    host = "127.0.0.1" if here else _name()
    host = f"[{host}]" if ":" in host else host
    scheme = "https" if config.get_option("server.sslCertFile") else "http"
    link = f"{scheme}://{host}:{config.get_option('server.port')}{base_path()}"
    return f"{link}/?token={quote(token)}" if token else link + ("/" if base_path() else "")


def _name() -> str:
    chosen = str(config.get_option("browser.serverAddress") or "")
    address = bound_to()
    if chosen and not is_loopback(chosen):
        return chosen
    if is_wildcard(address):
        return socket.gethostname()
    return chosen if chosen and address in ("127.0.0.1", "localhost") else address
