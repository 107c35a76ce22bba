"""What a benchmark returns and how it is shown: rows with a median, printed as a table and kept as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

PROJECT = Path(__file__).resolve().parents[2]
RESULTS = PROJECT / "bench-results"
PACKAGES = ("streamlit", "plotly", "scvi-tools", "torch", "anndata", "numpy")


@dataclass(frozen=True)
class Row:
    """One measured thing. ``goal`` bounds the ``judged`` figure, from above unless ``at_least``; None: no bound."""

    what: str
    unit: str
    values: tuple[float, ...]
    goal: float | None = None
    judged: str = "median"  # median, p95 or max
    note: str = ""
    at_least: bool = False

    def figure(self, name: str) -> float:
        if name == "median":
            return statistics.median(self.values)
        if name == "p95":
            return sorted(self.values)[max(0, -(-95 * len(self.values) // 100) - 1)]
        return max(self.values)

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        figure = self.figure(self.judged)
        met = figure >= self.goal if self.at_least else figure < self.goal
        sign = ">=" if self.at_least else "<"
        return f"{self.judged} {sign} {_number(self.goal)}: {'met' if met else 'MISSED'}"


def machine() -> dict[str, str]:
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory_gb": f"{psutil.virtual_memory().total / 1e9:.1f}",
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def show(name: str, title: str, rows: Sequence[Row]) -> None:
    """Print one benchmark's table."""
    cells = [("", "median", "p95", "max", "n", "unit", "goal")]
    for row in rows:
        figures = [_number(row.figure(figure)) for figure in ("median", "p95", "max")]
        cells.append((row.what, *figures, str(len(row.values)), row.unit, row.verdict))
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    print(f"\n{name}: {title}")
    for line in cells:
        first, *numbers, unit, goal = line
        columns = [first.ljust(widths[0])]
        columns += [text.rjust(width) for text, width in zip(numbers, widths[1:], strict=False)]
        print("  " + "  ".join([*columns, unit.ljust(widths[-2]), goal]).rstrip())
    for note in dict.fromkeys(row.note for row in rows if row.note):
        print(f"  {note}")


def keep(name: str, rows: Sequence[Row]) -> Path:
    """Write one benchmark's rows with the machine they are from; returns the file."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}.json"
    content = {
        "benchmark": name,
        "commit": _commit(),
        "machine": machine(),
        "rows": [
            {**asdict(row), **{figure: row.figure(figure) for figure in ("median", "p95", "max")}}
            for row in rows
        ],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _commit() -> str:
    git = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty"]
    return subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
