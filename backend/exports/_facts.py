"""What a run was, as groups of readable lines: what ran, never what was asked for where the two differ.

tables = facts_tables(record, dataset); cards = numbers(record)
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ..types import DatasetRef, PrepareSpec, RunRecord, settings_of
from ..words import (
    count,
    duration,
    loss_value,
    memory_size,
    one_line,
    percent,
    sentence,
    setting_rows,
    status_word,
)
from ._report_page import Table

Rows = dict[str, str]
ELSEWHERE = "another computer"
_ENVIRONMENT = {
    "python": "Python",
    "torch": "PyTorch",
    "platform": "System",
    "cpu": "Processor",
    "cores": "Cores",
}
_CONDITIONS: dict[str, tuple[str, Callable[[float], str]]] = {
    "other_load": ("Processor used by other programs", percent),
    "other_load_max": ("At most", percent),
    "threads": ("Threads", count),
    "frequency_mhz": ("Processor frequency", lambda mhz: f"{count(mhz)} MHz"),
    "on_battery": ("On battery", lambda yes: "yes" if yes else "no"),
    "throttled": ("Slowed for its heat or its share", lambda yes: "yes" if yes else "no"),
}


def facts_tables(record: RunRecord, dataset: DatasetRef | None) -> tuple[Table, ...]:
    rows = setting_rows(record.spec)
    parts = rows | {
        "Data": _data(record, dataset) | rows["Data"],
        "Machine": _machine(record),
    }
    return tuple(Table((), tuple(rows.items()), caption=title) for title, rows in parts.items())


def numbers(record: RunRecord) -> Rows:
    """The handful that somebody looks for first."""
    found: Rows = {
        "Status": status_word(record.status),
        "Epochs": f"{record.epoch:,} of {record.spec.max_epochs:,}",
    }
    if record.elapsed:
        found["Training time"] = duration(record.elapsed)
    if record.seconds_per_epoch:
        found["Per epoch"] = duration(record.seconds_per_epoch)
    if record.cells_per_second:
        found["Speed"] = f"{record.cells_per_second:,.0f} cells/s"
    if record.best_validation is not None:
        found["Best validation loss"] = f"{loss_value(record.best_validation)} (epoch {record.best_epoch})"
    if record.device:
        found["Device"] = record.device.split(":")[0].upper()
    return found


def machine_of(record: RunRecord) -> str:
    """Where a run was trained, in a few words."""
    known = record.environment
    parts = (record.imported_from or known.get("cpu") or record.device_name, known.get("platform", ""))
    told = parts[0] if record.imported_from else ", ".join(part for part in parts if part)
    return one_line(told, 120) or ELSEWHERE


def _data(record: RunRecord, dataset: DatasetRef | None) -> Rows:
    spec = record.spec
    rows = {
        "Data set": spec.dataset_name or spec.dataset_id,
        "Cells × genes": f"{record.n_obs:,} × {record.n_vars:,}",
        "Data set id": spec.dataset_id,
    }
    if dataset is not None:
        rows[settings_of(PrepareSpec)["counts"].label] = dataset.prepare.counts
        rows["Density"] = f"{percent(dataset.density)} of the values are not zero"
        if dataset.notices:
            rows["Preparation"] = " ".join(map(sentence, dataset.notices))
    return rows


def _machine(record: RunRecord) -> Rows:
    known = dict(record.environment)
    engine = known.pop("engine", record.spec.engine)
    rows = {"Engine": engine, "Device": record.device or "none"}
    if engine != record.spec.engine:
        rows["Engine asked for"] = record.spec.engine
    if record.implementation:
        rows["Computed with"] = record.implementation
    if record.device_name:
        rows["Its name"] = record.device_name
    if record.imported_from:
        rows["Brought from"] = record.imported_from
    if record.peak_memory:
        rows["Most memory"] = memory_size(record.peak_memory)
    rows |= {_ENVIRONMENT.get(name, name): text for name, text in known.items()}
    for name, (label, said) in _CONDITIONS.items():
        value = record.conditions.get(name)
        if isinstance(value, int | float):  # of a run from elsewhere it may be anything
            rows[label] = said(value)
    if record.started_at:
        rows["Started"] = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.started_at))
    return rows
