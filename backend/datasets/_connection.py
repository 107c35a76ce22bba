"""Connections to a checked address, with the name of the link for the Host header and the certificate."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable

from ._addresses import Link

Connection = Callable[[Link, str], http.client.HTTPConnection]
_CONNECT = 15.0  # seconds
_SILENCE = 60.0  # seconds without a byte


def connect(link: Link, address: str) -> http.client.HTTPConnection:
    """An open connection to ``address`` on behalf of ``link``; proxies of the environment play no part."""
    connection = http.client.HTTPConnection(link.host, link.port, timeout=_SILENCE)
    connection.sock = _secured(link, socket.create_connection((address, link.port), timeout=_CONNECT))
    connection.sock.settimeout(_SILENCE)
    connection.auto_open = 0  # never connect by name, which would undo the check of the address
    return connection


def _secured(link: Link, raw: socket.socket) -> socket.socket:
    if link.scheme == "http":
        return raw
    try:
        return _context().wrap_socket(raw, server_hostname=link.host)
    except BaseException:
        raw.close()
        raise


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        import certifi  # python.org's Python on macOS comes without certificates
    except ImportError:
        return context
    context.load_verify_locations(certifi.where())
    return context
