"""Up to 100,000 cells as points, in one map or two beside each other: pan, zoom, select cells, point at one.

    cell_map([MapPanel("With scVI", xy)], by_groups("Cluster", groups), key="map", runs=[run_id], names=names)
    chosen = selection(run_id)          # sorted cell numbers, or None

Coordinates, colours and names travel as bytes from an address of their own, so a new colour does not resend the
points. Cells that are selected in one map stand out in the other, without the server. Every name is shown as text.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from backend.charts import CELL_SCALE, group_colours
from backend.types import Groups, Numbers
from pages.server.send import publish

_SELECTION = "cell_selection"


def selection(run_id: str) -> np.ndarray | None:
    """Numbers of the chosen cells, in the order of the prepared data set; None where nothing is chosen."""
    n_obs, bits = _kept().get(run_id, (0, ""))
    return decode(bits, n_obs) if bits else None


def keep(run_ids: Iterable[str], n_obs: int, bits: str) -> None:
    """Remember a selection as the component sends it; empty: none."""
    for run_id in run_ids:
        if bits and decode(bits, n_obs) is not None:
            _kept()[run_id] = (n_obs, bits)
        else:
            _kept().pop(run_id, None)


def encoded(run_id: str) -> str:
    return _kept().get(run_id, (0, ""))[1]


def decode(bits: str, n_obs: int) -> np.ndarray | None:
    """Base64 of one bit a cell -> cell numbers; None for what is not one, or has no bit set."""
    try:
        packed = np.frombuffer(base64.b64decode(bits, validate=True), np.uint8)
    except (binascii.Error, ValueError, TypeError):
        return None
    if len(packed) != (n_obs + 7) // 8:
        return None
    found = np.flatnonzero(np.unpackbits(packed, count=n_obs, bitorder="little"))
    return found if len(found) else None


def encode(cells: np.ndarray, n_obs: int) -> str:
    """Cell numbers -> what the component understands."""
    chosen = np.zeros(n_obs, bool)
    chosen[cells] = True
    return base64.b64encode(np.packbits(chosen, bitorder="little").tobytes()).decode()


def _kept() -> dict[str, tuple[int, str]]:
    kept: dict[str, tuple[int, str]] = st.session_state.setdefault(_SELECTION, {})
    return kept


_HERE = Path(__file__).parent
_MOST_LEVELS = 2000  # names sent; more are "other"
_MISSING = 65535
_PARTS = ("cell_map_drawing.js", "cell_map_panel.js", "cell_map.js")


@dataclass(frozen=True)
class MapPanel:
    title: str
    xy: np.ndarray  # cells x 2
    caption: str = ""


def by_groups(title: str, groups: Groups, *, labelled: bool = False, note: str = "") -> dict[str, Any]:
    """Colours for values of few kinds. ``labelled``: their names are written on the map."""
    codes = np.where((groups.codes < 0) | (groups.codes >= _MOST_LEVELS), _MISSING, groups.codes)
    return {
        "kind": "groups",
        "title": title,
        "codes": publish(codes.astype("<u2").tobytes()),
        "levels": list(groups.levels[:_MOST_LEVELS]),
        "counts": list(groups.counts[:_MOST_LEVELS]),
        "missing": int((groups.codes < 0).sum()),
        "labelled": labelled,
        "note": note,
    }


def by_numbers(title: str, numbers: Numbers, *, unit: str = "", note: str = "") -> dict[str, Any]:
    """Colours for numbers, from the 1st to the 99th percentile."""
    values = np.asarray(numbers.values, dtype=np.float64)
    known = np.isfinite(values)
    low, high = np.percentile(values[known], [1, 99]) if known.any() else (0.0, 1.0)
    if known.any() and not high > low:  # nearly all the same, as for a rare gene
        low, high = float(values[known].min()), float(values[known].max())
    scaled = np.clip((values - low) / ((high - low) or 1.0), 0, 1)
    codes = np.where(known, np.round(np.where(known, scaled, 0) * 254), 255)
    return {
        "kind": "numbers",
        "title": title,
        "codes": publish(codes.astype("u1").tobytes()),
        "values": publish(values.astype("<f4").tobytes()),
        "low": float(low),
        "high": float(high),
        "missing": int((~known).sum()),
        "unit": unit,
        "note": note,
    }


def _inline(name: str) -> str:
    """Without comment lines and indentation: the script travels with every update."""
    lines = (line.strip() for line in (_HERE / name).read_text(encoding="utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


_mount = st.components.v2.component(
    "studio_cell_map",
    html='<div class="cell-map"></div>\n<p class="cell-map-note" role="status"></p>',
    css=_inline("cell_map.css"),
    js="\n".join(_inline(part) for part in _PARTS),
)


def cell_map(
    panels: Sequence[MapPanel],
    colour: dict[str, Any] | None,
    *,
    key: str,
    runs: Sequence[str],
    names: Sequence[str] | None = None,
    height: int = 560,
    saved_as: str = "cells",
) -> None:
    """Draw or update the map ``key``. ``runs``: whose selection it shows and changes."""
    n_obs = len(panels[0].xy)

    def chosen() -> None:
        found = getattr(st.session_state.get(key), "selection", None)
        keep(runs, n_obs, found.get("bits", "") if isinstance(found, dict) else "")

    _mount(
        key=key,
        data={
            "n": n_obs,
            "panels": [
                {"title": panel.title, "caption": panel.caption, "xy": publish(_places(panel.xy))}
                for panel in panels
            ],
            "colour": colour,
            "names": publish(json.dumps(list(names)).encode()) if names is not None else None,
            "palette": {"light": group_colours(), "dark": group_colours(dark=True)},
            "scale": CELL_SCALE,
            "height": height,
            "selected": encoded(runs[0]) if runs else "",
            "name": saved_as,
        },
        on_selection_change=chosen,
    )


def _places(xy: np.ndarray) -> bytes:
    """Two uint16 a cell, both axes by the same scale, in the middle of the square."""
    xy = np.asarray(xy, dtype=np.float64)
    low, high = xy.min(axis=0), xy.max(axis=0)
    span = float((high - low).max()) or 1.0
    placed = (xy - (low + high) / 2) / span + 0.5
    placed[:, 1] = 1 - placed[:, 1]  # up is up
    return bytes(np.round(placed * 65535).astype("<u2").tobytes())
