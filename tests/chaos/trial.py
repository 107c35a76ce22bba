"""What every trial is given: a folder, chance, and where to write what was counted and what was lost."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Trial:
    folder: Path
    chance: random.Random
    short: bool
    counted: dict[str, int | float | str] = field(default_factory=dict)
    losses: list[str] = field(default_factory=list)

    def count(self, what: str, number: int | float | str) -> None:
        self.counted[what] = number

    def add(self, what: str, number: int = 1) -> None:
        before = self.counted.get(what, 0)
        assert isinstance(before, int)
        self.counted[what] = before + number

    def lose(self, what: str) -> None:
        self.losses.append(what)

    def require(self, true: object, otherwise: str) -> None:
        if not true:
            self.lose(otherwise)

    @property
    def figures(self) -> str:
        return ", ".join(f"{number} {what}" for what, number in self.counted.items())
