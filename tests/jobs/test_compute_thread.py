"""Jobs that wait for their turn on the compute thread, where training has its turns as well."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.errors import Conflict
from backend.jobs import JobBoard, Work
from backend.types import Job, JobState
from tests.jobs.conftest import Doing


class Line:
    """A compute thread that works when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], object]] = []

    def submit(self, work: Callable[[], object]) -> None:
        self.waiting.append(work)

    def turn(self) -> None:
        self.waiting.pop(0)()


@pytest.fixture
def line() -> Line:
    return Line()


def in_line(folder: Path, line: Line, work: Doing) -> JobBoard:
    work.go.set()
    board = JobBoard(folder / "jobs", line)
    board.employ("analysis", work, on_compute_thread=True)
    return board


def ask(board: JobBoard, job_id: str = "map_1", *, hidden: bool = False) -> Job:
    work = Work("analysis", job_id, "umap", "Map of run 1", {"do": job_id}, subject="run-1")
    return board.begin(work, hidden=hidden)


def test_work_for_the_compute_thread_waits_for_its_turn(tmp_path: Path, line: Line, work: Doing) -> None:
    board = in_line(tmp_path, line, work)
    job = ask(board)
    assert (job.state, job.area, job.subject) == (JobState.WAITING, "analysis", "run-1")
    assert (work.done, board.active("analysis")) == ([], None)
    line.turn()
    assert board.get(job.job_id).state is JobState.DONE
    assert work.done == [{"do": "map_1"}]


def test_what_is_canceled_in_the_line_is_over_at_once_and_never_begins(
    tmp_path: Path, line: Line, work: Doing
) -> None:
    board = in_line(tmp_path, line, work)
    board.cancel(ask(board).job_id)
    assert board.get("map_1").state is JobState.CANCELED
    ask(board)  # and again
    line.turn()
    assert work.done == []
    line.turn()
    assert work.done == [{"do": "map_1"}]


def test_what_is_not_durable_leaves_nothing_behind_when_it_is_done(
    tmp_path: Path, line: Line, work: Doing
) -> None:
    board = in_line(tmp_path, line, work)
    ask(board)
    assert (tmp_path / "jobs" / "map_1.json").exists()
    line.turn()
    assert not list((tmp_path / "jobs").glob("map_1*"))
    ask(board, "map_2", hidden=True)
    assert not list((tmp_path / "jobs").glob("map_2*"))


def test_after_a_crash_what_is_not_durable_is_told_to_be_lost_until_the_next_start(
    tmp_path: Path, line: Line, work: Doing
) -> None:
    died = in_line(tmp_path, line, work)
    ask(died)
    died._entries["map_1"].lock.release()  # as the end of its process does
    board = in_line(tmp_path, line, work)
    board.start(resume=True)
    found = board.find("map_1")
    assert found is not None
    assert (found.state, found.title) == (JobState.FAILED, "Map of run 1")
    assert "closed before this" in str(found.problem)
    again = in_line(tmp_path, line, work)
    again.start(resume=True)
    assert again.find("map_1") is None


def test_locks_that_nobody_needs_go_at_a_start(tmp_path: Path, line: Line, work: Doing) -> None:
    board = in_line(tmp_path, line, work)
    ask(board)
    line.turn()
    ask(board, "map_2")
    other = in_line(tmp_path, line, work)
    other.start(resume=True)
    assert [path.name for path in (tmp_path / "jobs" / "locks").iterdir()] == ["map_2"]
    assert other.lock("map_2").held_by_someone
    assert other.lock("map_1").acquire()


def test_closing_ends_what_waits_and_refuses_more(tmp_path: Path, line: Line, work: Doing) -> None:
    board = in_line(tmp_path, line, work)
    ask(board)
    board.close()
    assert board.get("map_1").state is JobState.CANCELED
    with pytest.raises(Conflict, match="shutting down"):
        ask(board)


def test_what_is_over_is_forgotten_after_an_hour(
    tmp_path: Path, line: Line, work: Doing, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = in_line(tmp_path, line, work)
    ask(board)
    line.turn()
    ask(board, "map_2")
    assert board.find("map_1") is not None
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 3700.0)
    ask(board, "map_3")
    assert board.find("map_1") is None
    assert board.find("map_2") is not None  # still waits


def test_an_exit_on_the_compute_thread_is_a_failure_and_goes_on_up(
    tmp_path: Path, line: Line, work: Doing
) -> None:
    board = in_line(tmp_path, line, work)
    work.error = SystemExit(3)
    ask(board)
    with pytest.raises(SystemExit):
        line.turn()
    assert board.get("map_1").state is JobState.FAILED
