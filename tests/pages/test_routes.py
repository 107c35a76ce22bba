"""The application's own routes, over a real socket: whole files or none, and only from our own pages."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import plotly
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware

from backend import services
from backend.errors import BadFile, NoSpace, NotFound
from backend.settings import Settings
from backend.types import SourceRef
from pages.server import receive as _receive
from pages.server.access import TOKEN, SecurityHeaders
from pages.server.gate import Gate
from pages.server.routes import PLOTLY_JS_URL, download_url, routes, shared_url
from pages.server.transfers import abort_transfers

RESULTS = (
    *("model.zip", "data.h5ad", "history.csv", "spec.json", "report.html"),
    *("reproduce.py", "reproduce.ipynb", "methods.txt", "bundle.zip", "bundle-with-model.zip"),
)
SHARED = ("report.html", "history.csv", "methods.txt", "bundle.zip", "bundle-with-model.zip")


class Library:
    """Keeps what arrives, as the real one would, without looking into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.adopted: list[tuple[bytes, str, str]] = []
        self.refuse: Exception | None = None
        self.full = False
        self._made = 0

    def upload_target(self, expected_bytes: int = 0) -> Path:
        if self.full:
            raise NoSpace("The disk of the workspace has 0.1 GB left, which is too little for this file.")
        self._made += 1
        return self.folder / f".{self._made}.part"

    def adopt_upload(self, part: Path, filename: str, sha256: str, origin: str = "upload") -> SourceRef:
        if self.refuse:
            raise self.refuse
        self.adopted.append((part.read_bytes(), filename, sha256))
        part.unlink()
        return SourceRef("abc123", filename, "", len(self.adopted[-1][0]), origin, 0.0)

    def left_over(self) -> list[Path]:
        return list(self.folder.iterdir())


class Exports:
    """Files that are there already, and a gate for bundles."""

    def __init__(self, files: dict[str, Path]) -> None:
        self._files = files
        self.imported: list[bytes] = []

    def of_run(self, run_id: str, what: str) -> Path:
        return self._file(RESULTS, what)

    def together(self, ids: object, what: str) -> Path:
        return self._file(SHARED, what)

    def _file(self, names: Sequence[str], what: str) -> Path:
        if what not in names:
            raise NotFound(f"There is no {what!r} to download. Choose one of {', '.join(names)}.")
        return self._files[what]

    def chosen(self, ids: str | list[str]) -> tuple[object, list[object]]:
        if ids == "group1":
            return SimpleNamespace(name="A <b>sweep</b>"), [1, 2, 3]
        if ids == ["run1", "run2"]:
            return None, [1, 2]
        raise NotFound("There is no such run.")

    def import_bundle(self, path: Path) -> list[str]:
        data = path.read_bytes()
        if data.startswith(b"bad"):
            raise BadFile("This bundle of runs was not imported.")
        self.imported.append(data)
        return ["run1"]


class Server:
    def __init__(self, port: int, library: Library, loop: asyncio.AbstractEventLoop) -> None:
        self.port, self.library, self.loop = port, library, loop

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            path = path if path.startswith("/") else f"/{path}"  # as a page at the top reads it
            connection.request(method, path, body, {"X-Studio-Token": TOKEN, **(headers or {})})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def upload(self, body: bytes, name: str = "cells.h5ad", **headers: str) -> tuple[int, dict[str, object]]:
        status, _, answer = self.ask("POST", f"/api/upload?name={name}", body, headers)
        return status, json.loads(answer)

    def begin_upload(self, announced: int, sent: bytes) -> socket.socket:
        """Start an upload by hand and leave it hanging."""
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        head = (
            f"POST /api/upload?name=cells.h5ad HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"X-Studio-Token: {TOKEN}\r\nContent-Length: {announced}\r\n\r\n"
        )
        raw.sendall(head.encode() + sent)
        wait_until(lambda: self.library.left_over() != [])
        return raw


def answer_on(raw: socket.socket) -> str:
    with raw, http.client.HTTPResponse(raw) as response:
        response.begin()
        return response.read().decode()


def wait_until(condition) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen within ten seconds")


@pytest.fixture
def server(tmp_path) -> Iterator[Server]:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    library = Library(uploads)
    files = {what: tmp_path / what for what in (*RESULTS, "log.txt")}
    for what, path in files.items():
        path.write_bytes(what.encode() * 1000)

    def run(run_id: str) -> SimpleNamespace:
        if run_id != "run1":
            raise NotFound("This run does not exist.")
        return SimpleNamespace(run_id=run_id, group_id="g", name='My "run"\r\nX: y / π')

    services.install(
        SimpleNamespace(
            settings=Settings(workspace=tmp_path, max_upload_bytes=50_000_000),
            datasets=library,
            registry=SimpleNamespace(get=run),
            runs=SimpleNamespace(log_path=lambda run_id: files["log.txt"]),
            exports=Exports(files),
        )
    )
    application = Starlette(routes=routes(""), middleware=[Middleware(SecurityHeaders), Middleware(Gate)])
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    loop = asyncio.new_event_loop()
    web = uvicorn.Server(uvicorn.Config(application, log_level="critical", lifespan="off", ws="none"))

    def serve() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:  # ends what a test left under way
            runner.run(web.serve([listening]))

    thread = threading.Thread(target=serve)
    thread.start()
    wait_until(lambda: web.started)
    yield Server(listening.getsockname()[1], library, loop)
    web.should_exit = True
    thread.join(20)
    listening.close()
    services.install(None)


# --- in -------------------------------------------------------------------------------------------


def test_an_upload_arrives_byte_for_byte_with_its_hash(server):
    body = bytes(range(256)) * 40_000  # larger than one block
    status, answer = server.upload(body)
    assert (status, answer) == (200, {"source_id": "abc123", "name": "cells.h5ad", "size": len(body)})
    assert server.library.adopted == [(body, "cells.h5ad", hashlib.sha256(body).hexdigest())]
    assert server.library.left_over() == []


def test_uploads_at_the_same_time_do_not_mix(server):
    bodies = [bytes([n]) * 6_000_000 for n in range(4)]
    threads = [threading.Thread(target=server.upload, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(kept for kept, _, _ in server.library.adopted) == bodies


@pytest.mark.parametrize(
    ("name", "kept"),
    [("..%2F..%2Fetc%2Fx.h5ad", "x.h5ad"), ("C:%5Ca%5Cb.H5", "b.H5"), ("a%00%0Ab.h5ad", "ab.h5ad")],
)
def test_the_name_is_only_a_name(server, name, kept):
    assert server.upload(b"x", name)[0] == 200
    assert server.library.adopted[0][1] == kept


@pytest.mark.parametrize(
    "headers", [{"X-Studio-Token": "guess"}, {"X-Studio-Token": ""}, {"X-Studio-Token": "é"}]
)
def test_without_the_token_nothing_is_taken(server, headers):
    status, answer = server.upload(b"x", **headers)
    assert status == 403
    assert "Reload the page" in str(answer["error"])
    assert server.library.adopted == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
    ],
)
def test_other_sites_are_refused_even_with_the_token(server, headers):
    assert server.upload(b"x", **headers)[0] == 403
    assert server.library.adopted == []


def test_our_own_page_may_upload(server):
    assert server.upload(b"x", Origin=f"http://127.0.0.1:{server.port}")[0] == 200


def test_too_large_is_said_before_and_while_it_arrives(server):
    status, answer = server.ask("GET", "/api/upload?name=a.h5ad&size=50000001")[::2]
    assert status == 413
    assert "larger than" in json.loads(answer)["error"]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    piece = b"x" * 1_000_000
    connection.request(  # no length is announced
        "POST", "/api/upload?name=a.h5ad", iter([piece] * 51), {"X-Studio-Token": TOKEN}, encode_chunked=True
    )
    assert connection.getresponse().status == 413
    connection.close()
    assert server.library.left_over() == []


def test_what_would_be_accepted_is_answered_beforehand(server):
    assert server.ask("GET", "/api/upload?name=a.h5ad&size=10")[0] == 200
    assert server.ask("GET", "/api/upload?name=a.csv&size=10")[0] == 400
    server.library.full = True
    status, _, answer = server.ask("GET", "/api/upload?name=a.h5ad&size=10")
    assert status == 507
    assert "too little" in json.loads(answer)["error"]


def test_a_broken_connection_leaves_nothing_behind(server):
    server.begin_upload(announced=10_000_000, sent=b"x" * 1000).close()
    wait_until(lambda: server.library.left_over() == [])
    assert server.library.adopted == []
    assert server.upload(b"x")[0] == 200


def test_a_silent_connection_is_given_up(server, monkeypatch):
    monkeypatch.setitem(_receive.receive_to_file.__kwdefaults__, "silence", 0.1)
    raw = server.begin_upload(announced=10_000_000, sent=b"x" * 1000)
    assert "given up" in answer_on(raw)
    assert server.library.left_over() == []


def test_a_full_disk_is_said_in_a_sentence_and_nothing_stays(server, monkeypatch):
    def no_room(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_receive, "_write", no_room)
    status, answer = server.upload(b"x" * 100)
    assert status == 507
    assert "no room for this upload" in str(answer["error"])
    assert server.library.left_over() == []


def test_a_file_that_is_no_data_set_is_refused_with_its_sentence(server):
    server.library.refuse = BadFile("This is not an h5ad file.")
    assert server.upload(b"nonsense") == (400, {"error": "This is not an h5ad file."})
    assert server.library.left_over() == []


def test_an_empty_file_and_an_unexpected_error_get_sentences(server, caplog):
    assert "is empty" in str(server.upload(b"")[1]["error"])
    server.library.refuse = RuntimeError("secret detail")
    status, answer = server.upload(b"x")
    assert status == 500
    assert "secret" not in str(answer["error"])
    assert "secret detail" in caplog.text


def test_a_server_told_to_stop_ends_running_uploads(server):
    raw = server.begin_upload(announced=10_000_000, sent=b"x" * 1000)
    server.loop.call_soon_threadsafe(abort_transfers)
    assert "stopped" in answer_on(raw)
    assert server.library.left_over() == []


# --- out ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", [*RESULTS, "log.txt"])
def test_a_result_is_downloaded_whole_and_uncompressed(server, what):
    status, headers, body = server.ask("GET", download_url("run1", what), headers={"X-Studio-Token": ""})
    assert (status, body) == (200, what.encode() * 1000)
    assert headers["Content-Length"] == str(len(body))
    assert headers["Content-Disposition"] == f'attachment; filename="My-run-X-y-{what}"'
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_download_can_be_continued(server):
    status, _, body = server.ask("GET", download_url("run1", "model.zip"), headers={"Range": "bytes=2-5"})
    assert (status, body) == (206, b"del.")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/download/run1/model.zip?token=guess", 403),
        ("/api/download/run1/model.zip", 403),
        ("/api/download/run1/..%2f..%2fapp.py?token=TOKEN", 404),
        ("/api/download/run1/model.pt?token=TOKEN", 404),
        ("/api/download/nobody/model.zip?token=TOKEN", 404),
    ],
)
def test_what_may_not_be_downloaded(server, path, status):
    path = path.replace("token=TOKEN", f"token={TOKEN}")  # drawn anew by each process: not for a test's name
    assert server.ask("GET", path, headers={"X-Studio-Token": ""})[0] == status


def test_plotly_comes_from_the_installed_package_and_is_kept(server):
    status, headers, body = server.ask("GET", PLOTLY_JS_URL)
    assert status == 200
    assert "immutable" in headers["Cache-Control"]
    assert body == (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_bytes()
    assert server.ask("GET", "/api/assets/plotly-0.0.1.min.js")[0] == 404


def test_headers_forbid_framing_and_guessing(server):
    headers = server.ask("GET", PLOTLY_JS_URL)[1]
    assert "frame-ancestors 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


# --- several runs, and runs from elsewhere --------------------------------------------------------


@pytest.mark.parametrize(("ids", "name"), [("group1", "A-b-sweep-b"), ("run1,run2", "2-runs")])
@pytest.mark.parametrize("what", SHARED)
def test_what_several_runs_leave_is_downloaded(server, ids, name, what):
    status, headers, body = server.ask("GET", shared_url(ids, what), headers={"X-Studio-Token": ""})
    assert status == 200
    assert body
    assert headers["Content-Disposition"] == f'attachment; filename="{name}-{what}"'


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/together/group1/report.html", 403),
        ("/api/together/nobody/report.html?token=TOKEN", 404),
        ("/api/together/group1/model.zip?token=TOKEN", 404),
    ],
)
def test_what_several_runs_do_not_leave(server, path, status):
    path = path.replace("token=TOKEN", f"token={TOKEN}")  # drawn anew by each process: not for a test's name
    assert server.ask("GET", path, headers={"X-Studio-Token": ""})[0] == status


def test_a_bundle_is_handed_on_and_nothing_of_it_stays(server):
    status, _, answer = server.ask("POST", "/api/import?name=..%2Fx.zip", b"good" * 10)
    assert (status, json.loads(answer)) == (200, {"run_ids": ["run1"], "group_id": "g"})
    assert services.current().exports.imported == [b"good" * 10]
    assert server.library.left_over() == []


def test_a_bundle_that_is_refused_says_why(server):
    status, _, answer = server.ask("POST", "/api/import", b"bad")
    assert (status, json.loads(answer)["error"]) == (400, "This bundle of runs was not imported.")
    assert server.library.left_over() == []
    status, _, answer = server.ask("POST", "/api/import", b"x" * 50_000_001)
    assert status == 413
    assert "without the model" in json.loads(answer)["error"]


def test_a_bundle_comes_from_our_own_pages_only(server):
    foreign = {"Origin": "http://elsewhere.example"}
    assert server.ask("POST", "/api/import", b"good", foreign)[0] == 403
    assert server.ask("POST", "/api/import", b"good", {"X-Studio-Token": "guess"})[0] == 403
    assert services.current().exports.imported == []
