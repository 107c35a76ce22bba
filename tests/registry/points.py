"""Metric points for tests."""

from __future__ import annotations

from backend.types import MetricPoint


def curve(name: str, values: list[float], first_epoch: int = 1) -> list[MetricPoint]:
    return [MetricPoint(name, epoch, value, float(epoch)) for epoch, value in enumerate(values, first_epoch)]
