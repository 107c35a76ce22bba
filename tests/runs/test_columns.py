"""Batch keys and covariates whose values cannot be used are refused at submit; odd ones get a caution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from backend.errors import BadInput
from backend.types import RunSpec
from backend.words import sentence
from tests.runs.conftest import Room
from tests.runs.fakes import DATASET

N = 700
RNG = np.random.default_rng(0)
GOOD = RNG.random(N)


def with_value(value: float, n: int = 1) -> np.ndarray:
    return np.where(np.arange(N) < n, value, GOOD)


COLUMNS: dict[str, Any] = {
    "batch": ["a", "b"] * (N // 2),
    "age": GOOD,
    "whole": np.arange(N) % 50,
    "flag": np.arange(N) % 2 == 0,
    "gap": with_value(np.nan, 3),
    "endless": with_value(np.inf, 1),
    "both": np.where(np.arange(N) == 9, -np.inf, with_value(np.nan, 2)),
    "huge": GOOD * 1e8,
    "text": ["young", "old"] * (N // 2),
    "numbers as text": [str(i % 3) for i in range(N)],
    "holes": [None if i < 4 else "ab"[i % 2] for i in range(N)],
    "words for nothing": ["nan" if i < 2 else "ab"[i % 2] for i in range(N)],
    "barcode": [f"AAAC{i}" for i in range(N)],
    "small": [["rare", "rarer", "rarer"][i] if i < 3 else "ab"[i % 2] for i in range(N)],
    "same": ["only"] * N,
    "one number": np.ones(N),
}


@pytest.fixture
def cells(room: Room, tmp_path: Path) -> Room:
    """A room whose data set is on disk, with every kind of column."""
    obs = pd.DataFrame(COLUMNS, index=[f"c{i}" for i in range(N)])
    path = tmp_path / "cells.h5ad"
    anndata.AnnData(sparse.csr_matrix(np.ones((N, 2), "f4")), obs=obs).write_h5ad(path)
    room.datasets.there["d1"] = DATASET.replace(path=str(path), obs_columns=tuple(COLUMNS))
    return room


def refused(room: Room, **spec: Any) -> BadInput:
    with pytest.raises(BadInput) as said:
        room.submit(**spec)
    assert room.runs.list() == []
    assert not room.settings.runs_dir.exists()
    with pytest.raises(BadInput, match="^" + str(said.value)[:10]):
        room.runs.cautions(RunSpec("d1", norm_recalibration=True, **spec))
    return said.value


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("gap", "3 cells have no value in gap; a continuous covariate needs a number for every cell"),
        ("endless", "1 cell has an infinite value in endless"),
        ("both", "2 cells have no value and 1 cell has an infinite value in both"),
    ],
)
def test_a_number_that_is_missing_or_infinite_is_refused(cells: Room, column: str, words: str) -> None:
    error = refused(cells, continuous_covariate_keys=("age", column))
    assert words in str(error)
    (remedy,) = error.remedies
    assert (remedy.label, remedy.action) == ("Train without it", "resubmit")
    without = RunSpec.from_dict({**RunSpec("d1").to_dict(), **remedy.changes, "accelerator": "cpu"})
    assert cells.runs.submit(without).spec.continuous_covariate_keys == ("age",)


@pytest.mark.parametrize("column", ["text", "numbers as text"])
def test_text_among_numbers_is_refused_and_can_be_a_category(cells: Room, column: str) -> None:
    error = refused(cells, continuous_covariate_keys=(column,))
    assert f"{column} holds text" in str(error)
    assert [remedy.label for remedy in error.remedies] == [
        "Use it as a categorical covariate",
        "Train without it",
    ]
    spec = RunSpec.from_dict({**RunSpec("d1").to_dict(), **error.remedies[0].changes, "accelerator": "cpu"})
    assert cells.runs.submit(spec).spec.categorical_covariate_keys == (column,)


@pytest.mark.parametrize(("column", "n"), [("holes", 4), ("words for nothing", 2)])
@pytest.mark.parametrize("role", ["batch_key", "categorical_covariate_keys"])
def test_a_cell_without_a_group_is_refused(cells: Room, column: str, n: int, role: str) -> None:
    error = refused(cells, **{role: column if role == "batch_key" else (column,)})
    assert f"{n} cells have no value in {column}" in str(error)
    assert "“unknown” on the Data page" in str(error)
    assert error.remedies[0].changes[role] == (None if role == "batch_key" else [])


def test_a_dispersion_per_batch_goes_with_its_batch(cells: Room) -> None:
    changes = refused(cells, batch_key="holes", dispersion="gene-batch").remedies[0].changes
    assert changes == {"batch_key": None, "dispersion": "gene"}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"batch_key": "small"}, "2 levels of small have fewer than 3 cells (rare and rarer)"),
        ({"batch_key": "barcode"}, "barcode has 700 levels for 700 cells, as the name of each cell does"),
        ({"categorical_covariate_keys": ("barcode",)}, "as the name of each cell does"),
        ({"batch_key": "age"}, "as the name of each cell does"),
        ({"categorical_covariate_keys": ("whole",)}, "whole holds numbers on a scale"),
        ({"continuous_covariate_keys": ("huge",)}, "huge reaches 99,"),
        ({"batch_key": "same"}, "same has the same value in all cells, so as batch key it changes nothing"),
        ({"continuous_covariate_keys": ("one number",)}, "so as continuous covariate it changes nothing"),
    ],
)
def test_an_odd_column_is_trained_with_a_caution(cells: Room, spec: dict[str, Any], words: str) -> None:
    (caution,) = cells.runs.cautions(RunSpec("d1", norm_recalibration=True, **spec))
    assert caution.severity == "warning"
    assert words in sentence(caution)
    assert caution in cells.submit(norm_recalibration=True, **spec).notices


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"batch_key": "batch"},
        {"batch_key": "numbers as text", "categorical_covariate_keys": ("flag",)},
        {"continuous_covariate_keys": ("age", "whole", "flag")},
    ],
)
def test_columns_that_are_as_they_should_be_are_no_matter(cells: Room, spec: dict[str, Any]) -> None:
    assert cells.runs.cautions(RunSpec("d1", norm_recalibration=True, **spec)) == ()
    cells.submit(**spec)


def test_a_column_that_is_looked_at_again_is_not_read_again(cells: Room, tmp_path: Path) -> None:
    spec = RunSpec("d1", norm_recalibration=True, batch_key="small")
    before = cells.runs.cautions(spec)
    (tmp_path / "cells.h5ad").write_bytes(b"no longer what it was")
    assert cells.runs.cautions(spec) == before
