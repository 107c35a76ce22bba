"""How busy the machine was while a run trained: what else used its processor, on battery, held back or not.

    conditions = Conditions(record.conditions); conditions.sample(); ...; record.conditions = conditions.fields()

``sample`` looks at most every two seconds and takes about a tenth of a millisecond. What a machine does not tell
is left out, never guessed. A resumed run goes on from what its earlier sessions saw.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import psutil

# psutil gives a structure a system, or none: ``Any``.

_IDLE = ("idle", "iowait", "guest", "guest_nice")  # Linux counts guests among user as well
_SYS = Path("/sys")


class Machine(Protocol):
    """What is read of the machine; a test has one of its own."""

    def cores(self) -> int: ...

    def busy(self) -> float:
        """Processor seconds used since the start of the machine, by everybody, over all cores."""

    def own(self) -> float:
        """Processor seconds used by this process."""

    def facts(self) -> dict[str, Any]:
        """What holds for a moment: ``load_average``, ``on_battery``, ``frequency_mhz``, ``throttle_events`` ..."""


class Conditions:
    def __init__(
        self,
        earlier: Mapping[str, Any] | None = None,
        machine: Machine | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        every: float = 2.0,
    ) -> None:
        self._earlier = dict(earlier or {})
        self._machine = machine or ThisMachine()
        self._clock = clock
        self._every = every  # seconds
        self._first: dict[str, Any] = {}
        self._last: tuple[float, float, float] | None = None  # when, busy, own
        self._seconds = float(self._earlier.get("watched_seconds", 0.0))
        self._others = float(self._earlier.get("other_load", 0.0)) * self._seconds
        self._most = float(self._earlier.get("other_load_max", 0.0))

    def sample(self, *, now: bool = False) -> bool:
        """Look, unless that was done a moment ago, and say whether; ``now``: in any case."""
        moment = self._clock()
        if self._last is None:
            self._first = self._machine.facts()
            self._last = (moment, self._machine.busy(), self._machine.own())
            return False
        passed = moment - self._last[0]
        if passed < (0.05 if now else self._every):
            return False
        busy, own = self._machine.busy(), self._machine.own()
        others = (busy - self._last[1] - (own - self._last[2])) / (passed * self._machine.cores())
        others = min(1.0, max(0.0, others))
        self._seconds += passed
        self._others += others * passed
        self._most = max(self._most, others)
        self._last = (moment, busy, own)
        return True

    def fields(self) -> dict[str, Any]:
        """``other_load``: mean share of all cores that other programs used, 0 to 1."""
        self.sample(now=True)
        facts = self._machine.facts()
        before, after = self._first.get("throttle_events"), facts.get("throttle_events")
        said: dict[str, Any] = {"cores": self._machine.cores()}
        if self._seconds:
            said |= {
                "other_load": round(self._others / self._seconds, 4),
                "other_load_max": round(self._most, 4),
                "watched_seconds": round(self._seconds, 2),
            }
        for name in ("load_average", "frequency_mhz", "frequency_max_mhz", "threads"):
            if name in facts:
                said[name] = facts[name]
        if "on_battery" in facts or "on_battery" in self._first:
            moments = (self._earlier, self._first, facts)
            said["on_battery"] = any(moment.get("on_battery", False) for moment in moments)
        if before is not None and after is not None:
            said["throttled"] = after > before or bool(self._earlier.get("throttled"))
        return said


class ThisMachine:
    def cores(self) -> int:
        return psutil.cpu_count() or 1

    def busy(self) -> float:
        times = psutil.cpu_times()._asdict()
        return float(sum(seconds for name, seconds in times.items() if name not in _IDLE))

    def own(self) -> float:
        times = psutil.Process().cpu_times()
        return float(times.user + times.system)

    def facts(self) -> dict[str, Any]:
        said: dict[str, Any] = {"load_average": round(os.getloadavg()[0], 2)}
        battery = _asked("sensors_battery")
        if battery is not None and battery.power_plugged is not None:
            said["on_battery"] = not battery.power_plugged
        frequency = _asked("cpu_freq")
        if frequency is not None and frequency.current:
            said["frequency_mhz"] = round(frequency.current)
            if frequency.max:
                said["frequency_max_mhz"] = round(frequency.max)
        events = _throttle_events(_SYS)
        if events is not None:
            said["throttle_events"] = events
        torch = sys.modules.get("torch")
        if torch is not None:
            said["threads"] = torch.get_num_threads()
        return said


def _asked(name: str) -> Any:
    """What psutil says; None where this system cannot say it."""
    try:
        return getattr(psutil, name)()
    except (AttributeError, OSError, RuntimeError, NotImplementedError):
        return None


def _throttle_events(root: Path) -> int | None:
    """How often the processor was slowed for its heat, or this container for its share of it."""
    counts: list[int] = []
    for name in ("core_throttle_count", "package_throttle_count"):
        counts += [_number(p) for p in root.glob(f"devices/system/cpu/cpu[0-9]*/thermal_throttle/{name}")]
    try:
        lines = (root / "fs/cgroup/cpu.stat").read_text().splitlines()
        counts += [int(line.split()[1]) for line in lines if line.startswith("nr_throttled ")]
    except (OSError, ValueError, IndexError):
        pass
    return sum(counts) if counts else None


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
