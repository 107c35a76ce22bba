"""The colours of a map of cells: a dozen that stay apart for colour-blind readers, and a scale for numbers.

Each dozen was searched for so that any two differ by a clear step (CIELAB) as seen with normal vision, without red,
green or blue cones; the first of a column are the most frequent groups. Groups 13 to 24 get a second shade and, where
names are written on the map, are told apart by those. The scale is viridis: even in lightness, readable in grey.
"""

from __future__ import annotations

PALETTE = (
    "#8572ED",
    "#D48800",
    "#0A604E",
    "#FF549C",
    "#0BD0D5",
    "#042793",
    "#A93603",
    "#EAB773",
    "#913587",
    "#97B0FF",
    "#878252",
    "#60200C",
)
PALETTE_DARK = (
    "#97ADFE",
    "#F9A855",
    "#5CB880",
    "#CA4647",
    "#DDEE9E",
    "#417FAD",
    "#A6EEFF",
    "#8B5CD5",
    "#997601",
    "#FFD0C4",
    "#AF5575",
    "#AFA1B7",
)
SCALE = (
    "#440154",
    "#482878",
    "#3E4A89",
    "#31688E",
    "#26828E",
    "#1F9E89",
    "#35B779",
    "#6DCD59",
    "#B4DE2C",
    "#FDE725",
)
