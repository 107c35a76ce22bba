"""Measuring on this machine: the engines side by side, and where the time of a training step goes."""

from ._engines import BATCH_SIZES, EngineRow, measure_engines
from ._roofline import PhaseRow, Roofline, measure_roofline

__all__ = ["BATCH_SIZES", "EngineRow", "PhaseRow", "Roofline", "measure_engines", "measure_roofline"]
