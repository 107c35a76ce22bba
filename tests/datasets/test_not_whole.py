"""Values that are not whole numbers: corrected counts can be rounded, one odd value is named, the rest is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
from scipy import sparse

from backend.datasets import DatasetLibrary, inspect_source, prepare_source
from backend.settings import Settings
from backend.types import DatasetReport, MatrixVerdict, PrepareSpec, Problem
from tests.datasets.sample_files import counts, ref, told, write

RNG = np.random.default_rng(0)
LAYOUTS = [np.asarray, sparse.csr_matrix, sparse.csc_matrix]


def report_on(path: Path) -> DatasetReport:
    return inspect_source(ref(path), lambda *_: None)


def verdict_on(path: Path) -> MatrixVerdict:
    return report_on(path).matrices[0]


def unsure(report: DatasetReport) -> Problem:
    return next(problem for problem in report.problems if problem.code == "unsure_counts")


def corrected(share: float = 0.2) -> np.ndarray:
    """Counts of which some were made smaller, as ambient correction does."""
    dense = counts(200, 50)
    less = dense * np.random.default_rng(3).uniform(0.3, 0.98, dense.shape)
    return np.where(np.random.default_rng(4).random(dense.shape) < share, less, dense)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_corrected_counts_have_a_button_that_rounds_them(tmp_path: Path, layout: Any) -> None:
    dense = corrected()
    path = write(tmp_path / "a.h5ad", layout(dense))
    report = report_on(path)
    problem = unsure(report)
    assert (report.counts, report.recommended.round_counts) == ("X", False)
    assert problem.remedies[0].label == "Round them"
    assert "below 0.5" in problem.message
    spec = report.recommended.replace(**problem.remedies[0].changes)
    facts = prepare_source(ref(path), spec, tmp_path, lambda *_: None)
    rounded = anndata.read_h5ad(tmp_path / "data.h5ad").X.toarray()
    np.testing.assert_array_equal(rounded, np.rint(dense))
    n_far = int((np.abs(dense - np.rint(dense)) > 1e-3).sum())
    lost = int(((dense > 0) & (np.rint(dense) == 0)).sum())
    assert told(facts)[0].params == {"n": n_far, "of": int((dense > 0).sum()), "zero": lost}
    assert problem.params["n"] == n_far


def test_corrected_counts_are_left_as_they_are_unless_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5ad", corrected())
    prepare_source(ref(path), report_on(path).recommended, tmp_path, lambda *_: None)
    left = anndata.read_h5ad(tmp_path / "data.h5ad").X.toarray()
    np.testing.assert_array_equal(left, corrected().astype(np.float32))


def test_cells_that_rounding_empties_are_dropped_without_asking(tmp_path: Path) -> None:
    dense = corrected()
    dense[7] = 0
    dense[7, :3] = 0.4
    path = write(tmp_path / "a.h5ad", dense)
    facts = prepare_source(ref(path), PrepareSpec(round_counts=True), tmp_path, lambda *_: None)
    assert facts["n_obs"] == 199
    assert "emptied_cells_dropped" in {one.code for one in told(facts)}


def test_rounding_whole_counts_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5ad", counts())
    facts = prepare_source(ref(path), PrepareSpec(round_counts=True), tmp_path, lambda *_: None)
    assert told(facts) == []


def test_what_was_prepared_before_rounding_could_be_chosen_keeps_its_id(tmp_path: Path) -> None:
    library = DatasetLibrary(Settings(tmp_path))
    assert library.dataset_id("source", PrepareSpec()) == "783145f543201295"
    assert library.dataset_id("source", PrepareSpec(round_counts=True)) != "783145f543201295"


@pytest.mark.parametrize("value", [1.5, 0.25, 7.01, 300.5])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_value_that_is_not_whole_is_named(tmp_path: Path, layout: Any, value: float) -> None:
    dense = counts(600, 40)
    dense[17, 4] = value
    problem = unsure(report_on(write(tmp_path / "a.h5ad", layout(dense))))
    assert "1 value of" in problem.message
    assert f"({value:g} in cell cell17, gene gene4)" in problem.message
    assert problem.params["cell"] == "cell17"
    assert problem.remedies[0].label == "Round it"


@pytest.mark.parametrize("total", [1e4, 1e6, 3210.0])
def test_values_that_sum_to_one_total_are_refused_without_a_name(tmp_path: Path, total: float) -> None:
    dense = counts(80, 40)
    verdict = verdict_on(write(tmp_path / "a.h5ad", dense / dense.sum(1, keepdims=True) * total))
    assert (verdict.verdict, verdict.usable) == ("normalised", False)
    assert "every cell sums to" in verdict.evidence


def lengths() -> np.ndarray:
    return np.random.default_rng(5).uniform(0.3, 9, (1, 60))


def tpm() -> np.ndarray:
    rate = counts(90, 60) * 40 / lengths()
    return rate / rate.sum(1, keepdims=True) * 1e6


def fpkm() -> np.ndarray:
    dense = counts(90, 60) * 40
    return dense / lengths() / dense.sum(1, keepdims=True) * 1e4


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (tpm(), "every cell sums to 1e+06"),
        (tpm()[:, :40], "looks like TPM, FPKM"),
        (fpkm(), "looks like TPM, FPKM"),
        (np.rint(tpm()), "normalised, then rounded"),
        (fpkm() / 1000, "normalised or transformed"),
        (np.sqrt(counts()), "square roots"),
        (np.sqrt(counts()).astype("f2"), "square roots"),
        (np.sqrt(counts() / counts().sum(1, keepdims=True) * 1e4), "square roots of normalised"),
        (np.arcsinh(counts()), "normalised or transformed"),
    ],
)
def test_normalised_and_transformed_values_are_refused_and_not_called_log1p(
    tmp_path: Path, values: np.ndarray, words: str
) -> None:
    report = report_on(write(tmp_path / "a.h5ad", values))
    assert not report.trainable
    assert report.matrices[0].verdict == "normalised"
    assert words in report.matrices[0].evidence


def test_counts_drawn_down_to_one_total_are_counts(tmp_path: Path) -> None:
    drawn = np.stack([RNG.multinomial(10_000, np.full(50, 0.02)) for _ in range(60)])
    assert verdict_on(write(tmp_path / "a.h5ad", drawn.astype("f4"))).verdict == "counts"


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16"])
def test_counts_of_every_type_are_usable(tmp_path: Path, dtype: str) -> None:
    assert verdict_on(write(tmp_path / "a.h5ad", counts().astype(dtype))).usable


@pytest.mark.parametrize(
    ("value", "words"),
    [(np.nan, "1 value is missing (NaN)"), (np.inf, "1 value is infinite"), (-0.5, "1 value is negative")],
)
def test_one_impossible_value_beside_corrected_counts_is_named(
    tmp_path: Path, value: float, words: str
) -> None:
    dense = corrected()
    dense[7, 8] = value
    report = report_on(write(tmp_path / "a.h5ad", dense))
    found = next(problem for problem in report.problems if problem.code == "bad_values")
    assert words in found.message
    assert "cell cell7, gene gene8" in found.message


def test_corrected_counts_are_not_called_rounded(tmp_path: Path) -> None:
    assert "rounded_counts" not in {
        one.code for one in report_on(write(tmp_path / "a.h5ad", corrected())).problems
    }
