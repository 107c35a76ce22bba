"""The callback that watches a run: numbers out, Stop in, and an eye on losses that are not finite.

It draws no random number and, on a GPU, does not wait for the device at every step: losses stay there and are
fetched together about twice a second and at the end of an epoch. Beside it the logger that keeps the same numbers
for the model's own history.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any, Protocol

import pandas as pd
import psutil
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers.logger import Logger

from ..types import MetricPoint

# scvi-tools' models and what Lightning hands over have no types: ``Any``.

logger = logging.getLogger("backend.training")

Series = dict[str, dict[int, float]]  # name -> epoch counted from 0 -> value

_FETCH_SECONDS = 0.5
_STEP_POINTS = 800  # of one epoch, at most


class Fit(Protocol):
    """What our callbacks ask of whoever runs the epochs: Lightning's trainer, or the fused engine's own loop."""

    should_stop: bool
    limit_val_batches: Any  # 0: no validation any more

    @property
    def current_epoch(self) -> int: ...  # from 0
    @property
    def global_step(self) -> int: ...
    @property
    def is_last_batch(self) -> bool: ...
    @property
    def max_epochs(self) -> int | None: ...
    @property
    def num_training_batches(self) -> Any: ...
    @property
    def callback_metrics(self) -> dict[str, torch.Tensor]: ...


class RunWatch(Callback):
    """One per training session.

    Parameters
    ----------
    emit
        Takes every metric point; whatever it raises is logged once and ignored.
    should_stop
        Asked after every minibatch.
    started
        Called with the device of the parameters just before the first minibatch.
    n_train
        Cells trained in an epoch, for the speed.
    """

    def __init__(
        self,
        emit: Callable[[MetricPoint], None],
        should_stop: Callable[[], bool],
        started: Callable[[torch.device], None],
        n_train: int,
        clock: Callable[[], float],
    ) -> None:
        self.stopped = False  # on request
        self.partial = False  # the loop was left in the middle of an epoch
        self.diverged = False
        self.epochs = 0  # completed, over all sessions
        self._epochs_here = 0  # completed in this session
        self.steps = 0
        self.began = False
        self.earlier_seconds = 0.0  # of the sessions before this one
        self._emit = emit
        self._should_stop = should_stop
        self._started = started
        self._n_train = n_train
        self._clock = clock
        self._start = 0.0
        self._epoch_start = 0.0
        self.validated = False  # in this epoch
        self._losses: list[tuple[int, float, torch.Tensor]] = []  # step, seconds, loss on its device
        self._fetched_at = 0.0
        self._stride = 1
        self._emit_failed = False
        self._process = psutil.Process()

    # --- time ---------------------------------------------------------------------------------------

    def seconds(self) -> float:
        """Training time since the run began, pauses between sessions left out."""
        return self.earlier_seconds + (self._clock() - self._start if self.began else 0.0)

    # --- Lightning's hooks ----------------------------------------------------------------------------

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._stride = max(1, math.ceil(trainer.num_training_batches / _STEP_POINTS))
        self._started(next(pl_module.parameters()).device)
        self._start = self._fetched_at = self._clock()
        self.began = True

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self.validated = False
        self._epoch_start = self._clock()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = self._clock()
        self.steps = trainer.global_step
        loss = outputs["loss"].detach()
        self._losses.append((self.steps, self.earlier_seconds + now - self._start, loss))
        if loss.device.type == "cpu" and not math.isfinite(loss.item()):
            self.diverged = True
        last = trainer.is_last_batch
        if last or self.diverged or now - self._fetched_at >= _FETCH_SECONDS:
            self._flush_losses(trainer.current_epoch + 1)
            self._fetched_at = now
        if self.diverged:
            self._leave(trainer, partial=True)
        elif self._should_stop():
            self.stopped = True
            self._flush_losses(trainer.current_epoch + 1)
            self._leave(trainer, partial=not last)

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.validated = True

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if self.partial:
            return
        epoch = trainer.current_epoch + 1
        values = self._fetch(
            {
                name: value
                for name, value in trainer.callback_metrics.items()
                if self.validated or (not name.startswith("validation_") and not name.endswith("_validation"))
            }
        )
        took = self._clock() - self._epoch_start
        seconds = self.seconds()
        if not all(map(math.isfinite, values.values())):
            self.diverged = True
            self._leave(trainer, partial=True)
            return
        values["warm_up"] = float(not self._epochs_here)  # kernels and caches: not the speed of the device
        if not self._epochs_here:
            values["planned_epochs"] = float(trainer.max_epochs)
        self._epochs_here += 1
        self.epochs = epoch
        values["epoch_seconds"] = took
        values["cells_per_second"] = self._n_train / took if took > 0 else 0.0
        values["memory_bytes"] = float(self._process.memory_info().rss)
        on_device = _accelerator_memory(pl_module.device)
        if on_device is not None:
            values["accelerator_memory_bytes"] = float(on_device)
        for name, value in values.items():
            self.send(MetricPoint(name, epoch, value, seconds))
        if not self.stopped and self._should_stop():
            self.stopped = True
            self._leave(trainer, partial=False)

    # --- inside ---------------------------------------------------------------------------------------

    def _leave(self, trainer: Fit, *, partial: bool) -> None:
        trainer.should_stop = True
        self.partial = partial
        if partial:
            trainer.limit_val_batches = 0  # Lightning would validate before it obeys

    def _flush_losses(self, epoch: int) -> None:
        if not self._losses:
            return
        values = torch.stack([loss for _, _, loss in self._losses]).float().cpu().tolist()
        for (step, seconds, _), value in zip(self._losses, values, strict=True):
            if not math.isfinite(value):
                self.diverged = True
            elif step % self._stride == 0:
                self.send(MetricPoint("train_loss_step", epoch, value, seconds, step))
        self._losses.clear()

    @staticmethod
    def _fetch(metrics: dict[str, torch.Tensor]) -> dict[str, float]:
        """All values with one wait for the device."""
        if not metrics:
            return {}
        device = next(iter(metrics.values())).device
        stacked = torch.stack([value.detach().to(device).float().reshape(()) for value in metrics.values()])
        return dict(zip(metrics, stacked.cpu().tolist(), strict=True))

    def send(self, point: MetricPoint) -> None:
        try:
            self._emit(point)
        except Exception:
            if not self._emit_failed:
                logger.warning("A metric could not be passed on; training continues.", exc_info=True)
            self._emit_failed = True


def _accelerator_memory(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    return None


class HistoryLogger(Logger):
    """Keeps every logged number by epoch, in the form of scvi-tools' ``model.history``.

    Unlike scvi-tools' own it grows no DataFrame row by row, can begin with the history of earlier sessions, and
    forgets an epoch that was not completed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.series: Series = {}

    @property
    def name(self) -> str:
        return "scvi-studio"

    @property
    def version(self) -> int:
        return 1

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """A run's settings are its spec; nothing to keep here."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        metrics = dict(metrics)
        epoch = metrics.pop("epoch", step)
        assert epoch is not None
        for name, value in metrics.items():
            self.series.setdefault(name, {})[int(epoch)] = float(value)

    def until(self, epochs: int) -> Series:
        """The series of the first ``epochs`` epochs."""
        kept = {name: {e: v for e, v in values.items() if e < epochs} for name, values in self.series.items()}
        return {name: values for name, values in kept.items() if values}

    @property
    def history(self) -> dict[str, pd.DataFrame]:
        return {
            name: pd.DataFrame({name: list(values.values())}, index=pd.Index(list(values), name="epoch"))
            for name, values in self.series.items()
        }
