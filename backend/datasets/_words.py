"""Amounts in sentences: counted(1, "gene") -> "1 gene", listed(("a", "b", "c")) -> "a, b and c"."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, one: str, many: str = "") -> str:
    """``number`` with what it counts, in the singular for 1; ``many`` where an s is not enough."""
    return f"{number:,} {pick(number, one, many or one + 's')}"


def pick(number: int, one: str, many: str) -> str:
    """The form that goes with ``number``: pick(n, "is", "are")."""
    return one if number == 1 else many


def disk_size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
