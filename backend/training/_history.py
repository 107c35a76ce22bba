"""A Lightning logger that keeps every logged number by epoch, in the form of scvi-tools' ``model.history``.

Unlike scvi-tools' own it grows no DataFrame row by row, can begin with the history of earlier sessions, and
forgets an epoch that was not completed.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from lightning.pytorch.loggers.logger import Logger

Series = dict[str, dict[int, float]]  # name -> epoch counted from 0 -> value


class HistoryLogger(Logger):
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
