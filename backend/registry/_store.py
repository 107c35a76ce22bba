"""``RunRegistry``: the only door to the workspace's database (SQLite, WAL).

    registry = RunRegistry(settings.registry_path); registry.open()
    registry.add(record); registry.append(run_id, point); registry.read_since(run_id, cursor)

Threads share it, and so do several processes (server and command line). It decides nothing about runs:
what may follow what is the business of ``backend.runs``.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import BadFile, NotFound, Unwritable, WorkspaceGone
from ..storage import ensure_locks, is_full, no_space
from ..types import GroupRecord, MetricBatch, MetricPoint, RunRecord, RunSpec, RunStatus
from . import _metrics
from ._metrics import Points, Series
from ._migrations import migrate
from ._tables import GROUPS, RUNS

_SEARCHED = (
    "name || ' ' || note || ' ' || device_name || ' ' || device || ' ' || run_id || ' ' || status || ' ' "
    "|| iif(json_valid(spec), json_extract(spec, '$.dataset_name') || ' ' || json_extract(spec, '$.engine'), '')"
)


logger = logging.getLogger(__name__)
_SHARED_MEMORY = re.compile(
    "disk I/O error|locking protocol|unable to open database file"
)  # WAL's index is a map


class RunRegistry:
    def __init__(self, path: Path) -> None:
        self._path = Path(path)
        self._reader: sqlite3.Connection | None = None  # two, so that a slow disk does not hold up the pages
        self._changer: sqlite3.Connection | None = None
        self._reading_lock = threading.RLock()
        self._changing_lock = threading.RLock()
        self._shares_memory = True  # until it shows that the file system does not: then no WAL
        self._file: os.stat_result | None = None  # what was opened
        self._parsed: dict[str, tuple[tuple[Any, ...], RunRecord]] = {}  # rows and what they came to
        self._listed: dict[object, list[RunRecord]] = {}
        self._listed_at = -1  # the revision of those lists

    def open(self) -> None:
        """Create or open the file and bring its schema up to date."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._changing_lock, self._reading_lock, self._said_in_a_sentence():
            if self._changer is not None:
                return
            ensure_locks(self._path.parent)
            db = self._connect()
            try:
                migrate(db)
                self._reader = self._connect()
            except BaseException:
                db.close()
                raise
            self._changer = db
            self._file = self._path.stat()
            self._listed_at = -1

    def trouble(self) -> str:
        """Why nothing can be written until somebody does something about it, as a sentence; else empty."""
        if self._file is None or self._in_place():
            return ""
        return (
            f"The workspace {self._path.parent} was deleted or replaced while scVI Studio is running, so runs are not "
            "recorded any more. Put it back where it was, or restart scVI Studio."
        )

    def ensure_in_place(self) -> None:
        """Raise ``WorkspaceGone`` where the file that was opened is there no more."""
        if gone := self.trouble():
            raise WorkspaceGone(gone)

    def close(self) -> None:
        """Let go of the file."""
        with self._changing_lock, self._reading_lock:
            for db in (self._changer, self._reader):
                if db is not None:
                    db.close()
            self._changer = self._reader = None

    def revision(self) -> int:
        """Another number once anything was written, by whatever process. Asking costs some microseconds."""
        with self._reading() as db:
            (revision,) = db.execute("PRAGMA data_version").fetchone()
            return int(revision)

    # --- runs ---

    def add(self, record: RunRecord) -> None:
        with self._write() as db:
            RUNS.add(db, record)

    def update(self, run_id: str, **fields: Any) -> RunRecord:
        """Change some fields, leaving the others to whoever writes them."""
        with self._write() as db:
            RUNS.change(db, run_id, fields)
            return _found(db, run_id)

    def transition(self, run_id: str, expected: Collection[RunStatus], **fields: Any) -> RunRecord | None:
        """Change fields only while the status is one of ``expected``; None where another was quicker."""
        with self._write() as db:
            if _found(db, run_id).status not in expected:
                return None
            RUNS.change(db, run_id, fields)
            return _found(db, run_id)

    def get(self, run_id: str) -> RunRecord:
        with self._reading() as db:
            return _found(db, run_id)

    def names(self) -> set[str]:
        """What runs are called."""
        with self._reading() as db:
            return {name for (name,) in db.execute("SELECT name FROM runs")}

    def last_position(self) -> float:
        """Where the queue ends; 0 where nothing waits."""
        query = "SELECT MAX(position) FROM runs WHERE status = ?"
        with self._reading() as db:
            (position,) = db.execute(query, (RunStatus.QUEUED,)).fetchone()
            return float(position or 0.0)

    def place(self, run_ids: Sequence[str]) -> None:
        """Give these runs the queue positions 1, 2, 3 ..."""
        with self._write() as db:
            db.executemany(
                "UPDATE runs SET position = ? WHERE run_id = ?",
                [(float(number), run_id) for number, run_id in enumerate(run_ids, start=1)],
            )

    def remove(self, run_id: str) -> None:
        with self._write() as db:
            db.execute("DELETE FROM runs WHERE run_id = ?", (run_id,))  # its metrics go with it

    # --- groups of runs ---

    def add_group(self, group: GroupRecord) -> None:
        with self._write() as db:
            GROUPS.add(db, group)

    def group(self, group_id: str) -> GroupRecord:
        with self._reading() as db:
            return _found_group(db, group_id)

    def groups(self) -> Sequence[GroupRecord]:
        """Newest first."""
        with self._reading() as db:
            return [
                GROUPS.read(row)
                for row in db.execute(f"{GROUPS.select} ORDER BY created_at DESC, rowid DESC")
            ]

    def update_group(self, group_id: str, **fields: Any) -> GroupRecord:
        with self._write() as db:
            GROUPS.change(db, group_id, fields)
            return _found_group(db, group_id)

    def remove_group(self, group_id: str) -> None:
        """The runs stay, on their own."""
        with self._write() as db:
            db.execute("UPDATE runs SET group_id = '' WHERE group_id = ?", (group_id,))
            db.execute("DELETE FROM run_groups WHERE group_id = ?", (group_id,))

    def paused_groups(self) -> frozenset[str]:
        with self._reading() as db:
            return frozenset(one for (one,) in db.execute("SELECT group_id FROM run_groups WHERE paused"))

    # --- metrics ---

    def append(self, run_id: str, *points: MetricPoint, **fields: Any) -> None:
        """Add points, and change some fields with them, in one transaction. A run deleted meanwhile gets nothing.

        Raises
        ------
        NoSpace
            The disk is full; nothing of it was written.
        """
        with self._write() as db:
            _metrics.add(db, run_id, points)
            RUNS.change(db, run_id, fields)

    def read_since(
        self, run_id: str, cursor: int = 0, *, names: Iterable[str] | None = None, limit: int | None = None
    ) -> MetricBatch:
        """Points written after ``cursor``; of the same name, epoch and step the later one counts."""
        with self._reading() as db:
            return _metrics.read_since(db, run_id, cursor, names, limit)

    def history(self, run_id: str) -> Series:
        """Per-epoch series by name, in the order of epochs; step points left out."""
        with self._reading() as db:
            return _metrics.history(db, run_id)

    def epoch_points(self, run_id: str) -> Points:
        """Per-epoch points ordered by name and epoch; of a repeated epoch the newer comes last."""
        with self._reading() as db:
            return _metrics.epoch_points(db, run_id)

    def series(self, run_ids: Iterable[str], name: str, points: int = 40) -> Series:
        """One thinned per-epoch series per run, in one query; runs without such points are absent."""
        with self._reading() as db:
            return _metrics.thinned(db, run_ids, name, points)

    def truncate(self, run_id: str, after_epoch: int) -> None:
        """Drop the points beyond an epoch: a resumed run makes them anew."""
        with self._write() as db:
            db.execute(
                "DELETE FROM metrics WHERE run = (SELECT seq FROM runs WHERE run_id = ?) AND epoch > ?",
                (run_id, after_epoch),
            )

    # --- small things worth keeping ---

    def remember(self, key: str, value: dict[str, Any]) -> None:
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO memory (key, value) VALUES (?, ?)", (key, json.dumps(value)))

    def recall(self, key: str) -> dict[str, Any] | None:
        with self._reading() as db:
            row = db.execute("SELECT value FROM memory WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        (value,) = row
        found: dict[str, Any] = json.loads(value)
        return found

    # --- inside ---

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=10, isolation_level=None, check_same_thread=False)
        try:
            if self._shares_memory:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute(
                    "SELECT COUNT(*) FROM sqlite_master"
                ).fetchone()  # the first that needs shared memory
                # survives a killed process; a power cut may lose seconds
                db.execute("PRAGMA synchronous = NORMAL")
            else:
                _leave_wal(db)
            db.execute("PRAGMA foreign_keys = ON")
        except sqlite3.DatabaseError as error:
            db.close()
            if self._shares_memory and _SHARED_MEMORY.search(str(error)) and not is_full(error):
                logger.warning(
                    "The file system of %s cannot share memory between programs. The list of runs is kept with a "
                    "rollback journal there: as safe, and slower to write.",
                    self._path.parent,
                )
                self._shares_memory = False
                return self._connect()
            if isinstance(error, sqlite3.OperationalError):
                raise
            raise BadFile(
                f"{self._path} is not a registry of scVI Studio ({error}). Move it away to start with an "
                "empty history; the folders of the runs stay where they are."
            ) from error
        return db

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._reading_lock:
            assert self._reader is not None, "RunRegistry.open() was not called"
            yield self._reader

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._changing_lock:
            db = self._changer
            assert db is not None, "RunRegistry.open() was not called"
            self.ensure_in_place()  # SQLite would go on in a file that has no name
            with self._said_in_a_sentence():
                try:
                    db.execute("BEGIN IMMEDIATE")
                    yield db
                    db.execute("COMMIT")
                finally:
                    if db.in_transaction:
                        db.execute("ROLLBACK")

    def _in_place(self) -> bool:
        try:
            return self._file is not None and os.path.samestat(self._path.stat(), self._file)
        except OSError:
            return False

    @contextmanager
    def _said_in_a_sentence(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if is_full(error):
                raise no_space("the list of runs", self._path.parent) from error
            raise Unwritable(f"The registry {self._path} cannot be written now ({error}).") from error

    def _record(self, row: tuple[Any, ...]) -> RunRecord:
        """What a row says; one that was seen before is not taken apart again."""
        known = self._parsed.get(row[0])
        if known is None or known[0] != row:
            known = self._parsed[row[0]] = (row, _read(row))
        return known[1]

    def list(
        self,
        *,
        status: RunStatus | Collection[RunStatus] | None = None,
        search: str = "",
        group_id: str = "",
    ) -> list[RunRecord]:
        """All runs, newest first; each word of ``search`` occurs in name, note, data set, device or id.

        Cheap to ask again: what was not written meanwhile is not read.
        """
        states = None if status is None else frozenset([status] if isinstance(status, str) else status)
        asked = (states, search, group_id)
        with self._reading() as db:
            revision = self.revision()
            if revision != self._listed_at:
                self._listed.clear()
                self._listed_at = revision
            if asked not in self._listed:
                query, parameters = _query(states, search, group_id)
                rows = db.execute(query, parameters).fetchall()
                self._listed[asked] = [self._record(row) for row in rows]
            return [*self._listed[asked]]


def _leave_wal(db: sqlite3.Connection) -> None:
    """To a rollback journal, also from WAL, which can be read without shared memory by one connection alone."""
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    (mode,) = db.execute("PRAGMA journal_mode").fetchone()
    if mode == "wal":
        db.execute("PRAGMA journal_mode = DELETE")
    db.execute("PRAGMA locking_mode = NORMAL")
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()  # lets go of the exclusive lock
    db.execute("PRAGMA synchronous = FULL")


def _read(row: tuple[Any, ...]) -> RunRecord:
    """A run; of a row that was damaged, or written by who knows what, all that makes sense."""
    try:
        return RUNS.read(row)
    except (ValueError, TypeError, RecursionError):
        run_id = str(row[0])
        instead = RunRecord(run_id, RunSpec(dataset_id=""), RunStatus.FAILED, f"{run_id} (damaged)", 0.0)
        return RUNS.salvage(row, instead)


def _query(states: frozenset[RunStatus] | None, search: str, group_id: str) -> tuple[str, list[str]]:
    where: list[str] = ["1"]
    parameters: list[str] = []
    if states is not None:
        where.append("status IN (SELECT value FROM json_each(?))")
        parameters.append(json.dumps([*states]))
    if group_id:
        where.append("group_id = ?")
        parameters.append(group_id)
    for word in search.split():
        escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        where.append(f"{_SEARCHED} LIKE ? ESCAPE '\\'")
        parameters.append(f"%{escaped}%")
    return f"{RUNS.select} WHERE {' AND '.join(where)} ORDER BY created_at DESC, seq DESC", parameters


def _found(db: sqlite3.Connection, run_id: str) -> RunRecord:
    row = RUNS.row(db, run_id)
    if row is None:
        raise NotFound("There is no such run; it may have been deleted. The Runs page lists all runs.")
    return _read(row)


def _found_group(db: sqlite3.Connection, group_id: str) -> GroupRecord:
    found = GROUPS.find(db, group_id)
    if found is None:
        raise NotFound("There is no such group of runs; it may have been deleted.")
    return found
