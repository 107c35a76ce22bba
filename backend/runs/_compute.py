"""What the runs ask of ``backend.training``, with the process made ready for it first.

The number of threads is a setting of the thread that computes, so it is set there, just before the first use.
"""

from __future__ import annotations

from typing import Any

from ..settings import Settings
from ..training import calibrate, give_back_memory, train, use_threads
from ..types import TrainingResult


class Compute:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.warming_up = False

    def warm_up(self) -> None:
        """Import what training needs, which takes seconds: done ahead, the first run starts at once."""
        self.warming_up = True
        try:
            use_threads(self._settings.threads)  # before packages that come with compiled code of their own
            import scvi  # noqa: F401
        finally:
            self.warming_up = False

    def train(self, *args: Any, **hooks: Any) -> TrainingResult:
        use_threads(self._settings.threads)
        try:
            return train(*args, **hooks)
        finally:
            give_back_memory()

    def calibrate(self, *args: Any) -> float:
        use_threads(self._settings.threads)
        return calibrate(*args)
