"""Every benchmark of the list is there, and asks for settings that there are."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from backend.training import check_settings
from backend.types import DatasetRef, PrepareSpec, RunSpec
from tests.benchmarks import presets
from tests.benchmarks.__main__ import BENCHMARKS
from tests.benchmarks._one_run import Cells

CELLS = Cells(DatasetRef("d1", "s1", "Cells", "", 2638, 2000, 10_000, PrepareSpec()), None)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_name_is_a_benchmark(name: str) -> None:
    assert callable(importlib.import_module(f"tests.benchmarks.{name}").measure)


def test_every_benchmark_is_listed() -> None:
    files = Path(__file__).parent.glob("[a-z]*.py")
    assert {file.stem for file in files if "def measure(" in file.read_text()} - {Path(__file__).stem} == {
        *BENCHMARKS
    }


@pytest.mark.parametrize("course", [*presets.COURSES, *presets.CHANGED])
def test_the_courses_that_are_compared_can_be_trained(course: str) -> None:
    sets = (presets.COURSES | presets.CHANGED)[course](CELLS.dataset.n_obs)
    check_settings(RunSpec("d1", accelerator="cpu", **sets))


class _Begun(Exception):
    """A first run would train now."""


@pytest.mark.parametrize("name", ["parity", "labels"])
def test_runs_in_processes_of_their_own_can_be_trained(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def data(simulated: Any) -> Iterator[tuple[Path, list[Cells]]]:
        yield tmp_path, [CELLS]

    def begin(spec: RunSpec, *args: Any, **options: Any) -> None:
        check_settings(spec)
        raise _Begun

    benchmark = importlib.import_module(f"tests.benchmarks.{name}")
    monkeypatch.setattr(benchmark, "prepared_data", data)
    monkeypatch.setattr(benchmark, "train_fresh", begin)
    monkeypatch.setattr(Cells, "labels", lambda cells: ["a"])
    with pytest.raises(_Begun):
        benchmark.measure()
