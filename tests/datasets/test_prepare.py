"""A source becomes a file that training can map: right counts, right tables, everything said."""

import json
import warnings

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from backend.datasets import _matrices, inspect_source, prepare_source
from backend.errors import BadFile, BadInput, NoCounts, NoSpace
from backend.types import PrepareSpec, notice
from tests.datasets.sample_files import counts, log1p, ref, told, write, write_old, write_tenx


@pytest.fixture
def prepare(tmp_path):
    """Prepare a file; what was written as AnnData, and the facts."""

    def run(path, spec=None, on_progress=lambda fraction, phase: None):
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        facts = prepare_source(ref(path), spec or PrepareSpec(), out, on_progress)
        assert [file.name for file in out.iterdir()] == ["data.h5ad"]
        adata = anndata.read_h5ad(out / "data.h5ad")
        assert (adata.n_obs, adata.n_vars, adata.X.nnz) == (facts["n_obs"], facts["n_vars"], facts["nnz"])
        assert facts["obs_columns"] == list(adata.obs.columns)
        json.dumps(facts)
        return adata, facts

    return run


@pytest.mark.parametrize("layout", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
def test_the_file_is_plain_contiguous_and_exact(tmp_path, prepare, layout):
    dense = counts()
    adata, facts = prepare(write(tmp_path / "a.h5ad", layout(dense.astype(np.float64)), compression="gzip"))
    np.testing.assert_array_equal(adata.X.toarray(), dense)
    assert facts["notices"] == []
    with h5py.File(tmp_path / "out/data.h5ad") as h5:
        for name, dtype in (("data", np.float32), ("indices", np.int32), ("indptr", np.int32)):
            node = h5[f"X/{name}"]
            assert (node.dtype, node.chunks, node.compression) == (dtype, None, None)
        assert h5["X/data"].id.get_offset() % 4 == 0


def test_empty_cells_and_rare_genes_are_dropped_with_their_rows(tmp_path, prepare):
    dense = counts(60, 40)
    dense[[3, 50]] = 0
    dense[:, 7] = 0
    dense[9] = 0
    dense[9, 7] = 1  # its only gene is rare: it is empty once that is dropped
    obs = pd.DataFrame({"n": np.arange(60)}, index=[f"cell{i}" for i in range(60)])
    parts = {"obs": obs, "obsm": {"X_pca": np.arange(120.0).reshape(60, 2)}}
    spec = PrepareSpec(drop_empty_cells=True, min_cells_per_gene=3)
    adata, facts = prepare(write(tmp_path / "a.h5ad", sparse.csr_matrix(dense), **parts), spec)
    kept_genes = (dense > 0).sum(0) >= 3
    kept_cells = np.delete(np.arange(60), [3, 9, 50])
    np.testing.assert_array_equal(adata.X.toarray(), dense[kept_cells][:, kept_genes])
    np.testing.assert_array_equal(adata.obs["n"], kept_cells)
    np.testing.assert_array_equal(adata.obsm["X_pca"][:, 0], kept_cells * 2)
    assert list(adata.var_names) == [f"gene{i}" for i in np.flatnonzero(kept_genes)]
    n_rare = int((~kept_genes).sum())
    assert told(facts) == [
        notice("genes_dropped", n=n_rare, min_cells=3),
        notice("empty_cells_dropped", n=2),
        notice("emptied_cells_dropped", n=1),
    ]


def test_a_cell_that_only_had_rare_genes_does_not_stop_what_was_recommended(tmp_path, prepare):
    dense = counts(60, 40) + 1
    dense[:, :5] = 0
    dense[9] = 0
    dense[9, 4] = 1
    report = inspect_source(ref(write(tmp_path / "a.h5ad", dense)), lambda fraction, phase: None)
    assert (report.empty_cells, report.recommended.min_cells_per_gene) == (0, 3)
    adata, _ = prepare(tmp_path / "a.h5ad", report.recommended)
    assert adata.shape == (59, 35)


def test_empty_cells_nobody_asked_to_drop_are_refused_with_a_button(tmp_path, prepare):
    dense = counts()
    dense[:2] = 0
    with pytest.raises(BadInput, match="2 cells have no counts") as error:
        prepare(write(tmp_path / "a.h5ad", sparse.csr_matrix(dense)))
    assert error.value.remedies[0].changes == {"drop_empty_cells": True}


def test_a_gene_filter_that_leaves_nothing_is_refused(tmp_path, prepare):
    with pytest.raises(BadInput, match="No gene"):
        prepare(write(tmp_path / "a.h5ad", counts()), PrepareSpec(min_cells_per_gene=1000))


@pytest.mark.parametrize("where", ["layers/counts", "raw/X"])
def test_counts_are_taken_from_where_the_choice_says(tmp_path, prepare, where):
    dense = counts()
    parts = {
        "layers": {"counts": dense},
        "raw": {"X": dense, "var": {"symbol": [f"s{i}" for i in range(40)]}},
    }
    adata, _ = prepare(write(tmp_path / "a.h5ad", log1p(dense), **parts), PrepareSpec(counts=where))
    np.testing.assert_array_equal(adata.X.toarray(), dense)
    assert ("symbol" in adata.var) == (where == "raw/X")
    assert not adata.layers


def test_raw_may_have_more_genes_than_x(tmp_path, prepare):
    dense = counts(60, 40)
    whole = anndata.AnnData(dense, var=pd.DataFrame(index=[f"gene{i}" for i in range(40)]))
    whole.raw = whole.copy()
    part = whole[:, :10].copy()
    part.X = log1p(part.X + 1)
    part.write_h5ad(tmp_path / "a.h5ad")
    adata, _ = prepare(tmp_path / "a.h5ad", PrepareSpec(counts="raw/X"))
    np.testing.assert_array_equal(adata.X.toarray(), dense)


def test_matrices_without_counts_are_refused(tmp_path, prepare):
    with pytest.raises(NoCounts, match="looks like log1p"):
        prepare(write(tmp_path / "a.h5ad", log1p(counts())))


def test_a_negative_count_is_refused_with_its_place(tmp_path, prepare):
    dense = counts()
    dense[4, 6] = -1
    with pytest.raises(NoCounts, match=r"negative.*cell4, gene gene6"):
        prepare(write(tmp_path / "a.h5ad", dense))


def test_a_missing_matrix_is_refused(tmp_path, prepare):
    with pytest.raises(BadFile, match="no matrix layers/nothing"):
        prepare(write(tmp_path / "a.h5ad", counts()), PrepareSpec(counts="layers/nothing"))


def test_repeated_names_are_told_apart_on_request(tmp_path, prepare):
    obs = pd.DataFrame(index=["same"] * 2 + [f"cell{i}" for i in range(58)])
    var = pd.DataFrame(index=["MATR3", "MATR3"] + [f"gene{i}" for i in range(38)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # AnnData remarks on the very names this is about
        path = write(tmp_path / "a.h5ad", counts(), obs=obs, var=var)
        adata, facts = prepare(path, PrepareSpec(make_names_unique=True))
    assert list(adata.var_names[:2]) == ["MATR3", "MATR3-1"]
    assert adata.obs_names.is_unique
    assert told(facts) == [
        notice("names_made_unique", n=1, of="cell"),
        notice("names_made_unique", n=1, of="gene"),
    ]


def test_missing_batches_become_unknown(tmp_path, prepare):
    words = pd.Categorical(["a", None, "b", "", "nan"] * 12)
    numbers = np.array([1, np.nan, 2, 3, 3] * 12)
    obs = pd.DataFrame({"batch": words, "lane": numbers}, index=[f"c{i}" for i in range(60)])
    spec = PrepareSpec(fill_missing=("batch", "lane"))
    adata, facts = prepare(write(tmp_path / "a.h5ad", counts(), obs=obs), spec)
    assert list(adata.obs["batch"][:5]) == ["a", "unknown", "b", "unknown", "unknown"]
    assert list(adata.obs["lane"][:5]) == ["1", "unknown", "2", "3", "3"]
    assert told(facts)[0] == notice("missing_filled", n=36, column="batch", level="unknown")


def test_filling_a_column_that_is_not_there_is_refused(tmp_path, prepare):
    with pytest.raises(BadInput, match="no column nothing"):
        prepare(write(tmp_path / "a.h5ad", counts()), PrepareSpec(fill_missing=("nothing",)))


def test_awkward_tables_travel_as_far_as_they_can(tmp_path, prepare):
    dense = counts()
    names = [f"<b>{i}</b> **x** `y`" for i in range(60)]
    obs = pd.DataFrame(
        {
            "<script>alert(1)</script>": ["a"] * 60,
            "nullable": pd.array([1, None] * 30, dtype="Int64"),
            "flag": pd.array([True, False] * 30, dtype=bool),
            "level": pd.Categorical([1.5, 2.5] * 30),
        },
        index=names,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the slash in a name, which is the point
        path = write(
            tmp_path / "a.h5ad", dense, obs=obs, uns={"note": "hello", "nested": {"a": np.arange(3)}}
        )
    with h5py.File(path, "a") as h5:
        h5["obs"].create_group("strange").attrs["encoding-type"] = "from the future"
        h5["obs"].attrs["column-order"] = [*h5["obs"].attrs["column-order"], "strange"]
        h5["uns"].create_group("odd").attrs["encoding-type"] = "from the future"
        h5["obsm/wrong"] = np.zeros((3, 3))
    adata, facts = prepare(path)
    assert list(adata.obs_names) == names
    assert set(adata.obs) == {"<script>alert(1)<_script>", "nullable", "flag", "level"}
    assert np.isnan(adata.obs["nullable"].iloc[1])
    assert adata.uns["note"] == "hello"
    renamed, left_out = told(facts)
    assert renamed.code == "columns_renamed"
    assert renamed.params["new"] == ["<script>alert(1)<_script>"]
    assert left_out.code == "unreadable_left_out"
    assert {"obs/strange", "uns/odd", "obsm/wrong"} <= set(left_out.params["names"])


def test_where_the_cells_come_from_is_written_with_them(tmp_path, prepare):
    adata, _ = prepare(write(tmp_path / "a.h5ad", counts()), PrepareSpec(min_cells_per_gene=1))
    note = adata.uns["scvi_studio"]
    assert (note["source_id"], note["source_name"]) == ("source", "a.h5ad")
    assert json.loads(note["prepare"])["min_cells_per_gene"] == 1


def test_cell_ranger_files(tmp_path, prepare):
    dense = counts()
    kinds = ["Gene Expression"] * 30 + ["Antibody Capture"] * 10
    dense[:, 0] += 1
    adata, facts = prepare(write_tenx(tmp_path / "a.h5", dense, kinds=kinds))
    np.testing.assert_array_equal(adata.X.toarray(), dense[:, :30])
    assert (adata.obs_names[0], adata.var_names[1]) == ("AAAC0-1", "gene1")
    assert adata.var["gene_ids"].iloc[2] == "ENSG00000000002"
    assert told(facts) == [notice("other_features_left_out", n=10)]


def test_old_files(tmp_path, prepare):
    dense = counts()
    path = write_old(tmp_path / "a.h5ad", dense, log1p(dense), ["one", "two"])
    adata, _ = prepare(path, PrepareSpec(counts="raw/X"))
    np.testing.assert_array_equal(adata.X.toarray(), dense)
    assert list(adata.obs["batch"][:3]) == ["one", "two", "one"]
    assert adata.obsm["X_pca"].shape == (60, 3)


def test_files_with_categories_beside_the_columns(tmp_path, prepare):
    """anndata 0.7 kept them in ``__categories``."""
    path = write(tmp_path / "a.h5ad", counts())
    with h5py.File(path, "a") as h5:
        obs = h5["obs"]
        obs.attrs["encoding-version"] = "0.1.0"
        obs["__categories/batch"] = np.array(["one", "two"], dtype=h5py.string_dtype())
        obs["batch"] = np.array([0, 1] * 30, dtype=np.int8)
        obs["batch"].attrs["categories"] = obs["__categories/batch"].ref
        obs.attrs["column-order"] = np.array(["batch"], dtype=h5py.string_dtype())
    adata, _ = prepare(path)
    assert list(adata.obs["batch"][:3]) == ["one", "two", "one"]


def test_progress_rises_to_one_and_says_what_is_done(tmp_path, prepare, monkeypatch):
    monkeypatch.setattr(_matrices, "BLOCK_ENTRIES", 200)
    seen = []
    prepare(
        write(tmp_path / "a.h5ad", sparse.csr_matrix(counts())), on_progress=lambda *step: seen.append(step)
    )
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert any(phase.endswith("of 60 cells") for _, phase in seen)
    assert any(phase.startswith("writing cells") for _, phase in seen)


def test_a_full_disk_is_a_sentence(tmp_path, prepare, monkeypatch):
    path = write(tmp_path / "a.h5ad", counts())

    def full(*_):
        raise OSError(
            "Can't write data (file write failed: errno = 28, error message = 'No space left on device')"
        )

    monkeypatch.setattr(h5py.Dataset, "__setitem__", full)
    with pytest.raises(NoSpace, match="disk is full"):
        prepare(path)


def test_tables_that_do_not_fit_the_matrix_are_refused(tmp_path, prepare):
    path = write(tmp_path / "a.h5ad", counts(60, 40))
    with h5py.File(path, "a") as h5:
        del h5["X"]
        h5["X"] = counts(50, 40)
    with pytest.raises(BadFile, match="it has 50 cells and 40 genes, but the tables list 60 and 40"):
        prepare(path)


def test_a_file_damaged_in_the_middle_is_refused(tmp_path, prepare):
    path = write(tmp_path / "a.h5ad", sparse.csr_matrix(counts(200, 100)), compression="gzip")
    with h5py.File(path, "r") as h5:
        place = h5["X/data"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[place.byte_offset : place.byte_offset + place.size] = b"\xff" * place.size
    path.write_bytes(content)
    with pytest.raises(BadFile, match="damaged"):
        prepare(path)
