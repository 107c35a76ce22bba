"""The fair-play check, shown in the comparison itself: what is unlike that should not be, in plain sentences."""

from __future__ import annotations

import streamlit as st

from backend.types import Comparison
from pages.shared.literal import literal

_LOOK = {"unfair": ("error", "block"), "caution": ("warning", "warning"), "note": ("info", "info")}
_AFFECTS = {("time",): "Affects times.", ("loss",): "Affects losses.", ("time", "loss"): ""}


def fair_play(comparison: Comparison, *, severities: tuple[str, ...] = tuple(_LOOK)) -> None:
    """One box a severity, worst first; where nothing was found, that is said too."""
    if len(comparison.runs) < 2:
        return
    if comparison.fair:
        st.success(
            "**Fair comparison:** same cells, split, epochs and validation, and no known disturbance of the "
            "computer.",
            icon=":material/balance:",
        )
    for severity in severities:
        kind, icon = _LOOK[severity]
        found = [finding for finding in comparison.findings if finding.severity == severity]
        if not found:
            continue
        lines = [
            f"{literal(finding.message, limit=500)} {_AFFECTS.get(finding.affects, '')}".strip()
            for finding in found
        ]
        title = {"unfair": "Not a fair comparison", "caution": "Caution", "note": "Note"}[severity]
        text = (
            f"**{title}:** {lines[0]}"
            if len(lines) == 1
            else f"**{title}**\n" + "".join(f"\n- {x}" for x in lines)
        )
        {"error": st.error, "warning": st.warning, "info": st.info}[kind](text, icon=f":material/{icon}:")
