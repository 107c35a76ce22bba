"""Time and peak memory to check every value of a large file and to prepare it for training."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from backend.settings import Settings
from tests.benchmarks._memory import PeakMemory
from tests.benchmarks._report import Row

CELLS, GENES, DENSITY = 20_000, 20_000, 0.08
REPEATS = 3


def measure() -> list[Row]:
    from backend.datasets import DatasetLibrary

    seconds: dict[str, list[float]] = {"make": [], "check": [], "prepare": []}
    memory: dict[str, list[float]] = {"make": [], "check": [], "prepare": []}

    for seed in range(REPEATS):
        with tempfile.TemporaryDirectory(prefix="studio-bench-") as folder:
            library = DatasetLibrary(Settings(workspace=Path(folder)))
            library.start()
            result = ""

            def timed(stage: str, start) -> str:  # type: ignore[no-untyped-def]
                began = time.perf_counter()
                with PeakMemory(os.getpid(), children=True) as peak:
                    done = library.wait(start().job_id)  # noqa: B023 - used within the same turn
                seconds[stage].append(time.perf_counter() - began)
                memory[stage].append(peak.peak / 1e6)
                return done.result_id

            try:
                result = timed("make", lambda: library.simulate(CELLS, GENES, DENSITY, seed=seed))  # noqa: B023
                timed("check", lambda: library.inspect(result))  # noqa: B023
                report = library.report(result)
                assert report is not None
                timed("prepare", lambda: library.prepare(result, report.recommended))  # noqa: B023
            finally:
                library.close()
    words = {"make": "make the simulated file", "check": "check every value", "prepare": "prepare"}
    return [
        *(Row(f"{words[stage]}, time", "s", tuple(values)) for stage, values in seconds.items()),
        *(
            Row(f"{words[stage]}, peak memory", "MB", tuple(values), note=NOTE)
            for stage, values in memory.items()
        ),
    ]


NOTE = "Memory is that of the child process that does the work; the server itself holds none of it."
