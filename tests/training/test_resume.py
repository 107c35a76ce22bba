"""Stop, crash, resume and extend: one curve, as if nothing had happened."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from backend.errors import BadFile, BadInput
from backend.training import checkpoint_epoch
from backend.types import DatasetRef, MetricPoint, RunSpec
from tests.training.conftest import Told

SERIES = (
    "train_loss",
    "validation_loss",
    "elbo_train",
    "kl_local_validation",
    "kl_weight",
    "train_loss_step",
)


class Killed(BaseException):
    """Stands for the process going away: nothing may catch it to tidy up."""


def history_of(run_dir: Path) -> dict[str, list[float]]:
    import torch

    saved = torch.load(run_dir / "model" / "model.pt", weights_only=False)  # written by this test
    return {name: frame[name].tolist() for name, frame in saved["attr_dict"]["history_"].items()}


@pytest.mark.parametrize("check_val_every_n_epoch", [1, 2])
def test_a_stopped_run_resumes_to_the_same_history_as_an_uninterrupted_one(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, check_val_every_n_epoch: int
) -> None:
    spec = spec.replace(max_epochs=4, check_val_every_n_epoch=check_val_every_n_epoch)
    whole = Told()
    whole.run(spec, ref, tmp_path / "whole")

    first = told.run(
        spec, ref, tmp_path / "parts", should_stop=told.stop_when_asked(15)
    )  # in epoch 3 of 6 steps
    assert (first.outcome, first.epochs) == ("stopped", 2)
    assert checkpoint_epoch(tmp_path / "parts") == 2
    told.points = [p for p in told.points if p.epoch <= 2]  # what the registry drops before it resumes
    second = told.run(spec, ref, tmp_path / "parts", resume=True)

    assert (second.outcome, second.epochs) == ("finished", 4)
    assert told.starts[1].first_epoch == 3
    for name in SERIES:
        assert told.series(name) == whole.series(name), name
    assert [p.step for p in told.points if p.step] == [p.step for p in whole.points if p.step]
    np.testing.assert_array_equal(
        np.load(tmp_path / "parts/latent.npy"), np.load(tmp_path / "whole/latent.npy")
    )
    assert history_of(tmp_path / "parts") == history_of(tmp_path / "whole")


def test_a_finished_run_is_extended_on_the_same_curve(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    whole = Told()
    whole.run(spec.replace(max_epochs=4), ref, tmp_path / "whole")
    short = told.run(spec.replace(max_epochs=2), ref, tmp_path / "run")
    longer = told.run(spec.replace(max_epochs=4), ref, tmp_path / "run", resume=True)
    assert (longer.outcome, longer.epochs) == ("finished", 4)
    assert longer.elapsed > short.elapsed
    for name in SERIES:
        assert told.series(name) == whole.series(name), name
    seconds = [p.seconds for p in told.points if p.name == "train_loss"]
    assert seconds == sorted(seconds)
    assert len(history_of(tmp_path / "run")["elbo_validation"]) == 4


def test_a_killed_run_resumes_from_its_last_checkpoint(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    def killed_in_epoch_3(point: MetricPoint) -> None:
        if point.epoch == 3:
            raise Killed

    with pytest.raises(Killed):
        told.run(spec, ref, tmp_path, on_metric=killed_in_epoch_3, checkpoint_seconds=0)
    assert not (tmp_path / "model").exists()
    assert checkpoint_epoch(tmp_path) == 2
    whole = Told()
    whole.run(spec, ref, tmp_path / "whole")
    assert told.run(spec, ref, tmp_path, resume=True).epochs == 3
    assert told.series("validation_loss") == whole.series("validation_loss")[2:]


def test_before_a_checkpoint_there_is_a_chance_to_keep_what_it_will_not_tell_again(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    kept: list[tuple[int, int]] = []

    def keep() -> None:
        kept.append((checkpoint_epoch(tmp_path), max(told.epochs("validation_loss"))))

    told.run(spec, ref, tmp_path, checkpoint_seconds=0, before_checkpoint=keep)
    assert kept == [(0, 1), (1, 2), (2, 3)]


def test_resuming_a_run_that_never_got_to_a_checkpoint_starts_it(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    result = told.run(spec.replace(max_epochs=1), ref, tmp_path, resume=True)
    assert (result.outcome, result.epochs) == ("finished", 1)


def test_resuming_where_nothing_is_left_to_do_keeps_the_model(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    spec = spec.replace(max_epochs=1)
    first = told.run(spec, ref, tmp_path)
    before = np.load(tmp_path / "latent.npy")
    again = told.run(spec, ref, tmp_path, resume=True)
    assert (again.outcome, again.epochs) == ("finished", 1)
    assert again.elapsed == pytest.approx(first.elapsed, abs=1.0)
    np.testing.assert_array_equal(np.load(tmp_path / "latent.npy"), before)
    assert len(history_of(tmp_path)["train_loss"]) == 1


def test_starting_over_forgets_the_earlier_checkpoint(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    told.run(spec.replace(max_epochs=2), ref, tmp_path)
    told.run(spec.replace(max_epochs=1), ref, tmp_path)
    assert checkpoint_epoch(tmp_path) == 1


def test_a_run_is_not_resumed_with_other_settings_other_cells_or_a_broken_checkpoint(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    told.run(spec.replace(max_epochs=2), ref, tmp_path)
    with pytest.raises(BadInput, match="lr"):
        told.run(spec.replace(lr=0.5), ref, tmp_path, resume=True)
    with pytest.raises(BadInput, match="2 epochs already"):
        told.run(spec.replace(max_epochs=1), ref, tmp_path, resume=True)
    from tests.training.conftest import write_prepared

    with pytest.raises(BadInput, match="not the one"):
        told.run(spec, write_prepared(tmp_path / "other.h5ad", n_obs=90), tmp_path, resume=True)
    checkpoint = next((tmp_path / "checkpoint").iterdir())
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(BadFile) as caught:
        told.run(spec, ref, tmp_path, resume=True)
    assert caught.value.remedies[0].action == "resubmit"


def test_checkpoints_come_every_so_many_seconds_and_leave_one_file(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    seen: list[int] = []

    def look(point: MetricPoint) -> None:
        if point.name == "train_loss":
            seen.append(checkpoint_epoch(tmp_path))

    told.run(spec, ref, tmp_path, on_metric=look, checkpoint_seconds=0)
    assert seen == [0, 1, 2]
    assert [path.name for path in (tmp_path / "checkpoint").iterdir()] == ["epoch-000003.ckpt"]


def test_spec_fields_that_may_change_exist() -> None:
    from backend.training._checkpoint import _MAY_CHANGE

    assert {field.name for field in dataclasses.fields(RunSpec)} >= _MAY_CHANGE
