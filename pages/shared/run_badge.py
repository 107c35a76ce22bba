"""A run's status as a coloured word with a sign, so that colour is never the only difference."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from backend.types import RunStatus

Color = Literal["red", "orange", "blue", "green", "gray"]

LOOK: dict[RunStatus, tuple[str, Color]] = {
    RunStatus.QUEUED: ("schedule", "gray"),
    RunStatus.RUNNING: ("play_circle", "blue"),
    RunStatus.FINISHED: ("check_circle", "green"),
    RunStatus.STOPPED: ("stop_circle", "orange"),
    RunStatus.FAILED: ("error", "red"),
    RunStatus.CANCELED: ("cancel", "gray"),
    RunStatus.INTERRUPTED: ("power_off", "orange"),
}


def run_badge(status: RunStatus) -> None:
    icon, color = LOOK[status]
    st.badge(status.value, icon=f":material/{icon}:", color=color)
