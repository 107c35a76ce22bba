"""The server as a process: how it starts, says it cannot, stops, and keeps tracebacks out of sight."""

from __future__ import annotations

import http.client
import logging
import re
import resource
import socket
import time
import tomllib
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.server.log import show_script_error, write_server_log
from tests.browser.server import Server
from tests.chaos.visitor import healthy, visiting

PROJECT = Path(__file__).parents[2]
FILES, LOADS = 96, 28


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("app") / "workspace").start()
    yield started
    started.stop()


def test_the_console_is_calm_and_gives_the_address(server: Server) -> None:
    assert f"ready at {server.url}" in server.log
    assert len(server.log.strip().splitlines()) <= 4
    assert "Traceback" not in server.log
    assert (server.workspace / "server.log").stat().st_size > 0


@pytest.mark.parametrize("path", ["/", "/data", "/train", "/_stcore/health"])
def test_every_answer_carries_the_security_headers(server: Server, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    connection.close()


def test_a_second_server_on_the_same_workspace_gives_up_with_one_line(server: Server) -> None:
    second = Server(server.workspace)
    second.log_path = server.workspace.with_name("second.log")
    second.spawn()
    assert second.wait_ended() != 0
    assert "scVI Studio cannot start. Another scVI Studio server" in second.log
    assert f"process {server.pid}" in second.log
    assert "Traceback" not in second.log
    with visiting(server.port) as visitor:  # and the first goes on
        assert visitor.open("")[1] == []


def test_a_wrong_setting_is_a_line_not_a_traceback(tmp_path: Path) -> None:
    wrong = Server(tmp_path / "workspace", environment={"SCVI_STUDIO_MAX_UPLOAD_GB": "many"})
    wrong.spawn()
    assert wrong.wait_ended() != 0
    assert "SCVI_STUDIO_MAX_UPLOAD_GB must be a number" in wrong.log
    assert "Traceback" not in wrong.log


def test_the_server_stops_on_request_while_a_browser_holds_its_connection(tmp_path: Path) -> None:
    server = Server(tmp_path / "workspace").start()
    with socket.create_connection(("127.0.0.1", server.port)) as open_socket:
        open_socket.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
        open_socket.recv(100)
        before = time.monotonic()
        assert server.stop() in (0, -15)
        assert time.monotonic() - before < 15
    assert "The server stopped" in (server.workspace / "server.log").read_text()
    assert "Traceback" not in server.log


def test_many_page_loads_where_a_terminal_begins_with_few_open_files(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))  # as macOS does with 256; inherited
    started = Server(tmp_path / "workspace")
    try:
        started.spawn()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        started.wait_healthy()
        with ExitStack() as tabs:  # open at the same time, three files and more each
            for _ in range(LOADS):
                assert tabs.enter_context(visiting(started.port)).open("device")[1] == []
        assert healthy(started.port)
        assert "Too many open files" not in (started.workspace / "server.log").read_text()
    finally:
        started.stop()


# --- errors on pages ------------------------------------------------------------------------------


def _fails(kind: str) -> None:
    import streamlit as st

    from backend.errors import NoSpace
    from pages.server.log import show_script_error

    error = NoSpace("The disk is *full*.") if kind == "ours" else KeyError("secret detail")
    st.session_state["told"] = show_script_error(error)


def test_our_errors_are_shown_as_their_sentence() -> None:
    app = AppTest.from_function(_fails, args=("ours",)).run()
    assert app.error[0].value == r"The disk is \*full\*\."
    assert app.session_state["told"] is True


def test_other_errors_are_one_calm_sentence_without_details() -> None:
    app = AppTest.from_function(_fails, args=("other",)).run()
    assert "Your data and runs are safe" in app.error[0].value
    assert "secret" not in app.error[0].value


@pytest.mark.usefixtures("quiet_root")
def test_the_traceback_of_a_page_is_in_the_log_and_one_line_on_the_console(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamlit.logger._loggers", {})
    path = write_server_log(tmp_path)
    try:
        {}["secret detail"]
    except KeyError as error:
        show_script_error(error)
    shown = [line for line in capsys.readouterr().err.splitlines() if "ScriptRunContext" not in line]
    assert shown == ["Error: A page failed with KeyError (details in server.log)"]
    written = path.read_text()
    assert written.count("Traceback (most recent call last)") == 1
    assert "secret detail" in written
    # Streamlit would print its own in colours, past every logger
    assert (
        tomllib.loads((PROJECT / ".streamlit" / "config.toml").read_text())["logger"]["enableRich"] is False
    )


# --- the log --------------------------------------------------------------------------------------


@pytest.fixture
def quiet_root() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for handler in root.handlers[:]:
        if handler not in before:
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)
    logging.captureWarnings(False)
    for name in ("uvicorn.access", "streamlit.error_util"):
        logging.getLogger(name).disabled = False


@pytest.mark.usefixtures("quiet_root")
def test_tracebacks_go_to_the_file_and_one_line_to_the_console(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamlit.logger._loggers", {})
    path = write_server_log(tmp_path)
    write_server_log(tmp_path)
    try:
        raise ValueError("inner detail")
    except ValueError:
        logging.getLogger("backend.test").exception("Something broke")
    logging.getLogger("backend.test").info("only for the file")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("advice to programmers", FutureWarning, stacklevel=1)
    shown = capsys.readouterr().err
    assert re.findall("Something broke", shown) == ["Something broke"]
    assert "inner detail" not in shown
    assert "only for the file" not in shown
    assert "advice to programmers" not in shown
    assert "advice to programmers" in path.read_text()
    assert "inner detail" in path.read_text()
    assert "only for the file" in path.read_text()
