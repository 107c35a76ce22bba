"""Every way of storing a matrix is read to the same values, in bounded blocks."""

import h5py
import numpy as np
import pytest
from scipy import sparse

from backend.datasets import _matrices
from backend.datasets._matrices import bounds, cell_runs, find_matrices, find_matrix, open_h5
from backend.datasets._scan import scan
from backend.datasets._verdict import judge
from backend.errors import BadFile
from tests.datasets.sample_files import counts, log1p, write, write_old, write_tenx


def all_values(path, where="X", container="h5ad", keep=None):
    """The whole matrix through cell runs."""
    with open_h5(str(path)) as h5:
        stored = find_matrix(h5, container, where)
        seen = scan(stored)
        keep = np.ones(stored.n_vars, bool) if keep is None else keep
        result = np.zeros((stored.n_obs, int(keep.sum())))
        for run in cell_runs(stored, seen.cell_genes, keep):
            indptr = np.concatenate([[0], np.cumsum(run.lengths)])
            block = sparse.csr_matrix(
                (run.data, run.indices, indptr), shape=(run.stop - run.start, result.shape[1])
            )
            assert block.has_sorted_indices
            result[run.start : run.stop] = block.toarray()
    return result


@pytest.fixture
def tiny_blocks(monkeypatch):
    monkeypatch.setattr(_matrices, "BLOCK_ENTRIES", 97)
    monkeypatch.setattr(_matrices, "BUFFER_VALUES", 211)


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
@pytest.mark.parametrize("layout", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
def test_all_layouts_and_compressions_give_the_same_cells(tmp_path, layout, compression):
    dense = counts()
    path = write(tmp_path / "a.h5ad", layout(dense), compression=compression)
    np.testing.assert_array_equal(all_values(path), dense)


@pytest.mark.parametrize(
    "dtype",
    [
        "bool",
        "int8",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "float16",
        "float32",
        "float64",
        ">f4",
        ">i8",
    ],
)
@pytest.mark.parametrize("layout", ["csr_matrix", "csc_matrix", "array"])
def test_every_number_type_is_read(tmp_path, dtype, layout):
    dense = np.minimum(counts(), 1 if dtype == "bool" else 100).astype(dtype)
    path = write(tmp_path / "a.h5ad", counts())
    with h5py.File(path, "a") as h5:
        del h5["X"]
        if layout == "array":
            h5["X"] = dense
        else:
            plain = getattr(sparse, layout)(dense.astype(np.float64))
            group = h5.create_group("X")
            group.attrs.update({"encoding-type": layout, "shape": np.array(dense.shape)})
            group["data"] = plain.data.astype(dtype)
            group["indices"], group["indptr"] = plain.indices.astype(np.uint32), plain.indptr.astype(np.int64)
    np.testing.assert_array_equal(all_values(path), dense.astype(np.float64))


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize("chunks", [(60, 1), (1, 40), (7, 9), (60, 40)])
def test_dense_matrices_are_read_along_their_chunks(tmp_path, chunks):
    dense = counts()
    path = write(tmp_path / "a.h5ad", dense)
    with h5py.File(path, "a") as h5:
        del h5["X"]
        h5.create_dataset("X", data=dense, chunks=chunks, compression="gzip")
    with open_h5(str(path)) as h5:
        assert find_matrix(h5, "h5ad", "X").by_cells == (chunks != (60, 1))
    np.testing.assert_array_equal(all_values(path), dense)


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize("layout", [sparse.csr_matrix, sparse.csc_matrix])
def test_chosen_genes_only(tmp_path, layout):
    dense = counts()
    keep = np.arange(dense.shape[1]) % 3 == 0
    path = write(tmp_path / "a.h5ad", layout(dense))
    np.testing.assert_array_equal(all_values(path, keep=keep), dense[:, keep])


@pytest.mark.parametrize("layout", ["csr_matrix", "csc_matrix"])
def test_unsorted_entries_zeros_and_repeats_are_put_in_order(tmp_path, layout):
    path = write(tmp_path / "a.h5ad", np.ones((2, 3), np.float32))
    with h5py.File(path, "a") as h5:
        del h5["X"]
        group = h5.create_group("X")
        group.attrs.update({"encoding-type": layout, "shape": np.array([2, 3])})
        if layout == "csr_matrix":  # cell 0: gene 2 = 1 + 3, gene 0 = 5, gene 1 = 0; cell 1: gene 1 = 2
            group["data"], group["indices"] = [1.0, 5.0, 0.0, 3.0, 2.0], [2, 0, 1, 2, 1]
            group["indptr"] = [0, 4, 5]
        else:
            group["data"], group["indices"] = [5.0, 2.0, 0.0, 1.0, 3.0], [0, 1, 0, 0, 0]
            group["indptr"] = [0, 1, 3, 5]
    np.testing.assert_array_equal(all_values(path), [[5, 0, 4], [0, 2, 0]])


def test_old_files_with_a_dotted_raw(tmp_path):
    dense = counts()
    path = write_old(tmp_path / "old.h5ad", dense, log1p(dense), ["a", "b"])
    np.testing.assert_array_equal(all_values(path, "raw/X"), dense)


def test_matrices_are_found_in_x_layers_and_raw(tmp_path):
    dense = counts()
    path = write(
        tmp_path / "a.h5ad", log1p(dense), layers={"counts": sparse.csc_matrix(dense)}, raw={"X": dense}
    )
    with open_h5(str(path)) as h5:
        found = {stored.where: stored.layout for stored in find_matrices(h5, "h5ad")}
    assert found == {"X": "dense", "layers/counts": "CSC", "raw/X": "dense"}


@pytest.mark.parametrize("legacy", [False, True])
def test_cell_ranger_files_are_cells_by_genes(tmp_path, legacy):
    dense = counts()
    path = write_tenx(tmp_path / "a.h5", dense, legacy=legacy)
    np.testing.assert_array_equal(all_values(path, container="10x"), dense)


def test_only_gene_expression_is_kept_of_a_cell_ranger_file(tmp_path):
    dense = counts()
    kinds = ["Gene Expression"] * 30 + ["Antibody Capture"] * 10
    path = write_tenx(tmp_path / "a.h5", dense, kinds=kinds)
    np.testing.assert_array_equal(all_values(path, container="10x"), dense[:, :30])


def test_a_cell_ranger_file_without_genes_is_refused(tmp_path):
    path = write_tenx(tmp_path / "a.h5", counts(), kinds=["Peaks"] * 40)
    with open_h5(str(path)) as h5, pytest.raises(BadFile, match="no gene expression"):
        find_matrices(h5, "10x")


def spoil(path, key, value):
    with h5py.File(path, "a") as h5:
        del h5[key]
        h5[key] = value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("X/indptr", [0, 5, 3, 9]),
        ("X/indptr", [0, 1]),
        ("X/indptr", [0, 10, 20, 10**12]),
        ("X/indptr", [1, 2, 3, 4]),
    ],
)
def test_row_pointers_that_make_no_sense_are_refused(tmp_path, key, value):
    path = write(tmp_path / "a.h5ad", sparse.csr_matrix(counts(3, 30)))
    spoil(path, key, value)
    with open_h5(str(path)) as h5, pytest.raises(BadFile, match="damaged"):
        find_matrix(h5, "h5ad", "X")


@pytest.mark.parametrize("bad", [-1, 30, 2**31 - 1])
def test_indices_outside_the_matrix_are_refused(tmp_path, bad):
    path = write(tmp_path / "a.h5ad", sparse.csr_matrix(counts(3, 30)))
    with h5py.File(path, "a") as h5:
        h5["X/indices"][2] = bad
    with open_h5(str(path)) as h5, pytest.raises(BadFile, match="has a value for"):
        scan(find_matrix(h5, "h5ad", "X"))


@pytest.mark.parametrize("value", [np.array([["a", "b"]] * 3, dtype="S"), np.ones(3), np.ones((3, 2, 2))])
def test_what_is_no_table_of_numbers_says_why(tmp_path, value):
    path = write(tmp_path / "a.h5ad", np.ones((3, 2), np.float32))
    spoil(path, "X", value)
    with open_h5(str(path)) as h5:
        (stored,) = find_matrices(h5, "h5ad")
    assert stored.trouble


def test_runs_respect_the_limit_and_cover_everything():
    indptr = np.array([0, 5, 5, 200, 210, 220, 220])
    runs = list(bounds(indptr, 20))
    assert [start for start, _ in runs[1:]] == [stop for _, stop in runs[:-1]]
    assert (runs[0][0], runs[-1][1]) == (0, 6)
    assert all(indptr[stop] - indptr[start] <= 20 or stop == start + 1 for start, stop in runs)


def verdict_on(path, where="X"):
    with open_h5(str(path)) as h5:
        stored = find_matrix(h5, "h5ad", where)
        return judge(stored, scan(stored))


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize("layout", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
@pytest.mark.parametrize(("base", "name"), [(np.e, "e"), (2, "2"), (10, "10")])
@pytest.mark.parametrize("subset", [False, True])
def test_logarithms_are_recognised_with_their_base(tmp_path, layout, base, name, subset):
    logged = log1p(counts(), base=base)
    if subset:  # normalised before genes were selected: totals differ, the whole steps remain
        logged = logged[:, :20]
    verdict = verdict_on(write(tmp_path / "a.h5ad", layout(logged)))
    assert (verdict.verdict, verdict.log_base, verdict.usable) == ("log1p", name, False)
    assert "not whole numbers, max" in verdict.evidence
    assert ("sums to 10,000" in verdict.evidence) == (not subset)


def test_a_plain_logarithm_of_counts_is_recognised(tmp_path):
    verdict = verdict_on(write(tmp_path / "a.h5ad", np.log1p(counts())))
    assert (verdict.verdict, verdict.log_base) == ("log1p", "e")


def test_normalised_but_not_logged(tmp_path):
    dense = counts()
    verdict = verdict_on(write(tmp_path / "a.h5ad", dense / dense.sum(1, keepdims=True) * 1e6))
    assert (verdict.verdict, verdict.usable) == ("normalised", False)
    assert "1e+06" in verdict.evidence


def test_normalised_before_genes_were_selected(tmp_path):
    dense = counts()
    verdict = verdict_on(write(tmp_path / "a.h5ad", (dense / dense.sum(1, keepdims=True) * 1e6)[:, :20]))
    assert (verdict.verdict, verdict.usable) == ("normalised", False)


def test_scaled_values(tmp_path):
    dense = counts()
    verdict = verdict_on(write(tmp_path / "a.h5ad", (dense - dense.mean(0)) / dense.std(0)))
    assert (verdict.verdict, verdict.usable) == ("scaled", False)
    assert "negative" in verdict.evidence


def test_counts_kept_as_floats_are_counts(tmp_path):
    verdict = verdict_on(write(tmp_path / "a.h5ad", counts().astype(np.float64)))
    assert (verdict.verdict, verdict.usable, verdict.fraction_integer) == ("counts", True, 1.0)
    assert verdict.storage == "dense float64"


def test_ambient_corrected_counts_are_usable_but_unclear(tmp_path):
    dense = counts(200, 50)
    rng = np.random.default_rng(1)
    corrected = np.where(rng.random(dense.shape) < 0.3, dense * rng.uniform(0.6, 0.99, dense.shape), dense)
    verdict = verdict_on(write(tmp_path / "a.h5ad", corrected.astype(np.float32)))
    assert (verdict.verdict, verdict.usable) == ("unclear", True)


def test_one_wrong_value_in_a_million_is_seen(tmp_path):
    dense = counts(500, 400)
    dense[499, 399] = 0.5
    verdict = verdict_on(write(tmp_path / "a.h5ad", sparse.csr_matrix(dense)))
    assert verdict.verdict != "counts"
    assert "less than 0.01 % of values are not whole numbers" in verdict.evidence


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.nan, "1 value is missing"),
        (np.inf, "1 value is infinite"),
        (-2.0, "negative"),
        (1e300, "not counts"),
    ],
)
def test_impossible_values_among_counts_are_found(tmp_path, value, words):
    dense = counts().astype(np.float64)
    dense[13, 5] = value
    path = write(tmp_path / "a.h5ad", sparse.csc_matrix(dense))
    verdict = verdict_on(path)
    assert not verdict.usable
    assert words in verdict.evidence
    with open_h5(str(path)) as h5:
        seen = scan(find_matrix(h5, "h5ad", "X"))
    assert seen.first_bad == (None if value == 1e300 else (13, 5))


def test_only_zeros_and_ones_is_no_certain_count(tmp_path):
    verdict = verdict_on(write(tmp_path / "a.h5ad", (counts() > 0).astype(np.int8)))
    assert (verdict.verdict, verdict.usable) == ("unclear", True)


def test_nothing_but_zeros(tmp_path):
    assert verdict_on(write(tmp_path / "a.h5ad", np.zeros((5, 4), np.float32))).verdict == "empty"
