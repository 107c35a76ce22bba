"""A child takes a request of any size, says what it does, and ends by itself, when asked or when it is left."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from backend.errors import BadFile, NoSpace, OutOfMemory, StudioError
from backend.jobs import Child, Reporter, error_from, part
from backend.types import Problem

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
