"""The course of a training that a spec may change: where the model begins, the rate step by step, the running averages
of batch normalisation, and an early end.

Works with both engines: the rate follows from the number of the step alone, so that a resumed run goes on as if it
had never stopped; in scvi-tools' own loop a Lightning callback sets it. A spec that keeps scvi-tools' values changes
nothing. A run that is extended has more steps, so a rate that had fallen goes up again to where a longer run has it.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.callbacks import Callback
from scvi import REGISTRY_KEYS
from scvi.dataloaders import AnnDataLoader

from ..types import RunSpec
from ._checkpoint import capture_random_state, restore_random_state
from ._presets import share_of_rate
from ._recalibration import (
    CHECKED_CELLS,
    MINIBATCH,
    negative_elbo,
    recalibrate,
    some_training_cells,
    through_batch_norms,
)
from ._watch import RunWatch

# scvi-tools' models and what Lightning hands over have no types: ``Any``.

_DEFAULT = RunSpec(dataset_id="")
_ENOUGH = 20_000  # cells whose means are as good as those of all


class RateSchedule(Callback):
    """Sets the learning rate before every step, and logs that of an epoch's last step."""

    def __init__(self, spec: RunSpec) -> None:
        self._spec = spec
        self._steps = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._steps = trainer.num_training_batches * trainer.max_epochs

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        spec = self._spec
        share = share_of_rate(trainer.global_step, self._steps, spec.lr_schedule, spec.lr_warmup, spec.lr_end)
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = spec.lr * share

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.is_last_batch:
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            pl_module.log("learning_rate", rate, on_step=False, on_epoch=True, batch_size=1)


def rate_callbacks(spec: RunSpec) -> list[Any]:
    """None where the rate stays as it is: then scvi-tools' optimizer is left alone."""
    return [RateSchedule(spec)] if spec.lr_schedule != "constant" or spec.lr_warmup > 0 else []


class EarlyStop(Callback):
    """On the validation ELBO, by the rule of ``SCVI.train(early_stopping=True)``, but silent. Goes after ``watch``."""

    def __init__(self, watch: RunWatch, patience: int) -> None:
        self._watch = watch
        self._patience = patience
        self._best = math.inf
        self._waited = 0  # validations since the best one

    @property
    def state_key(self) -> str:
        """Of the class that did this before, whose checkpoints are still resumed."""
        return "QuietEarlyStopping{'monitor': 'elbo_validation', 'mode': 'min'}"

    def state_dict(self) -> dict[str, Any]:
        return {"wait_count": self._waited, "best_score": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._best, self._waited = float(state_dict["best_score"]), state_dict["wait_count"]
        if self._waited >= self._patience:  # an early-stopped run that is extended gets a new chance
            self._waited = 0

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if not self._watch.validated or self._watch.partial:
            return
        elbo = float(trainer.callback_metrics["elbo_validation"])
        if elbo < self._best:
            self._best, self._waited = elbo, 0
            return
        self._waited += 1
        if self._waited >= self._patience:
            trainer.should_stop = True


class Passes(Protocol):
    """How cells go through the model; minibatches are of the engine's own kind."""

    def minibatches(self, cells: npt.NDArray[np.intp], size: int) -> Any: ...

    def through_batch_norms(self, minibatches: Any) -> None: ...

    def negative_elbo(self, minibatches: Any) -> float: ...


class _StockPasses:
    def __init__(self, model: Any) -> None:
        self._model = model

    def minibatches(self, cells: npt.NDArray[np.intp], size: int) -> AnnDataLoader:
        return AnnDataLoader(self._model.adata_manager, indices=cells, batch_size=size, shuffle=False)

    def through_batch_norms(self, minibatches: AnnDataLoader) -> None:
        through_batch_norms(self._model.module, minibatches)

    def negative_elbo(self, minibatches: AnnDataLoader) -> float:
        return negative_elbo(self._model.module, minibatches)


class Recalibration(Callback):
    """Recalibrates before every validation and at the end. See ``_recalibration``.

    Parameters
    ----------
    model
        The ``SCVI`` that trains.
    train, validation
        Positions of its cells, shuffled.
    """

    def __init__(self, model: Any, train: npt.NDArray[np.intp], validation: npt.NDArray[np.intp]) -> None:
        self._model = model
        self._averaged = some_training_cells(train)
        self._checked = (validation if len(validation) else train)[:CHECKED_CELLS]
        self._passes: Passes = _StockPasses(model)
        self._minibatches: list[Any] = []
        self._step = -1

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if hasattr(trainer, "through_batch_norms"):  # the fused engine's own, several times quicker
            self._passes = trainer
        random_state = capture_random_state()  # loaders draw a number
        self._minibatches = [
            self._passes.minibatches(cells, MINIBATCH) for cells in (self._averaged, self._checked)
        ]
        restore_random_state(random_state)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self._recalibrate(trainer.global_step)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.global_step != self._step:
            self._recalibrate(trainer.global_step)

    def _recalibrate(self, step: int) -> None:
        self._step = step
        averaged, checked = self._minibatches
        random_state = capture_random_state()
        recalibrate(
            self._model.module,
            lambda: self._passes.through_batch_norms(averaged),
            lambda: self._passes.negative_elbo(checked),
        )
        restore_random_state(random_state)


def begin(model: Any, spec: RunSpec, train_cells: npt.NDArray[np.intp]) -> None:
    """Change the untrained model where the spec asks for it. Draws no random numbers."""
    if spec.norm_momentum != _DEFAULT.norm_momentum:
        for layer in model.module.modules():
            if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
                layer.momentum = spec.norm_momentum
    if spec.output_start == "gene_means":
        bias = model.module.decoder.px_scale_decoder[0].bias
        with torch.no_grad():
            counts = model.adata_manager.get_from_registry(
                REGISTRY_KEYS.X_KEY
            )  # a layer, where one was registered
            bias.copy_(torch.from_numpy(_log_shares(counts, train_cells[:_ENOUGH])))


def _log_shares(counts: Any, cells: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    """Of each gene among all counts of ``cells``, as a natural logarithm around 0: the softmax of it is the shares."""
    totals = np.zeros(counts.shape[1])
    for first in range(0, len(cells), 1000):
        totals += np.asarray(counts[np.sort(cells[first : first + 1000])].sum(axis=0)).ravel()
    logarithms = np.log(totals + 0.5)  # a gene not seen in these cells may be in others
    centred: npt.NDArray[np.float32] = (logarithms - logarithms.mean()).astype(np.float32)
    return centred
