"""Amounts as people say them: a duration, a size in memory, a number of things, how long ago.

duration(75) -> "1 min 15 s"      size(3e9) -> "2.8 GB"      count(90852) -> "90,852"
"""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Two units at most; rounded to what matters at that length."""
    if seconds < 1:
        return "under a second"
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 ", " ")
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{round(hours / 24)} days"


def about(seconds: float) -> str:
    """A duration that is only roughly known: "about 12 s", "under a second"."""
    return duration(seconds) if seconds < 1 else f"about {duration(seconds)}"


def size(n_bytes: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if n_bytes < 1024:
            return f"{n_bytes:.0f} {unit}" if n_bytes >= 10 or unit == "bytes" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:.1f} TB"


def count(number: float) -> str:
    return f"{number:,.0f}"


def epochs(number: int) -> str:
    return f"{count(number)} epoch{'' if number == 1 else 's'}"


def ago(moment: float, now: float) -> str:
    """How long before ``now`` something happened; both in Unix seconds."""
    passed = max(0.0, now - moment)
    for limit, unit, one in ((3600, 60, "minute"), (86400, 3600, "hour"), (14 * 86400, 86400, "day")):
        if passed < limit:
            n = int(passed // unit)
            return "just now" if n == 0 else f"{n} {one}{'' if n == 1 else 's'} ago"
    return f"{int(passed // (7 * 86400))} weeks ago"
