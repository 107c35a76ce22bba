"""The figures a benchmark is judged by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks import _report
from tests.benchmarks._report import Row


def test_the_figures_of_a_row() -> None:
    row = Row("switch", "ms", tuple(float(value) for value in range(1, 101)))
    assert (row.figure("median"), row.figure("p95"), row.figure("max")) == (50.5, 95.0, 100.0)


def test_one_measurement_is_its_own_median_and_p95() -> None:
    row = Row("once", "s", (3.0,))
    assert (row.figure("median"), row.figure("p95"), row.figure("max")) == (3.0, 3.0, 3.0)


def test_a_goal_judges_the_figure_it_names() -> None:
    assert Row("a", "ms", (1.0, 400.0), goal=300).verdict.endswith("met")
    assert Row("a", "ms", (1.0, 400.0), goal=300, judged="max").verdict.endswith("MISSED")


def test_results_are_kept_with_the_machine_they_are_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_report, "RESULTS", tmp_path / "results")
    kept = json.loads(_report.keep("pages", [Row("a", "ms", (1.0, 2.0))]).read_text())
    assert kept["rows"][0]["median"] == 1.5
    assert kept["machine"]["torch"]
