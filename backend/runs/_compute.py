"""What the runs ask of ``backend.training``, with the process made ready for it first.

torch's thread count is a setting of the thread that computes, so it is set there, just before the first use.
"""

from __future__ import annotations

from typing import Any

from backend.settings import Settings
from backend.training import TrainingResult, calibrate, train


class Compute:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def warm_up(self) -> None:
        """Import what training needs, which takes seconds: done ahead, the first run starts at once."""
        import scvi  # noqa: F401

        self._set_threads()

    def train(self, *args: Any, **hooks: Any) -> TrainingResult:
        self._set_threads()
        return train(*args, **hooks)

    def calibrate(self, *args: Any) -> float:
        self._set_threads()
        return calibrate(*args)

    def _set_threads(self) -> None:
        if self._settings.threads:
            import torch

            torch.set_num_threads(self._settings.threads)
