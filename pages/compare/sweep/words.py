"""How far a group of runs is, in one line."""

from __future__ import annotations

from backend.types import GroupProgress
from backend.words import about, counted

_STATES = {
    "running": ":material/play_circle: training",
    "waiting": ":material/schedule: waiting in the queue",
    "pausing": ":material/pause_circle: pausing after the run under way",
    "paused": ":material/pause_circle: paused",
    "interrupted": ":material/power_off: interrupted",
    "done": ":material/check_circle: done",
}


def progress_words(state: GroupProgress) -> str:
    """``3 of 12 runs done · training · about 4 min left``, as Markdown."""
    parts = [
        f"{state.finished} of {counted(state.total, 'run')} done",
        _STATES[state.state],
    ]
    if state.elsewhere and state.state in ("running", "waiting"):
        parts.append("by the command line")
    for number, what in ((state.failed, "failed"), (state.canceled, "canceled")):
        if number:
            parts.append(f"{number} {what}")
    if state.interrupted and state.state != "interrupted":
        parts.append(f"{state.interrupted} interrupted")
    if state.state in ("running", "waiting") and state.seconds_left:
        parts.append(f"{about(state.seconds_left)} left")
    return " · ".join(parts)
