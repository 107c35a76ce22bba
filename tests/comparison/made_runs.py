"""Runs as the registry would give them, with curves that can be checked by head."""

from __future__ import annotations

from typing import Any

from backend.types import Curves, MetricPoint, RunRecord, RunSpec, RunStatus

MACHINE = {
    "cpu": "Test processor",
    "cores": "2",
    "platform": "Linux",
    "torch": "2.13.0",
    "scvi-tools": "1.4.2",
}


def made(
    run_id: str,
    losses: list[float],
    *,
    seconds: float = 1.0,
    first: float | None = None,
    status: RunStatus = RunStatus.FINISHED,
    device: str = "cpu",
    conditions: dict[str, Any] | None = None,
    environment: dict[str, str] | None = None,
    record: dict[str, Any] | None = None,
    warm: tuple[int, ...] = (1,),
    validated: bool = True,
    elbo: bool = True,
    paces: list[float] | None = None,
    rates: list[float] | None = None,
    **spec: Any,
) -> tuple[RunRecord, Curves]:
    """A run with one validation a epoch; the first takes ``first`` seconds, the others ``seconds``."""
    wanted = {"engine": "stock", "accelerator": "cpu", "max_epochs": len(losses), **spec}
    took = paces or [first if first is not None else seconds] + [seconds] * (len(losses) - 1)
    curves, clock = Curves(), 0.0
    for epoch, (loss, took_now) in enumerate(zip(losses, took, strict=False), 1):
        clock += took_now
        values = {
            **({"validation_loss": loss - 5} if validated else {}),
            "train_loss": loss - 6,
            "elbo_train": loss - 1,
            **({"elbo_validation": loss} if elbo else {}),
            "epoch_seconds": took_now,
            "cells_per_second": 600 / took_now,
            "warm_up": float(epoch in warm),
            **({"learning_rate": rates[epoch - 1]} if rates else {}),
        }
        curves.add(MetricPoint(name, epoch, value, clock) for name, value in values.items())
    run = RunRecord(
        run_id,
        RunSpec(**{"dataset_id": "blood", "dataset_name": "Blood", **wanted}),
        status,
        name=f"Run {run_id}",
        created_at=0.0,
        elapsed=clock,
        epoch=len(losses),
        device=device,
        device_name="Test processor",
        n_obs=700,
        n_vars=765,
        best_validation=min(losses, default=None),
        conditions=conditions or {},
        environment={**MACHINE, "engine": wanted["engine"], **(environment or {})},
    )
    return run.replace(**(record or {})), curves


def points_of(curves: Curves) -> list[MetricPoint]:
    """The numbers of a run as its training would have sent them."""
    names = (
        "validation_loss",
        "train_loss",
        "elbo_validation",
        "epoch_seconds",
        "cells_per_second",
        "warm_up",
    )
    return [
        MetricPoint(name, epoch, value, seconds)
        for name in names
        for epoch, value, seconds in zip(
            curves[name].epoch, curves[name].value, curves[name].seconds, strict=True
        )
    ]
