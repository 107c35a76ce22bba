"""One thread that writes metrics and progress in batches, so that training never waits for the disk.

A batch that cannot be written is kept for another try, up to a limit, and announced once in the log;
nothing is ever raised into training. What was handed over is on disk after ``flush`` or ``close``.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from ..types import MetricPoint
from ._tables import RUNS

logger = logging.getLogger(__name__)

_INSERT = """
    INSERT INTO metrics (run, name, epoch, step, value, seconds)
    SELECT runs.seq, metric_names.id, ?, ?, ?, ? FROM runs, metric_names
    WHERE runs.run_id = ? AND metric_names.name = ?
"""  # a run deleted meanwhile gets nothing, quietly


class MetricWriter:
    def __init__(
        self, connect: Callable[[], sqlite3.Connection], *, interval: float = 0.25, capacity: int = 200_000
    ) -> None:
        self._connect = connect
        self._interval = interval  # how long points are gathered before they are written
        self._points: deque[tuple[str, MetricPoint]] = deque(maxlen=capacity)
        self._fields: dict[str, dict[str, Any]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._handed = 0
        self._written = 0
        self._failures = 0
        self._hurry = False
        self._closing = False
        self._warned = False

    def put(self, run_id: str, point: MetricPoint) -> None:
        with self._changed:
            self._points.append((run_id, point))
            self._wake()

    def put_fields(self, run_id: str, fields: dict[str, Any]) -> None:
        with self._changed:
            self._fields.setdefault(run_id, {}).update(fields)
            self._wake()

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until everything handed over so far is written; False where that failed or took too long."""
        with self._changed:
            target, failures = self._handed, self._failures
            self._hurry = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._written >= target or self._failures > failures, timeout)
            return self._written >= target

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout=10)

    def _wake(self) -> None:
        self._handed += 1
        if self._thread is None and not self._closing:
            self._thread = threading.Thread(target=self._work, name="metric-writer", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _work(self) -> None:
        db: sqlite3.Connection | None = None
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._points or self._fields or self._closing)
                    self._changed.wait_for(lambda: self._hurry or self._closing, self._interval)
                    points, fields = list(self._points), self._fields
                    self._points.clear()
                    self._fields = {}
                    mark, self._hurry, last = self._handed, False, self._closing
                try:
                    db = db or self._connect()
                    _write(db, points, fields)
                    written = True
                except sqlite3.Error as error:
                    written = False
                    self._warn(error, len(points))
                with self._changed:
                    if written:
                        self._written = mark
                    else:
                        self._keep(points, fields)
                        self._failures += 1
                    self._changed.notify_all()
                    if last and not (written and (self._points or self._fields)):
                        return
                    if not written:  # do not spin on a broken disk
                        self._changed.wait_for(lambda: self._hurry or self._closing, 1.0)
        finally:
            if db is not None:
                db.close()

    def _keep(self, points: list[tuple[str, MetricPoint]], fields: dict[str, dict[str, Any]]) -> None:
        room = (self._points.maxlen or 0) - len(self._points)
        self._points.extendleft(reversed(points[-room:] if room else []))
        for run_id, values in fields.items():
            self._fields[run_id] = {**values, **self._fields.get(run_id, {})}

    def _warn(self, error: sqlite3.Error, count: int) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("%d metrics could not be written (%s); training goes on, will retry", count, error)


def _write(
    db: sqlite3.Connection, points: list[tuple[str, MetricPoint]], fields: dict[str, dict[str, Any]]
) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        names = {(point.name,) for _, point in points}
        db.executemany("INSERT OR IGNORE INTO metric_names (name) VALUES (?)", sorted(names))
        db.executemany(
            _INSERT,
            [(p.epoch, p.step, p.value, p.seconds, run_id, p.name) for run_id, p in points],
        )
        for run_id, values in fields.items():
            RUNS.change(db, run_id, values)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
