"""The schema grows by ordered steps, each whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from backend.errors import BadFile, Conflict
from backend.registry import RunRegistry
from backend.registry._migrations import MIGRATIONS, migrate


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "some.sqlite3", isolation_level=None)) as db:
        yield db


def tables(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def version(db: sqlite3.Connection) -> int:
    return db.execute("PRAGMA user_version").fetchone()[0]


def test_an_older_workspace_gets_only_the_steps_it_lacks(db: sqlite3.Connection) -> None:
    first, second = (
        (lambda db: db.execute("CREATE TABLE one (a)")),
        (lambda db: db.execute("CREATE TABLE two (a)")),
    )
    migrate(db, [first])
    migrate(db, [first, second])  # `first` again would fail: the table exists
    assert tables(db) == {"one", "two"}
    assert version(db) == 2


def test_a_step_that_fails_leaves_nothing_of_itself(db: sqlite3.Connection) -> None:
    def half(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE half_done (a)")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        migrate(db, [lambda db: db.execute("CREATE TABLE one (a)"), half])
    assert tables(db) == {"one"}
    assert version(db) == 1


def test_a_workspace_of_a_newer_version_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(Conflict, match=r"newer version of scVI Studio.*Update scVI Studio"):
        RunRegistry(path).open()


def test_a_file_that_is_no_database_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite3"
    path.write_text("something else entirely, and long enough to be taken for a header" * 20)
    with pytest.raises(BadFile, match=r"not a registry.*Move it away"):
        RunRegistry(path).open()
    assert path.read_text().startswith("something else")


def test_opening_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite3"
    for _ in range(2):
        registry = RunRegistry(path)
        registry.open()
        registry.close()
    with closing(sqlite3.connect(path)) as db:
        assert version(db) == len(MIGRATIONS)


def test_runs_of_before_are_judged_by_the_elbo_that_they_logged(db: sqlite3.Connection) -> None:
    migrate(db, MIGRATIONS[:5])
    columns = {name: kind for _, name, kind, *_ in db.execute("PRAGMA table_info(runs)") if name != "seq"}
    for run in ("new", "old", "never"):
        given = {name: (0 if kind in ("REAL", "INTEGER") else "[]") for name, kind in columns.items()}
        given |= {"run_id": run, "best_validation": None if run == "never" else 77.0, "best_epoch": 1}
        db.execute(
            f"INSERT INTO runs ({', '.join(given)}) VALUES ({', '.join('?' * len(given))})", [*given.values()]
        )
    names = {"validation_loss": 1, "elbo_validation": 2}
    for name, number in names.items():
        db.execute("INSERT INTO metric_names VALUES (?, ?)", (number, name))
    points = [(1, 1, e, 77.0 + e) for e in (1, 2, 3)] + [
        (1, 2, e, v) for e, v in ((1, 99.0), (2, 90.0), (3, 91.0))
    ]
    points += [(2, 1, e, 76.0 + e) for e in (1, 2)]
    db.executemany("INSERT INTO metrics (run, name, epoch, value, seconds) VALUES (?, ?, ?, ?, 0)", points)
    migrate(db)
    found = db.execute(
        "SELECT run_id, judged_by, best_validation, best_epoch, last_validation, tags FROM runs"
    )
    assert found.fetchall() == [
        ("new", "elbo_validation", 90.0, 2, 91.0, "[]"),
        ("old", "validation_loss", 77.0, 1, 78.0, "[]"),
        ("never", "validation_loss", None, 1, None, "[]"),
    ]
