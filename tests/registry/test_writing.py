"""Numbers are written together or not at all, by several processes, and a full disk is a sentence."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from backend.errors import NoSpace
from backend.registry import RunRegistry
from backend.types import RunRecord
from tests.registry.points import curve

Add = Callable[..., RunRecord]
PROJECT = Path(__file__).parents[2]


def test_points_and_fields_come_together(registry: RunRegistry, add: Add) -> None:
    add("a")
    registry.append("a", *curve("train_loss", [3, 2]), epoch=2, phase="training")
    assert registry.history("a") == {"train_loss": [3, 2]}
    assert (registry.get("a").epoch, registry.get("a").phase) == (2, "training")


def test_half_of_it_is_never_written(registry: RunRegistry, add: Add) -> None:
    add("a")
    with pytest.raises(AssertionError):
        registry.append("a", *curve("train_loss", [3, 2]), no_such_field=1)
    assert registry.history("a") == {}
    registry.append("a", *curve("train_loss", [1]))  # and the next is
    assert registry.history("a") == {"train_loss": [1]}


def test_a_deleted_run_gets_nothing(registry: RunRegistry, add: Add) -> None:
    registry.append("gone", *curve("train_loss", [1]), epoch=1)
    add("a")
    registry.append("a", *curve("train_loss", [2]))
    assert registry.history("a") == {"train_loss": [2]}
    assert registry.history("gone") == {}


def test_a_full_disk_is_a_sentence_and_nothing_of_it_is_written(
    path: Path, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("a")
    connect = sqlite3.connect
    with closing(connect(path)) as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]

    def connect_to_a_small_disk(*arguments: Any, **how: Any) -> sqlite3.Connection:
        db = connect(*arguments, **how)
        db.execute(f"PRAGMA max_page_count = {pages + 2}")
        return db

    monkeypatch.setattr(sqlite3, "connect", connect_to_a_small_disk)
    small = RunRegistry(path)
    small.open()
    with pytest.raises(NoSpace, match="is full"):
        small.append("a", *curve("train_loss", [1.0] * 5000))
    assert small.history("a") == {}
    small.append("a", *curve("train_loss", [1.0]))
    assert small.history("a") == {"train_loss": [1.0]}
    small.close()


def test_readers_do_not_wait_for_a_writer(registry: RunRegistry, path: Path, add: Add) -> None:
    add("a")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = threading.Thread(target=registry.append, args=("a", *curve("train_loss", [1])))
        writing.start()  # waits for the other
        began = time.monotonic()
        assert registry.get("a").run_id == "a"
        assert registry.read_since("a").points == ()
        assert time.monotonic() - began < 2
        other.execute("ROLLBACK")
        writing.join(20)
    assert registry.history("a") == {"train_loss": [1]}


def test_two_processes_write_to_one_registry(registry: RunRegistry, path: Path, add: Add) -> None:
    add("server")
    add("command")
    program = """
import sys
from pathlib import Path
from typing import Any
from backend.registry import RunRegistry
from tests.registry.points import curve
registry = RunRegistry(Path(sys.argv[1])); registry.open()
print("ready", flush=True); sys.stdin.readline()
for point in curve("train_loss", [1.0] * 300): registry.append("command", point)
registry.update("command", note="from the other process")
registry.close()
"""
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "ready\n"
        other.stdin.write("go\n")
        other.stdin.flush()
        for point in curve("train_loss", [2.0] * 300):
            registry.append("server", point, epoch=point.epoch)
        assert other.wait(60) == 0
    assert len(registry.read_since("server").points) == 300
    assert len(registry.read_since("command").points) == 300
    assert registry.get("command").note == "from the other process"
