"""Files that other tools, old versions and accidents leave behind: what can be read of them is, the rest is named.

Each test stands for a kind of file.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from backend.datasets import inspect_source, open_prepared, prepare_source
from backend.errors import BadFile
from backend.types import DatasetRef, DatasetReport, Notice
from tests.datasets.sample_files import counts, ref, told, write, write_tenx

LEVELS = np.array(["alpha", "mid", "zeta"])


def report_on(path: Path) -> DatasetReport:
    return inspect_source(ref(path), lambda *_: None)


def codes(report: DatasetReport) -> set[str]:
    return {problem.code for problem in report.problems}


def message(report: DatasetReport, code: str) -> str:
    return next(problem.message for problem in report.problems if problem.code == code)


def prepared(path: Path) -> tuple[anndata.AnnData, list[Notice]]:
    report = report_on(path)
    assert report.trainable
    out = path.parent / "prepared"
    out.mkdir()
    facts = prepare_source(ref(path), report.recommended, out, lambda *_: None)
    data = DatasetRef("d", "s", "d", str(out / "data.h5ad"), 0, 0, 0, report.recommended)
    return open_prepared(data), told(facts)


def batches(n: int = 60) -> pd.DataFrame:
    index = [f"cell{i}" for i in range(n)]
    return pd.DataFrame({"batch": pd.Categorical(LEVELS[np.arange(n) % 3]), "n": np.arange(n)}, index=index)


def edited(path: Path, edit: Callable[[h5py.File], Any], X: Any = None, **parts: Any) -> Path:
    write(path, sparse.csr_matrix(counts()) if X is None else X, **{"obs": batches(), **parts})
    with h5py.File(path, "r+") as h5:
        edit(h5)
    return path


# --- labels, never codes ------------------------------------------------------------------------------


def as_reference(h5: h5py.File) -> None:
    obs = h5["obs"]
    found, levels = obs["batch"]["codes"][:], obs["batch"]["categories"][:]
    del obs["batch"]
    obs["__categories/batch"] = levels
    obs["batch"] = found
    obs["batch"].attrs["categories"] = obs["__categories/batch"].ref
    odd = obs.create_group("odd")
    odd.attrs.update({"encoding-type": "mystery", "encoding-version": "9"})
    obs.attrs["column-order"] = np.array(["batch", "n", "odd"], dtype=object)


def in_attribute(h5: h5py.File) -> None:
    found = h5["obs/batch/codes"][:]
    del h5["obs/batch"]
    h5["obs/batch"] = found
    h5["obs/batch"].attrs["categories"] = np.array(LEVELS, dtype=object)


def in_uns(h5: h5py.File) -> None:
    found = h5["obs/batch/codes"][:]
    del h5["obs/batch"]
    h5["obs/batch"] = found
    h5["uns/batch_categories"] = np.array(LEVELS, dtype=object)


def by_hand(h5: h5py.File) -> None:
    for key in ("encoding-type", "encoding-version"):
        del h5["obs/batch"].attrs[key]
    del h5["obs/batch/categories"]
    h5["obs/batch/categories"] = np.array([b"alpha", b"mid", b"zeta"])


def twice(h5: h5py.File) -> None:
    found = h5["obs/batch/codes"][:]
    del h5["obs/batch/codes"], h5["obs/batch/categories"]
    h5["obs/batch/codes"] = np.where(found == 2, 3, found)
    h5["obs/batch/categories"] = np.array(["alpha", "mid", "alpha", "zeta"], dtype=object)


@pytest.mark.parametrize("edit", [as_reference, in_attribute, in_uns, by_hand, twice])
def test_old_and_hand_made_categories_show_their_labels(tmp_path: Path, edit: Any) -> None:
    path = edited(tmp_path / "a.h5ad", edit)
    report = report_on(path)
    batch = next(column for column in report.columns if column.column == "batch")
    assert (set(batch.levels), batch.n_missing) == (set(LEVELS), 0)
    assert report.batch_key == "batch"
    adata, _ = prepared(path)
    assert list(adata.obs["batch"].astype(str)) == list(LEVELS[np.arange(60) % 3])


def test_a_missing_value_of_an_old_category_is_no_level(tmp_path: Path) -> None:
    def edit(h5: h5py.File) -> None:
        as_reference(h5)
        h5["obs/batch"][0] = -1

    batch = next(c for c in report_on(edited(tmp_path / "a.h5ad", edit)).columns if c.column == "batch")
    assert (set(batch.levels), batch.n_missing) == (set(LEVELS), 1)


def test_codes_whose_labels_are_lost_are_named_and_left_out(tmp_path: Path) -> None:
    def edit(h5: h5py.File) -> None:
        as_reference(h5)
        del h5["obs/__categories"]

    report = report_on(edited(tmp_path / "a.h5ad", edit))
    assert [column.column for column in report.columns] == ["n"]
    assert "obs/batch (codes without labels)" in message(report, "unreadable_columns")


# --- a part that cannot be read never costs the rest -----------------------------------------------------


def dead_link(h5: h5py.File) -> None:
    h5["layers/counts"] = h5py.SoftLink("/nowhere")


def dead_column(h5: h5py.File) -> None:
    del h5["obs/n"]
    h5["obs/n"] = h5py.SoftLink("/nowhere")


def dead_note(h5: h5py.File) -> None:
    h5["uns/note"] = h5py.SoftLink("/nowhere")


@pytest.mark.parametrize(
    ("edit", "name"), [(dead_link, "layers/counts"), (dead_column, "obs/n"), (dead_note, "uns/note")]
)
def test_a_dead_link_is_named_and_left_out(tmp_path: Path, edit: Any, name: str) -> None:
    path = edited(tmp_path / "a.h5ad", edit)
    adata, notices = prepared(path)
    assert adata.shape == (60, 40)
    said = [problem.message for problem in report_on(path).problems]
    said += [str(one.params.get("names")) for one in notices]
    assert any(name in text for text in said)


def test_a_column_without_a_name_costs_the_table_of_cells_and_no_more(tmp_path: Path) -> None:
    obs = batches()
    obs[""] = pd.Categorical(["u", "v"] * 30)
    path = write(tmp_path / "a.h5ad", counts(), obs=obs)  # written over the whole group, by anndata itself
    adata, notices = prepared(path)
    assert adata.shape == (60, 40)
    assert list(adata.obs_names[:2]) == ["cell1", "cell2"]
    assert "a column without a name" in str(notices[0].params["names"])


@pytest.mark.parametrize("where", ["obs", "var"])
def test_names_in_another_encoding_are_read(tmp_path: Path, where: str) -> None:
    def edit(h5: h5py.File) -> None:
        n = len(h5[f"{where}/_index"])
        del h5[f"{where}/_index"]
        h5[f"{where}/_index"] = np.array([f"z\xe9ll{i}".encode("latin-1") for i in range(n)])

    adata, notices = prepared(edited(tmp_path / "a.h5ad", edit))
    assert getattr(adata, f"{where}_names")[7] == "zéll7"
    assert "read_as_latin_1" in {one.code for one in notices}


def test_nullable_columns_keep_what_they_say(tmp_path: Path) -> None:
    obs = batches()
    obs["flag"] = pd.array([True, False, None] * 20, dtype="boolean")
    obs["sure"] = pd.array([True, False] * 30, dtype="boolean")
    adata, _ = prepared(write(tmp_path / "a.h5ad", counts(), obs=obs))
    assert list(adata.obs["flag"][:3].astype(object).fillna("?")) == ["True", "False", "?"]
    assert adata.obs["sure"].tolist() == [True, False] * 30


def test_notes_and_embeddings_that_are_very_large_are_not_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.datasets._tables.MOST_NOTES_BYTES", 1000)
    monkeypatch.setattr("backend.datasets._tables.MOST_EMBEDDING_BYTES", 1000)
    uns, obsm = (
        {"small": 1, "large": np.zeros(500)},
        {"X_small": np.ones((60, 2)), "X_large": np.ones((60, 9))},
    )
    _, notices = prepared(write(tmp_path / "a.h5ad", counts(), obs=batches(), uns=uns, obsm=obsm))
    assert set(notices[0].params["names"]) == {"uns/large", "obsm/X_large"}  # type: ignore[arg-type]


# --- features that are no genes ---------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize(
    "other", ["Antibody Capture", "Peaks", "CRISPR Guide Capture", "Multiplexing Capture"]
)
def test_features_other_than_genes_are_left_out_and_counted(tmp_path: Path, layout: Any, other: str) -> None:
    names = [f"gene{i}" for i in range(40)]
    kinds = np.array(["Gene Expression", "Gene Expression", other, "Gene Expression"] * 10)
    var = pd.DataFrame({"feature_types": kinds}, index=names)
    path = write(
        tmp_path / "a.h5ad", layout(counts()), var=var, layers={"again": layout(counts())}, obs=batches()
    )
    report = report_on(path)
    assert (report.n_vars, report.matrices[0].n_vars) == (30, 30)
    assert "10 other features" in message(report, "other_features")
    adata, notices = prepared(path)
    np.testing.assert_array_equal(adata.X.toarray(), counts()[:, kinds == "Gene Expression"])
    assert list(adata.var_names) == [name for name, kind in zip(names, kinds, strict=True) if kind != other]
    assert notices[0].params == {"n": 10}


def test_a_file_of_peaks_is_refused(tmp_path: Path) -> None:
    var = pd.DataFrame({"feature_types": ["Peaks"] * 40}, index=[f"peak{i}" for i in range(40)])
    with pytest.raises(BadFile, match="no gene expression"):
        report_on(write(tmp_path / "a.h5ad", counts(), var=var))
    with pytest.raises(BadFile, match="no gene expression"):
        report_on(write_tenx(tmp_path / "b.h5", counts(), kinds=["Peaks"] * 40))


def test_kinds_of_genes_are_no_other_features(tmp_path: Path) -> None:
    var = pd.DataFrame(
        {"feature_type": ["protein_coding", "lncRNA"] * 20}, index=[f"g{i}" for i in range(40)]
    )
    assert report_on(write(tmp_path / "a.h5ad", counts(), var=var)).n_vars == 40


# --- whole numbers up to rounding -----------------------------------------------------------------------


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("noise", [1e-11, 1e-6, 1e-4])
@pytest.mark.parametrize("everywhere", [False, True])
def test_whole_numbers_up_to_rounding_are_counts(
    tmp_path: Path, layout: Any, noise: float, everywhere: bool
) -> None:
    dense = counts().astype(np.float64)
    blurred = dense + np.random.default_rng(0).normal(0, noise, dense.shape) * (everywhere | (dense > 0))
    path = write(tmp_path / "a.h5ad", layout(blurred), obs=batches())
    report = report_on(path)
    assert (report.counts, report.matrices[0].verdict) == ("X", "counts")
    assert "up to rounding (largest difference" in report.matrices[0].evidence
    assert "rounded_counts" in codes(report)
    adata, notices = prepared(path)
    np.testing.assert_array_equal(adata.X.toarray(), dense)
    assert notices[0].code == "values_rounded"


def test_shares_too_small_to_be_told_from_zero_are_no_counts(tmp_path: Path) -> None:
    dense = counts().astype(np.float64)
    assert report_on(write(tmp_path / "a.h5ad", dense / dense.sum() / 10)).counts is None


@pytest.mark.parametrize("name", ["tpm", "FPKM", "log_cpm", "normalised"])
def test_layers_named_after_a_normalisation_are_no_counts(tmp_path: Path, name: str) -> None:
    dense = counts() * np.random.default_rng(0).uniform(0.5, 60, (60, 40))
    path = write(tmp_path / "a.h5ad", np.sqrt(counts()), layers={name: dense})
    report = report_on(path)
    assert report.counts is None
    assert {one.verdict for one in report.matrices} == {"normalised"}
    assert "square roots" in report.matrices[0].evidence


# --- what a table states is not believed ------------------------------------------------------------------


def test_a_table_that_states_far_more_rows_than_it_holds_is_refused(tmp_path: Path) -> None:
    def edit(h5: h5py.File) -> None:
        del h5["obs/_index"]
        h5["obs"].create_dataset("_index", shape=(2_000_000_000,), dtype="S10", chunks=(1 << 16,))

    with pytest.raises(BadFile, match="holds next to nothing"):
        report_on(edited(tmp_path / "a.h5ad", edit))


def test_of_a_matrix_that_is_mostly_unwritten_only_the_rest_is_read(tmp_path: Path) -> None:
    """4 GB of zeros that no disk ever held."""
    n = 50_000
    obs = pd.DataFrame({"n": np.arange(n)}, index=[f"c{i}" for i in range(n)])
    var = pd.DataFrame(index=[f"g{i}" for i in range(10_000)])
    path = write(tmp_path / "a.h5ad", sparse.csr_matrix((n, 10_000), dtype=np.float32), obs=obs, var=var)
    with h5py.File(path, "r+") as h5:
        del h5["X"]
        X = h5.create_dataset("X", shape=(n, 10_000), dtype="f8", chunks=(500, 10_000))
        X[:100, :50] = 3.0
    began = time.monotonic()
    report = report_on(path)
    assert time.monotonic() - began < 20
    assert report.empty_cells == n - 100


# --- the adviser ------------------------------------------------------------------------------------------


def test_a_renamed_column_is_said(tmp_path: Path) -> None:
    obs = batches()
    obs["a_b"] = np.arange(60) % 4

    def edit(h5: h5py.File) -> None:
        h5.move("obs/a_b", "obs/a/b")
        h5["obs"].attrs["column-order"] = np.array(["batch", "n", "a/b"], dtype=object)

    path = edited(tmp_path / "a.h5ad", edit, obs=obs)
    assert '"a/b" as "a_b"' in message(report_on(path), "renamed_columns")
    adata, notices = prepared(path)
    assert list(adata.obs) == ["batch", "n", "a_b"]
    assert notices[0].params == {"old": ["a/b"], "new": ["a_b"]}
    assert json.loads(json.dumps(notices[0].to_dict()))


# --- tables that state nonsense, links that lead nowhere ---------------------------------------------------


def bomb(name: str, dtype: str) -> Callable[[h5py.File], None]:
    """Two thousand million entries that were never written."""

    def edit(h5: h5py.File) -> None:
        if name in h5:
            del h5[name]
        h5.create_dataset(name, shape=(2_000_000_000,), dtype=dtype, chunks=(1 << 16,))

    return edit


@pytest.mark.parametrize(
    ("name", "dtype", "left_out"),
    [
        ("obs/n", "f8", "obs/n"),
        ("obs/batch/codes", "i1", "obs/batch"),
        ("obs/batch/categories", "S20", "obs/batch (codes without labels)"),
        ("var/feature_types", "S20", "var/feature_types"),
        ("uns/notes", "f8", ""),
    ],
)
def test_a_column_that_states_other_rows_than_the_table_is_not_read(
    tmp_path: Path, name: str, dtype: str, left_out: str
) -> None:
    path = edited(tmp_path / "a.h5ad", bomb(name, dtype))
    began = time.monotonic()
    report = report_on(path)
    prepared(path)
    assert time.monotonic() - began < 10
    assert report.trainable
    assert not left_out or left_out in message(report, "unreadable_columns")


@pytest.mark.parametrize("name", ["obs/_index", "var/_index"])
def test_names_that_were_never_written_are_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadFile, match="states 2,000,000,000 rows, but holds next to nothing"):
        report_on(edited(tmp_path / "a.h5ad", bomb(name, "S10")))


def test_a_cell_ranger_file_of_endless_barcodes_is_refused_at_once(tmp_path: Path) -> None:
    path = write_tenx(tmp_path / "a.h5", counts())
    with h5py.File(path, "r+") as h5:
        bomb("matrix/barcodes", "S18")(h5)
    with pytest.raises(BadFile, match="states 2,000,000,000 names"):
        report_on(path)


def test_names_of_cells_that_cannot_be_read_become_numbers(tmp_path: Path) -> None:
    def edit(h5: h5py.File) -> None:
        del h5["obs/_index"]
        h5["obs/_index"] = h5py.SoftLink("/nowhere")

    adata, _ = prepared(edited(tmp_path / "a.h5ad", edit))
    assert list(adata.obs_names[:2]) == ["cell1", "cell2"]
    assert set(adata.obs["batch"]) == set(LEVELS)


def test_names_of_genes_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    def edit(h5: h5py.File) -> None:
        del h5["var/_index"]
        h5["var/_index"] = h5py.SoftLink("/nowhere")

    with pytest.raises(BadFile, match="names of the rows of the table var cannot be read"):
        report_on(edited(tmp_path / "a.h5ad", edit))


def test_a_column_whose_name_is_in_another_encoding_is_left_out(tmp_path: Path) -> None:
    def edit(h5: h5py.File) -> None:
        h5["obs"][b"pr\xe9"] = np.arange(60)
        h5["obs"].attrs["column-order"] = np.array([b"batch", b"pr\xe9"])

    report = report_on(edited(tmp_path / "a.h5ad", edit))
    assert (report.batch_key, report.trainable) == ("batch", True)
    assert "obs/pr" in message(report, "unreadable_columns")


def test_links_in_circles_are_left_out(tmp_path: Path) -> None:
    def edit(h5: h5py.File) -> None:
        h5["uns/up"] = h5py.SoftLink("/")
        h5["uns/self"] = h5["uns"]
        h5["obs/up"] = h5py.SoftLink("/obs")

    adata, _ = prepared(edited(tmp_path / "a.h5ad", edit))
    assert adata.shape == (60, 40)
