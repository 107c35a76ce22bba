"""What a dead process leaves is told from what is alive, and goes on from its checkpoint."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from backend.types import RunStatus
from tests.runs.conftest import MakeRoom
from tests.runs.gate import Gate

PROJECT = Path(__file__).parents[2]

OTHER_PROCESS = """
import sys, time
from pathlib import Path
from backend.workers import LocalWorker, make_executor
from backend.jobs import JobBoard
from backend.registry import RunRegistry
from backend.runs import RunService
from backend.settings import Settings
from backend.types import RunSpec
from tests.runs.fakes import DATASET, FakeDatasets, FakeDevices, FakeTrain

settings = Settings(Path(sys.argv[1]))
registry = RunRegistry(settings.registry_path); registry.open()
train = FakeTrain()
executor = make_executor("inline")
worker = LocalWorker(executor, train)
jobs = JobBoard(settings.workspace / "jobs", executor)
runs = RunService(settings, registry, FakeDatasets(), executor, FakeDevices(), jobs, worker=worker)
record = runs.submit(RunSpec(DATASET.dataset_id, accelerator="cpu", max_epochs=5), hold=True)

def hang():
    print(record.run_id, flush=True)
    time.sleep(60)

train.at[3] = hang
runs.run_here(record.run_id)
"""


@pytest.fixture
def other_process(tmp_path: Path):
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, str(tmp_path / "workspace")],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def test_a_killed_run_is_interrupted_and_resumes_to_its_total(make_room: MakeRoom, other_process) -> None:
    run_id = other_process.stdout.readline().strip()
    room = make_room("inline")
    room.runs.start()
    assert room.runs.get(run_id).status is RunStatus.RUNNING  # the other process is alive: left alone
    other_process.send_signal(signal.SIGKILL)
    other_process.wait()
    after = make_room("inline")
    after.runs.start()
    dead = after.runs.get(run_id)
    assert (dead.status, dead.epoch, dead.phase) == (RunStatus.INTERRUPTED, 2, "")
    assert dead.ended_at is not None
    after.runs.resume(run_id)
    done = after.settle(run_id)
    assert (done.status, done.epoch) == (RunStatus.FINISHED, 5)
    assert after.train.firsts == [3]
    assert [round(v) for v in after.registry.history(run_id)["train_loss"]] == [100, 50, 33, 25, 20]


def test_a_server_that_is_up_notices_a_dead_command_line(make_room: MakeRoom, other_process) -> None:
    run_id = other_process.stdout.readline().strip()
    room = make_room("inline")
    room.runs.start()
    other_process.kill()
    other_process.wait()
    began = time.monotonic()
    while room.runs.get(run_id).status is RunStatus.RUNNING:
        assert time.monotonic() - began < 10


def test_a_dead_run_that_was_to_be_canceled_is_discarded(make_room: MakeRoom, other_process) -> None:
    run_id = other_process.stdout.readline().strip()
    room = make_room("inline")
    room.runs.cancel(run_id)
    other_process.kill()
    other_process.wait()
    room.runs.start()
    assert room.runs.get(run_id).status is RunStatus.CANCELED
    assert not (room.runs.run_dir(run_id) / "checkpoint").exists()


def test_a_run_that_died_before_its_first_checkpoint_starts_over(make_room: MakeRoom) -> None:
    room = make_room("inline")
    room.runs.start()
    room.train.at[1] = lambda: room.runs.close(0)
    run_id = room.settle(room.submit(epochs=2).run_id).run_id
    assert room.runs.get(run_id).status is RunStatus.INTERRUPTED
    after = make_room("inline")
    after.runs.start()
    after.runs.resume(run_id)
    assert after.settle(run_id).status is RunStatus.FINISHED
    assert after.train.firsts == [1]
    assert len(after.registry.history(run_id)["train_loss"]) == 2


def test_closing_leaves_the_training_and_the_run_resumable(make_room: MakeRoom) -> None:
    room = make_room("thread")
    room.runs.start()
    endless = Gate()
    endless.open()
    room.train.at[3] = endless
    run_id = room.submit(epochs=100_000).run_id
    waiting = room.submit().run_id
    endless.wait_until_reached()
    began = time.monotonic()
    room.close()
    assert time.monotonic() - began < 2
    after = make_room("inline")
    after.runs.start(work=False)
    interrupted = after.runs.get(run_id)
    assert interrupted.status is RunStatus.INTERRUPTED
    assert interrupted.epoch >= 2
    assert not (after.runs.run_dir(run_id) / "model").exists()  # nothing was computed or saved at the end
    assert after.runs.get(waiting).status is RunStatus.QUEUED


def test_closing_does_not_wait_for_a_training_that_hangs(make_room: MakeRoom) -> None:
    room, gate = make_room("thread"), Gate()
    room.runs.start()
    room.train.at[2] = gate
    run_id = room.submit().run_id
    gate.wait_until_reached()
    room.runs.close(timeout=0.05)
    assert room.registry.get(run_id).status is RunStatus.INTERRUPTED
    gate.open()  # what comes back late changes nothing any more
    room.executor.close(timeout=20)
    assert room.registry.get(run_id).status is RunStatus.INTERRUPTED


def test_an_exit_of_the_process_marks_the_run_interrupted(make_room: MakeRoom) -> None:
    room = make_room("inline")
    record = room.submit()

    def leave() -> None:
        raise SystemExit(143)

    room.train.at[2] = leave
    with pytest.raises(SystemExit):
        room.runs.run_here(record.run_id)
    assert room.runs.get(record.run_id).status is RunStatus.INTERRUPTED


def test_the_numbers_of_a_checkpointed_epoch_are_on_disk_before_the_checkpoint(make_room: MakeRoom) -> None:
    """A process killed just after a checkpoint would otherwise leave a gap that no resume fills."""
    room = make_room("inline")
    seen: list[int] = []

    def look_as_another_process_would() -> None:
        with closing(sqlite3.connect(room.settings.registry_path)) as db:
            seen.extend(epoch for (epoch,) in db.execute("SELECT DISTINCT epoch FROM metrics ORDER BY epoch"))

    room.train.at[3] = look_as_another_process_would
    room.runs.run_here(room.submit(epochs=3).run_id)
    assert seen == [1, 2]


@pytest.mark.parametrize("how", ["continued", "at the next start"])
def test_what_a_killed_training_left_half_written_goes(make_room: MakeRoom, how: str) -> None:
    room = make_room("inline")
    room.runs.start()
    run_id = room.settle(room.submit(epochs=2).run_id).run_id
    run_dir = room.runs.run_dir(run_id)
    halves = [run_dir / f".tmp-{'a' * 32}", run_dir / "checkpoint" / f".tmp-{'b' * 32}"]
    for half in halves:
        half.mkdir(parents=True)
        (half / "model.pt").write_bytes(b"x" * 1000)
    if how == "continued":
        room.runs.extend(run_id, 1)
        assert room.settle(run_id).status is RunStatus.FINISHED
    else:
        make_room("inline").runs.start()
    assert not [half for half in halves if half.exists()]
