"""Which addresses the server may fetch from: public ones only, so that a link cannot be used to reach inside.

``check_link`` looks at the text, ``public_addresses`` at what the name stands for. ``connect`` goes to one of
these addresses and does not resolve the name again: it may stand for something else a moment later.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from ..errors import BadInput, NotAllowed, Offline
from ..settings import Network

Resolve = Callable[[str, int], list[str]]
Connection = Callable[["Link", str], http.client.HTTPConnection]
_LONGEST = 4_000
_LONGEST_HOST = 253  # characters, as names of the internet have
_CONNECT = 15.0  # seconds
_SILENCE = 60.0  # seconds without a byte
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Ways of carrying IPv4 in IPv6 and back that lead where a relay decides, and blocks that Python calls global or not
# depending on its version.
_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        (
            *("192.88.99.0/24", "192.0.0.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24"),
            *("::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "2001::/23", "2002::/16"),
            *("100::/64", "3fff::/20", "5f00::/16"),
        ),
    )
)
NO_NETWORK = Network()


@dataclass(frozen=True, slots=True)
class Link:
    """The parts of a checked link."""

    scheme: str  # http or https
    host: str  # as in the Host header, IDNA-encoded, IPv6 without brackets
    port: int
    target: str  # path and query

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


_PORTS = {"http": 80, "https": 443}


def check_link(url: str) -> Link:
    """Take a link apart.

    Raises
    ------
    BadInput
        It is no complete http or https link.
    """
    url = url.strip()
    if not url or len(url) > _LONGEST or any(ord(letter) < 33 or ord(letter) == 127 for letter in url):
        raise BadInput("This is not a link. Paste a complete one that begins with https://.")
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        port = parts.port
        if ":" not in host:
            host = host.encode("idna").decode("ascii")
    except ValueError:  # includes what cannot be encoded
        raise BadInput("This link cannot be read. Copy it again from the page it is on.") from None
    if parts.scheme not in _PORTS:
        raise BadInput("Only links that begin with https:// or http:// can be fetched.")
    if not host or "%" in host or len(host) > _LONGEST_HOST:
        raise BadInput("This link names no server. Copy it again from the page it is on.")
    if parts.username is not None or parts.password is not None:
        raise BadInput(
            "Links with a user name or password in them are not fetched. Download the file and upload it."
        )
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    return Link(parts.scheme, host, port or _PORTS[parts.scheme], target)


def resolve(host: str, port: int) -> list[str]:
    """All addresses of ``host``, by the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def public_addresses(link: Link, resolve: Resolve = resolve) -> list[str]:
    """The addresses ``link`` may be fetched from.

    Raises
    ------
    NotAllowed
        One of them lies inside a private network, on this machine, or is special in another way.
    Offline
        The name cannot be resolved.
    """
    try:
        found = resolve(link.host, link.port)
    except (OSError, UnicodeError):
        found = []
    if not found:
        raise Offline(
            f"The server {link.host} could not be found. Check the link, and whether this computer is online."
        )
    # one private address among public ones is how a trick looks, so all must be public
    if not all(is_public(address) for address in found):
        raise NotAllowed(
            f"{link.host} is not a public internet address. For safety only public ones are fetched; "
            "upload the file, or put it into an allowed folder."
        )
    return found


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, also where it wraps an IPv4 address."""
    try:
        ip = ipaddress.ip_address(address)  # an IPv6 zone ("%eth0") parses and makes it non-global below
    except ValueError:
        return False
    if any(ip in block for block in _NOT_PUBLIC if block.version == ip.version):
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None or ip.is_site_local:
            return False
        inner = _wrapped(ip)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not (
        ip.is_multicast
        or ip.is_reserved
        or ip.is_loopback
        or ip.is_link_local
        or ip.is_unspecified
        or ip.is_private
    )


def _wrapped(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return None


def connect(link: Link, address: str, network: Network = NO_NETWORK) -> http.client.HTTPConnection:
    """An open connection to ``address`` on behalf of ``link``."""
    return opened(link, socket.create_connection((address, link.port), timeout=_CONNECT), network)


def opened(link: Link, raw: socket.socket, network: Network) -> http.client.HTTPConnection:
    """``raw`` as a connection to ``link``, which has shown its certificate where it is https."""
    connection = http.client.HTTPConnection(link.host, link.port, timeout=_SILENCE)
    connection.sock = _secured(link, raw, network)
    connection.sock.settimeout(_SILENCE)
    connection.auto_open = 0  # never connect by name, which would undo the check of the address
    return connection


def _secured(link: Link, raw: socket.socket, network: Network) -> socket.socket:
    if link.scheme == "http":
        return raw
    try:
        return _context(network).wrap_socket(raw, server_hostname=link.host)
    except BaseException:
        raw.close()
        raise


def _context(network: Network) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for variable, path in network.certificates:
        try:
            if os.path.isdir(path):
                context.load_verify_locations(capath=path)
            else:
                context.load_verify_locations(path)
        except OSError:  # not there, or no certificates
            raise BadInput(
                f"{variable} names {path!r}, which holds no certificates that can be read."
            ) from None
    try:
        import certifi  # python.org's Python on macOS comes without certificates
    except ImportError:
        return context
    context.load_verify_locations(certifi.where())
    return context
