"""A message as a row of a table and back: one column a field, JSON where a field is not a scalar."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from ..types import GroupRecord, Message, RunRecord

# A cell of the database takes ``Any`` plain value, and JSON of the others.

M = TypeVar("M", bound=Message)


class Table(Generic[M]):
    """``as_json``: columns of JSON; ``flags``: of truth values, which SQLite keeps as 0 and 1."""

    def __init__(
        self, name: str, message: type[M], as_json: Iterable[str], flags: Iterable[str] = ()
    ) -> None:
        self.columns = tuple(field.name for field in dataclasses.fields(message))  # type: ignore[arg-type]
        self.select = f"SELECT {', '.join(self.columns)} FROM {name}"
        self._name = name
        self._message = message
        self._key = self.columns[0]
        self._as_json = frozenset(as_json)
        self._flags = frozenset(flags)

    def add(self, db: sqlite3.Connection, message: M) -> None:
        marks = ", ".join("?" * len(self.columns))
        cells = [self._to_cell(name, getattr(message, name)) for name in self.columns]
        db.execute(f"INSERT INTO {self._name} ({', '.join(self.columns)}) VALUES ({marks})", cells)

    def change(self, db: sqlite3.Connection, key: str, fields: dict[str, Any]) -> None:
        """Set some fields, leaving the others to whoever writes them."""
        unknown = fields.keys() - set(self.columns)
        assert not unknown, f"{self._message.__name__} has no {sorted(unknown)}"
        if fields:
            clause = ", ".join(f"{name} = ?" for name in fields)
            cells = [self._to_cell(*item) for item in fields.items()]
            db.execute(f"UPDATE {self._name} SET {clause} WHERE {self._key} = ?", [*cells, key])

    def row(self, db: sqlite3.Connection, key: str) -> tuple[Any, ...] | None:
        found: tuple[Any, ...] | None = db.execute(
            f"{self.select} WHERE {self._key} = ?", (as_text(key),)
        ).fetchone()
        return found

    def find(self, db: sqlite3.Connection, key: str) -> M | None:
        row = self.row(db, key)
        return None if row is None else self.read(row)

    def read(self, row: tuple[Any, ...]) -> M:
        data = dict(zip(self.columns, row, strict=True))
        for name in self._as_json:
            if data[name] is not None:
                data[name] = json.loads(data[name])
        for name in self._flags:
            data[name] = bool(data[name])
        return self._message.from_dict(data)

    def salvage(self, row: tuple[Any, ...], instead: M) -> M:
        """What can be read of a row that ``read`` refuses: a field that makes no sense is that of ``instead``."""
        columns = list(self.columns)
        given = [self._to_cell(name, getattr(instead, name)) for name in columns]
        for index, cell in enumerate(row):
            before, given[index] = given[index], cell
            try:
                self.read(tuple(given))
            except (ValueError, TypeError, RecursionError):
                given[index] = before
        return self.read(tuple(given))

    def _to_cell(self, name: str, value: Any) -> Any:
        """The value of one field as SQLite stores it."""
        if name in self._as_json and value is not None:
            return json.dumps(_plain(value))
        return as_text(value) if isinstance(value, str) else value


def as_text(value: str) -> str:
    """SQLite's text is UTF-8, which has nothing for half a character."""
    return value.encode("utf-8", "replace").decode()


def _plain(value: Any) -> Any:
    if isinstance(value, Message):
        return value.to_dict()
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


RUNS = Table("runs", RunRecord, {"spec", "notices", "problem", "environment", "conditions", "tags"})
GROUPS = Table("run_groups", GroupRecord, {"plan", "notices"}, flags={"paused"})
