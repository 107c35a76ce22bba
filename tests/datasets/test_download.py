"""Fetching by link: only public addresses, streamed, cancelable, taken up again, never half a file left."""

from __future__ import annotations

import errno
import hashlib
import http.client
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from backend.datasets import _addresses, _download
from backend.datasets._addresses import Link, check_link, connect, is_public, public_addresses
from backend.datasets._download import Arrived, Download
from backend.errors import BadFile, BadInput, NoSpace, NotAllowed, Offline
from backend.jobs import JobCanceled

BODY = bytes(range(256)) * 20_000  # 5 MB
PUBLIC = "93.184.216.34"
Answer = Callable[[BaseHTTPRequestHandler], None]


class Site:
    """A web server on this machine that the download believes to be public."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.seen: list[dict[str, str]] = []
        self.connected: list[tuple[str, str]] = []
        self.names: dict[str, list[str]] = {}
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.seen.append(
                    {"path": self.path, **{key.lower(): value for key, value in self.headers.items()}}
                )
                site.answers[self.path.split("?")[0]](self)

            def log_message(self, *args: Any) -> None:
                pass

        self.server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a download that hangs up is what many tests are about
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def connect(self, link: Link, address: str) -> http.client.HTTPConnection:
        self.connected.append((link.host, address))
        local = Link("http", link.host, self.server.server_address[1], link.target)
        return connect(local, "127.0.0.1")

    def resolve(self, host: str, port: int) -> list[str]:
        return self.names.get(host, [PUBLIC])

    def download(self, limit: int = 1 << 30) -> Download:
        return Download(limit=limit, resolve=self.resolve, connect=self.connect, pause=0.001)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


def send(body: bytes = BODY, status: int = 200, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(key.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def redirect(where: str) -> Answer:
    return send(b"", 302, Location=where)


def fetch(site: Site, url: str, path: Path, cancel: threading.Event | None = None, **limits: int) -> Arrived:
    return site.download(**limits).fetch(url, path, lambda share, phase: None, cancel or threading.Event())


# --- which links and addresses ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "", "file:///etc/passwd", "ftp://example.org/a", "example.org/a.h5ad", "https://", "https:///a",
        "https://user:secret@example.org/a", "http://exa mple.org/", "http://example.org/\r\nHost: x",
        "https://example.org:99999/", "http://[::1", "https://[fe80::1%25eth0]/a",
    ],
)  # fmt: skip
def test_what_is_no_plain_web_link_is_refused(url: str) -> None:
    with pytest.raises(BadInput):
        check_link(url)


def test_a_link_is_taken_apart() -> None:
    link = check_link("  HTTPS://Exämple.org:8443/a b.h5ad?x=1#part".replace(" b", "%20b"))
    assert link == Link("https", "xn--exmple-cua.org", 8443, "/a%20b.h5ad?x=1")
    assert link.host_header == "xn--exmple-cua.org:8443"
    assert check_link("http://[2606:4700::1]").host_header == "[2606:4700::1]"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "192.88.99.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1",
        "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "2002:7f00:1::1",
        "2002:c0a8:101::1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "nonsense", "",
        "::ffff:192.88.99.1", "64:ff9b::c058:6301", "2002:c058:6301::1", "2002:808:808::1",
        "2001:0:808:808::1", "64:ff9b:1::808:808", "::ffff:0:10.0.0.1", "::ffff:0:8.8.8.8", "3fff::1", "5f00::1",
        "192.0.0.8", "100::1",
    ],
)  # fmt: skip
def test_addresses_inside_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", [PUBLIC, "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_outside_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "localhost", "[::1]", "[::ffff:7f00:1]"]
)
def test_this_machine_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises((NotAllowed, Offline)):
        public_addresses(check_link(f"http://{host}/a.h5ad"))


def test_one_private_address_among_public_ones_is_refused() -> None:
    with pytest.raises(NotAllowed, match="not a public"):
        public_addresses(check_link("http://example.org/"), lambda host, port: [PUBLIC, "10.0.0.1"])


def test_a_name_that_does_not_resolve_reads_as_offline() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    with pytest.raises(Offline, match="could not be found"):
        public_addresses(check_link("http://example.org/"), resolve)


# --- fetching ---------------------------------------------------------------------------------------


def test_a_file_arrives_whole_with_its_name_and_hash(site: Site, tmp_path: Path) -> None:
    site.answers["/data/my%20cells.h5ad"] = send()
    shares = []
    arrived = site.download().fetch(
        "http://example.org/data/my%20cells.h5ad?sig=1",
        tmp_path / "part",
        lambda share, phase: shares.append(share),
        threading.Event(),
    )
    assert (tmp_path / "part").read_bytes() == BODY
    assert arrived == Arrived("my cells.h5ad", len(BODY), hashlib.sha256(BODY).hexdigest())
    assert shares[-1] == 1.0
    assert site.seen[0]["host"] == "example.org"
    assert site.seen[0]["path"].endswith("?sig=1")


def test_the_connection_goes_to_the_address_that_was_checked(site: Site, tmp_path: Path) -> None:
    asked = []

    def changing(host: str, port: int) -> list[str]:
        asked.append(host)
        return [PUBLIC] if len(asked) == 1 else ["127.0.0.1"]

    site.answers["/a.h5ad"] = send()
    download = Download(limit=1 << 30, resolve=changing, connect=site.connect)
    download.fetch("http://rebind.org/a.h5ad", tmp_path / "part", lambda *_: None, threading.Event())
    assert asked == ["rebind.org"]
    assert site.connected == [("rebind.org", PUBLIC)]


def test_a_connection_never_falls_back_to_resolving_the_name(site: Site) -> None:
    connection = site.connect(check_link("http://example.org/"), PUBLIC)
    connection.close()
    with pytest.raises(http.client.NotConnected):
        connection.request("GET", "/")


def test_redirects_are_followed_and_the_last_name_counts(site: Site, tmp_path: Path) -> None:
    site.answers |= {"/1": redirect("/2"), "/2": redirect("http://cdn.org/real.h5ad"), "/real.h5ad": send()}
    assert fetch(site, "http://example.org/1", tmp_path / "part").name == "real.h5ad"
    assert [host for host, _ in site.connected] == ["example.org", "example.org", "cdn.org"]


@pytest.mark.parametrize("where", ["http://inside.org/a", "http://127.0.0.1/a", "http://[::ffff:a00:1]/a"])
def test_a_redirect_inside_is_refused_before_connecting(site: Site, tmp_path: Path, where: str) -> None:
    site.names = {
        "inside.org": ["192.168.0.5"],
        "127.0.0.1": ["127.0.0.1"],
        "::ffff:a00:1": ["::ffff:10.0.0.1"],
    }
    site.answers["/a"] = redirect(where)
    with pytest.raises(NotAllowed):
        fetch(site, "http://example.org/a", tmp_path / "part")
    assert len(site.connected) == 1


def test_a_redirect_to_another_kind_of_link_is_refused(site: Site, tmp_path: Path) -> None:
    site.answers["/a"] = redirect("file:///etc/passwd")
    with pytest.raises(BadInput):
        fetch(site, "http://example.org/a", tmp_path / "part")


def test_https_does_not_follow_to_http(site: Site, tmp_path: Path) -> None:
    site.answers["/a"] = redirect("http://example.org/b")
    with pytest.raises(NotAllowed, match="unprotected"):
        fetch(site, "https://example.org/a", tmp_path / "part")


def test_endless_redirects_end(site: Site, tmp_path: Path) -> None:
    site.answers["/a"] = redirect("/a")
    with pytest.raises(Offline, match="too many times"):
        fetch(site, "http://example.org/a", tmp_path / "part")


@pytest.mark.parametrize("told", [True, False])
def test_a_file_over_the_limit_is_refused_and_removed(site: Site, tmp_path: Path, told: bool) -> None:
    def without_length(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(BODY)

    site.answers["/a"] = send() if told else without_length
    with pytest.raises(BadInput, match="limit"):
        fetch(site, "http://example.org/a", tmp_path / "part", limit=1 << 20)
    assert not (tmp_path / "part").exists()


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [(404, BadInput, "no file"), (403, BadInput, "upload it"), (500, Offline, "did not deliver")],
)
def test_error_pages_become_sentences(
    site: Site, tmp_path: Path, status: int, kind: type[Exception], says: str
) -> None:
    site.answers["/a"] = send(b"", status)
    with pytest.raises(kind, match=says):
        fetch(site, "http://example.org/a", tmp_path / "part")


def test_a_web_page_is_not_taken_for_a_file(site: Site, tmp_path: Path) -> None:
    site.answers["/a"] = send(b"<html>", Content_Type="text/html; charset=utf-8")
    with pytest.raises(BadFile, match="web page"):
        fetch(site, "http://example.org/a", tmp_path / "part")


def test_a_full_disk_is_said_and_the_partial_file_removed(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.answers["/a"] = send()
    monkeypatch.setattr(_download.Download, "_stream", full_disk)
    with pytest.raises(NoSpace, match="disk is full: there is no room for the download"):
        fetch(site, "http://example.org/a", tmp_path / "part")
    assert not (tmp_path / "part").exists()


def full_disk(self: Download, response: Any, file: Any, *rest: Any) -> None:
    file.write(response.read(100))
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_that_cannot_fit_is_refused_before_it_is_fetched(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.answers["/a"] = send()
    monkeypatch.setattr(_download, "SPARE", 1 << 60)
    with pytest.raises(NoSpace, match="GB left"):
        fetch(site, "http://example.org/a", tmp_path / "part")


def broken_after(part: int, **headers: str) -> Answer:
    """Sends a piece and hangs up; asked for the rest, gives it where it promised to."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        start = handler.headers.get("Range")
        if start:
            first = int(start.removeprefix("bytes=").removesuffix("-"))
            body = BODY[first:]
            send(body, 206, Content_Range=f"bytes {first}-{len(BODY) - 1}/{len(BODY)}", **headers)(handler)
            return
        handler.send_response(200)
        for key, value in {"Content-Length": str(len(BODY)), **headers}.items():
            handler.send_header(key, value)
        handler.end_headers()
        handler.wfile.write(BODY[:part])

    return answer


def test_a_broken_download_is_taken_up_where_it_broke(site: Site, tmp_path: Path) -> None:
    site.answers["/a"] = broken_after(3_000_000, ETag='"v1"')
    arrived = fetch(site, "http://example.org/a", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == BODY
    assert arrived.sha256 == hashlib.sha256(BODY).hexdigest()
    assert site.seen[1]["range"] == "bytes=3000000-"
    assert site.seen[1]["if-range"] == '"v1"'


def test_without_a_way_to_take_it_up_it_starts_over(site: Site, tmp_path: Path) -> None:
    answers = iter([broken_after(3_000_000), send()])
    site.answers["/a"] = lambda handler: next(answers)(handler)
    arrived = fetch(site, "http://example.org/a", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == BODY
    assert arrived.sha256 == hashlib.sha256(BODY).hexdigest()


def test_a_server_that_always_breaks_off_reads_as_offline(site: Site, tmp_path: Path) -> None:
    site.answers["/a"] = broken_after(0)
    with pytest.raises(Offline, match="did not deliver"):
        fetch(site, "http://example.org/a", tmp_path / "part")
    assert not (tmp_path / "part").exists()


def test_cancel_ends_a_download_from_a_silent_server(site: Site, tmp_path: Path) -> None:
    cancel, waiting, over = threading.Event(), threading.Event(), threading.Event()

    def silent(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(BODY)))
        handler.end_headers()
        handler.wfile.write(BODY[:1000])
        waiting.set()
        over.wait(20)

    site.answers["/a"] = silent
    threading.Thread(target=lambda: waiting.wait(20) and cancel.set(), daemon=True).start()
    with pytest.raises(JobCanceled):
        fetch(site, "http://example.org/a", tmp_path / "part", cancel)
    over.set()
    assert not (tmp_path / "part").exists()


def test_the_system_resolver_finds_this_machine() -> None:
    assert "127.0.0.1" in _addresses.resolve("127.0.0.1", 80)
