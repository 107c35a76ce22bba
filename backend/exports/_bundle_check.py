"""Turn JSON from a stranger into messages: every field of the right type, numbers finite, texts of sane length.

    record = checked(RunRecord, data, "record.json")

``Message.from_dict`` trusts what it reads, because it reads our own files; this does not. Keys that are not
known are left out, as a newer version may have more.
"""

from __future__ import annotations

import math
import types
import typing
from dataclasses import MISSING, fields
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from ..errors import BadFile
from ..types import Message, MetricPoint, with_notices
from ._names import one_line

LONGEST_TEXT = 4000
MOST_ENTRIES = 2000
MOST_POINTS = 5_000_000
MOST_SERIES = 200
_DEEPEST = 6
M = TypeVar("M", bound=Message)


def checked(kind: type[M], data: Any, where: str) -> M:
    """Raises ``BadFile`` with the place of what is wrong."""
    if not isinstance(data, dict):
        _refuse(where, "is not a table of values")
    data = with_notices(data)
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]  # messages are dataclasses
        if field.name in data:
            values[field.name] = _value(hints[field.name], data[field.name], f"{where}, {field.name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            _refuse(where, f"lacks {field.name}")
    return kind(**values)


def checked_points(data: Any, where: str) -> list[MetricPoint]:
    """The columns of ``history.json`` as points."""
    if not isinstance(data, dict):
        _refuse(where, "is not a table of values")
    points: list[MetricPoint] = []
    for part in ("epochs", "steps"):
        series = data.get(part, {})
        if not isinstance(series, dict) or len(series) > MOST_SERIES:
            _refuse(where, f"has no proper {part}")
        for name, columns in series.items():
            if not name.isidentifier() or not name.isascii() or len(name) > 64:
                _refuse(where, "names a quantity that cannot be one")
            points += _series(name, columns, f"{where}, {name}", steps=part == "steps")
            if len(points) > MOST_POINTS:
                _refuse(where, "holds too many numbers")
    return points


def _series(name: str, columns: Any, where: str, *, steps: bool) -> list[MetricPoint]:
    wanted = ("epoch", "value", "seconds", *(("step",) if steps else ()))
    if not isinstance(columns, dict) or any(not isinstance(columns.get(key), list) for key in wanted):
        _refuse(where, "is not made of columns")
    if len({len(columns[key]) for key in wanted}) != 1:
        _refuse(where, "has columns of different lengths")
    rows = zip(*(columns[key] for key in wanted), strict=True)
    return [
        MetricPoint(
            name,
            _whole(row[0], where, low=1),
            math.nan if row[1] is None else _finite(row[1], where),
            max(0.0, _finite(row[2], where)),
            _whole(row[3], where, low=0) if steps else None,
        )
        for row in rows
    ]


def _value(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        if len(options) > 1:  # a parameter of a notice
            return _plain(value, where)
        return None if value is None else _value(options[0], value, where)
    if origin is tuple:
        if not isinstance(value, list) or len(value) > MOST_ENTRIES:
            _refuse(where, "is not a list, or too long a one")
        return tuple(_value(typing.get_args(hint)[0], item, where) for item in value)
    if origin is dict:
        if not isinstance(value, dict) or len(value) > MOST_ENTRIES:
            _refuse(where, "is not a table of values")
        inner = typing.get_args(hint)[1]
        return {_text(key, where): _value(inner, item, where) for key, item in value.items()}
    if hint is Any:
        return _plain(value, where)
    if origin is typing.Literal:
        if value not in typing.get_args(hint):
            _refuse(where, "is not one of the values there are")
        return value
    if isinstance(hint, type) and issubclass(hint, Message):
        return checked(hint, value, where)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        if value not in [str(member) for member in hint]:
            _refuse(where, "is not one of the values there are")
        return hint(value)
    return _scalar(hint, value, where)


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is bool:
        if not isinstance(value, bool):
            _refuse(where, "is neither true nor false")
        return value
    if hint is int:
        return _whole(value, where, low=-(2**62))
    if hint is float:
        return _finite(value, where)
    assert hint is str, f"{where}: a message has a field of type {hint}"
    return _text(value, where)


def _plain(value: Any, where: str, depth: int = 0) -> Any:
    """What may stand where a message allows anything."""
    if depth > _DEEPEST:
        _refuse(where, "is nested too deeply")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, int | float):
        return _whole(value, where, low=-(2**62)) if isinstance(value, int) else _finite(value, where)
    if len(value) > MOST_ENTRIES:
        _refuse(where, "is too long")
    if isinstance(value, list):
        return [_plain(item, where, depth + 1) for item in value]
    return {_text(key, where): _plain(item, where, depth + 1) for key, item in value.items()}


def _text(value: Any, where: str) -> str:
    """One line: no name or note of a run is worth control characters from elsewhere."""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        _refuse(where, "is not a text, or too long a one")
    return one_line(value, LONGEST_TEXT)


def _whole(value: Any, where: str, *, low: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value < 2**62:
        _refuse(where, "is not a whole number that can be right")
    return value


def _finite(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
        _refuse(where, "is not a number that can be right")
    return float(value)


def _refuse(where: str, what: str) -> NoReturn:
    raise BadFile(f"This bundle of runs was not taken. In it, {one_line(where, 120)} {what}.")
