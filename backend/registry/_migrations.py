"""The schema, as ordered steps. Each is applied and recorded in one transaction, once per workspace.

Never edit a step that was released: append one. A workspace written by a newer version is refused,
because an older program would drop what it does not know.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence

from ..errors import Conflict
from ..types import with_notices

Migration = Callable[[sqlite3.Connection], None]


def _runs_and_metrics(db: sqlite3.Connection) -> None:
    db.execute(
        """
        CREATE TABLE runs (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            run_id TEXT NOT NULL UNIQUE,
            spec TEXT NOT NULL,
            status TEXT NOT NULL,
            name TEXT NOT NULL,
            created_at REAL NOT NULL,
            note TEXT NOT NULL,
            origin TEXT NOT NULL,
            position REAL NOT NULL,
            started_at REAL,
            ended_at REAL,
            elapsed REAL NOT NULL,
            epoch INTEGER NOT NULL,
            device TEXT NOT NULL,
            device_name TEXT NOT NULL,
            phase TEXT NOT NULL,
            requested TEXT NOT NULL,
            n_obs INTEGER NOT NULL,
            n_vars INTEGER NOT NULL,
            best_validation REAL,
            best_epoch INTEGER,
            seconds_per_epoch REAL,
            cells_per_second REAL,
            peak_memory INTEGER,
            notices TEXT NOT NULL,
            problem TEXT,
            environment TEXT NOT NULL
        )
        """
    )
    db.execute("CREATE INDEX runs_by_status ON runs (status, position)")
    db.execute("CREATE TABLE metric_names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)")
    # AUTOINCREMENT: an id is a page's cursor, so the id of a deleted point must never come back.
    db.execute(
        """
        CREATE TABLE metrics (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            run INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
            name INTEGER NOT NULL REFERENCES metric_names (id),
            epoch INTEGER NOT NULL,
            step INTEGER,
            value REAL,
            seconds REAL NOT NULL
        )
        """
    )
    db.execute("CREATE INDEX metrics_by_cursor ON metrics (run, id)")
    # Holds all that histories and sparklines read, so they never visit the table.
    db.execute("CREATE INDEX metrics_by_epoch ON metrics (run, name, epoch, value) WHERE step IS NULL")


def _memory(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE memory (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")


def _groups(db: sqlite3.Connection) -> None:
    db.execute(
        """
        CREATE TABLE run_groups (
            group_id TEXT PRIMARY KEY,
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            created_at REAL NOT NULL,
            dataset_id TEXT NOT NULL,
            paused INTEGER NOT NULL,
            note TEXT NOT NULL,
            plan TEXT,
            notices TEXT NOT NULL
        )
        """
    )
    db.execute("ALTER TABLE runs ADD COLUMN group_id TEXT NOT NULL DEFAULT ''")
    db.execute("ALTER TABLE runs ADD COLUMN imported_from TEXT NOT NULL DEFAULT ''")
    db.execute("ALTER TABLE runs ADD COLUMN conditions TEXT NOT NULL DEFAULT '{}'")
    db.execute("CREATE INDEX runs_by_group ON runs (group_id)")


def _engines(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE runs ADD COLUMN implementation TEXT NOT NULL DEFAULT ''")
    db.execute("ALTER TABLE runs ADD COLUMN preparation_seconds REAL")


def _notices(db: sqlite3.Connection) -> None:
    """They were sentences."""
    for table in ("runs", "run_groups"):
        rows = db.execute(f"SELECT rowid, notices FROM {table} WHERE notices != '[]'").fetchall()
        for row, stored in rows:
            notices = with_notices({"notices": json.loads(stored)})["notices"]
            db.execute(f"UPDATE {table} SET notices = ? WHERE rowid = ?", (json.dumps(notices), row))


def _elbo_and_tags(db: sqlite3.Connection) -> None:
    """Best values were of the loss whose KL part is weighted: now of the ELBO, in every run that logged it."""
    db.execute("ALTER TABLE runs ADD COLUMN tags TEXT NOT NULL DEFAULT '[]'")
    db.execute("ALTER TABLE runs ADD COLUMN last_validation REAL")
    db.execute("ALTER TABLE runs ADD COLUMN judged_by TEXT NOT NULL DEFAULT 'validation_loss'")
    of_run = """
        FROM metrics AS m JOIN metric_names ON metric_names.id = m.name
        WHERE m.run = runs.seq AND metric_names.name = runs.judged_by AND m.step IS NULL AND m.value IS NOT NULL
    """
    db.execute(
        """
        UPDATE runs SET judged_by = 'elbo_validation' WHERE EXISTS (
            SELECT 1 FROM metrics AS m JOIN metric_names ON metric_names.id = m.name
            WHERE m.run = runs.seq AND metric_names.name = 'elbo_validation' AND m.step IS NULL
            AND m.value IS NOT NULL
        )
        """
    )
    db.execute(
        f"""
        UPDATE runs SET
            best_validation = (SELECT MIN(m.value) {of_run}),
            best_epoch = (SELECT m.epoch {of_run} ORDER BY m.value, m.epoch LIMIT 1)
        WHERE judged_by = 'elbo_validation'
        """
    )
    db.execute(f"UPDATE runs SET last_validation = (SELECT m.value {of_run} ORDER BY m.epoch DESC LIMIT 1)")


def _worker(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE runs ADD COLUMN worker TEXT NOT NULL DEFAULT ''")


MIGRATIONS: tuple[Migration, ...] = (
    _runs_and_metrics,
    _memory,
    _groups,
    _engines,
    _notices,
    _elbo_and_tags,
    _worker,
)


def migrate(db: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring ``db`` (in autocommit mode) to the newest schema."""
    version = _version(db)
    if version > len(migrations):
        raise Conflict(
            f"This workspace was written by a newer version of scVI Studio (format {version}; this one reads "
            f"up to {len(migrations)}). Update scVI Studio, or choose another workspace with "
            "SCVI_STUDIO_WORKSPACE."
        )
    for number, step in enumerate(migrations[version:], start=version + 1):
        db.execute("BEGIN IMMEDIATE")
        try:
            if _version(db) < number:  # another process may have been quicker
                step(db)
                db.execute(f"PRAGMA user_version = {number}")
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])
