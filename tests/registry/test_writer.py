"""Metrics are written behind the training's back: in batches, soon, and never at its expense."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.registry import RunRegistry
from backend.types import RunRecord
from tests.registry.points import curve

Add = Callable[..., RunRecord]
PROJECT = Path(__file__).parents[2]


def test_points_arrive_within_half_a_second_without_a_flush(registry: RunRegistry, add: Add) -> None:
    add("a")
    registry.append("a", curve("train_loss", [1])[0])
    began = time.monotonic()
    while not registry.read_since("a").points:
        assert time.monotonic() - began < 5
    assert time.monotonic() - began < 1.5  # 0.25 s; a busy machine gets some grace


def test_closing_writes_what_is_queued(registry: RunRegistry, add: Add) -> None:
    add("a")
    for point in curve("train_loss", [float(n) for n in range(1000)]):
        registry.append("a", point)
    registry.report("a", epoch=1000, phase="training")
    registry.close()
    registry.open()
    assert len(registry.history("a")["train_loss"]) == 1000
    assert (registry.get("a").epoch, registry.get("a").phase) == (1000, "training")


def test_many_points_share_a_transaction(
    registry: RunRegistry, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("a")
    statements: list[str] = []
    connect = registry._connect

    def traced() -> sqlite3.Connection:
        db = connect()
        db.set_trace_callback(statements.append)
        return db

    monkeypatch.setattr(registry._writer, "_connect", traced)
    for point in curve("train_loss", [1.0] * 500):
        registry.append("a", point)
    registry.flush()
    assert len(registry.read_since("a").points) == 500
    assert statements.count("COMMIT") <= 5


def test_points_of_a_deleted_run_are_dropped_and_the_others_written(registry: RunRegistry, add: Add) -> None:
    add("a")
    registry.append("gone", curve("train_loss", [1])[0])
    registry.append("a", curve("train_loss", [2])[0])
    registry.flush()
    assert registry.history("a") == {"train_loss": [2]}


def test_a_broken_disk_warns_once_and_nothing_is_lost_when_it_mends(
    registry: RunRegistry, add: Add, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add("a")
    connect = registry._connect

    def broken() -> sqlite3.Connection:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(registry._writer, "_connect", broken)
    with caplog.at_level(logging.WARNING):
        for point in curve("train_loss", [3, 2, 1]):
            registry.append("a", point)  # does not raise
            registry.flush()
        assert len(caplog.records) == 1
    assert "training goes on" in caplog.text
    monkeypatch.setattr(registry._writer, "_connect", connect)
    registry.flush()
    assert registry.history("a") == {"train_loss": [3, 2, 1]}


def test_two_processes_write_to_one_registry(registry: RunRegistry, add: Add) -> None:
    add("server")
    add("command")
    program = """
import sys
from pathlib import Path
from backend.registry import RunRegistry
from tests.registry.points import curve
registry = RunRegistry(Path(sys.argv[1])); registry.open()
print("ready", flush=True); sys.stdin.readline()
for point in curve("train_loss", [1.0] * 300): registry.append("command", point)
registry.update("command", note="from the other process")
registry.close()
"""
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(registry._path)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        other.stdin.write("go\n")  # type: ignore[union-attr]
        other.stdin.flush()  # type: ignore[union-attr]
        for point in curve("train_loss", [2.0] * 300):
            registry.append("server", point)
            registry.update("server", epoch=point.epoch)
        assert other.wait(30) == 0
    registry.flush()
    assert len(registry.read_since("server").points) == 300
    assert len(registry.read_since("command").points) == 300
    assert registry.get("command").note == "from the other process"
