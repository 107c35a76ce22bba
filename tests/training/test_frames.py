"""Pictures of the cells while a run trains: what they show, what they cost, and that training never notices."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.training import FrameFiles, train
from backend.training import _frames as frames_module
from backend.training._frame_files import MOST, SHARE, FramePlan
from backend.training._frames import SampleEncoder, chosen_cells, turned, two_dimensions
from backend.types import DatasetRef, FrameIndex, RunSpec
from tests.training.conftest import Told, never


@pytest.fixture
def generous(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture at every planned epoch, however quick the machine trains these few cells."""
    monkeypatch.setattr(FramePlan, "affordable", lambda self, elapsed: True)


def index_of(run_dir: Path) -> FrameIndex:
    index = FrameFiles(run_dir).index()
    assert index is not None
    return index


@pytest.mark.parametrize("engine", ["stock", "fused"])
@pytest.mark.usefixtures("generous")
def test_a_run_has_the_same_history_and_model_with_and_without_pictures(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, engine: str
) -> None:
    spec = spec.replace(engine=engine)
    told.run(spec, ref, tmp_path / "with")
    without = Told()
    train(
        spec,
        ref,
        tmp_path / "without",
        on_metric=without.points.append,
        on_phase=without.phases.append,
        on_start=without.starts.append,
        should_stop=never,
        pictures=False,
    )
    assert [frame.epoch for frame in index_of(tmp_path / "with").frames] == [0, 1, 2, 3]
    assert not (tmp_path / "without" / "frames").exists()
    for name in ("train_loss_step", "train_loss", "validation_loss", "kl_local_validation"):
        assert told.series(name) == without.series(name) != [], name
    np.testing.assert_array_equal(
        np.load(tmp_path / "with/latent.npy"), np.load(tmp_path / "without/latent.npy")
    )


@pytest.mark.parametrize("engine", ["stock", "fused"])
@pytest.mark.usefixtures("generous")
def test_a_picture_is_encoded_as_the_finished_model_encodes(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []
    encode = SampleEncoder.__call__

    def remembered(self: SampleEncoder) -> np.ndarray:
        seen.append(encode(self))
        return seen[-1]

    monkeypatch.setattr(SampleEncoder, "__call__", remembered)
    told.run(spec.replace(engine=engine), ref, tmp_path)
    np.testing.assert_allclose(seen[-1], np.load(tmp_path / "latent.npy"), rtol=1e-4, atol=1e-5)
    assert not np.allclose(seen[0], seen[-1], atol=1e-2), "the first one is of the untrained model"


def test_dense_blocks_give_what_the_sparse_product_gives(
    spec: RunSpec, ref: DatasetRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backend.datasets import open_prepared
    from backend.training._model import build_model, release_model

    model = build_model(spec, open_prepared(ref))
    cells = chosen_cells(ref.n_obs, 0, 50)
    sparse = SampleEncoder(model.adata_manager, model.module, cells)()
    monkeypatch.setattr("backend.training._frames._multiplies_sparse", lambda device: False)
    monkeypatch.setattr("backend.training._frames._BLOCK", 16)
    np.testing.assert_allclose(
        SampleEncoder(model.adata_manager, model.module, cells)(), sparse, rtol=1e-4, atol=1e-5
    )
    assert model.module.training is True
    release_model(model)


@pytest.mark.usefixtures("generous")
def test_the_cost_of_each_picture_is_a_number_of_the_run(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    told.run(spec, ref, tmp_path)
    assert told.epochs("frame_seconds") == [1, 2, 3]
    index = index_of(tmp_path)
    assert sum(told.series("frame_seconds")) == pytest.approx(index.frame_seconds)
    assert 0 < index.cost < 1


@pytest.mark.usefixtures("generous")
def test_resuming_goes_on_with_the_same_cells_and_repeats_no_epoch(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    spec = spec.replace(max_epochs=4)
    told.run(spec, ref, tmp_path / "whole")
    told.run(spec, ref, tmp_path / "parts", should_stop=told.stop_when_asked(15))  # in epoch 3
    files = FrameFiles(tmp_path / "parts")
    first = index_of(tmp_path / "parts")
    assert [frame.epoch for frame in first.frames] == [0, 1, 2]
    told.run(spec, ref, tmp_path / "parts", resume=True)
    index = index_of(tmp_path / "parts")
    assert [frame.epoch for frame in index.frames] == [0, 1, 2, 3, 4]
    assert index.frames[:2] == first.frames[:2], "what was taken is kept"
    whole = FrameFiles(tmp_path / "whole")
    ours, theirs = (f.points(f.index().frames[-1]) for f in (files, whole))  # type: ignore[union-attr]
    np.testing.assert_allclose(distances(ours), distances(theirs), atol=0.01 * np.ptp(theirs))


def distances(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:20, None] - points[None, :20], axis=-1)


@pytest.mark.usefixtures("generous")
def test_a_fresh_start_drops_the_pictures_of_an_earlier_attempt(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    told.run(spec, ref, tmp_path)
    shutil.rmtree(tmp_path / "checkpoint")
    told.run(spec.replace(max_epochs=1), ref, tmp_path)
    index = index_of(tmp_path)
    assert [frame.epoch for frame in index.frames] == [0, 1]
    files = {path.stem for path in (tmp_path / "frames").glob("*.npy")}
    assert files == {"cells", *(frame.name for frame in index.frames)}


def test_what_goes_wrong_is_said_once_and_the_run_goes_on(
    spec: RunSpec,
    ref: DatasetRef,
    told: Told,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    generous: None,
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(frames_module.FrameFiles, "add", full)
    with caplog.at_level(logging.WARNING, "backend.training"):
        assert told.run(spec, ref, tmp_path).outcome == "finished"
    assert len([r for r in caplog.records if "pictured" in r.message]) == 1
    assert len(told.series("validation_loss")) == 3


def test_of_many_cells_a_fixed_sample_is_drawn_from_the_seed_of_the_run() -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[index]
    cells = chosen_cells(10_000, seed=3)
    assert len(cells) == len(set(cells.tolist())) == 3000
    assert (np.diff(cells) > 0).all()
    assert cells.tolist() == chosen_cells(10_000, seed=3).tolist() != chosen_cells(10_000, seed=4).tolist()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # type: ignore[index]
    assert chosen_cells(700, seed=3).tolist() == list(range(700))


@pytest.mark.parametrize("max_epochs", [5, 25, 50, 400, 3000])
def test_pictures_are_dense_at_first_and_then_even_and_never_too_many(max_epochs: int) -> None:
    plan, last, taken = FramePlan(max_epochs), 0, []
    for epoch in range(1, max_epochs + 1):
        if plan.due(epoch, last, elapsed=1e9):
            last = epoch
            taken.append(epoch)
    assert taken[:3] == [1, 2, 3]
    assert len(taken) < MOST
    assert max_epochs - taken[-1] <= max_epochs / 40
    if max_epochs <= 42:
        assert taken == list(range(1, max_epochs + 1))


@pytest.mark.parametrize("epoch_seconds", [0.01, 0.1, 1.0, 60.0])
@pytest.mark.parametrize("cost", [0.002, 0.05, 0.4])
def test_pictures_take_three_percent_of_the_time_at_most(epoch_seconds: float, cost: float) -> None:
    plan, last, elapsed, taken = FramePlan(400, expected=cost), 0, 0.0, 0
    for epoch in range(1, 401):
        elapsed += epoch_seconds
        if plan.due(epoch, last, elapsed):
            plan.took(cost)
            elapsed += cost
            last, taken = epoch, taken + 1
        assert plan.spent <= SHARE * elapsed
    assert taken >= min(40, int(0.8 * SHARE * elapsed / cost))


def test_a_picture_that_takes_longer_than_expected_is_paid_back_before_the_next() -> None:
    plan = FramePlan(100, expected=0.01)
    assert plan.due(1, 0, elapsed=1.0)
    plan.took(0.5)
    assert not plan.due(5, 1, elapsed=20.0)
    assert plan.due(40, 1, elapsed=40.0)


def test_a_turned_picture_lies_as_the_one_before_and_keeps_its_distances() -> None:
    rng = np.random.default_rng(0)
    before, _ = two_dimensions(rng.normal(size=(200, 2)) * [3, 1])
    angle = 2.1
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    mirrored = before @ rotation * [1, -1]
    np.testing.assert_allclose(turned(mirrored, before), before, atol=1e-9)
    bigger = 2 * mirrored
    np.testing.assert_allclose(turned(bigger, before), 2 * before, atol=1e-9)


def test_two_dimensions_are_those_of_most_variance_also_where_there_is_one() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(500, 5)) * [0.1, 4, 0.1, 2, 0.1]
    points, explained = two_dimensions(z)
    np.testing.assert_allclose(points.std(axis=0), [4, 2], rtol=0.1)
    assert explained == pytest.approx(1, abs=0.01)
    flat, explained = two_dimensions(z[:, :1])
    assert flat.shape == (500, 2)
    assert explained == pytest.approx(1)
    assert two_dimensions(np.ones((10, 3)))[1] == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_a_picture_points_where_the_latent_dimensions_point(seed: int) -> None:
    """An eigenvector may come with either sign; pictures of two runs are to lie the same way."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(500, 5)) * rng.permutation([0.1, 4, 0.1, 2, 0.1])
    points, _ = two_dimensions(z)
    for drawn, at in zip(points.T, np.argsort(-z.var(axis=0)), strict=False):
        assert np.corrcoef(drawn, z[:, at])[0, 1] > 0.9


def test_files_hold_what_was_put_in_to_a_65535th_and_thin_what_is_too_much(tmp_path: Path) -> None:
    files = FrameFiles(tmp_path)
    files.begin(np.arange(30), 30, epoch=0)
    rng = np.random.default_rng(0)
    for epoch in range(MOST + 1):
        points = rng.normal(size=(30, 2))
        files.add(epoch, points, 0.5)
    index = index_of(tmp_path)
    epochs = [frame.epoch for frame in index.frames]
    assert epochs == [*range(0, MOST, 2), MOST]
    np.testing.assert_allclose(files.points(index.frames[-1]), points, atol=np.ptp(points) / 60_000)
    assert files.values(index.frames[-1].name).nbytes == 30 * 4
    dropped = len(list((tmp_path / "frames").glob("*.npy"))) - len(epochs) - 1
    assert dropped == MOST // 2, "a browser may be asking for one just now"
    FrameFiles(tmp_path).begin(np.arange(30), 30, epoch=MOST)
    assert len(list((tmp_path / "frames").glob("*.npy"))) == len(epochs) + 1
    assert FrameFiles(tmp_path / "elsewhere").index() is None
    (tmp_path / "frames" / "index.json").write_text('{"n_cells": 3')
    assert files.index() is None
