"""The callback that takes pictures of the cells: a fixed random sample, encoded as the model is just then.

Draws no random number of training's and leaves the module as it was, so a run has the same history with and without
it. Whatever goes wrong is logged once and ends the pictures, never the run. The counts of the sample are gathered
once and stay sparse; only the encoder's first layer sees them.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.callbacks import Callback
from scvi import REGISTRY_KEYS

from ..types import MetricPoint
from ._frame_files import FrameFiles, FramePlan
from ._watch import RunWatch

# scvi-tools' models and what Lightning hands over have no types: ``Any``.

logger = logging.getLogger("backend.training")

SAMPLE = 3000
_BLOCK = 256  # cells, where the device has no sparse product


def chosen_cells(n_obs: int, seed: int, n: int = SAMPLE) -> npt.NDArray[np.intp]:
    """The cells of all pictures of a run, sorted; from a generator of its own."""
    if n_obs <= n:
        return np.arange(n_obs)
    return np.sort(np.random.default_rng([seed, n_obs]).choice(n_obs, n, replace=False))


class Frames(Callback):
    """One per training session. Stands before ``Checkpoints``, which must be the last.

    Parameters
    ----------
    model
        The ``SCVI`` that trains; its cells are a CSR matrix.
    emit
        Takes the metric point ``frame_seconds`` of each picture.
    """

    def __init__(
        self,
        model: Any,
        run_dir: Path,
        watch: RunWatch,
        emit: Callable[[MetricPoint], None],
        *,
        max_epochs: int,
        seed: int,
        clock: Callable[[], float],
        sample: int = SAMPLE,
    ) -> None:
        self._model = model
        self._files = FrameFiles(run_dir)
        self._watch = watch
        self._emit = emit
        self._plan = FramePlan(max_epochs)
        self._seed = seed
        self._clock = clock
        self._sample = sample
        self._encoder: SampleEncoder | None = None
        self._cells: npt.NDArray[np.intp] | None = None
        self._before: npt.NDArray[np.float64] | None = None  # the last picture's points
        self._last = -1  # its epoch
        self._failed = False

    # --- Lightning's hooks ------------------------------------------------------------------------------

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        # A checkpoint is loaded by now, and the clock of training does not tick yet.
        self._guarded(self._begin)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        watch = self._watch
        if watch.partial or watch.diverged or self._encoder is None:
            return
        if self._plan.due(watch.epochs, self._last, watch.seconds()):
            self._guarded(lambda: self._within_training(watch.epochs))

    def conclude(self, latent: Path) -> None:
        """The last picture, from the latent space that was saved: no cell is encoded for it."""
        if self._cells is not None:
            self._guarded(lambda: self._conclude(latent))
        self._encoder = None

    # --- inside -----------------------------------------------------------------------------------------

    def _begin(self) -> None:
        watch = self._watch
        n_obs = self._model.adata.n_obs
        cells = chosen_cells(n_obs, self._seed, self._sample)
        index = self._files.begin(cells, n_obs, epoch=watch.epochs)
        self._plan.spent = index.frame_seconds
        if index.frames:
            self._last = index.frames[-1].epoch
            self._before = self._files.points(index.frames[-1])
        encoder = SampleEncoder(self._model.adata_manager, self._model.module, cells)
        if not watch.epochs:  # before the first minibatch, which is not counted as training time
            self._add(encoder(), 0, None)
        start = self._clock()
        encoder()  # warm now, so that this tells what a picture will cost
        self._plan.expected = self._clock() - start
        self._encoder, self._cells = encoder, cells

    def _conclude(self, latent: Path) -> None:
        epoch = self._watch.epochs
        if epoch != self._last or self._watch.partial:
            self._add(np.load(latent, mmap_mode="r")[self._cells], epoch, None)
        self._files.settle(spent=self._plan.spent, training_seconds=self._watch.seconds())

    def _within_training(self, epoch: int) -> None:
        start = self._clock()
        assert self._encoder is not None
        self._add(self._encoder(), epoch, start)
        took = self._clock() - start
        self._plan.took(took)
        self._emit(MetricPoint("frame_seconds", epoch, took, self._watch.seconds()))

    def _add(self, z: npt.NDArray[np.floating[Any]], epoch: int, start: float | None) -> None:
        """The picture of a latent; ``start`` is when the work on it began, None outside of training."""
        if not np.isfinite(z).all():
            return  # the run is about to find that it has diverged
        points, explained = two_dimensions(z)
        if self._before is not None:
            points = turned(points, self._before)
        took = 0.0 if start is None else self._clock() - start
        self._files.add(
            epoch,
            points,
            explained,
            seconds=took,
            spent=self._plan.spent + took,
            training_seconds=self._watch.seconds(),
        )
        self._before, self._last = points, epoch

    def _guarded(self, work: Callable[[], object]) -> None:
        if self._failed:
            return
        try:
            work()
        except Exception:
            self._failed = True
            self._encoder = self._cells = None
            logger.warning("The cells could not be pictured while training, which continues.", exc_info=True)


class SampleEncoder:
    """The mean of q(z|x) of a fixed sample, while the model trains: ``encoder()`` gives (C, L) float32 on the CPU.

    Works on the module as either engine lays it out. Refuses an encoder that sees covariates, with
    ``NotImplementedError``: no spec asks for one.
    """

    def __init__(self, manager: Any, module: Any, cells: npt.NDArray[np.intp]) -> None:
        if getattr(module, "encode_covariates", False):
            raise NotImplementedError("the encoder sees covariates")
        self._encoder = module.z_encoder
        counts = manager.get_from_registry(REGISTRY_KEYS.X_KEY)[cells].astype(np.float32)
        if module.log_variational:
            np.log1p(counts.data, out=counts.data)
        device = next(module.parameters()).device
        self._dense_blocks = None if _multiplies_sparse(device) else counts
        self._inputs = None if self._dense_blocks is not None else _as_csr(counts, device)

    @torch.no_grad()
    def __call__(self) -> npt.NDArray[np.float32]:
        encoder = self._encoder
        was_training = encoder.training
        encoder.eval()
        try:
            (first, *rest), *others = encoder.encoder.fc_layers
            x = self._first(first.weight) + first.bias
            for layer in [*rest, *(layer for block in others for layer in block)]:
                if layer is not None:
                    x = layer(x)
            latent: npt.NDArray[np.float32] = encoder.mean_encoder(x).float().cpu().numpy()
        finally:
            encoder.train(was_training)
        return latent

    def _first(self, weight: torch.Tensor) -> torch.Tensor:
        if self._inputs is not None:
            return self._inputs @ weight.t()
        counts = self._dense_blocks
        assert counts is not None
        starts = range(0, counts.shape[0], _BLOCK)
        blocks = (torch.from_numpy(counts[start : start + _BLOCK].toarray()) for start in starts)
        return torch.cat([block.to(weight.device) @ weight.t() for block in blocks])


def _multiplies_sparse(device: torch.device) -> bool:
    return device.type == "cuda" or (device.type == "cpu" and torch.backends.mkl.is_available())


def _as_csr(counts: Any, device: torch.device) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            torch.from_numpy(counts.indptr.astype(np.int32)),
            torch.from_numpy(counts.indices.astype(np.int32)),
            torch.from_numpy(counts.data),
            size=counts.shape,
            check_invariants=True,
            device=device,
        )


def two_dimensions(z: npt.NDArray[np.floating[Any]]) -> tuple[npt.NDArray[np.float64], float]:
    """The two directions in which the latent (C, L) varies most, (C, 2), and their part of its variance."""
    centred = np.asarray(z, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    variances, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :2]
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])] < 0, -1.0, 1.0)
    points = centred @ axes
    if points.shape[1] == 1:
        points = np.column_stack([points, np.zeros(len(points))])
    total = float(variances.sum())
    return points, float(variances[::-1][:2].sum() / total) if total > 0 else 0.0


def turned(points: npt.NDArray[np.float64], before: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """``points`` (C, 2), centred, rotated or mirrored to lie as ``before`` does: distances stay what they are."""
    left, _, right = np.linalg.svd(points.T @ (before - before.mean(axis=0)))
    result: npt.NDArray[np.float64] = points @ (left @ right)
    return result
