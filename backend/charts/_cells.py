"""Colours of cells, and what of a column is told apart: levels of a table, or a scale from low to high.

    look = cell_look(colours, dark=False)      # .palette and .labels, one for each code; the last: "other", none

Okabe and Ito's colours first, told apart with any colour vision; what has more levels than colours becomes "other".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..types import CellColours
from ._figure import number

PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C510A", "#6A3D9A",
    "#B8A600", "#1B4F5C", "#E7298A", "#7FBC41", "#A6A6A6", "#4D4D4D", "#C7A3E0", "#F2B6A0",
)  # fmt: skip
PALETTE_DARK = (
    "#56B4E9", "#F08A4B", "#3CC49A", "#E39AC4", "#F0C04A", "#2E8BD0", "#C99664", "#B18AE0",
    "#F0E442", "#5FA3B3", "#FF7BB5", "#B5E07A", "#8D979C", "#D9E0E3", "#8566B8", "#D98973",
)  # fmt: skip
OTHER, OTHER_DARK = "#C3CBCF", "#44525A"
SCALE_STEPS = 32
# cividis, by twelve of its colours: even for every colour vision
_SCALE = (
    (0, 34, 78), (18, 53, 112), (59, 73, 108), (87, 93, 109), (112, 113, 115), (138, 134, 120),
    (165, 156, 116), (195, 179, 105), (225, 204, 85), (254, 232, 56),
)  # fmt: skip


@dataclass(frozen=True)
class CellLook:
    """How cells are coloured: ``codes[i]`` is the place of cell i in ``palette`` (and ``labels``)."""

    codes: np.ndarray  # uint8
    palette: list[str]
    labels: list[str]  # of a scale: its two ends
    continuous: bool = False


def cell_look(colours: CellColours | None, n_cells: int, *, dark: bool = False) -> CellLook:
    """Palette, labels and codes for a component that draws cells."""
    other = OTHER_DARK if dark else OTHER
    if colours is None or len(colours.codes) != n_cells:
        return CellLook(np.zeros(n_cells, np.uint8), [(PALETTE_DARK if dark else PALETTE)[0]], ["cell"])
    codes = np.array(colours.codes, dtype=int)
    if colours.kind == "continuous":
        steps = np.where(codes < 0, SCALE_STEPS, codes * SCALE_STEPS // 256)
        scale = [_on_scale(i / (SCALE_STEPS - 1)) for i in range(SCALE_STEPS)]
        return CellLook(
            steps.astype(np.uint8),
            [*(reversed(scale) if not dark else scale), other],
            [number(colours.low), number(colours.high)],
            continuous=True,
        )
    palette = list(PALETTE_DARK if dark else PALETTE)
    shown = len(colours.levels) if len(colours.levels) <= len(palette) else len(palette) - 1
    labels = list(colours.levels[:shown])
    codes = np.where((codes < 0) | (codes >= shown), shown, codes)
    more = len(colours.levels) - shown
    if (codes == shown).any():
        labels.append(f"other ({more} more)" if more else "no value")
    return CellLook(codes.astype(np.uint8), [*palette[:shown], other][: len(labels)], labels)


def _on_scale(at: float) -> str:
    place = at * (len(_SCALE) - 1)
    i = min(int(place), len(_SCALE) - 2)
    mixed = (round(a + (b - a) * (place - i)) for a, b in zip(_SCALE[i], _SCALE[i + 1], strict=True))
    return "#" + "".join(f"{c:02X}" for c in mixed)
