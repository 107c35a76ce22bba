"""The table of engines: what is compared with what, and which sizes are left out. The training itself is replaced."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from backend.bench import EngineRow, _engines, measure_engines

SPEED = {"stock": 100.0, "fused": 500.0}


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every training asked for; each reports a slow first epoch and 1,000 training cells."""
    made: list[tuple[str, int]] = []

    def train(
        data: Sequence[str], workspace: Path, engine: str, batch_size: int, max_epochs: int, accelerator: str
    ) -> tuple[dict[str, Any], int]:
        made.append((engine, batch_size))
        speeds = [SPEED[engine] / 10] + [SPEED[engine]] * (max_epochs - 1)
        run = {
            "engine": engine,
            "n_vars": 20,
            "spec": {"batch_size": batch_size, "lr": 0.001 * batch_size / 128},
            "history": {
                "cells_per_second": speeds,
                "epoch_seconds": [1000 / speed for speed in speeds],
                "validation_loss": [10.0] * max_epochs,
            },
        }
        return run, 1_000_000

    monkeypatch.setattr(_engines, "_train", train)
    return made


def test_every_speed_is_compared_with_stock_at_128_and_without_the_first_epoch(tmp_path: Path) -> None:
    rows = measure_engines(["--demo"], tmp_path, batch_sizes=(128, 256), max_epochs=3)
    assert [(row.engine, row.batch_size, row.speed_up) for row in rows] == [
        ("stock", 128, 1.0),
        ("fused", 128, 5.0),
        ("stock", 256, 1.0),
        ("fused", 256, 5.0),
    ]
    assert {row.n_train for row in rows} == {1000}


def test_a_minibatch_above_the_number_of_training_cells_is_left_out(
    tmp_path: Path, asked: list[tuple[str, int]]
) -> None:
    measure_engines(["--demo"], tmp_path, batch_sizes=(512, 1024))
    assert asked == [("stock", 512), ("fused", 512)]


def test_without_stock_at_128_there_is_no_ratio(tmp_path: Path) -> None:
    (row,) = measure_engines(["--demo"], tmp_path, engines=("fused",), batch_sizes=(128,))
    assert row.speed_up is None


def test_a_row_is_told_as_soon_as_it_is_there(tmp_path: Path, asked: list[tuple[str, int]]) -> None:
    told: list[tuple[EngineRow, int]] = []
    measure_engines(
        ["--demo"], tmp_path, batch_sizes=(128,), on_row=lambda row: told.append((row, len(asked)))
    )
    assert [(row.engine, after) for row, after in told] == [("stock", 1), ("fused", 2)]
