"""A ``RunRecord`` as a row of table ``runs`` and back: one column a field, JSON where it is not a scalar."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from ..types import Message, RunRecord

COLUMNS: tuple[str, ...] = tuple(field.name for field in dataclasses.fields(RunRecord))
_JSON = frozenset({"spec", "notices", "problem", "environment", "conditions"})

SELECT = f"SELECT {', '.join(COLUMNS)} FROM runs"
INSERT = f"INSERT INTO runs ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"


def to_row(record: RunRecord) -> list[Any]:
    return [to_cell(name, getattr(record, name)) for name in COLUMNS]


def to_cell(name: str, value: Any) -> Any:
    """The value of one field as SQLite stores it."""
    if name not in _JSON or value is None:
        return value
    return json.dumps(value.to_dict() if isinstance(value, Message) else value)


def from_row(row: tuple[Any, ...]) -> RunRecord:
    data = dict(zip(COLUMNS, row, strict=True))
    for name in _JSON:
        if data[name] is not None:
            data[name] = json.loads(data[name])
    return RunRecord.from_dict(data)


def assignments(fields: dict[str, Any]) -> tuple[str, list[Any]]:
    """``SET`` clause and parameters for a change of some fields."""
    unknown = fields.keys() - set(COLUMNS)
    assert not unknown, f"RunRecord has no {sorted(unknown)}"
    return ", ".join(f"{name} = ?" for name in fields), [to_cell(*item) for item in fields.items()]
