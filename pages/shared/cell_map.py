"""Up to 100,000 cells as points, in one map or two beside each other: pan, zoom, select cells, point at one.

    cell_map([MapPanel("With scVI", xy)], by_groups("Cluster", groups), key="map", runs=[run_id], names=names)
    chosen = selection(run_id)          # sorted cell numbers, or None: of the map where they were selected last

Coordinates, colours and names travel as bytes from an address of their own, so a new colour does not resend the
points. Cells that are selected in one map stand out in the other, without the server. Every name is shown as text.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from backend.charts import CELL_SCALE, group_colours
from backend.types import Groups, Numbers
from pages.server.send import publish
from pages.shared.component import component

_SELECTION = "cell_selection"


def selection(run_id: str) -> np.ndarray | None:
    """Numbers of the cells selected last, in the order of the prepared data set; None where nothing is selected."""
    n_obs, bits, _ = _kept().get(run_id, (0, "", ""))
    return decode(bits, n_obs) if bits else None


def keep(run_ids: Iterable[str], n_obs: int, bits: str, place: str) -> None:
    """Remember a selection as the component sends it, and on which map it was made; empty: none."""
    for run_id in run_ids:
        if bits and decode(bits, n_obs) is not None:
            _kept()[run_id] = (n_obs, bits, place)
        else:
            _kept().pop(run_id, None)


def encoded(run_id: str, place: str) -> str:
    """What is selected on the map ``place``; a selection greys no other one."""
    _, bits, made_on = _kept().get(run_id, (0, "", ""))
    return bits if made_on == place else ""


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


def _kept() -> dict[str, tuple[int, str, str]]:
    kept: dict[str, tuple[int, str, str]] = st.session_state.setdefault(_SELECTION, {})
    return kept


_MOST_LEVELS = 2000  # names sent; more are "other"
_MISSING = 65535


@dataclass(frozen=True)
class MapPanel:
    title: str
    xy: np.ndarray  # cells x 2
    caption: str = ""


def by_groups(
    title: str, groups: Groups, *, labelled: bool = False, editable: bool = False, note: str = ""
) -> dict[str, Any]:
    """Colours for values of few kinds. ``labelled``: names are written on the map; ``editable``: can be changed."""
    codes = np.where((groups.codes < 0) | (groups.codes >= _MOST_LEVELS), _MISSING, groups.codes)
    return {
        "kind": "groups",
        "title": title,
        "codes": publish(codes.astype("<u2").tobytes()),
        "levels": list(groups.levels[:_MOST_LEVELS]),
        "counts": list(groups.counts[:_MOST_LEVELS]),
        "missing": int((groups.codes < 0).sum()),
        "labelled": labelled,
        "editable": editable,
        "ordered": groups.ordered,
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


@dataclass(frozen=True)
class Tools:
    """What can be done on a map besides looking; ``act`` is told of it: ``{"do": "colour", "value": ...}``."""

    act: Callable[[dict[str, Any]], None]
    menu: dict[str, Any] | None = None  # what the cells can be coloured by; ``None``: not chosen on the map
    columns: Sequence[str] | None = (
        None  # that names of selected cells go into; ``None``: no names, no markers
    )


_mount = component(
    "studio_cell_map",
    "cell_map",
    __file__,
    # as high as a small map from the start, so that what stands below it does not move when it is drawn
    html='<div class="cell-map" style="min-height: 330px; visibility: hidden"></div>\n'
    '<p class="cell-map-note" role="status"></p>',
    parts=("cell_map_drawing", "cell_map_legend", "cell_map_panel", "cell_map_menu", "cell_map_bar"),
)


def cell_map(
    panels: Sequence[MapPanel],
    colour: dict[str, Any] | None,
    *,
    key: str,
    runs: Sequence[str],
    names: Sequence[str] | None = None,
    tools: Tools | None = None,
    height: int | None = None,
    compact: bool = False,
    stage: bool = False,
    saved_as: str = "cells",
) -> None:
    """Draw or update the map ``key``.

    Parameters
    ----------
    runs
        Whose selection it shows, where that was made on this map, and changes.
    height
        In pixels; None: what is left of the window.
    compact
        Without the buttons above it, as part of a page.
    stage
        In large type, for a projector.
    """
    n_obs = len(panels[0].xy)

    def chosen() -> None:
        found = getattr(st.session_state.get(key), "selection", None)
        keep(runs, n_obs, found.get("bits", "") if isinstance(found, dict) else "", key)

    def acted() -> None:
        asked = getattr(st.session_state.get(key), "act", None)
        if tools is not None and isinstance(asked, dict):
            tools.act(asked)

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
            "compact": compact,
            "stage": stage,
            "menu": tools.menu if tools else None,
            "selecting": {"columns": list(tools.columns)} if tools and tools.columns is not None else None,
            "selected": encoded(runs[0], key) if runs else "",
            "name": saved_as,
        },
        on_selection_change=chosen,
        on_act_change=acted,
    )


def _places(xy: np.ndarray) -> bytes:
    """Two uint16 a cell, both axes by the same scale, in the middle of the square."""
    xy = np.asarray(xy, dtype=np.float64)
    low, high = xy.min(axis=0), xy.max(axis=0)
    span = float((high - low).max()) or 1.0
    placed = (xy - (low + high) / 2) / span + 0.5
    placed[:, 1] = 1 - placed[:, 1]  # up is up
    return bytes(np.round(placed * 65535).astype("<u2").tobytes())
