"""Which ``Host`` the server answers to, and from which ``Origin`` it is spoken to.

A browser names the address it talks to (``Host``) and the page that makes it talk (``Origin``). The first must be
one of ours, so that a foreign name that was pointed at this computer (DNS rebinding) reaches nothing; the second
must be the very same scheme, name and port, so that no other page of this computer or the network drives the
dashboard. What an administrator names in ``SCVI_STUDIO_ALLOWED_HOSTS`` is the public address of a proxy: it may be
the origin even where the proxy tells us another host or no https.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from backend.errors import BadInput

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PORTS = {"http": 80, "https": 443}
_ANY = "*"


@dataclass(frozen=True, slots=True)
class Address:
    """A name with what else is known of it; ``scheme`` empty or ``port`` None: any."""

    name: str
    port: int | None = None
    scheme: str = ""

    def covers(self, name: str) -> bool:
        if self.name.startswith("*."):
            return name.endswith(self.name[1:])
        return self.name in (_ANY, name)


@dataclass(frozen=True, slots=True)
class Hosts:
    """``own``: names of this computer; ``listed``: what the administrator named besides."""

    own: tuple[str, ...] = LOOPBACK
    listed: tuple[Address, ...] = ()
    any_number: bool = False  # IP addresses need no list: only names can be pointed elsewhere

    def allow(self, host: str) -> bool:
        """Whether ``host``, a ``Host`` header, is an address of this server."""
        found = _parse(host)
        if found is None:
            return False
        if found.name in self.own or any(entry.covers(found.name) for entry in self.listed):
            return True
        return self.any_number and _is_number(found.name)

    def allow_origin(self, origin: str, scheme: str, host: str) -> bool:
        """Whether ``origin`` is the page that ``scheme`` and ``host`` of the request belong to."""
        kind, separator, rest = origin.lower().partition("://")
        here, there = _parse(host), _parse(rest)
        if not separator or kind not in _PORTS or here is None or there is None:
            return False  # "null" included
        port = there.port or _PORTS[kind]
        if (there.name, port) == (here.name, here.port or _PORTS[scheme]) and kind == scheme:
            return True
        for entry in self.listed:
            if not entry.covers(there.name) or entry.scheme not in ("", kind):
                continue
            # the proxy ends https, or speaks to us by another name
            same_host = (there.name, there.port) == (here.name, here.port)
            usual = entry.name != _ANY and port == (entry.port or _PORTS[kind])
            if same_host or usual:
                return True
        return False


def hosts_of(bound_to: str, usual: Iterable[str], listed: Iterable[str]) -> Hosts:
    """For a server that listens at ``bound_to``.

    Raises
    ------
    BadInput
        An entry of ``listed`` is no address.
    """
    entries = tuple(map(_entry, listed))
    own = {*LOOPBACK, *(name.lower() for name in usual)}
    if is_loopback(bound_to):
        return Hosts(tuple(sorted(own)), entries)
    here = socket.gethostname().lower()
    return Hosts(tuple(sorted(own | {here, here.split(".")[0]})), entries, any_number=True)


def is_loopback(address: str) -> bool:
    """Whether a server bound to ``address`` can be reached from this computer alone."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def is_wildcard(address: str) -> bool:
    """Whether ``address`` means every network of this computer."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_unspecified
    except ValueError:
        return not address


def _entry(text: str) -> Address:
    scheme, separator, rest = text.strip().lower().rpartition("://")
    found = _parse(rest.rstrip("/"))
    if found is None or (separator and scheme not in _PORTS):
        raise BadInput(
            "SCVI_STUDIO_ALLOWED_HOSTS must be names with commas between, such as studio.example.org or "
            f"https://example.org:8443, and has {text.strip()[:80]!r}."
        )
    return Address(found.name, found.port, scheme)


def _parse(host: str) -> Address | None:
    """Name and port of a ``Host`` header; None for anything that is more or less than these."""
    if not host or len(host) > 300 or any(letter in host for letter in "/?#@\\ \t"):
        return None
    try:
        parts = urlsplit(f"//{host}")
        name, port = (parts.hostname or "").lower().rstrip("."), parts.port
    except ValueError:
        return None
    return Address(name, port) if name else None


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
