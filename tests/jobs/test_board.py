"""Jobs: one for the same work, followed by whoever asked for it, cancelable, and ended in a sentence."""

from __future__ import annotations

import logging
import os

import pytest

from backend.errors import NoSpace, NotFound, StudioError
from backend.jobs import Work
from backend.types import JobState
from tests.jobs.conftest import SOON, Doing, MakeBoard, submit


def test_a_job_reports_progress_and_ends_with_its_result(boards: MakeBoard, work: Doing) -> None:
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


def test_the_same_work_asked_for_twice_is_one_job(boards: MakeBoard, work: Doing) -> None:
    board = boards(work)
    first = submit(board)
    jobs = [submit(board) for _ in range(5)]
    work.go.set()
    board.wait(first.job_id, SOON)
    assert {job.started_at for job in jobs} == {first.started_at}
    assert len(work.done) == 1


def test_cancel_ends_the_work(boards: MakeBoard, work: Doing) -> None:
    board = boards(work)
    job = submit(board)
    board.cancel(job.job_id)
    assert board.wait(job.job_id, SOON).state is JobState.CANCELED
    assert work.done == []
    board.cancel(job.job_id)  # again changes nothing
    assert board.get(job.job_id).state is JobState.CANCELED


def test_a_failure_is_kept_as_a_sentence_and_raised_again(boards: MakeBoard, work: Doing) -> None:
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
    boards: MakeBoard, work: Doing, caplog: pytest.LogCaptureFixture
) -> None:
    board = boards(work)
    work.error = ZeroDivisionError("by zero")
    work.go.set()
    with caplog.at_level(logging.ERROR), pytest.raises(StudioError, match=r"unexpected.*by zero"):
        board.wait(submit(board).job_id, SOON)
    assert "Traceback" in caplog.text


def test_of_a_long_error_the_start_is_said(boards: MakeBoard, work: Doing) -> None:
    board = boards(work)
    work.error = ValueError("x" * 5000 + "\nand more")
    work.go.set()
    with pytest.raises(StudioError, match=r"\(ValueError: x{200}\)"):
        board.wait(submit(board).job_id, SOON)


def test_dismissed_jobs_leave_the_list(boards: MakeBoard, work: Doing) -> None:
    board = boards(work)
    work.go.set()
    job = board.wait(submit(board).job_id, SOON)
    board.dismiss(job.job_id)
    assert board.list() == []
    with pytest.raises(NotFound):
        board.get(job.job_id)
    board.dismiss(job.job_id)


def test_dismissing_a_working_job_cancels_it(boards: MakeBoard, work: Doing) -> None:
    board = boards(work)
    job = submit(board)
    board.dismiss(job.job_id)
    assert board.list() == []
    assert board.wait(job.job_id, SOON).state is JobState.CANCELED
    assert boards(work, resume=True).list() == []


def test_work_done_before_is_answered_and_not_listed(boards: MakeBoard, work: Doing) -> None:
    board = boards(work)
    job = board.answered(Work("data", "prepare-1", "prepare", "Preparing", {}, "dataset"))
    assert (job.state, job.result_id) == (JobState.DONE, "dataset")
    assert board.wait(job.job_id, SOON) == job
    assert board.list() == []


def test_hidden_work_is_not_listed_until_somebody_asks_for_it(boards: MakeBoard, work: Doing) -> None:
    board = boards(work)
    job = submit(board, hidden=True)
    assert board.list() == []
    submit(board)
    assert [listed.job_id for listed in board.list()] == [job.job_id]


@pytest.mark.parametrize("job_id", ["../x", "a/b", "", "."])
def test_a_job_id_is_never_a_path(boards: MakeBoard, work: Doing, job_id: str) -> None:
    with pytest.raises(NotFound):
        boards(work).get(job_id)


def test_a_full_disk_does_not_end_the_work(
    boards: MakeBoard, work: Doing, monkeypatch: pytest.MonkeyPatch
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


def test_work_asked_for_while_it_is_being_ended_is_done_after_that(boards: MakeBoard, work: Doing) -> None:
    board = boards(work)
    submit(board)
    assert work.began.wait(SOON)
    board.cancel("inspect-1")
    submit(board)
    work.go.set()
    assert board.wait("inspect-1", SOON).state is JobState.DONE
    assert len(work.done) == 1
