"""Amounts as people say them: one formatter each for numbers, durations, sizes, percentages, factors and losses.

Sizes of files and of disks are decimal, as disks and operating systems say them: 1 GB is 1e9 bytes. Memory comes in
powers of two and says so: 16 GiB is 16 * 1024**3 bytes. Percentages have a space before their sign.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence


def count(number: float) -> str:
    """A whole number with its thousands apart: "90,852"."""
    return f"{number:,.0f}"


def plural(number: float, one: str, many: str = "") -> str:
    """The form that goes with ``number``: plural(n, "is", "are"); ``many`` where an s is not enough."""
    return one if number == 1 else many or f"{one}s"


def counted(number: float, one: str, many: str = "") -> str:
    """``number`` with what it counts: "1 cell", "1,234 cells"."""
    return f"{count(number)} {plural(number, one, many)}"


def or_dash(value: float | None, say: Callable[[float], str]) -> str:
    """``say(value)``, and a dash where there is none: or_dash(run.best, loss_value)."""
    return "–" if value is None else say(value)


def listed(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def duration(seconds: float) -> str:
    """ "0.42 s", "41 s", "3 min 20 s", "2 h 5 min", "3 days": two units at most, no finer than matters."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 0.01:
        return "under 0.01 s"
    if seconds < 9.95:
        return f"{seconds:.2g} s"
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


def in_seconds(seconds: float) -> str:
    """For a column whose rows are compared, so that all have one unit: "0.42 s", "12.3 s", "2,348 s"."""
    return f"{seconds:,.{2 if seconds < 10 else 1 if seconds < 1000 else 0}f} s"


def about(seconds: float) -> str:
    """A duration that is only roughly known: "about 12 s", "under a second"."""
    return f"about {duration(seconds)}" if seconds >= 1 else "under a second"


def training_time(seconds: float, in_all: float | None = None) -> str:
    """How long a run will take: "about 8 s of training, 14 s in all"; start-up and saving may not be known."""
    if in_all is None or about(in_all) == about(seconds):
        return about(seconds)
    return f"{about(seconds)} of training, {duration(in_all)} in all"


def moment(seconds: float, form: str = "%Y-%m-%d %H:%M") -> str:
    """A Unix time by this computer's clock; a dash for one that no calendar has."""
    try:
        return time.strftime(form, time.localtime(seconds))
    except (ValueError, OverflowError, OSError):
        return "–"


def ago(moment: float, now: float) -> str:
    """How long before ``now`` something happened; both in Unix seconds."""
    passed = max(0.0, now - moment)
    if not math.isfinite(passed):
        return "–"
    for limit, unit, one in ((3600, 60, "minute"), (86400, 3600, "hour"), (14 * 86400, 86400, "day")):
        if passed < limit:
            n = int(passed // unit)
            return f"{counted(n, one)} ago" if n else "just now"
    return f"{counted(passed // (7 * 86400), 'week')} ago"


def file_size(n_bytes: float) -> str:
    """Of a file, a download, a disk: "500 bytes", "2.0 kB", "30 MB", "3.0 GB"."""
    return _sized(n_bytes, 1000, ("bytes", "kB", "MB", "GB", "TB"))


def memory_size(n_bytes: float) -> str:
    """Of main memory and of a GPU's: "400 MiB", "15.6 GiB"."""
    return _sized(n_bytes, 1024, ("bytes", "KiB", "MiB", "GiB", "TiB"))


def _sized(n_bytes: float, base: int, units: tuple[str, ...]) -> str:
    rank = 0
    while n_bytes >= base and rank < len(units) - 1:
        n_bytes, rank = n_bytes / base, rank + 1
    fine = rank >= 3 or (rank and n_bytes < 9.95)  # a tenth matters from GB on, and where the number is small
    return f"{n_bytes:,.{1 if fine else 0}f}".removesuffix(".0") + f" {units[rank]}"


def percent(part: float, decimals: int | None = None) -> str:
    """0.042 -> "4.2 %". As many ``decimals`` as given; else as many as say something, never "0 %" for a little."""
    if decimals is None:
        if 0 < part < 5e-5:
            return "less than 0.01 %"
        if 0.9995 <= part < 1:
            return "more than 99.9 %"
        decimals = 2 if abs(part) < 0.001 else 1
        return f"{100 * part:.{decimals}f}".removesuffix(".0").removesuffix(".00") + " %"
    return f"{100 * part:.{decimals}f} %"


def factor(ratio: float) -> str:
    """How many times: "4.3", "12"; one decimal below ten. "times" or "×" is the caller's."""
    return f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:,.0f}"


def number(value: float) -> str:
    """Any quantity in a label: four figures, no exponent where people would not write one."""
    if not math.isfinite(value):
        return "not a number"
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
        text = f"{value:,.{digits}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.3g}"


def short(number: float) -> str:
    """1234.5 -> "1,234", 52000 -> "52k"."""
    if not math.isfinite(number):
        return "–"
    if number >= 999_500:
        return f"{number / 1e6:.3g}M"
    if number >= 10_000:
        return f"{number / 1e3:.3g}k"
    return f"{number:,.0f}" if number >= 10 or number == int(number) else f"{number:.2g}"


def loss_value(value: float) -> str:
    """Five figures, so that losses which differ in the fourth are told apart."""
    if not math.isfinite(value):
        return "not a number"
    digits = max(0, 4 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{min(digits, 4)}f}"
