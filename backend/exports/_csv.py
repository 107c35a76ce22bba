"""Numbers as CSV, safe to open in a spreadsheet: the history of a run or of several, and a table of runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from ..types import ComparedRun, MetricPoint
from ._export import Export, Run, Runs

_ABOUT_RUN = tuple(name for name in ComparedRun.__dataclass_fields__ if name != "metrics")
_ByEpoch = dict[int, dict[str, float]]


def history(run: Run) -> str:
    """One row an epoch, one column a metric."""
    table = _by_epoch(run.points)
    names = _names([table])
    rows = [[run.run_id, run.record.spec.dataset_name, *numbers] for numbers in _rows(table, names)]
    return _csv(["run_id", "dataset", "epoch", "seconds", *names], rows)


def _histories(runs: Runs) -> str:
    """The same for several runs, each with what tells it from the others."""
    labels = {run.run_id: run.label for run in runs.comparison.runs}
    tables = [_by_epoch(run.points) for run in runs.each]
    names = _names(tables)
    rows = [
        [record.run_id, record.name, labels[record.run_id], record.spec.dataset_name, *numbers]
        for record, table in zip(runs.records, tables, strict=True)
        for numbers in _rows(table, names)
    ]
    return _csv(["run_id", "name", "run", "dataset", "epoch", "seconds", *names], rows)


def _summary(runs: Runs) -> str:
    """One row a run, numbers in full: what was found in comparing, its settings and its machine."""
    compared = runs.comparison.runs
    settings = list(runs.records[0].spec.to_dict())
    machine = sorted({name for record in runs.records for name in record.environment})
    heads = [*_ABOUT_RUN, *(f"setting {name}" for name in settings), *(f"machine {name}" for name in machine)]
    rows = []
    for run, record in zip(compared, runs.records, strict=True):
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
    return _csv(heads, rows)


def _by_epoch(points: Iterable[MetricPoint]) -> _ByEpoch:
    table: _ByEpoch = {}
    for point in points:
        row = table.setdefault(point.epoch, {})
        row[point.name] = point.value
        row["seconds"] = max(point.seconds, row.get("seconds", 0.0))
    return table


def _names(tables: Iterable[_ByEpoch]) -> list[str]:
    return sorted({name for table in tables for row in table.values() for name in row} - {"seconds"})


def _rows(table: _ByEpoch, names: Sequence[str]) -> list[list[Any]]:
    return [[epoch, *(table[epoch].get(name, "") for name in ("seconds", *names))] for epoch in sorted(table)]


def _csv(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Only text is made safe: a negative number stays one."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(map(spreadsheet_text, heads))
    for row in rows:
        writer.writerow([spreadsheet_text(cell) if isinstance(cell, str) else cell for cell in row])
    return file.getvalue()


HISTORY = Export[Run]("history.csv", lambda run, path: path.write_bytes(history(run).encode()))
HISTORIES = Export[Runs]("history.csv", lambda runs, path: path.write_bytes(_histories(runs).encode()))
SUMMARY = Export[Runs]("summary.csv", lambda runs, path: path.write_bytes(_summary(runs).encode()))


def spreadsheet_text(value: str) -> str:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front. Numbers never pass here."""
    value = " ".join(value.split())
    return f"'{value}" if value[:1] in ("=", "+", "-", "@") else value
