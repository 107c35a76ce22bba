"""Jobs that look into a run: asked for once, kept, canceled, told of, and gone when the run is another."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.analysis import Analyses
from backend.errors import BadInput, Conflict, NotFound
from backend.jobs import JobBoard
from backend.types import DatasetRef, JobState, RunStatus
from tests.analysis.room import RUN, NoDatasets, Room
from tests.analysis.small_run import SmallRun, on_copy, train_small


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    yield room
    room.close()


@pytest.fixture
def threaded(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path, "thread")
    yield room
    room.close()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DatasetRef]:
    return train_small(tmp_path_factory.mktemp("small"))


@pytest.fixture
def small(trained: tuple[Path, DatasetRef], tmp_path: Path) -> Iterator[SmallRun]:
    run = on_copy(trained, tmp_path)
    yield run
    run.registry.close()


def write_square(context: Any, options: Any, progress: Any) -> dict[str, Any]:
    context.save("square", np.full(3, options["size"] ** 2))
    return {"size": options["size"]}


def test_a_result_is_there_after_the_job_and_not_before(room: Room) -> None:
    room.probe(write_square)
    assert room.analyses.result(RUN, "probe", size=3) is None
    job = room.analyses.request(RUN, "probe", size=3)
    assert room.analyses.get(job.job_id).state is JobState.DONE
    found = room.analyses.result(RUN, "probe", size=3)
    assert found is not None
    assert found.array("square").tolist() == [9, 9, 9]
    assert found.facts == {"size": 3}
    assert found.options == {"size": 3}


def test_the_same_request_is_the_same_job_and_is_worked_on_once(room: Room) -> None:
    room.probe(write_square)
    first = room.analyses.request(RUN, "probe")
    again = room.analyses.request(RUN, "probe", size=1)  # the default, written out
    assert again.job_id == first.job_id
    assert again.state is JobState.DONE
    assert room.calls == ["probe"]
    assert room.analyses.request(RUN, "probe", size=2).job_id != first.job_id
    assert room.calls == ["probe", "probe"]


def test_a_new_process_finds_what_another_one_made(room: Room) -> None:
    room.probe(write_square)
    room.analyses.request(RUN, "probe")
    other = Analyses(
        room.settings,
        room.registry,
        NoDatasets(),
        JobBoard(room.settings.workspace / "jobs"),
        kinds=room.kinds,
    )
    assert other.result(RUN, "probe") is not None
    assert other.request(RUN, "probe").state is JobState.DONE
    assert room.calls == ["probe"]


def test_a_run_that_was_trained_further_is_looked_at_anew(room: Room) -> None:
    room.probe(write_square)
    room.analyses.request(RUN, "probe")
    room.put_latent(np.ones((90, 4), np.float32), seconds=2_000_000)
    assert room.analyses.result(RUN, "probe") is None
    room.analyses.request(RUN, "probe")
    assert room.analyses.result(RUN, "probe") is not None
    assert room.calls == ["probe", "probe"]
    kept = [path for path in (room.run_dir / "analysis").iterdir() if path.is_dir()]
    assert len(kept) == 1, "what was made from the earlier state is removed"


def test_what_is_needed_is_made_first_and_only_once(room: Room) -> None:
    room.probe(write_square, "base")
    room.probe(
        lambda context, options, progress: {"sum": int(context.result("base", size=5).array("square").sum())},
        needs=lambda options: (("base", {"size": 5}),),
    )
    room.analyses.request(RUN, "probe")
    found = room.analyses.result(RUN, "probe")
    assert found is not None
    assert found.facts == {"sum": 75}
    room.analyses.request(RUN, "probe", size=2)
    assert room.calls == ["base", "probe", "probe"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BadInput("Choose fewer cells."), "Choose fewer cells."),
        (MemoryError(), "The memory was not enough"),
        (KeyError("x"), r"unexpected error \(KeyError: 'x'\)"),
    ],
)
def test_a_failure_is_a_sentence_and_leaves_nothing(
    room: Room, error: Exception, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(context: Any, options: Any, progress: Any) -> None:
        context.save("half", np.ones(2))
        raise error

    room.probe(fail)
    with caplog.at_level(logging.WARNING):
        job = room.analyses.get(room.analyses.request(RUN, "probe").job_id)
    assert job.state is JobState.FAILED
    assert job.problem is not None
    import re

    assert re.search(said, job.problem.message)
    assert "Traceback" in caplog.text
    assert list((room.run_dir / "analysis").iterdir()) == []
    assert room.jobs.list("analysis") == [job]


def test_a_failed_job_can_be_asked_for_again_and_dismissed(room: Room) -> None:
    outcomes = [BadInput("No."), None]

    def once(context: Any, options: Any, progress: Any) -> None:
        if error := outcomes.pop(0):
            raise error

    room.probe(once)
    job = room.analyses.request(RUN, "probe")
    assert room.analyses.get(job.job_id).state is JobState.FAILED
    room.analyses.request(RUN, "probe")
    assert room.analyses.get(job.job_id).state is JobState.DONE
    room.jobs.dismiss(job.job_id)
    with pytest.raises(NotFound):
        room.analyses.get(job.job_id)
    assert room.analyses.find(RUN, "probe") is None


def test_work_that_runs_ends_at_its_next_step_when_canceled(threaded: Room) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(context: Any, options: Any, progress: Any) -> None:
        progress(0.25, "counting")
        begun.set()
        assert go_on.wait(20)
        progress(0.5, "counting")
        raise AssertionError("went on after it was canceled")

    threaded.probe(slow)
    job = threaded.analyses.request(RUN, "probe")
    assert begun.wait(20)
    working = threaded.analyses.get(job.job_id)
    assert (working.state, working.progress, working.phase) == (JobState.WORKING, 0.25, "counting")
    assert threaded.analyses.active() == working
    threaded.analyses.cancel(job.job_id)
    go_on.set()
    assert threaded.settled(job).state is JobState.CANCELED
    assert threaded.analyses.result(RUN, "probe") is None


def test_a_waiting_job_leaves_the_line(threaded: Room) -> None:
    gate = threading.Event()
    threaded.executor.submit(gate.wait)  # a training run, say
    threaded.probe(write_square)
    first, second = (threaded.analyses.request(RUN, "probe", size=size) for size in (1, 2))
    assert first.state is second.state is JobState.WAITING
    threaded.analyses.cancel(first.job_id)
    assert threaded.analyses.get(first.job_id).state is JobState.CANCELED
    gate.set()
    assert threaded.settled(second).state is JobState.DONE
    assert threaded.calls == ["probe"]


def test_progress_of_several_steps_only_goes_up(room: Room) -> None:
    seen: list[float] = []

    def telling(context: Any, options: Any, progress: Any) -> None:
        for fraction in (0.0, 0.5, 1.0):
            progress(fraction, "working")
            (job,) = room.jobs.list("analysis")
            seen.append(job.progress or 0.0)

    room.probe(telling, "base", weight=3)
    room.probe(telling, needs=lambda options: (("base", {}),), weight=1)
    room.analyses.request(RUN, "probe")
    assert seen == sorted(seen)
    assert seen == [0.0, 0.375, 0.75, 0.75, 0.875, 1.0]


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.QUEUED])
def test_a_run_that_is_not_over_is_refused(room: Room, status: RunStatus) -> None:
    room.probe(write_square)
    room.registry.update(RUN, status=status)
    with pytest.raises(Conflict, match="when it is done"):
        room.analyses.request(RUN, "probe")


def test_a_run_without_a_latent_space_is_refused(room: Room) -> None:
    room.probe(write_square)
    (room.run_dir / "latent.npy").unlink()
    with pytest.raises(Conflict, match="no latent space"):
        room.analyses.request(RUN, "probe")


def test_models_from_other_computers_are_not_opened(small: SmallRun) -> None:
    small.registry.update(small.run_id, imported_from="laptop")
    job = small.analyses.get(small.analyses.request(small.run_id, "reencode").job_id)
    assert job.problem is not None
    assert job.problem.code == "conflict"
    assert "imported from another computer" in job.problem.message


def test_a_full_disk_is_said_and_leaves_nothing(room: Room) -> None:
    def fill(context: Any, options: Any, progress: Any) -> None:
        raise OSError(28, "No space left on device")

    room.probe(fill)
    job = room.analyses.get(room.analyses.request(RUN, "probe").job_id)
    assert job.problem is not None
    assert job.problem.code == "no_space"
    assert list((room.run_dir / "analysis").iterdir()) == []


def test_what_went_wrong_with_a_disk_that_is_not_full_is_not_called_so(room: Room) -> None:
    def fail(context: Any, options: Any, progress: Any) -> None:
        raise OSError(5, "Input/output error")

    room.probe(fail)
    job = room.analyses.get(room.analyses.request(RUN, "probe").job_id)
    assert job.problem is not None
    assert "Input/output error" in job.problem.message
    assert job.problem.code == "unexpected"


def test_an_analysis_lost_with_its_process_is_told_at_the_next_start(room: Room) -> None:
    room.probe(write_square)
    work = room.analyses.request(RUN, "probe", size=7)
    lost = work.replace(state=JobState.WORKING)
    room.jobs.dismiss(work.job_id)
    shutil.rmtree(room.run_dir / "analysis")
    folder = room.settings.workspace / "jobs"
    (folder / f"{work.job_id}.json").write_text(json.dumps({"job": lost.to_dict(), "request": {}}))
    room.jobs.start(resume=True)
    found = room.analyses.find(RUN, "probe", size=7)
    assert found is not None
    assert (found.state, found.subject) == (JobState.FAILED, RUN)
    again = room.analyses.request(RUN, "probe", size=7)
    assert room.analyses.get(again.job_id).state is JobState.DONE


def test_closing_ends_what_runs_and_takes_no_more(threaded: Room) -> None:
    begun = threading.Event()

    def endless(context: Any, options: Any, progress: Any) -> None:
        begun.set()
        while True:
            progress(None, "working")

    threaded.probe(endless)
    job = threaded.analyses.request(RUN, "probe")
    assert begun.wait(20)
    threaded.jobs.close()
    assert threaded.settled(job).state is JobState.CANCELED
    with pytest.raises(Conflict):
        threaded.analyses.request(RUN, "probe", size=2)
