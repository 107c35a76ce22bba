"""Through the proxy of an institution, with the same protection against addresses inside as without.

    proxy = proxy_for(link, network)                       # None: straight
    connection = tunnel(proxy, link, addresses, network)   # ``addresses``: the checked ones, or () where none are known

A name is resolved and checked here wherever that is possible, and the proxy is asked for the checked address. Where the
proxy wants names, or names cannot be resolved on this side of it, an https link is asked for by name: what answers must
then show a certificate for that name, which no machine inside has. An http link is not, since nothing would show
whom the proxy reached.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ..errors import BadInput, NotAllowed, Offline
from ..settings import Network
from ._addresses import Link, opened

_CONNECT = 15.0  # seconds
_LONGEST_ANSWER = 65_536  # bytes of a proxy's headers
_INSIDE = (
    "localhost",
    "local",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "private",
    "localdomain",
    "arpa",
)


@dataclass(frozen=True, slots=True)
class Proxy:
    host: str
    port: int
    authorization: str = ""  # a header's value


class _Refused(OSError):
    """The proxy does not make this tunnel."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(f"the proxy answered {status} {reason}".strip())


def proxy_for(link: Link, network: Network) -> Proxy | None:
    """The proxy that ``network`` has for ``link``. Raises ``BadInput`` for one that cannot be used."""
    variable, text = ("HTTPS_PROXY", network.https_proxy)
    if link.scheme == "http":
        variable, text = ("HTTP_PROXY", network.http_proxy)
    if not text or _without(link.host, network.no_proxy):
        return None
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port or 8080
    except ValueError:
        host, port = None, 0
    if not host or parts.scheme != "http":
        raise BadInput(
            f"{variable} must be an address such as http://proxy.example.org:3128 and is none that can be used here "
            "(proxies over TLS and SOCKS are not)."
        )
    authorization = ""
    if parts.username is not None:
        words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(words.encode()).decode()
    return Proxy(host, port, authorization)


def _without(host: str, no_proxy: str) -> bool:
    names = [name.strip().lower() for name in no_proxy.split(",")]
    plain = [name.removeprefix("*").removeprefix(".") for name in names if name and name != "*"]
    return "*" in names or any(host == name or host.endswith(f".{name}") for name in plain)


def tunnel(
    proxy: Proxy, link: Link, addresses: Sequence[str], network: Network
) -> http.client.HTTPConnection:
    """An open connection through ``proxy`` to one of ``addresses``, which were checked.

    Raises
    ------
    Offline, NotAllowed
        The proxy cannot be reached, or does not let this through.
    """
    refusal: _Refused | None = None
    for address in addresses:
        try:
            return opened(link, _asked(proxy, address, link.port), network)
        except _Refused as error:
            refusal = error
            if error.status == 407:
                break
    if link.scheme == "https" and (refusal is None or refusal.status != 407):
        refuse_inner_name(link)
        try:
            return opened(link, _asked(proxy, link.host, link.port), network)
        except _Refused as error:
            refusal = error
    raise _said(refusal, link)


def refuse_inner_name(link: Link) -> None:
    """Raise ``NotAllowed`` for a name or address that can only lie inside."""
    last = link.host.rsplit(".", 1)[-1]
    try:
        ipaddress.ip_address(link.host)
        inside = True  # a public one would have been asked for as an address
    except ValueError:
        inside = "." not in link.host or last in _INSIDE or last.isdigit() or last.startswith("0x")
    if inside:
        raise NotAllowed(
            f"{link.host} is not a public internet address. For safety only public ones are fetched; "
            "upload the file, or put it into an allowed folder."
        )


def _asked(proxy: Proxy, host: str, port: int) -> socket.socket:
    """A socket that the proxy has connected to ``host``."""
    try:
        connected = socket.create_connection((proxy.host, proxy.port), timeout=_CONNECT)
    except OSError as error:
        why = error.strerror or error
        raise Offline(f"The proxy {proxy.host}:{proxy.port} cannot be reached ({why}).") from None
    try:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}", "User-Agent: scvi-studio"]
        if proxy.authorization:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        connected.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        status, reason = _answer(connected)
        if not 200 <= status < 300:
            raise _Refused(status, reason)
    except BaseException:
        connected.close()
        raise
    return connected


def _answer(connected: socket.socket) -> tuple[int, str]:
    """Status and reason; not a byte of what comes after the headers is taken."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connected.recv(1)
        if not byte or len(head) > _LONGEST_ANSWER:
            raise _Refused(0, "nothing that can be understood")
        head += byte
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        raise _Refused(0, "nothing that can be understood")
    return int(words[1]), words[2] if len(words) > 2 else ""


def _said(refusal: _Refused | None, link: Link) -> NotAllowed | Offline:
    if refusal is None:
        return Offline(
            f"The server {link.host} could not be found on this side of the proxy, and http links are not fetched by "
            "name. Use the https link."
        )
    if refusal.status == 407:
        return NotAllowed(
            "The proxy asks for a user name and a password. Give them in HTTPS_PROXY: http://USER:PASSWORD@HOST:PORT."
        )
    also = " Proxies often allow https links only." if link.scheme == "http" else ""
    return NotAllowed(
        f"The proxy does not let {link.host} through: {refusal}.{also} Ask who runs the network."
    )
