"""Numbers of a run: read by cursor, as history, thinned for sparklines; quick with many runs."""

from __future__ import annotations

import math
import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from backend.registry import RunRegistry
from backend.registry import _metrics as queries
from backend.types import MetricPoint, RunRecord
from tests.registry.points import curve

Add = Callable[..., RunRecord]


def write(registry: RunRegistry, run_id: str, points: list[MetricPoint]) -> None:
    registry.append(run_id, *points)


def test_a_reader_gets_each_point_once(registry: RunRegistry, add: Add) -> None:
    add("a")
    first = curve("train_loss", [3, 2])
    write(registry, "a", first)
    batch = registry.read_since("a")
    assert batch.points == tuple(first)
    assert registry.read_since("a", batch.cursor).points == ()
    more = [MetricPoint("train_loss_step", 3, 1.5, 2.5, step=7)]
    write(registry, "a", more)
    assert registry.read_since("a", batch.cursor).points == tuple(more)


def test_runs_do_not_see_each_other(registry: RunRegistry, add: Add) -> None:
    add("a")
    add("b")
    write(registry, "a", curve("train_loss", [1]))
    write(registry, "b", curve("train_loss", [2]))
    assert [p.value for p in registry.read_since("b").points] == [2]
    assert registry.read_since("nobody", 5).cursor == 5


def test_a_limit_continues_where_it_cut(registry: RunRegistry, add: Add) -> None:
    add("a")
    points = curve("train_loss", [5, 4, 3, 2, 1])
    write(registry, "a", points)
    read: list[MetricPoint] = []
    cursor = 0
    for _ in range(3):
        batch = registry.read_since("a", cursor, limit=2)
        read += batch.points
        cursor = batch.cursor
    assert read == points


def test_chosen_names_skip_the_rest_for_good(registry: RunRegistry, add: Add) -> None:
    add("a")
    write(registry, "a", [*curve("validation_loss", [1]), *curve("train_loss", [2, 3])])
    batch = registry.read_since("a", names=["validation_loss"])
    assert [p.value for p in batch.points] == [1]
    assert batch.cursor == registry.read_since("a").cursor


def test_numbers_that_are_none_survive(registry: RunRegistry, add: Add) -> None:
    add("a")
    write(registry, "a", curve("train_loss", [math.nan, math.inf, -math.inf]))
    values = [p.value for p in registry.read_since("a").points]
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf]


def test_history_is_by_epoch_without_steps_and_the_newer_value_counts(
    registry: RunRegistry, add: Add
) -> None:
    add("a")
    write(registry, "a", curve("train_loss", [3, 2, 1]))
    write(registry, "a", [MetricPoint("train_loss_step", 1, 9, 0.1, step=1), *curve("train_loss", [7], 2)])
    write(registry, "a", curve("validation_loss", [5], 2))
    assert registry.history("a") == {"train_loss": [3, 7, 1], "validation_loss": [5]}


def test_truncating_drops_later_epochs_and_their_cursors_never_return(
    registry: RunRegistry, add: Add
) -> None:
    add("a")
    steps = [MetricPoint("train_loss_step", epoch, 1, 1, step=epoch) for epoch in (1, 2, 3)]
    write(registry, "a", [*curve("train_loss", [3, 2, 1]), *steps])
    page = registry.read_since("a").cursor
    registry.truncate("a", 1)
    assert {p.epoch for p in registry.read_since("a").points} == {1}
    write(registry, "a", curve("train_loss", [8], 2))
    assert [p.value for p in registry.read_since("a", page).points] == [8]


def test_a_sparkline_keeps_the_shape_and_the_last_value(registry: RunRegistry, add: Add) -> None:
    for run_id in "abc":
        add(run_id)
    write(registry, "a", curve("validation_loss", [float(400 - n) for n in range(400)]))
    write(registry, "b", curve("validation_loss", [3, 2, 1]))
    write(registry, "c", curve("train_loss", [1]))
    series = registry.series(["a", "b", "c", "nobody"], "validation_loss", points=40)
    assert set(series) == {"a", "b"}
    assert series["b"] == [3, 2, 1]
    assert len(series["a"]) == 40
    assert series["a"][-1] == 1
    assert series["a"] == sorted(series["a"], reverse=True)


def test_five_hundred_runs_of_four_hundred_epochs_are_quick(
    registry: RunRegistry, path: Path, add: Add
) -> None:
    runs = [f"r{n}" for n in range(500)]
    for run_id in runs:
        add(run_id)
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO metric_names VALUES (1, 'validation_loss')")
        db.execute(
            """
            INSERT INTO metrics (run, name, epoch, value, seconds)
            WITH RECURSIVE epochs (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM epochs WHERE n < 400)
            SELECT seq, 1, n, 1.0 / n, n FROM epochs, runs
            """
        )
        db.commit()
    began = time.perf_counter()
    assert len(registry.series(runs, "validation_loss")) == 500
    assert time.perf_counter() - began < 3  # 0.2 s when the machine has nothing else to do
    began = time.perf_counter()
    assert len(registry.history("r250")["validation_loss"]) == 400
    assert len(registry.read_since("r250", registry.read_since("r250").cursor - 1).points) == 1
    assert time.perf_counter() - began < 0.5
    assert len(registry.list()) == 500


def test_all_sparklines_are_one_query(registry: RunRegistry, path: Path) -> None:
    asked: list[str] = []
    with closing(sqlite3.connect(path)) as db:
        db.set_trace_callback(asked.append)
        queries.thinned(db, ["a", "b", "c"], "validation_loss", 40)
    assert len(asked) == 1


@pytest.mark.parametrize("query", ["history", "read_since", "series"])
def test_no_query_reads_the_whole_table(registry: RunRegistry, path: Path, query: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        plans: list[str] = []

        class Explained:
            def execute(self, sql: str, parameters: object) -> sqlite3.Cursor:
                plans.extend(row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql, parameters))  # type: ignore[arg-type]
                if "MAX(id)" in sql:  # read_since goes on with what this gives
                    return db.execute("SELECT 1, 2")
                return db.execute("SELECT 1 WHERE 0")

        explained: sqlite3.Connection = Explained()  # type: ignore[assignment]
        {
            "history": lambda: queries.history(explained, "a"),
            "read_since": lambda: queries.read_since(explained, "a", 0, None, None),
            "series": lambda: queries.thinned(explained, ["a"], "x", 40),
        }[query]()
    reads = [plan for plan in plans if " m" in plan or "metrics" in plan]
    assert reads
    assert not [plan for plan in reads if re.match(r"SCAN (m|metrics)\b", plan)], plans
