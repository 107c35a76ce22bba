"""How runs side by side are told apart: a colour, a dash and a symbol each.

The first run of a device has the device's accent, so that CPU against GPU looks as everywhere else; further runs
of the same device take colours that no device in the picture has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ._accent import ACCENTS, ACCENTS_DARK

# the theme's categorical colours after the three accents
_OTHERS = ("#A8478A", "#8A6A00", "#5B6770")
_OTHERS_DARK = ("#E48CC4", "#E8C547", "#AEB9C2")
_DASHES = ("solid", "dash", "dot", "dashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")


@dataclass(frozen=True)
class Look:
    colour: str
    dash: str
    symbol: str


def run_looks(devices: Sequence[str], *, dark: bool = False) -> list[Look]:
    """One look per run, in order. Six colours; then the same with another dash."""
    accents, others = (ACCENTS_DARK, _OTHERS_DARK) if dark else (ACCENTS, _OTHERS)
    kinds = [device.split(":")[0] if device.split(":")[0] in accents else "cpu" for device in devices]
    present = set(kinds)
    free = [*others, *(colour for kind, colour in accents.items() if kind not in present)]
    taken: set[str] = set()
    spare: list[str] = []
    looks: list[Look] = []
    for index, kind in enumerate(kinds):
        if kind not in taken:
            taken.add(kind)
            colour = accents[kind]
        else:
            colour = free[len(spare) % len(free)]
            spare.append(colour)
        # a colour that comes again gets another dash
        again = sum(look.colour == colour for look in looks)
        looks.append(Look(colour, _DASHES[again % len(_DASHES)], _SYMBOLS[index % len(_SYMBOLS)]))
    return looks
