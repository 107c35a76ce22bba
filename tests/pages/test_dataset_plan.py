"""The choices before preparing, without widgets, and the two small figures of a report."""

from __future__ import annotations

import pytest

from backend.charts import histogram
from backend.types import Histogram, PrepareSpec, Remedy
from backend.words import short
from pages.data.choices import blocking, can_prepare, in_words, is_applied, toggle, with_batch
from tests.pages.data_library import DROP, EMPTY, FILL, report


@pytest.mark.parametrize(
    "remedy", [DROP, FILL, Remedy("", "prepare", {"n_top_genes": 9, "hvg_batch_key": "a"})]
)
def test_a_remedy_toggled_twice_changes_nothing(remedy: Remedy) -> None:
    once = toggle(PrepareSpec(), remedy)
    assert is_applied(once, remedy)
    assert toggle(once, remedy) == PrepareSpec()


def test_filling_one_column_keeps_the_others() -> None:
    plan = toggle(PrepareSpec(fill_missing=("site",)), FILL)
    assert plan.fill_missing == ("site", "donor")
    assert toggle(plan, FILL).fill_missing == ("site",)


def test_what_blocks() -> None:
    assert can_prepare(report(), report().recommended)
    assert blocking(report(), PrepareSpec("layers/counts")) == [EMPTY]
    assert not can_prepare(report(), PrepareSpec("X", drop_empty_cells=True))


def test_the_batch_brings_its_gaps_along() -> None:
    plan = with_batch(report(), PrepareSpec(n_top_genes=5), None, "donor")
    assert (plan.fill_missing, plan.hvg_batch_key) == (("donor",), "donor")
    assert with_batch(report(), plan, "donor", None) == PrepareSpec(n_top_genes=5)


def test_the_plan_in_words() -> None:
    plan = PrepareSpec("layers/counts", drop_empty_cells=True)
    assert in_words(report(), plan) == "888 cells and all 1,500 genes"
    assert in_words(report(), plan.replace(counts="raw/X")) == "888 cells and all 2,000 genes"
    assert (
        in_words(report(), plan.replace(n_top_genes=600))
        == "888 cells and the 600 most highly variable genes"
    )


# --- the two figures ------------------------------------------------------------------------------


def test_logarithmic_bins_are_labelled_with_values() -> None:
    data = Histogram((2.0, 2.5, 3.0, 3.5, 4.0), (1, 5, 3, 1), 900.0, log10=True)
    figure = histogram(data, of="counts")
    assert list(figure.data[0].y) == [1, 5, 3, 1]
    assert "1,000" in figure.layout.xaxis.ticktext
    assert figure.layout.annotations[0].text == "median 900"


@pytest.mark.parametrize(
    "edges", [(2.0, 2.1, 2.2), (0.0, 0.0001, 0.0002), (-1.0, 0.0, 5.0), (2.69, 2.7, 2.71), (0.0, 0.5, 0.9)]
)
def test_any_range_gets_a_figure(edges: tuple[float, ...]) -> None:
    figure = histogram(Histogram(edges, (1, 2), 3.0, log10=True), of="genes")
    assert len(figure.layout.xaxis.tickvals) == len(figure.layout.xaxis.ticktext)


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (3.5, "3.5"), (1234.4, "1,234"), (52_000, "52k"), (1.5e6, "1.5M")]
)
def test_short_numbers(number: float, text: str) -> None:
    assert short(number) == text
