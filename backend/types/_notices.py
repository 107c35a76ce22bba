"""What happened on the way and is worth telling: a code and its parameters. ``words`` says it in English.

notice("empty_cells_dropped", n=12)
find_notice(dataset.notices, "genes_selected")     # a consumer asks for a code, never for a sentence
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from ._message import Message
from ._old_notices import code_and_params

# Those of a run that say how it stands, not what happened: gone when it stands otherwise.
STANDING = ("not_saved", "waiting_for_space")

Param = str | int | float | bool | list[str | int] | None


@dataclass(frozen=True, slots=True)
class Notice(Message):
    """``code`` names a sentence of ``words``, ``params`` what it speaks of."""

    code: str
    params: dict[str, Param] = field(default_factory=dict)
    severity: Literal["info", "warning"] = "info"

    def __hash__(self) -> int:
        return hash((self.code, json.dumps(self.params, sort_keys=True)))


def notice(
    code: str, *, severity: Literal["info", "warning"] = "info", **params: Param | tuple[str | int, ...]
) -> Notice:
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in params.items()}
    return Notice(code, plain, severity)


def find_notice(notices: Iterable[Notice], *codes: str) -> Notice | None:
    """The first of ``notices`` with one of ``codes``."""
    return next((one for one in notices if one.code in codes), None)


def lasting(notices: Iterable[Notice]) -> tuple[Notice, ...]:
    """Without those that only say how a run stood."""
    return tuple(one for one in notices if one.code not in STANDING)


class Noticed(Message):
    """A message with ``notices``. Reads those of older versions as well, which were sentences."""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        return super().from_dict(with_notices(data))


def with_notices(data: Mapping[str, Any]) -> dict[str, Any]:
    """A stored message with each sentence among its ``notices`` as the notice it stands for."""
    stored = data.get("notices")
    if not isinstance(stored, list | tuple):
        return dict(data)
    return {**data, "notices": [_plain(one) if isinstance(one, str) else one for one in stored]}


def _plain(sentence: str) -> dict[str, Any]:
    code, params, severity = code_and_params(sentence)
    return {"code": code, "params": params, "severity": severity}
