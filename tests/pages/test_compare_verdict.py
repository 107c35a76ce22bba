"""Which runs the links out of a verdict lead to."""

from __future__ import annotations

from backend.comparison import compare_runs
from backend.types import Comparison
from pages.compare.verdict import biology_runs, side_runs
from tests.comparison.made_runs import made


def sweep(number: int) -> Comparison:
    """Each twice as large and a little quicker than the one before; the first has the lowest loss by far."""
    made_up = [
        made(f"run{n}", [400.0, 300.0 + 10 * n], seconds=20.0 - n, batch_size=100 + n) for n in range(number)
    ]
    return compare_runs(
        [run for run, _ in made_up], {run.run_id: curves for run, curves in made_up}, finished=1.0
    )


def test_few_runs_all_go_side_by_side() -> None:
    assert side_runs(sweep(3)) == ["run0", "run1", "run2"]


def test_of_many_runs_the_recommended_and_the_slowest_go_along() -> None:
    found = sweep(20)
    chosen = side_runs(found)
    assert len(chosen) == 12
    assert {found.recommended, found.reference} <= set(chosen)


def test_biology_is_of_the_slowest_and_the_recommended_or_the_fastest() -> None:
    found = sweep(3)
    assert found.recommended == found.reference == "run0"
    assert biology_runs(found) == ["run0", "run2"]
    other = found.replace(recommended="run1")
    assert biology_runs(other) == ["run0", "run1"]
