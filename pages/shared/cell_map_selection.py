"""Which cells of a run the reader has circled on a map. Shared by all parts of the Explore page.

chosen = selection(run_id)          # sorted cell numbers, or None
clear_selection(run_id)
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

import numpy as np
import streamlit as st

_KEY = "cell_selection"


def selection(run_id: str) -> np.ndarray | None:
    """Numbers of the chosen cells, in the order of the prepared data set; None where nothing is chosen."""
    n_obs, bits = _kept().get(run_id, (0, ""))
    return decode(bits, n_obs) if bits else None


def clear_selection(run_id: str) -> None:
    _kept().pop(run_id, None)


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
    except (binascii.Error, ValueError):
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
    return st.session_state.setdefault(_KEY, {})
