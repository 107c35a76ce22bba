"""Fetching a file from the public internet to disk: streamed, cancelable, safe against links that point
inside.

    arrived = Download(limit=settings.max_upload_bytes).fetch(url, part_path, on_progress, cancel)

Every address, also of every redirect, is checked and then connected to directly, so that a name cannot
change its meaning between the check and the connection. A broken connection is taken up where it broke,
where the server can. It refuses web pages, files over the limit, and http links that an https link
redirects to.
"""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urljoin, urlsplit

from ..errors import BadFile, BadInput, NotAllowed, Offline
from ..jobs import JobCanceled, OnProgress
from ..settings import Network
from ..storage import SPARE, is_full, need_space, no_space
from ..words import file_size
from ._addresses import NO_NETWORK, Connection, Link, Resolve, check_link, public_addresses, resolve
from ._addresses import connect as connect_straight
from ._proxy import proxy_for, tunnel

# A digest of ``hashlib`` has no public type: ``Any``.

_BLOCK = 1 << 20
_REDIRECTS = 5
_ATTEMPTS = 5  # in a row without a single new byte
_FIRST_ATTEMPTS = 2  # where nothing arrived at all, waiting longer rarely helps
_PAUSE = 1.0  # seconds before the second attempt, doubled each time
_BROKEN = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file that was fetched completely."""

    name: str
    size: int
    sha256: str


@dataclass
class _State:
    """How far one download is."""

    path: Path
    digest: Any = field(default_factory=hashlib.sha256)
    done: int = 0
    total: int | None = None
    validator: str | None = None  # a strong ETag: the rest can be asked for
    name: str = ""


class Download:
    """Fetches files. ``resolve`` and ``connect`` are the two places that touch the network."""

    def __init__(
        self,
        *,
        limit: int,
        network: Network = NO_NETWORK,
        resolve: Resolve = resolve,
        connect: Connection | None = None,
        pause: float = _PAUSE,
    ) -> None:
        self._limit = limit
        self._network = network
        self._resolve = resolve
        self._connect = connect or partial(connect_straight, network=network)
        self._pause = pause

    def fetch(self, url: str, path: Path, on_progress: OnProgress, cancel: threading.Event) -> Arrived:
        """Stream ``url`` into ``path``; the file is removed when that does not succeed.

        Raises
        ------
        BadInput, NotAllowed, BadFile
            The link cannot or must not be fetched, or leads to something that is not a file.
        Offline
            The server did not deliver.
        NoSpace
            The disk is full.
        JobCanceled
            ``cancel`` was set.
        """
        state = _State(path)
        try:
            self._attempts(url, state, on_progress, cancel)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Arrived(state.name, state.done, state.digest.hexdigest())

    def _attempts(self, url: str, state: _State, on_progress: OnProgress, cancel: threading.Event) -> None:
        failures = 0
        while True:
            before = state.done
            try:
                self._once(url, state, on_progress, cancel)
                return
            except ssl.SSLCertVerificationError as error:
                raise Offline(
                    f"The identity of the server could not be verified ({error.verify_message}). "
                    "Nothing was downloaded."
                ) from error
            except _BROKEN as error:
                if cancel.is_set():
                    raise JobCanceled from None
                if is_full(error):
                    missing = state.total and state.total - state.done
                    raise no_space("the download", state.path.parent, missing) from error
                failures = failures + 1 if state.done == before else 1
                if failures >= (_ATTEMPTS if state.done else _FIRST_ATTEMPTS):
                    raise Offline(
                        f"The server did not deliver {state.name or 'the file'} "
                        f"({error or type(error).__name__}). Check the internet connection and try again."
                    ) from error
                on_progress(_share(state), "the connection broke; trying again")
                if cancel.wait(self._pause * 2 ** (failures - 1)):
                    raise JobCanceled from None

    def _once(self, url: str, state: _State, on_progress: OnProgress, cancel: threading.Event) -> None:
        on_progress(_share(state), "connecting")
        with self._open(url, state, cancel) as response, state.path.open("ab") as file:
            if state.done and not _continues(response, state.done):  # the whole file again: start over
                file.truncate(0)
                state.done, state.digest = 0, hashlib.sha256()
            self._read_headers(response, state)
            self._stream(response, file, state, on_progress, cancel)

    @contextmanager
    def _open(self, url: str, state: _State, cancel: threading.Event) -> Iterator[http.client.HTTPResponse]:
        """The response to ``url`` after all redirects."""
        for _ in range(_REDIRECTS + 1):
            link = check_link(url)
            connection = self._connected(link)
            ended = threading.Event()
            # the socket itself: the connection gives it away to the response
            threading.Thread(target=_break_off, args=(connection.sock, cancel, ended), daemon=True).start()
            try:
                connection.request("GET", link.target, headers=_headers(link, state))
                response = connection.getresponse()
                state.name = state.name or _name(response, link)
                where = response.headers.get("Location")
                if response.status not in (301, 302, 303, 307, 308) or not where:
                    _refuse_bad_status(response, link)
                    yield response
                    return
                target = urljoin(url, where.strip().replace(" ", "%20"))
                if link.scheme == "https" and urlsplit(target).scheme == "http":
                    raise NotAllowed(
                        "This https link redirects to an unprotected http address, and is not followed."
                    )
                url = target
                state.name = ""
            finally:
                ended.set()
                connection.close()
        raise Offline("This link redirects too many times. Look for a direct download link.")

    def _connected(self, link: Link) -> http.client.HTTPConnection:
        if proxy := proxy_for(link, self._network):
            try:
                addresses = public_addresses(link, self._resolve)
            except Offline:  # names of the world outside are often known to the proxy alone
                addresses = []
            return tunnel(proxy, link, addresses, self._network)
        error: OSError | None = None
        for address in public_addresses(link, self._resolve):
            try:
                return self._connect(link, address)
            except OSError as failure:
                error = failure
        assert error is not None
        raise error

    def _read_headers(self, response: http.client.HTTPResponse, state: _State) -> None:
        kind = response.headers.get_content_type() if response.headers.get("Content-Type") else ""
        if kind in ("text/html", "application/xhtml+xml"):
            raise BadFile(
                "This link leads to a web page, not to a file. On that page, look for the download button, "
                "copy the link behind it, and paste that."
            )
        length = response.headers.get("Content-Length", "")
        state.total = state.done + int(length) if length.isdigit() else None
        tag = response.headers.get("ETag", "")
        state.validator = tag if tag.startswith('"') else None
        if state.total is None:
            return
        if state.total > self._limit:
            raise self._too_big(state.total)
        need_space(state.path.parent, state.total - state.done, "this file", spare=SPARE)

    def _stream(
        self,
        response: http.client.HTTPResponse,
        file: BinaryIO,
        state: _State,
        on_progress: OnProgress,
        cancel: threading.Event,
    ) -> None:
        while block := response.read(_BLOCK):
            if cancel.is_set():
                raise JobCanceled
            if state.done + len(block) > self._limit:
                raise self._too_big(None)
            file.write(block)
            state.digest.update(block)
            state.done += len(block)
            on_progress(_share(state), _phase(state))
        file.flush()
        if cancel.is_set():
            raise JobCanceled
        if state.total is not None and state.done < state.total:
            raise ConnectionError("the connection ended early")
        if state.done == 0:
            raise BadFile("The file behind this link is empty.")

    def _too_big(self, size: int | None) -> BadInput:
        what = f"has {file_size(size)}, which is" if size else "is"
        return BadInput(
            f"This file {what} more than the limit of {file_size(self._limit)}. "
            "Raise it with SCVI_STUDIO_MAX_UPLOAD_GB, or put the file into an allowed folder."
        )


def _headers(link: Link, state: _State) -> dict[str, str]:
    headers = {
        "Host": link.host_header,
        "User-Agent": "scvi-studio",
        "Accept": "*/*",
        "Accept-Encoding": "identity",  # the size must be that of the file
        "Connection": "close",
    }
    if state.done and state.validator:
        headers |= {"Range": f"bytes={state.done}-", "If-Range": state.validator}
    return headers


def _continues(response: http.client.HTTPResponse, done: int) -> bool:
    return response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {done}-")


def _refuse_bad_status(response: http.client.HTTPResponse, link: Link) -> None:
    status = response.status
    if status in (200, 206):
        return
    if status >= 500 or status in (408, 425, 429):
        raise ConnectionError(f"the server answered {status} {response.reason}")
    if status in (401, 403):
        raise BadInput(
            f"The server {link.host} does not give this file to everybody ({status}). The link may have "
            f"expired, or "
            "needs a login: download the file in your browser and upload it here."
        )
    raise BadInput(
        f"The server {link.host} has no file at this link ({status} {response.reason}). Check the link."
    )


def _break_off(connected: socket.socket, cancel: threading.Event, ended: threading.Event) -> None:
    """Wake a read that waits for a silent server as soon as the download is canceled."""
    while not ended.wait(0.2):
        if cancel.is_set():
            with suppress(OSError):
                socket.socket.shutdown(
                    connected, socket.SHUT_RDWR
                )  # not TLS's own, which would wait for an answer
            return


def _name(response: http.client.HTTPResponse, link: Link) -> str:
    return (
        response.headers.get_filename() or unquote(link.target.split("?")[0]).rsplit("/", 1)[-1] or link.host
    )


def _share(state: _State) -> float | None:
    return state.done / state.total if state.total else None


def _phase(state: _State) -> str:
    done = file_size(state.done)
    return f"{done} of {file_size(state.total)}" if state.total else done
