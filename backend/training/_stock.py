"""The stock engine: scvi-tools as it comes, the baseline of every comparison."""

from __future__ import annotations

from typing import Any

from ..types import RunSpec
from ._engines import TrainArguments


class StockEngine:
    preparation = ""

    def check(self, spec: RunSpec, accelerator: str) -> None:
        """Trains whatever scvi-tools trains."""

    def install(self, model: Any, spec: RunSpec, accelerator: str) -> TrainArguments:
        return TrainArguments()
