"""What every message is: a dataclass that goes to JSON and back unchanged."""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import StrEnum
from functools import cache
from typing import Any, Self


def _revive(hint: Any, value: Any) -> Any:
    """Turn plain JSON ``value`` back into the type that ``hint`` names."""
    if value is None:
        return None
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        return _revive(options[0], value) if len(options) == 1 else value
    if origin is tuple:
        inner = typing.get_args(hint)[0]
        return tuple(_revive(inner, item) for item in value)
    if origin is dict:
        inner = typing.get_args(hint)[1]
        return {key: _revive(inner, item) for key, item in value.items()}
    if isinstance(hint, type) and issubclass(hint, Message):
        return hint.from_dict(value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(value)
    return value


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


class Message:
    """A dataclass that goes to JSON and back. Unknown keys are ignored, so older files still open."""

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        hints = _hints(typing.cast(Any, cls))
        return cls(**{name: _revive(hints[name], data[name]) for name in hints if name in data})

    def replace(self, **changes: Any) -> Self:
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]
