"""A disk that takes nothing for a while."""

from __future__ import annotations

from typing import Any

import pytest

from backend.errors import NoSpace
from tests.runs.conftest import Room


class FullDisk:
    """Wraps a method of the registry: the disk is full while ``full`` is true."""

    def __init__(self, room: Room, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.refused = 0
        self.frees_itself_after = 10**9
        self._write = getattr(room.registry, method)
        monkeypatch.setattr(room.registry, method, self)

    def __call__(self, *args: Any, **fields: Any) -> Any:
        if self.full:
            self.refused += 1
            self.full = self.refused < self.frees_itself_after
            raise NoSpace("The disk is full.")
        return self._write(*args, **fields)
