"""Metric points written and read, as functions of an open database. An unknown run simply has no points."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable

from ..types import MetricBatch, MetricPoint

Series = dict[str, list[float]]
Points = list[MetricPoint]

_INSERT = """
    INSERT INTO metrics (run, name, epoch, step, value, seconds)
    SELECT runs.seq, metric_names.id, ?, ?, ?, ? FROM runs, metric_names
    WHERE runs.run_id = ? AND metric_names.name = ?
"""

# For each of evenly spaced epochs the last value up to it, found by index: no series is read through, and the
# last one is always there. CROSS JOIN keeps the order: some versions of SQLite would read all metrics first.
_SERIES = """
    WITH RECURSIVE marks (number) AS (
        SELECT 1 UNION ALL SELECT number + 1 FROM marks WHERE number < :points
    ), chosen AS (
        SELECT runs.seq AS run, runs.run_id AS run_id, metric_names.id AS name
        FROM json_each(:ids) AS wanted
        JOIN runs ON runs.run_id = wanted.value
        JOIN metric_names ON metric_names.name = :name
    ), span AS MATERIALIZED (
        SELECT chosen.*, (SELECT MAX(epoch) FROM metrics AS m
            WHERE m.run = chosen.run AND m.name = chosen.name AND m.step IS NULL) AS epochs
        FROM chosen
    ), picked AS MATERIALIZED (
        SELECT DISTINCT span.run, span.run_id, span.name, (SELECT MAX(epoch) FROM metrics AS m
            WHERE m.run = span.run AND m.name = span.name AND m.step IS NULL
            AND m.epoch <= MAX(1, span.epochs * marks.number / :points)) AS epoch
        FROM span, marks
    )
    SELECT picked.run_id, m.epoch, m.value
    FROM picked CROSS JOIN metrics AS m
    ON m.run = picked.run AND m.name = picked.name AND m.epoch = picked.epoch AND m.step IS NULL
    ORDER BY picked.run, m.epoch
"""


def add(db: sqlite3.Connection, run_id: str, points: Iterable[MetricPoint]) -> None:
    points = tuple(points)
    names = sorted({(point.name,) for point in points})
    db.executemany("INSERT OR IGNORE INTO metric_names (name) VALUES (?)", names)
    db.executemany(_INSERT, [(p.epoch, p.step, p.value, p.seconds, run_id, p.name) for p in points])


def read_since(
    db: sqlite3.Connection, run_id: str, cursor: int, names: Iterable[str] | None, limit: int | None
) -> MetricBatch:
    found = db.execute(
        "SELECT seq, (SELECT MAX(id) FROM metrics WHERE run = seq) FROM runs WHERE run_id = ?", (run_id,)
    ).fetchone()
    if found is None or found[1] is None:
        return MetricBatch((), cursor)
    run, newest = found
    query = """
        SELECT m.id, metric_names.name, m.epoch, m.step, m.value, m.seconds
        FROM metrics AS m JOIN metric_names ON metric_names.id = m.name
        WHERE m.run = ? AND m.id > ? AND m.id <= ?
    """
    parameters: list[object] = [run, cursor, newest]
    if names is not None:
        query += " AND metric_names.name IN (SELECT value FROM json_each(?))"
        parameters.append(json.dumps(list(names)))
    query += " ORDER BY m.id"
    if limit is not None:
        query += " LIMIT ?"
        parameters.append(limit)
    rows = db.execute(query, parameters).fetchall()
    points = tuple(
        MetricPoint(name, epoch, _number(value), seconds, step)
        for _, name, epoch, step, value, seconds in rows
    )
    cut_short = limit is not None and len(rows) == limit and rows
    return MetricBatch(points, rows[-1][0] if cut_short else max(cursor, newest))


def epoch_points(db: sqlite3.Connection, run_id: str) -> Points:
    rows = db.execute(
        """
        SELECT metric_names.name, m.epoch, m.value, m.seconds
        FROM metrics AS m JOIN metric_names ON metric_names.id = m.name
        WHERE m.run = (SELECT seq FROM runs WHERE run_id = ?) AND m.step IS NULL
        ORDER BY metric_names.name, m.epoch, m.id
        """,
        (run_id,),
    ).fetchall()
    return [MetricPoint(name, epoch, _number(value), seconds) for name, epoch, value, seconds in rows]


def history(db: sqlite3.Connection, run_id: str) -> Series:
    series: dict[str, dict[int, float]] = {}
    for point in epoch_points(db, run_id):
        series.setdefault(point.name, {})[point.epoch] = point.value
    return {name: list(values.values()) for name, values in series.items()}


def thinned(db: sqlite3.Connection, run_ids: Iterable[str], name: str, points: int) -> Series:
    parameters = {"ids": json.dumps(list(run_ids)), "name": name, "points": points}
    series: Series = {}
    for run_id, _, value in db.execute(_SERIES, parameters).fetchall():
        series.setdefault(run_id, []).append(_number(value))
    return series


def _number(value: float | None) -> float:
    return math.nan if value is None else value  # SQLite keeps NaN as NULL
