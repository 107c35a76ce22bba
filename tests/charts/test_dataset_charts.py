"""The two figures of a data set: how cells spread over counts, in steps that people read."""

from __future__ import annotations

import math

import pytest

from backend.charts import histogram
from backend.types import Histogram


def ticks(low: float, high: float, *, log10: bool = True) -> list[str]:
    edges = tuple(low + (high - low) * n / 10 for n in range(11))
    axis = histogram(Histogram(edges, (1,) * 10, 10**low, log10=log10), of="counts").layout.xaxis
    assert [
        math.log10(float(text.replace(",", "").replace("k", "e3").replace("M", "e6")))
        for text in axis.ticktext
    ] == (pytest.approx(axis.tickvals, abs=0.01))
    return list(axis.ticktext)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (3.0, 3.7, ["1,000", "2,000", "3,000", "4,000", "5,000"]),  # a decade or less: equal steps
        (2.0, 3.0, ["200", "400", "600", "800", "1,000"]),
        (2.0, 4.0, ["100", "200", "500", "1,000", "2,000", "5,000", "10k"]),
        (2.0, 5.0, ["100", "300", "1,000", "3,000", "10k", "30k", "100k"]),
        (1.0, 5.0, ["10", "100", "1,000", "10k", "100k"]),
    ],
)
def test_a_logarithmic_axis_has_round_numbers(low: float, high: float, expected: list[str]) -> None:
    assert ticks(low, high) == expected


def test_a_plain_axis_is_left_to_plotly_and_the_median_is_marked() -> None:
    figure = histogram(Histogram((0.0, 5.0, 10.0), (3, 1), 4.0), of="genes")
    assert figure.layout.xaxis.nticks == 6
    (bars,) = [trace for trace in figure.data if trace.type == "bar"]
    assert list(bars.y) == [3, 1]
    assert list(bars.x) == [2.5, 7.5]
    assert max(bars.width) < 5  # a gap between them
    assert figure.layout.shapes[0].x0 == figure.layout.shapes[0].x1 == 4.0
