"""What must hold for a run whichever executor trains it."""

from __future__ import annotations

from backend.errors import TrainingFailed
from backend.types import RunStatus
from backend.words import sentence
from tests.runs.conftest import Room


def test_a_run_goes_from_queued_to_finished_with_all_its_numbers(any_room: Room) -> None:
    phases: list[tuple[str, str]] = []
    any_room.train.at[2] = lambda: phases.append(status_and_phase(any_room))
    record = any_room.settle(any_room.submit(epochs=5).run_id)
    assert phases == [("running", "training")]
    assert record.status is RunStatus.FINISHED
    assert (record.epoch, record.elapsed, record.phase, record.requested) == (5, 5.0, "", "")
    assert (record.best_validation, record.best_epoch) == (20.0, 5)
    assert record.seconds_per_epoch == (1.03 + 1.04) / 2  # the first epoch is warm-up
    assert (record.cells_per_second, record.peak_memory) == (630.0, 5000)
    assert (record.device, record.device_name, record.n_obs) == ("cpu", "Fake CPU", 700)
    assert record.started_at <= record.ended_at
    assert {"told at the start", "told at the end"} <= set(map(sentence, record.notices))
    assert any_room.registry.history(record.run_id)["train_loss"] == [100, 50, 100 / 3, 25, 20]


def status_and_phase(room: Room) -> tuple[str, str]:
    active = room.runs.active()
    assert active is not None
    return active.status, active.phase


def test_stop_keeps_the_model(any_room: Room) -> None:
    any_room.train.at[3] = lambda: any_room.runs.stop(any_room.runs.active().run_id)  # type: ignore[union-attr]
    record = any_room.settle(any_room.submit(epochs=9).run_id)
    assert (record.status, record.epoch, record.requested) == (RunStatus.STOPPED, 2, "")
    assert (any_room.runs.run_dir(record.run_id) / "model" / "model.pt").exists()


def test_cancel_discards_the_model_and_keeps_the_log(any_room: Room) -> None:
    any_room.train.at[3] = lambda: any_room.runs.cancel(any_room.runs.active().run_id)  # type: ignore[union-attr]
    record = any_room.settle(any_room.submit(epochs=9).run_id)
    assert record.status is RunStatus.CANCELED
    left = {path.name for path in any_room.runs.run_dir(record.run_id).iterdir()}
    assert left == {"log.txt", ".lock"}
    assert any_room.registry.history(record.run_id)["train_loss"] == [100, 50]  # the curve stays


def test_a_diverged_run_with_a_good_epoch_is_stopped_with_a_problem(any_room: Room) -> None:
    any_room.train.diverge_at = 3
    record = any_room.settle(any_room.submit(epochs=9).run_id)
    assert (record.status, record.epoch) == (RunStatus.STOPPED, 2)
    assert record.problem.code == "diverged"


def test_a_run_that_diverged_at_once_failed_with_a_problem(any_room: Room) -> None:
    any_room.train.diverge_at = 1
    record = any_room.settle(any_room.submit().run_id)
    assert record.status is RunStatus.FAILED
    assert record.problem.code == "diverged"


def test_an_error_is_a_sentence_on_the_record_and_a_traceback_in_the_log(any_room: Room) -> None:
    def explode() -> None:
        raise TrainingFailed("The cable was pulled.") from KeyError("inner")

    any_room.train.at[2] = explode
    record = any_room.settle(any_room.submit().run_id)
    assert record.status is RunStatus.FAILED
    assert record.problem.message == "The cable was pulled."
    log = any_room.runs.log(record.run_id)
    assert "Traceback" in log
    assert "KeyError: 'inner'" in log
    assert "fakes.py" in log


def test_an_unforeseen_error_is_still_a_sentence(any_room: Room) -> None:
    any_room.train.at[1] = lambda: {}["missing"]
    record = any_room.settle(any_room.submit().run_id)
    assert record.problem.code == "training_failed"
    assert "KeyError" in record.problem.message
    assert "\n" not in record.problem.message
    assert any_room.settle(any_room.submit().run_id).status is RunStatus.FINISHED  # and the worker goes on


def test_running_out_of_memory_offers_smaller_minibatches(any_room: Room) -> None:
    def explode() -> None:
        raise MemoryError

    any_room.train.at[1] = explode
    record = any_room.settle(any_room.submit(batch_size=512).run_id)
    assert record.problem.code == "out_of_memory"
    assert record.problem.remedies[0].changes == {"batch_size": 256, "lr": 0.002}


def test_extending_continues_the_same_curve(any_room: Room) -> None:
    run_id = any_room.settle(any_room.submit(epochs=3).run_id).run_id
    any_room.runs.extend(run_id, 2)
    record = any_room.settle(run_id)
    assert (record.status, record.epoch, record.spec.max_epochs) == (RunStatus.FINISHED, 5, 5)
    assert any_room.train.firsts == [1, 4]
    assert any_room.registry.history(run_id)["train_loss"] == [100, 50, 100 / 3, 25, 20]


def test_a_stopped_run_resumes_to_its_total(any_room: Room) -> None:
    any_room.train.at[3] = lambda: any_room.runs.stop(any_room.runs.active().run_id)  # type: ignore[union-attr]
    run_id = any_room.settle(any_room.submit(epochs=4).run_id).run_id
    any_room.runs.resume(run_id)
    record = any_room.settle(run_id)
    assert (record.status, record.epoch, record.problem) == (RunStatus.FINISHED, 4, None)
    assert len(any_room.registry.history(run_id)["train_loss"]) == 4


def test_all_queued_runs_are_trained_in_order(any_room: Room) -> None:
    records = [any_room.submit(seed=n) for n in range(3)]
    any_room.settle()
    assert [spec.seed for spec in any_room.train.specs] == [0, 1, 2]
    assert {any_room.runs.get(r.run_id).status for r in records} == {RunStatus.FINISHED}
