"""One session of training: the model under scvi-tools' loop with our callbacks, then the files it leaves.

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
from scvi.train import TrainRunner

from ..devices import environment
from ..types import Accelerator, MetricPoint, Notice, RunSpec, StartInfo, TrainingResult, notice
from ..words import sentence
from ._checkpoint import Checkpoints, CheckpointStore
from ._clock import AwakeClock
from ._course import QuietEarlyStopping, Recalibration, begin, rate_callbacks
from ._engines import Engine, TrainArguments
from ._failures import diverged, looks_diverged
from ._frames import Frames
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
from ._watch import HistoryLogger, RunWatch

if TYPE_CHECKING:
    from anndata import AnnData

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
    _store: CheckpointStore = field(init=False)
    _space: Space = field(init=False)
    _checkpoints: Checkpoints = field(init=False)
    _early_stopping: QuietEarlyStopping | None = field(init=False, default=None)
    _arguments: TrainArguments = field(init=False)
    _frames: Frames | None = field(init=False, default=None)
    _recalibration: Recalibration | None = field(init=False, default=None)
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
        spec = self.spec
        history = HistoryLogger()
        precision = self._precision()
        if self.engine.preparation:
            self.hooks.on_phase(self.engine.preparation)
        since = self.clock()
        arguments = self._arguments = self.engine.install(
            model, spec.replace(precision=precision), self.accelerator.name
        )
        self._preparation = self.clock() - since
        self.notices += arguments.notices
        self._watch = RunWatch(
            self.hooks.on_metric, self.hooks.should_stop, self._started, len(self.split.train), self.clock
        )
        self._store = CheckpointStore()
        self._checkpoints = Checkpoints(
            self._store,
            self._watch,
            history,
            spec,
            self.run_dir,
            self._space,
            self.checkpoint_seconds,
            self.hooks.before_checkpoint,
            self.clock,
        )
        begin(model, spec, self.split.train)
        callbacks: list[Any] = [self._watch, *rate_callbacks(spec), self._checkpoints]
        if self.pictures:
            self._frames = Frames(
                model,
                self.run_dir,
                self._watch,
                self._watch.send,
                max_epochs=spec.max_epochs,
                seed=spec.seed,
                clock=self.clock,
            )
            callbacks.insert(1, self._frames)
        if self._early_stopping_wanted():
            self._early_stopping = QuietEarlyStopping(spec.early_stopping_patience)
            callbacks.insert(1, self._early_stopping)
        if spec.norm_recalibration:
            self._recalibration = Recalibration(model, self.split.train, self.split.validation)
            callbacks.insert(1, self._recalibration)
        model._train_runner_cls = partial(
            StudioRunner, absorb=self._absorb, before_end=partial(self._before_end, history)
        )
        trainer_kwargs = dict(arguments.trainer_kwargs)
        if self.checkpoint is not None:
            trainer_kwargs["ckpt_path"] = str(self.checkpoint)
        if len(self.split.validation) == 0:
            trainer_kwargs["limit_val_batches"] = 0
        self._space.hold(model, spec, has_checkpoint=self.checkpoint is not None)
        self.hooks.on_phase("training")
        try:
            model.train(
                max_epochs=spec.max_epochs,
                accelerator=self.accelerator.name,
                batch_size=spec.batch_size,
                check_val_every_n_epoch=spec.check_val_every_n_epoch,
                datasplitter_kwargs={
                    "external_indexing": self.split.as_external_indexing(),
                    **arguments.datasplitter_kwargs,
                },
                plan_kwargs={
                    "lr": spec.lr,
                    "n_epochs_kl_warmup": spec.n_epochs_kl_warmup,
                    **arguments.plan_kwargs,
                },
                logger=history,
                callbacks=callbacks,
                plugins=[self._store],
                precision=arguments.precision or precision,
                enable_progress_bar=False,
                default_root_dir=str(self.run_dir),
                **trainer_kwargs,
            )
        finally:
            self._checkpoints.write()  # whatever happened, the last complete epoch can be resumed from

    def _early_stopping_wanted(self) -> bool:
        if not self.spec.early_stopping:
            return False
        if len(self.split.validation) == 0:
            self.notices += (notice("early_stopping_left_out"),)
            return False
        return True

    def _precision(self) -> Any:
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
            engine=self._arguments.engine or self.spec.engine,
            implementation=self._arguments.implementation,
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

    def _before_end(self, history: HistoryLogger, plan: Any) -> None:
        history.series = history.until(self._watch.epochs)
        if self._watch.diverged and self._watch.epochs:
            good = self._store.latest
            if good is None:  # diverged in the first epoch after resuming
                assert self.checkpoint is not None
                good = self._store.load_checkpoint(self.checkpoint)
            plan.load_state_dict(good["state_dict"])
        if self._recalibration is not None and self._watch.began:
            self._recalibration.at_end(self._watch.steps)
        self._arguments.after()

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
            if self._early_stopping is not None and epochs < self.spec.max_epochs:
                patience = self.spec.early_stopping_patience
                self.notices += (notice("stopped_early", epoch=epochs, patience=patience),)
        if self.clock.suspended:
            self.notices += (notice("suspended", seconds=self.clock.suspended),)
        return TrainingResult(outcome, epochs, watch.seconds(), problem, self.notices)


class StudioRunner(TrainRunner):
    """scvi-tools' own runner without its ``print``, and with a say in what happens when the loop raises.

    Parameters
    ----------
    absorb
        Called with what the loop raised; returns True where the run ends as if it had been stopped.
    before_end
        Called between the loop and the model's declaration as trained.
    """

    def __init__(
        self,
        *args: Any,
        absorb: Callable[[Exception], bool],
        before_end: Callable[[Any], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._absorb = absorb
        self._before_end = before_end

    def _run_training_core(self) -> None:
        try:
            self.trainer.fit(self.training_plan, self.data_splitter, ckpt_path=self.ckpt_path)
        except Exception as error:
            if not self._absorb(error):
                raise
        self._before_end(self.training_plan)
        self._update_history()
        self.model.train_indices = getattr(self.data_splitter, "train_idx", None)
        self.model.test_indices = getattr(self.data_splitter, "test_idx", None)
        self.model.validation_indices = getattr(self.data_splitter, "val_idx", None)
        self.model.module.eval()
        self.model.is_trained_ = True
        self.model.to_device(self.device)
        self.model.trainer = self.trainer
