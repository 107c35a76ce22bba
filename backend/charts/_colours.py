"""Colours: of devices, of runs beside each other, and of cells; told apart with any colour vision.

    accent("cuda:0", dark=True)                       # one colour a kind of device, the same in every chart
    run_looks(["cpu", "cpu", "cuda"])                 # a colour, a dash and a symbol a run
    cell_look(colours, n_cells).palette, .labels      # of cells: levels of a column, or a scale from low to high

The theme in ``.streamlit/config.toml`` starts its chart colours with the accents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..types import CellColours
from ..words import number

ACCENTS = {"cpu": "#0072B2", "mps": "#C8500A", "cuda": "#00805C"}
ACCENTS_DARK = {"cpu": "#56B4E9", "mps": "#F08A4B", "cuda": "#3CC49A"}
WARM_UP = "#8A969C"  # grey on both pages: not a speed of the device


def accent(device: str, *, dark: bool = False) -> str:
    """The colour of ``device`` ("cpu", "mps:0", "cuda:1" ...); an unknown one is drawn as the CPU."""
    palette = ACCENTS_DARK if dark else ACCENTS
    return palette.get(device.split(":")[0], palette["cpu"])


def page(dark: bool) -> str:
    """The page behind a chart, for rings and labels that must stand clear of lines."""
    return "#0E171C" if dark else "#FFFFFF"


def shade(colour: str, step: int, *, dark: bool = False) -> str:
    """Variant ``step`` of an accent, for several runs of one device: 0 is the accent itself.

    Variants move away from the background's opposite, in turn towards the text and towards the page.
    """
    if step == 0:
        return colour
    away, towards = ((255, 255, 255), (14, 23, 28)) if dark else ((0, 0, 0), (255, 255, 255))
    target = away if step % 2 else towards
    amount = min(0.6, 0.28 * ((step + 1) // 2)) if step % 2 else min(0.5, 0.3 * (step // 2))
    return _mixed(colour, target, amount)


def _mixed(colour: str, target: tuple[int, int, int], share: float) -> str:
    rgb = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(c + (t - c) * share):02X}" for c, t in zip(rgb, target, strict=True))


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


# Each dozen was searched for so that any two differ by a clear step (CIELAB) as seen with normal vision, without red,
# green or blue cones; the first of a column are the most frequent groups.
_GROUPS = (
    *("#8572ED", "#D48800", "#0A604E", "#FF549C", "#0BD0D5", "#042793"),
    *("#A93603", "#EAB773", "#913587", "#97B0FF", "#878252", "#60200C"),
)
_GROUPS_DARK = (
    *("#97ADFE", "#F9A855", "#5CB880", "#CA4647", "#DDEE9E", "#417FAD"),
    *("#A6EEFF", "#8B5CD5", "#997601", "#FFD0C4", "#AF5575", "#AFA1B7"),
)
# viridis: even in lightness, readable in grey
CELL_SCALE = (
    *("#440154", "#482878", "#3E4A89", "#31688E", "#26828E"),
    *("#1F9E89", "#35B779", "#6DCD59", "#B4DE2C", "#FDE725"),
)
_OTHER, _OTHER_DARK = "#C3CBCF", "#44525A"
_STEPS = 32  # of a scale


def group_colours(*, dark: bool = False) -> tuple[str, ...]:
    """Of groups of cells, the most frequent first: a dozen, then a second shade of each."""
    hues, away = (_GROUPS_DARK, (255, 255, 255)) if dark else (_GROUPS, (0, 0, 0))
    return *hues, *(_mixed(hue, away, 0.4) for hue in hues)


@dataclass(frozen=True)
class CellLook:
    """How cells are coloured: ``codes[i]`` is the place of cell i in ``palette`` (and ``labels``)."""

    codes: npt.NDArray[np.uint8]
    palette: list[str]
    labels: list[str]  # of a scale: its two ends
    continuous: bool = False


def cell_look(colours: CellColours | None, n_cells: int, *, dark: bool = False) -> CellLook:
    """Palette, labels and codes for a component that draws cells."""
    other = _OTHER_DARK if dark else _OTHER
    if colours is None or len(colours.codes) != n_cells:
        return CellLook(np.zeros(n_cells, np.uint8), [accent("cpu", dark=dark)], ["cell"])
    codes = np.array(colours.codes, dtype=int)
    if colours.kind == "continuous":
        steps = np.where(codes < 0, _STEPS, codes * _STEPS // 256)
        scale = [_on_scale(i / (_STEPS - 1)) for i in range(_STEPS)]
        ends = [number(colours.low), number(colours.high)]
        return CellLook(steps.astype(np.uint8), [*scale, other], ends, continuous=True)
    palette = group_colours(dark=dark)
    shown = len(colours.levels) if len(colours.levels) <= len(palette) else len(palette) - 1
    labels = list(colours.levels[:shown])
    codes = np.where((codes < 0) | (codes >= shown), shown, codes)
    more = len(colours.levels) - shown
    if (codes == shown).any():
        labels.append(f"other ({more} more)" if more else "no value")
    return CellLook(codes.astype(np.uint8), [*palette[:shown], other][: len(labels)], labels)


def _on_scale(at: float) -> str:
    place = at * (len(CELL_SCALE) - 1)
    low = min(int(place), len(CELL_SCALE) - 2)
    above = CELL_SCALE[low + 1]
    return _mixed(
        CELL_SCALE[low], (int(above[1:3], 16), int(above[3:5], 16), int(above[5:7], 16)), place - low
    )
