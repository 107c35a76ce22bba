"""Numbers as CSV, safe to open in a spreadsheet: the history of a run or of several, and a table of runs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

from ..types import ComparedRun, Comparison, MetricPoint, RunRecord
from ._names import spreadsheet_text

_ABOUT_RUN = tuple(name for name in ComparedRun.__dataclass_fields__ if name != "metrics")


def write_history(into: Path | TextIO, record: RunRecord, points: Iterable[MetricPoint]) -> None:
    """One row an epoch, one column a metric."""
    table = _by_epoch(points)
    names = _names([table])
    heads = ["run_id", "dataset", "epoch", "seconds", *names]
    rows = [[record.run_id, record.spec.dataset_name, *numbers] for numbers in _rows(table, names)]
    if isinstance(into, Path):
        _save(into, heads, rows)
    else:
        _write(into, heads, rows)


def write_histories(path: Path, runs: Sequence[tuple[RunRecord, str, Iterable[MetricPoint]]]) -> None:
    """The same for several runs, each with what tells it from the others."""
    tables = [_by_epoch(points) for _, _, points in runs]
    names = _names(tables)
    rows = [
        [record.run_id, record.name, label, record.spec.dataset_name, *numbers]
        for (record, label, _), table in zip(runs, tables, strict=True)
        for numbers in _rows(table, names)
    ]
    _save(path, ["run_id", "name", "run", "dataset", "epoch", "seconds", *names], rows)


def write_summary(path: Path, comparison: Comparison, records: Sequence[RunRecord]) -> None:
    """One row a run: what was found in comparing, its settings and its machine."""
    settings = list(records[0].spec.to_dict()) if records else []
    machine = sorted({name for record in records for name in record.environment})
    heads = [*_ABOUT_RUN, *(f"setting {name}" for name in settings), *(f"machine {name}" for name in machine)]
    rows = []
    for run, record in zip(comparison.runs, records, strict=True):
        spec = record.spec.to_dict()
        rows.append(
            [
                *(getattr(run, name) for name in _ABOUT_RUN),
                *(
                    " ".join(map(str, v)) if isinstance(v := spec[name], tuple | list) else v
                    for name in settings
                ),
                *(record.environment.get(name, "") for name in machine),
            ]
        )
    _save(path, heads, rows)


def _by_epoch(points: Iterable[MetricPoint]) -> dict[int, dict[str, float]]:
    table: dict[int, dict[str, float]] = {}
    for point in points:
        row = table.setdefault(point.epoch, {})
        row[point.name] = point.value
        row["seconds"] = max(point.seconds, row.get("seconds", 0.0))
    return table


def _names(tables: Iterable[dict[int, dict[str, float]]]) -> list[str]:
    return sorted({name for table in tables for row in table.values() for name in row} - {"seconds"})


def _rows(table: dict[int, dict[str, float]], names: Sequence[str]) -> list[list[Any]]:
    return [[epoch, *(table[epoch].get(name, "") for name in ("seconds", *names))] for epoch in sorted(table)]


def _save(path: Path, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        _write(file, heads, rows)


def _write(file: TextIO, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Only text is made safe: a negative number stays one."""
    writer = csv.writer(file)
    writer.writerow(map(spreadsheet_text, heads))
    for row in rows:
        writer.writerow([spreadsheet_text(cell) if isinstance(cell, str) else cell for cell in row])
