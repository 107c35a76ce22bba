"""The queries on groups of runs, as functions of an open database."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from typing import Any

from ..types import GroupRecord, Message

_COLUMNS = tuple(field.name for field in dataclasses.fields(GroupRecord))
_JSON = frozenset({"plan", "notices"})
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM run_groups"


def add(db: sqlite3.Connection, group: GroupRecord) -> None:
    marks = ", ".join("?" * len(_COLUMNS))
    db.execute(
        f"INSERT INTO run_groups ({', '.join(_COLUMNS)}) VALUES ({marks})",
        [_to_cell(name, getattr(group, name)) for name in _COLUMNS],
    )


def find(db: sqlite3.Connection, group_id: str) -> GroupRecord | None:
    row = db.execute(f"{_SELECT} WHERE group_id = ?", (group_id,)).fetchone()
    return None if row is None else _from_row(row)


def every(db: sqlite3.Connection) -> list[GroupRecord]:
    """Newest first."""
    return [_from_row(row) for row in db.execute(f"{_SELECT} ORDER BY created_at DESC, rowid DESC")]


def change(db: sqlite3.Connection, group_id: str, fields: dict[str, Any]) -> None:
    unknown = fields.keys() - set(_COLUMNS)
    assert not unknown, f"GroupRecord has no {sorted(unknown)}"
    clause = ", ".join(f"{name} = ?" for name in fields)
    cells = [_to_cell(*item) for item in fields.items()]
    db.execute(f"UPDATE run_groups SET {clause} WHERE group_id = ?", [*cells, group_id])


def remove(db: sqlite3.Connection, group_id: str) -> None:
    """Its runs stay, on their own."""
    db.execute("UPDATE runs SET group_id = '' WHERE group_id = ?", (group_id,))
    db.execute("DELETE FROM run_groups WHERE group_id = ?", (group_id,))


def paused(db: sqlite3.Connection) -> frozenset[str]:
    return frozenset(row[0] for row in db.execute("SELECT group_id FROM run_groups WHERE paused"))


def _to_cell(name: str, value: Any) -> Any:
    if name not in _JSON or value is None:
        return value
    return json.dumps(value.to_dict() if isinstance(value, Message) else value)


def _from_row(row: tuple[Any, ...]) -> GroupRecord:
    data = dict(zip(_COLUMNS, row, strict=True))
    data["paused"] = bool(data["paused"])
    for name in _JSON:
        if data[name] is not None:
            data[name] = json.loads(data[name])
    return GroupRecord.from_dict(data)
