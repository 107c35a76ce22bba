"""The per-epoch history as CSV, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from backend.exports._names import spreadsheet_text
from backend.types import MetricPoint, RunRecord


def write_history(into: Path | TextIO, record: RunRecord, points: Iterable[MetricPoint]) -> None:
    table: dict[int, dict[str, float]] = {}
    for point in points:
        row = table.setdefault(point.epoch, {})
        row[point.name] = point.value
        row["seconds"] = max(point.seconds, row.get("seconds", 0.0))
    names = sorted({name for row in table.values() for name in row} - {"seconds"})
    if isinstance(into, Path):
        with into.open("w", newline="", encoding="utf-8") as file:
            _write(file, record, names, table)
    else:
        _write(into, record, names, table)


def _write(file: TextIO, record: RunRecord, names: list[str], table: dict[int, dict[str, float]]) -> None:
    writer = csv.writer(file)
    writer.writerow(["run_id", "dataset", "epoch", "seconds", *map(spreadsheet_text, names)])
    for epoch in sorted(table):
        numbers = [table[epoch].get(name, "") for name in ("seconds", *names)]
        writer.writerow([record.run_id, spreadsheet_text(record.spec.dataset_name), epoch, *numbers])
