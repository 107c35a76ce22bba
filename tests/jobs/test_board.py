"""Jobs: one for the same work, seen by every process, cancelable, and taken up again after a crash."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.errors import BadFile, Conflict, NoSpace, NotFound, OutOfMemory, StudioError
from backend.jobs import JobBoard, JobCanceled, JobContext, Request, Work, run_child
from backend.settings import PROJECT
from backend.types import Job, JobState

WORKER = "tests.jobs.small_worker"
SOON = 60.0  # seconds; far more than anything here takes


class Doing:
    """What the jobs of a test do: begin, wait to be let go, and end as told."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.go = threading.Event()
        self.done: list[Request] = []
        self.error: BaseException | None = None

    def __call__(self, request: Request, context: JobContext) -> str:
        self.began.set()
        while not self.go.wait(0.01):
            context.report(0.25, "half of a half")
        context.check()
        if self.error:
            raise self.error
        self.done.append(request)
        return "result"


@pytest.fixture
def work() -> Doing:
    return Doing()


@pytest.fixture
def boards(tmp_path: Path) -> Iterator[Callable[..., JobBoard]]:
    made = []

    def make(perform: Callable[[Request, JobContext], str], *, resume: bool = True) -> JobBoard:
        board = JobBoard(tmp_path / "jobs")
        board.employ("data", perform, durable=True)
        board.start(resume=resume)
        made.append(board)
        return board

    yield make
    for board in made:
        board.close()


def submit(board: JobBoard, job_id: str = "inspect-1", *, hidden: bool = False) -> Job:
    return board.begin(Work("data", job_id, "inspect", "Checking a.h5ad", {"do": "it"}), hidden=hidden)


def test_a_job_reports_progress_and_ends_with_its_result(
    boards: Callable[..., JobBoard], work: Doing
) -> None:
    board = boards(work)
    job = submit(board)
    assert job.state is JobState.WAITING
    assert work.began.wait(SOON)
    waiting = board.wait(job.job_id, timeout=0.05)
    assert (waiting.state, waiting.progress, waiting.phase) == (JobState.WORKING, 0.25, "half of a half")
    work.go.set()
    done = board.wait(job.job_id, SOON)
    assert (done.state, done.result_id, done.progress) == (JobState.DONE, "result", 1.0)
    assert board.list() == [done]


def test_the_same_work_asked_for_twice_is_one_job(boards: Callable[..., JobBoard], work: Doing) -> None:
    board = boards(work)
    first = submit(board)
    jobs = [submit(board) for _ in range(5)]
    work.go.set()
    board.wait(first.job_id, SOON)
    assert {job.started_at for job in jobs} == {first.started_at}
    assert len(work.done) == 1


def test_cancel_ends_the_work(boards: Callable[..., JobBoard], work: Doing) -> None:
    board = boards(work)
    job = submit(board)
    board.cancel(job.job_id)
    assert board.wait(job.job_id, SOON).state is JobState.CANCELED
    assert work.done == []
    board.cancel(job.job_id)  # again changes nothing
    assert board.get(job.job_id).state is JobState.CANCELED


def test_a_failure_is_kept_as_a_sentence_and_raised_again(
    boards: Callable[..., JobBoard], work: Doing
) -> None:
    board = boards(work)
    work.error = NoSpace("The disk is full.")
    work.go.set()
    job = submit(board)
    with pytest.raises(NoSpace, match="The disk is full"):
        board.wait(job.job_id, SOON)
    problem = board.get(job.job_id).problem
    assert problem is not None
    assert problem.code == "no_space"
    work.error = None  # asked for again, it is tried again
    assert board.wait(submit(board).job_id, SOON).state is JobState.DONE


def test_an_unexpected_error_is_said_and_logged(
    boards: Callable[..., JobBoard], work: Doing, caplog: pytest.LogCaptureFixture
) -> None:
    board = boards(work)
    work.error = ZeroDivisionError("by zero")
    work.go.set()
    with caplog.at_level(logging.ERROR), pytest.raises(StudioError, match=r"unexpected.*by zero"):
        board.wait(submit(board).job_id, SOON)
    assert "Traceback" in caplog.text


def test_of_a_long_error_the_start_is_said(boards: Callable[..., JobBoard], work: Doing) -> None:
    board = boards(work)
    work.error = ValueError("x" * 5000 + "\nand more")
    work.go.set()
    with pytest.raises(StudioError, match=r"\(ValueError: x{200}\)"):
        board.wait(submit(board).job_id, SOON)


def test_dismissed_jobs_leave_the_list(boards: Callable[..., JobBoard], work: Doing) -> None:
    board = boards(work)
    work.go.set()
    job = board.wait(submit(board).job_id, SOON)
    board.dismiss(job.job_id)
    assert board.list() == []
    with pytest.raises(NotFound):
        board.get(job.job_id)
    board.dismiss(job.job_id)


def test_dismissing_a_working_job_cancels_it(boards: Callable[..., JobBoard], work: Doing) -> None:
    board = boards(work)
    job = submit(board)
    board.dismiss(job.job_id)
    assert board.list() == []
    assert board.wait(job.job_id, SOON).state is JobState.CANCELED
    assert boards(work, resume=True).list() == []


def test_work_done_before_is_answered_and_not_listed(boards: Callable[..., JobBoard], work: Doing) -> None:
    board = boards(work)
    job = board.answered(Work("data", "prepare-1", "prepare", "Preparing", {}, "dataset"))
    assert (job.state, job.result_id) == (JobState.DONE, "dataset")
    assert board.wait(job.job_id, SOON) == job
    assert board.list() == []


def test_hidden_work_is_not_listed_until_somebody_asks_for_it(
    boards: Callable[..., JobBoard], work: Doing
) -> None:
    board = boards(work)
    job = submit(board, hidden=True)
    assert board.list() == []
    submit(board)
    assert [listed.job_id for listed in board.list()] == [job.job_id]


@pytest.mark.parametrize("job_id", ["../x", "a/b", "", "."])
def test_a_job_id_is_never_a_path(boards: Callable[..., JobBoard], work: Doing, job_id: str) -> None:
    with pytest.raises(NotFound):
        boards(work).get(job_id)


def test_a_full_disk_does_not_end_the_work(
    boards: Callable[..., JobBoard], work: Doing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        tried.append(descriptor)
        raise OSError(28, "No space left on device")

    board = boards(work)
    tried: list[int] = []
    monkeypatch.setattr(os, "fsync", full)
    work.go.set()
    assert board.wait(submit(board).job_id, SOON).state is JobState.DONE
    assert tried


# --- after the end of a process ---------------------------------------------------------------------


def test_jobs_ended_stay_on_the_list_of_the_next_server(boards: Callable[..., JobBoard], work: Doing) -> None:
    first = boards(work)
    work.go.set()
    job = first.wait(submit(first).job_id, SOON)
    first.close()
    assert boards(work).list() == [job]


def test_closing_leaves_unfinished_work_to_the_next_start(
    boards: Callable[..., JobBoard], work: Doing
) -> None:
    first = boards(work)
    job = submit(first)
    assert work.began.wait(SOON)
    first.close()
    work.go.set()
    second = boards(work)
    assert second.wait(job.job_id, SOON).state is JobState.DONE
    assert work.done == [{"do": "it"}]


def test_a_short_lived_command_leaves_unfinished_work_alone(
    boards: Callable[..., JobBoard], work: Doing
) -> None:
    first = boards(work)
    job = submit(first)
    assert work.began.wait(SOON)
    first.close()
    command = boards(work, resume=False)
    assert command.get(job.job_id).state is JobState.FAILED
    assert "closed before this" in str(command.get(job.job_id).problem)


OTHER_PROCESS = """
import sys, threading
from pathlib import Path
from backend.jobs import JobBoard, Work
def perform(request, context):
    print("began", flush=True)
    while True:
        context.report(0.5, "working over there")
        context.cancel.wait(0.01)
board = JobBoard(Path(sys.argv[1]))
board.employ("data", perform, durable=True)
board.start(resume=False)
board.begin(Work("data", "inspect-1", "inspect", "Checking a.h5ad", {"do": "it"}))
try:
    board.wait("inspect-1")
except BaseException as error:
    print(error, flush=True)
print(board.get("inspect-1").state, flush=True)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process in the same workspace that works on inspect-1."""
    command = [sys.executable, "-c", OTHER_PROCESS, str(tmp_path / "jobs")]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "began\n"
        yield process
        process.kill()


def test_work_of_a_killed_process_is_taken_up_at_the_next_start(
    boards: Callable[..., JobBoard], work: Doing, other: subprocess.Popen[str]
) -> None:
    os.kill(other.pid, signal.SIGKILL)
    other.wait(SOON)
    work.go.set()
    assert boards(work).wait("inspect-1", SOON).state is JobState.DONE
    assert work.done == [{"do": "it"}]


def test_work_of_a_live_process_is_shown_left_alone_and_can_be_canceled(
    boards: Callable[..., JobBoard], work: Doing, other: subprocess.Popen[str]
) -> None:
    board = boards(work)
    assert [job.job_id for job in board.list()] == ["inspect-1"]
    assert not work.began.is_set()
    board.cancel("inspect-1")
    assert board.wait("inspect-1", SOON).state is JobState.CANCELED
    assert other.stdout is not None
    assert other.stdout.read().strip() == "canceled"


def test_work_that_another_process_does_is_waited_for(
    boards: Callable[..., JobBoard], work: Doing, other: subprocess.Popen[str], tmp_path: Path
) -> None:
    board = boards(work, resume=False)
    work.go.set()
    job = submit(board)
    assert board.wait(job.job_id, timeout=0.3).state is JobState.WAITING
    other.kill()
    assert board.wait(job.job_id, SOON).state is JobState.DONE


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


def test_finished_jobs_are_forgotten_after_a_week_and_failed_ones_stay(tmp_path: Path, work: Doing) -> None:
    now = 1e9
    work.go.set()

    def board() -> JobBoard:
        made = JobBoard(tmp_path / "jobs", clock=lambda: now)
        made.employ("data", work, durable=True)
        made.start(resume=True)
        return made

    first = board()
    assert first.wait(submit(first, "inspect-1").job_id, SOON).state is JobState.DONE
    work.error = BadFile("no")
    with pytest.raises(BadFile):
        first.wait(submit(first, "inspect-2").job_id, SOON)
    now += 6 * 86400
    assert {job.job_id for job in board().list()} == {"inspect-1", "inspect-2"}
    now += 2 * 86400
    assert [job.job_id for job in board().list()] == ["inspect-2"]
    assert not list((tmp_path / "jobs").glob("inspect-1*"))


# --- on the compute thread -----------------------------------------------------------------------------


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


def test_work_asked_for_while_it_is_being_ended_is_done_after_that(
    boards: Callable[..., JobBoard], work: Doing
) -> None:
    board = boards(work)
    submit(board)
    assert work.began.wait(SOON)
    board.cancel("inspect-1")
    submit(board)
    work.go.set()
    assert board.wait("inspect-1", SOON).state is JobState.DONE
    assert len(work.done) == 1


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
