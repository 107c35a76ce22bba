"""What every message is: a frozen dataclass that goes to JSON and back unchanged. msgspec does the work.

    there = json.dumps(message.to_dict()); RunSpec.from_dict(json.loads(there)) == message

Reading checks types, not bounds: what an older version stored still opens. Keys that are not known are ignored.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import msgspec

# A field of a message may be ``Any`` value that JSON can hold.


class Message:
    """Base of the messages; a subclass is a frozen dataclass with slots."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON; tuples stay tuples."""
        plain: dict[str, Any] = msgspec.to_builtins(self, enc_hook=_plain)
        return plain

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Raises ``ValueError``, naming the place, where a type is wrong or a field is missing."""
        return msgspec.convert(data, cls)

    def replace(self, **changes: Any) -> Self:
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]


def _plain(value: Any) -> Any:
    """A number of numpy as Python's own."""
    try:
        return value.item()
    except AttributeError:
        raise TypeError(f"{type(value).__name__} cannot travel in a message") from None
