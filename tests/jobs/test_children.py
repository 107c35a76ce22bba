"""A child takes a request of any size, says what it does, and ends by itself, when asked or when it is left."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from backend.errors import BadFile, NoSpace, OutOfMemory, StudioError
from backend.jobs import Child, JobCanceled, Reporter, error_from, part, run_child
from backend.settings import PROJECT
from backend.types import Problem
from tests.jobs.conftest import SOON

WORKER = "tests.jobs.small_worker"


def said(folder: Path, canceled: threading.Event | None = None, **request: Any) -> list[Any]:
    with Child(WORKER, {"text": "", **request}, folder / "log.txt") as child:
        return [*child.messages(canceled or threading.Event())]


def test_a_request_larger_than_a_pipe_holds_arrives(tmp_path: Path) -> None:
    progress = {"progress": 0.5, "phase": "1000000"}
    assert said(tmp_path, text="x" * 1_000_000) == [progress, {"result": {"length": 1_000_000}}]


def test_what_libraries_print_is_the_log_and_no_message(tmp_path: Path) -> None:
    said(tmp_path)
    assert "a library's chatter" in (tmp_path / "log.txt").read_text()


def test_what_the_child_finds_wrong_is_the_same_error_here(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="no cells"):
        said(tmp_path, wrong="It has no cells.")


@pytest.mark.parametrize(("how", "kind"), [("full", NoSpace), ("large", OutOfMemory)])
def test_a_full_disk_and_too_little_memory_are_said(
    tmp_path: Path, how: str, kind: type[StudioError]
) -> None:
    with pytest.raises(kind):
        said(tmp_path, **{how: True})


def test_a_canceled_child_is_gone(tmp_path: Path) -> None:
    canceled = threading.Event()
    with Child(WORKER, {"text": "", "sleep": 600}, tmp_path / "log.txt") as child:
        for _ in child.messages(canceled):
            canceled.set()
    assert child.exit_code() != 0


def test_a_child_that_ends_at_once_leaves_its_last_words(tmp_path: Path) -> None:
    with Child("no.such.module", {"text": "x" * 1_000_000}, tmp_path / "log.txt") as child:
        assert [*child.messages(threading.Event())] == []
        assert "No module named" in child.last_words()


def test_a_new_phase_is_said_at_once_and_the_rest_ten_times_a_second() -> None:
    messages: list[dict[str, Any]] = []
    tell = Reporter(messages.append)
    for fraction in (0.1, 0.2, 0.3):
        tell(fraction, "reading")
    tell(0.4, "writing")
    assert messages == [
        {"progress": 0.1, "phase": "reading"},
        {"progress": 0.4, "phase": "writing"},
    ]


def test_errors_keep_their_kind_on_the_way() -> None:
    assert type(error_from(BadFile("x").as_problem())) is BadFile
    assert type(error_from(Problem("never heard of", "error", "x"))) is StudioError


def test_a_part_of_the_work_moves_within_its_share() -> None:
    seen: list[float | None] = []
    whole = lambda share, phase: seen.append(share)  # noqa: E731
    part(whole, 0.0, 0.5)(None, "of unknown length")
    for share in (0.0, 0.5, 2.0):
        part(whole, 0.5, 1.0)(share, "")
    part(whole, 0.5, 1.0)(None, "")
    assert seen == [None, 0.5, 0.75, 1.0, 0.5]


# --- the child of a job: run_child


def in_child(
    folder: Path, request: dict[str, object], cancel: threading.Event | None = None
) -> dict[str, object]:
    log = folder / "job.log"
    return run_child(WORKER, request, log, lambda share, phase: None, cancel or threading.Event())


def test_the_child_gives_back_what_it_made(tmp_path: Path) -> None:
    made = in_child(tmp_path, {"text": "cells", "out": str(tmp_path / "a.txt")})
    assert made["length"] == 5
    assert (tmp_path / "a.txt").read_text() == "cells"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "job.log"]


def test_a_refusal_in_the_child_is_the_same_refusal_here(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="number of cells must be between"):
        in_child(tmp_path, {"text": "", "wrong": "The number of cells must be between 3 and 10."})


def test_a_mistake_in_the_child_names_itself_and_its_log(tmp_path: Path) -> None:
    with pytest.raises(StudioError, match=r"KeyError.*job\.log"):
        in_child(tmp_path, {"no text": ""})
    assert "Traceback" in (tmp_path / "job.log").read_text()


FAKE_PYTHON = """#!/bin/sh
echo '{"progress": 0.5, "phase": "reading"}'
%s
"""


@pytest.mark.parametrize(
    ("ending", "kind", "says"),
    [("kill -KILL $$", OutOfMemory, "memory ran out"), ("kill -SEGV $$", StudioError, "crashed")],
)
def test_a_crash_of_the_child_is_only_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, kind: type[StudioError], says: str
) -> None:
    pretend_child(tmp_path, monkeypatch, ending)
    with pytest.raises(kind, match=says):
        in_child(tmp_path, {})


def test_cancel_ends_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_child(tmp_path, monkeypatch, "exec sleep 60")
    cancel = threading.Event()
    with pytest.raises(JobCanceled):
        run_child(WORKER, {}, tmp_path / "job.log", lambda share, phase: cancel.set(), cancel)


def pretend_child(folder: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    script = folder / "python"
    script.write_text(FAKE_PYTHON % ending)
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))


def test_the_child_ends_when_its_parent_dies() -> None:
    request = {"text": "", "sleep": 600}
    with subprocess.Popen(
        [sys.executable, "-m", WORKER],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(request).encode() + b"\n")
        child.stdin.flush()
        assert b"progress" in child.stdout.readline()
        child.stdin.close()  # what a dead parent looks like
        assert child.wait(SOON) == 1
