"""The stock engine's epochs: ``SCVI.train``, under our callbacks and with a say in what happens when the loop raises.

fit = StockFit(model, spec, split, "cpu", callbacks, history=..., store=...)
fit.run(); fit.conclude()
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from scvi.train import TrainRunner

from ..types import RunSpec
from ._checkpoint import CheckpointStore
from ._course import rate_callbacks
from ._resuming import Split
from ._watch import HistoryLogger

# scvi-tools' models and what Lightning hands over have no types: ``Any``.


class _Runner(TrainRunner):
    """scvi-tools' own runner without its ``print``: declaring the model as trained is ``StockFit.conclude``."""

    def _run_training_core(self) -> None:
        self.trainer.fit(self.training_plan, self.data_splitter, ckpt_path=self.ckpt_path)

    def conclude(self) -> None:
        self._update_history()
        self.model.train_indices = getattr(self.data_splitter, "train_idx", None)
        self.model.test_indices = getattr(self.data_splitter, "test_idx", None)
        self.model.validation_indices = getattr(self.data_splitter, "val_idx", None)
        self.model.module.eval()
        self.model.is_trained_ = True
        self.model.to_device(self.device)
        self.model.trainer = self.trainer


class StockFit:
    """One session of training a ``SCVI`` by scvi-tools; parameters as those of ``FusedFit``."""

    def __init__(
        self,
        model: Any,
        spec: RunSpec,
        split: Split,
        accelerator: str,
        callbacks: Iterable[Any],
        *,
        history: HistoryLogger,
        store: CheckpointStore,
        checkpoint: Path | None = None,
    ) -> None:
        self._model, self._spec, self._split = model, spec, split
        self._accelerator = accelerator
        self._callbacks = [*callbacks, *rate_callbacks(spec)]
        self._history, self._store, self._checkpoint = history, store, checkpoint
        self._runner: _Runner

    def run(self) -> None:
        spec = self._spec
        more: dict[str, Any] = {}
        if self._checkpoint is not None:
            more["ckpt_path"] = str(self._checkpoint)
        if len(self._split.validation) == 0:
            more["limit_val_batches"] = 0
        self._model._train_runner_cls = self._make_runner
        self._model.train(
            max_epochs=spec.max_epochs,
            accelerator=self._accelerator,
            batch_size=spec.batch_size,
            check_val_every_n_epoch=spec.check_val_every_n_epoch,
            datasplitter_kwargs={"external_indexing": self._split.as_external_indexing()},
            plan_kwargs={"lr": spec.lr, "n_epochs_kl_warmup": spec.n_epochs_kl_warmup},
            logger=self._history,
            callbacks=self._callbacks,
            plugins=[self._store],
            precision=spec.precision,
            enable_progress_bar=False,
            **more,
        )

    def _make_runner(self, *args: Any, **kwargs: Any) -> _Runner:
        self._runner = _Runner(*args, **kwargs)
        return self._runner

    def load_state_dict(self, state_dict: dict[str, torch.Tensor]) -> None:
        """Of a checkpoint."""
        self._runner.training_plan.load_state_dict(state_dict)

    def conclude(self) -> None:
        """What scvi-tools does when its loop is over."""
        self._runner.conclude()
