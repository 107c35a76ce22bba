"""Time and peak memory of quality control of 100,000 cells: from the file to what every cell has."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from backend.settings import Settings
from backend.types import PrepareSpec
from tests.benchmarks._memory import PeakMemory
from tests.benchmarks._report import Row

CELLS, GENES, DENSITY = 90_852, 20_000, 0.05  # the most that can be simulated at once
ASKED = 100_000


def measure() -> list[Row]:
    from backend.datasets import DatasetLibrary

    seconds, memory = [], []
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as folder:
        library = DatasetLibrary(Settings(workspace=Path(folder)))
        library.start()
        try:
            source = library.wait(library.simulate(CELLS, GENES, DENSITY).job_id).result_id
            for choices in (PrepareSpec(), PrepareSpec(round_counts=True)):
                began = time.perf_counter()
                with PeakMemory(os.getpid(), children=True) as peak:
                    library.wait(library.measure(source, choices).job_id)
                seconds.append((time.perf_counter() - began) * ASKED / CELLS)
                memory.append(peak.peak / 1e6)
        finally:
            library.close()
    note = f"Measured with {CELLS:,} cells x {GENES:,} genes at {DENSITY:.0%} density; time scaled to {ASKED:,} cells."
    return [
        Row("quality control of 100,000 cells, time", "s", tuple(seconds), goal=20.0, note=note),
        Row("quality control of 100,000 cells, peak memory of the child process", "MB", tuple(memory)),
    ]
