"""Numbers of a comparison in words: seconds, how many times, losses, percent. Plain text."""

from __future__ import annotations

import math


def seconds_text(seconds: float) -> str:
    """ "0.42 s", "4.1 s", "41 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 0.01:
        return "under 0.01 s"
    if seconds < 10:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 10:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def times_text(ratio: float) -> str:
    """How many times: one decimal below ten."""
    return f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:.0f}"


def loss_text(value: float) -> str:
    """Five figures, so that losses which differ in the fourth are told apart."""
    if not math.isfinite(value):
        return "not a number"
    digits = max(0, 4 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{min(digits, 4)}f}"


def percent_text(part: float) -> str:
    percent = 100 * part
    return f"{percent:.2f} %" if abs(percent) < 0.1 else f"{percent:.1f} %"
