"""Jobs of the last server, of one that was killed, and of one that works in the same workspace at this moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.errors import BadFile
from backend.jobs import JobBoard
from backend.settings import PROJECT
from backend.types import JobState
from tests.jobs.conftest import SOON, Doing, MakeBoard, submit


def test_jobs_ended_stay_on_the_list_of_the_next_server(boards: MakeBoard, work: Doing) -> None:
    first = boards(work)
    work.go.set()
    job = first.wait(submit(first).job_id, SOON)
    first.close()
    assert boards(work).list() == [job]


def test_closing_leaves_unfinished_work_to_the_next_start(boards: MakeBoard, work: Doing) -> None:
    first = boards(work)
    job = submit(first)
    assert work.began.wait(SOON)
    first.close()
    work.go.set()
    second = boards(work)
    assert second.wait(job.job_id, SOON).state is JobState.DONE
    assert work.done == [{"do": "it"}]


def test_a_short_lived_command_leaves_unfinished_work_alone(boards: MakeBoard, work: Doing) -> None:
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
    boards: MakeBoard, work: Doing, other: subprocess.Popen[str]
) -> None:
    os.kill(other.pid, signal.SIGKILL)
    other.wait(SOON)
    work.go.set()
    assert boards(work).wait("inspect-1", SOON).state is JobState.DONE
    assert work.done == [{"do": "it"}]


def test_work_of_a_live_process_is_shown_left_alone_and_can_be_canceled(
    boards: MakeBoard, work: Doing, other: subprocess.Popen[str]
) -> None:
    board = boards(work)
    assert [job.job_id for job in board.list()] == ["inspect-1"]
    assert not work.began.is_set()
    board.cancel("inspect-1")
    assert board.wait("inspect-1", SOON).state is JobState.CANCELED
    assert other.stdout is not None
    assert other.stdout.read().strip() == "canceled"


def test_work_that_another_process_does_is_waited_for(
    boards: MakeBoard, work: Doing, other: subprocess.Popen[str], tmp_path: Path
) -> None:
    board = boards(work, resume=False)
    work.go.set()
    job = submit(board)
    assert board.wait(job.job_id, timeout=0.3).state is JobState.WAITING
    other.kill()
    assert board.wait(job.job_id, SOON).state is JobState.DONE


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
