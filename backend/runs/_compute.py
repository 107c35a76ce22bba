"""What the runs ask of ``backend.training``, with the process made ready for it first.

torch's thread count is a setting of the thread that computes, so it is set there, just before the first use.
"""

from __future__ import annotations

from typing import Any

from backend.settings import Settings
from backend.training import TrainingResult, calibrate, give_back_memory, train


class Compute:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.warming_up = False

    def warm_up(self) -> None:
        """Import what training needs, which takes seconds: done ahead, the first run starts at once."""
        self.warming_up = True
        try:
            import scvi  # noqa: F401

            self._set_threads()
        finally:
            self.warming_up = False

    def train(self, *args: Any, **hooks: Any) -> TrainingResult:
        self._set_threads()
        try:
            return train(*args, **hooks)
        finally:
            give_back_memory()

    def calibrate(self, *args: Any) -> float:
        self._set_threads()
        return calibrate(*args)

    def _set_threads(self) -> None:
        if self._settings.threads:
            import torch

            torch.set_num_threads(self._settings.threads)
