"""One session of training: the model under its engine's epochs with our callbacks, then the files it leaves.

The part of a run that needs torch. ``train`` has validated everything and opened the cells.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..devices import environment
from ..types import Accelerator, MetricPoint, Notice, RunSpec, StartInfo, TrainingResult, notice
from ..words import sentence
from ._checkpoint import Checkpoints, CheckpointStore, load
from ._clock import AwakeClock
from ._course import EarlyStop, Recalibration, begin
from ._engines import Engine, Ready
from ._failures import diverged, looks_diverged
from ._frames import Frames
from ._fused import FusedFit
from ._model import (
    LATENT,
    build_model,
    release_model,
    save_latent,
    save_model,
    seed_everything,
)
from ._process import silence
from ._resuming import Split, epoch_of
from ._space import Space
from ._stock import StockFit
from ._watch import HistoryLogger, RunWatch

if TYPE_CHECKING:
    from anndata import AnnData

# scvi-tools' models and plans have no types: ``Any``.

logger = logging.getLogger("backend.training")


@dataclass(frozen=True, slots=True)
class Hooks:
    on_metric: Callable[[MetricPoint], None]
    on_phase: Callable[[str], None]
    on_start: Callable[[StartInfo], None]
    should_stop: Callable[[], bool]
    before_checkpoint: Callable[[], object]
    on_standing: Callable[[tuple[Notice, ...]], object]


@dataclass
class Session:
    spec: RunSpec
    adata: AnnData
    run_dir: Path
    split: Split
    checkpoint: Path | None
    engine: Engine
    accelerator: Accelerator
    notices: tuple[Notice, ...]
    hooks: Hooks
    checkpoint_seconds: float
    clock: AwakeClock
    pictures: bool = True
    _watch: RunWatch = field(init=False)
    _space: Space = field(init=False)
    _checkpoints: Checkpoints = field(init=False)
    _ready: Ready = field(init=False)
    _frames: Frames | None = field(init=False, default=None)
    _preparation: float = field(init=False, default=0.0)

    def run(self) -> TrainingResult:
        silence()
        seed_everything(self.spec.seed)
        self._space = Space(self.run_dir, self.hooks.on_standing)
        model = build_model(self.spec, self.adata)
        try:
            self._fit(model)
            result = self._result()
            if result.epochs or result.outcome == "stopped":
                self.hooks.on_phase("saving")
                self._space.save_results(
                    partial(self._save, model),
                    lambda: self._checkpoints.written_epoch,
                    self.hooks.should_stop,
                    on_wait=lambda waits: self.hooks.on_phase(
                        "waiting for disk space" if waits else "saving"
                    ),
                )
                if self._frames is not None:
                    self._frames.conclude(self.run_dir / LATENT)
            logger.info(
                "%s after %d epochs and %.1f s of training", result.outcome, result.epochs, result.elapsed
            )
            return result
        finally:
            self._space.release()
            release_model(model)
            model.trainer = None
            del model, self.adata
            gc.collect()  # Lightning's objects refer to each other and would keep the cells for a while

    def _save(self, model: Any) -> None:
        self._checkpoints.write_now()
        save_model(model, self.run_dir)
        save_latent(model, self.run_dir)

    # --- training -------------------------------------------------------------------------------------

    def _fit(self, model: Any) -> None:
        spec = self.spec.replace(precision=self._precision())
        history = HistoryLogger()
        if self.engine.preparation:
            self.hooks.on_phase(self.engine.preparation)
        since = self.clock()
        self._ready = self.engine.prepare(model, spec, self.accelerator.name)
        self._preparation = self.clock() - since
        self.notices += self._ready.notices
        begin(model, spec, self.split.train)
        self._watch = RunWatch(
            self.hooks.on_metric, self.hooks.should_stop, self._started, len(self.split.train), self.clock
        )
        store = CheckpointStore()
        self._checkpoints = Checkpoints(
            store,
            self._watch,
            history,
            self.spec,
            self.run_dir,
            self._space,
            self.checkpoint_seconds,
            self.hooks.before_checkpoint,
            self.clock,
        )
        callbacks = [
            self._watch,
            *self._recalibrations(model),
            *self._early_stop(),
            *self._picture_taker(model),
            self._checkpoints,
        ]
        self._space.hold(model, spec, has_checkpoint=self.checkpoint is not None)
        self.hooks.on_phase("training")
        fit: StockFit | FusedFit = (FusedFit if self._ready.engine == "fused" else StockFit)(
            model,
            spec,
            self.split,
            self.accelerator.name,
            callbacks,
            history=history,
            store=store,
            checkpoint=self.checkpoint,
        )
        try:
            fit.run()
        except Exception as error:
            if not self._absorb(error):
                raise
        finally:
            self._checkpoints.write()  # whatever happened, the last complete epoch can be resumed from
        history.series = history.until(self._watch.epochs)
        if self._watch.diverged and self._watch.epochs:
            good = store.latest
            if good is None:  # diverged in the first epoch after resuming
                assert self.checkpoint is not None
                good = load(self.checkpoint)
            fit.load_state_dict(good["state_dict"])
        fit.conclude()

    def _recalibrations(self, model: Any) -> list[Recalibration]:
        if not self.spec.norm_recalibration:
            return []
        return [Recalibration(model, self.split.train, self.split.validation)]

    def _early_stop(self) -> list[EarlyStop]:
        if not self.spec.early_stopping:
            return []
        if len(self.split.validation) == 0:
            self.notices += (notice("early_stopping_left_out"),)
            return []
        return [EarlyStop(self._watch, self.spec.early_stopping_patience)]

    def _picture_taker(self, model: Any) -> list[Frames]:
        if self.pictures:
            self._frames = Frames(
                model,
                self.run_dir,
                self._watch,
                self._watch.send,
                max_epochs=self.spec.max_epochs,
                seed=self.spec.seed,
                clock=self.clock,
            )
        return [] if self._frames is None else [self._frames]

    def _precision(self) -> str:
        wanted = self.spec.precision
        if wanted == "bf16-mixed":
            unsupported = (self.accelerator.name == "cuda" and not torch.cuda.is_bf16_supported()) or (
                self.accelerator.name == "mps" and not torch.backends.mps.is_macos_or_newer(14, 0)
            )
            if unsupported:
                self.notices += (notice("bfloat16_unsupported"),)
                return "32-true"
        return wanted

    def _started(self, device: torch.device) -> None:
        if device.type != self.accelerator.name:
            self.notices += (notice("device_differs", meant=self.accelerator.name, device=device.type),)
        info = StartInfo(
            device=str(device),
            device_name=self.accelerator.device_name,
            engine=self._ready.engine,
            implementation=self._ready.implementation,
            preparation_seconds=self._preparation,
            notices=self.notices,
            environment=environment(),
            n_obs=self.adata.n_obs,
            n_vars=self.adata.n_vars,
            first_epoch=self._watch.epochs + 1,
        )
        logger.info(
            "engine %s (%s, made ready in %.1f s) on %s (%s), %d cells x %d genes, from epoch %d of %d",
            info.engine,
            info.implementation,
            info.preparation_seconds,
            info.device,
            info.device_name,
            info.n_obs,
            info.n_vars,
            info.first_epoch,
            self.spec.max_epochs,
        )
        for one in self.notices:
            logger.info("%s", sentence(one))
        self.hooks.on_start(info)

    # --- the end --------------------------------------------------------------------------------------

    def _absorb(self, error: Exception) -> bool:
        """A network full of NaN makes scvi-tools' distributions raise: a divergence, not a failure."""
        if not (self._watch.diverged or looks_diverged(error)):
            return False
        logger.info("the loop raised because the parameters are not finite: %s", error)
        self._watch.diverged = self._watch.partial = True
        return True

    def _result(self) -> TrainingResult:
        watch = self._watch
        epochs = watch.epochs
        if not watch.began and self.checkpoint is not None:  # nothing was left to do
            epochs = epoch_of(self.checkpoint)
        problem = None
        if watch.diverged:
            outcome = "diverged"
            problem = diverged(self.spec, self.accelerator.name, epochs)
        elif watch.stopped and epochs < self.spec.max_epochs:
            outcome = "stopped"
        else:
            outcome = "finished"
            if self.spec.early_stopping and epochs < self.spec.max_epochs:
                patience = self.spec.early_stopping_patience
                self.notices += (notice("stopped_early", epoch=epochs, patience=patience),)
        if self.clock.suspended:
            self.notices += (notice("suspended", seconds=self.clock.suspended),)
        return TrainingResult(outcome, epochs, watch.seconds(), problem, self.notices)
