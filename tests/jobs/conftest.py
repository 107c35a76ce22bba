"""A board of jobs whose work begins, waits and ends as the test tells it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.jobs import JobBoard, JobContext, Request, Work
from backend.types import Job

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


MakeBoard = Callable[..., JobBoard]


@pytest.fixture
def work() -> Doing:
    return Doing()


@pytest.fixture
def boards(tmp_path: Path) -> Iterator[MakeBoard]:
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
