"""Early stopping on the validation ELBO, as ``SCVI.train(early_stopping=True)`` sets it up, but silent."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.callbacks.early_stopping import EarlyStopping


class QuietEarlyStopping(EarlyStopping):
    def __init__(self, patience: int) -> None:
        # not strict: a run stopped within its first epoch has no validation to look at
        super().__init__("elbo_validation", min_delta=0.0, patience=patience, mode="min", strict=False)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        if self.wait_count >= self.patience:  # an early-stopped run that is extended gets a new chance
            self.wait_count = 0

    @property
    def triggered(self) -> bool:
        return self.wait_count >= self.patience
