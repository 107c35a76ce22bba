"""Which files are let in, and how a prepared one is mapped for training."""

import gzip
import os
import pickle
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from backend.datasets import open_prepared, prepare_source
from backend.datasets._container import broken_file, check_container
from backend.errors import BadFile
from backend.types import DatasetRef, PrepareSpec
from tests.datasets.sample_files import counts, ref, write, write_old, write_tenx


def test_an_h5ad_is_recognised(tmp_path):
    assert check_container(write(tmp_path / "a", sparse.csr_matrix(counts()))) == "h5ad"


def test_an_old_h5ad_is_recognised(tmp_path):
    assert check_container(write_old(tmp_path / "a", counts(), counts(), ["a"])) == "h5ad"


@pytest.mark.parametrize("legacy", [False, True])
def test_a_cell_ranger_file_is_recognised(tmp_path, legacy):
    assert check_container(str(write_tenx(tmp_path / "a", counts(), legacy=legacy))) == "10x"


def h5_with(*names):
    def make(path: Path) -> None:
        with h5py.File(path, "w") as h5:
            for name in names:
                h5.create_group(name)

    return make


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.h5ad", "x")


HDF5 = b"\x89HDF\r\n\x1a\n"
FOREIGN = {
    "empty": (lambda p: p.write_bytes(b""), "empty"),
    "gzip of h5ad": (lambda p: p.write_bytes(gzip.compress(HDF5 + b"\0" * 100)), "gzip"),
    "rds": (lambda p: p.write_bytes(gzip.compress(b"X\n\x00\x00\x00\x03")), "file of R"),
    "rdata": (lambda p: p.write_bytes(gzip.compress(b"RDX3\nX\n")), "file of R"),
    "mtx": (lambda p: p.write_text("%%MatrixMarket matrix coordinate\n"), "Matrix Market"),
    "mtx.gz": (lambda p: p.write_bytes(gzip.compress(b"%%MatrixMarket matrix\n")), "Matrix Market"),
    "csv": (lambda p: p.write_text("gene,c1,c2\nA,1,2\n"), "text table"),
    "tsv.gz": (lambda p: p.write_bytes(gzip.compress(b"gene\tc1\nA\t1\n")), "text table"),
    "text": (lambda p: p.write_text("hello"), "text file"),
    "web page": (lambda p: p.write_text("<!DOCTYPE html><html>login</html>"), "web page"),
    "json": (lambda p: p.write_text('{"error": "not found"}'), "JSON"),
    "zip": (zipped, "zip archive"),
    "pickle": (lambda p: p.write_bytes(pickle.dumps({"a": 1})), "pickle"),
    "noise": (lambda p: p.write_bytes(bytes(range(256)) * 4), "not an HDF5 file"),
    "only a signature": (lambda p: p.write_bytes(HDF5 + b"\0" * 2000), "damaged|incomplete"),
    "loom": (h5_with("matrix", "row_attrs", "col_attrs"), "loom"),
    "h5mu": (h5_with("mod", "obs", "var"), "MuData"),
    "seurat": (h5_with("assays", "cell.names", "meta.data"), "Seurat"),
    "molecules": (h5_with("barcode_idx", "umi", "features"), "molecule_info"),
    "bare X": (h5_with("X"), "no cell and gene tables"),
    "other hdf5": (h5_with("model_weights"), "neither"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_other_files_are_named_and_refused(tmp_path, kind):
    make, words = FOREIGN[kind]
    path = tmp_path / "data.h5ad"
    make(path)
    with pytest.raises(BadFile, match=words) as error:
        check_container(path)
    assert len(str(error.value)) > 30 or kind == "empty"


def test_a_pickle_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    path = tmp_path / "data.h5ad"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(BadFile):
        check_container(path)
    assert not (tmp_path / "exploded").exists()


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(BadFile, match="folder"):
        check_container(tmp_path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BadFile, match="cannot be read"):
        check_container(tmp_path / "nothing")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.99])
def test_a_cut_off_file_is_called_incomplete(tmp_path, share):
    path = write(tmp_path / "a.h5ad", sparse.csr_matrix(counts()))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BadFile, match=r"incomplete|damaged"):
        check_container(path)


def prepared(tmp_path: Path, dense: np.ndarray | None = None, **parts) -> DatasetRef:
    dense = counts() if dense is None else dense
    source = write(tmp_path / "source.h5ad", sparse.csr_matrix(dense), **parts)
    out = tmp_path / "out"
    out.mkdir()
    spec = PrepareSpec()
    facts = prepare_source(ref(source), spec, out, lambda fraction, phase: None)
    return DatasetRef(
        "id", "source", "test", str(out / "data.h5ad"), facts["n_obs"], facts["n_vars"], facts["nnz"], spec
    )


def test_counts_are_mapped_and_not_copied(tmp_path):
    dense = counts()
    dataset = prepared(tmp_path, dense)
    adata = open_prepared(dataset)
    assert type(adata.X) is sparse.csr_matrix
    assert (adata.X.dtype, adata.X.indices.dtype, adata.X.indptr.dtype) == (np.float32, np.int32, np.int32)
    np.testing.assert_array_equal(adata.X.toarray(), dense)
    assert not adata.is_view
    for array in (adata.X.data, adata.X.indices):
        base = array
        while isinstance(base, np.ndarray) and base.base is not None:
            base = base.base
        assert type(base).__name__ == "mmap"


def test_what_is_done_in_memory_never_reaches_the_file(tmp_path):
    dataset = prepared(tmp_path)
    before = Path(dataset.path).read_bytes()
    adata = open_prepared(dataset)
    adata.X.data[:] = 99
    adata.obs["new"] = 1
    del adata
    assert Path(dataset.path).read_bytes() == before


def test_a_prepared_file_that_lost_its_end_is_refused_instead_of_killing_the_process(tmp_path):
    dataset = prepared(tmp_path)
    with h5py.File(dataset.path, "r") as h5:
        end = h5["X/data"].id.get_offset() + 10
    os.truncate(dataset.path, end)
    with pytest.raises(BadFile, match="Prepare it again"):
        open_prepared(dataset)


def test_a_prepared_file_that_is_gone_is_refused(tmp_path):
    dataset = prepared(tmp_path)
    Path(dataset.path).unlink()
    with pytest.raises(BadFile, match="gone"):
        open_prepared(dataset)


def test_a_compressed_file_is_not_taken_for_a_prepared_one(tmp_path):
    path = write(tmp_path / "a.h5ad", sparse.csr_matrix(counts()), compression="gzip")
    with pytest.raises(BadFile, match="compressed"):
        open_prepared(DatasetRef("id", "s", "n", str(path), 1, 1, 1, PrepareSpec()))


def test_scvi_takes_it_as_it_is(tmp_path):
    """Setup, one pass of training and the latent work on the mapped counts and leave them as they were."""
    import warnings

    dense = counts(64, 30)
    obs = pd.DataFrame({"batch": pd.Categorical(["a", "b"] * 32)}, index=[f"c{i}" for i in range(64)])
    dataset = prepared(tmp_path, dense, obs=obs)
    adata = open_prepared(dataset)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scvi-tools and Lightning, not ours to judge
        import scvi

        scvi.model.SCVI.setup_anndata(adata, batch_key="batch")
        model = scvi.model.SCVI(adata, n_hidden=8, n_latent=2)
        model.train(
            max_epochs=1,
            accelerator="cpu",
            batch_size=16,
            enable_progress_bar=False,
            logger=False,
            enable_checkpointing=False,
        )
        latent = model.get_latent_representation()
        model.deregister_manager()
    assert latent.shape == (64, 2)
    assert np.isfinite(latent).all()
    np.testing.assert_array_equal(adata.X.toarray(), dense)


def test_an_hdf5_file_with_a_user_block_is_read(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", userblock_size=512) as h5:
        h5.create_group("obs")
        h5.create_group("var")
    assert not path.read_bytes().startswith(HDF5)
    assert check_container(path) == "h5ad"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Unable to open file (truncated file: eof = 96, stored_eof = 2048)", "incomplete"),
        ("Can't synchronously read data (can't open directory (/usr/local/lib/plugin))", "HDF5 plugin"),
        ("Unable to synchronously open file (unable to lock file, errno = 11)", "Another program"),
        ("Unable to open file (addr overflow, addr = 800)", "incomplete"),
        ("Unexpected End of File", "incomplete"),
        ("unable to open file (file is already open for write)", "Another program"),
        ("file consistency flags say it is open", "h5clear"),
        ("required filter 'blosc' is not registered", "HDF5 plugin"),
        ("a lock of hair", "damaged"),
        ("a filter", "damaged"),
        ("Can't synchronously read data (inflate() failed)", "damaged"),
    ],
)
def test_complaints_of_hdf5_become_sentences(reason, words):
    assert words in str(broken_file(OSError(reason)))
