"""scvi-tools' train runner without its ``print``, and with a say in what happens when the loop raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scvi.train import TrainRunner


class StudioRunner(TrainRunner):
    """Runs the loop, lets ``absorb`` turn an exception into an ordinary end, then does what scvi-tools does.

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
