"""Small files of every kind for the tests of reading and preparing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from backend.types import Notice, SourceRef, notice


def counts(n_obs: int = 60, n_vars: int = 40, seed: int = 0, density: float = 0.3) -> np.ndarray:
    """Whole numbers, no empty cell and no empty gene."""
    rng = np.random.default_rng(seed)
    dense = rng.poisson(3.0, (n_obs, n_vars)) * (rng.random((n_obs, n_vars)) < density)
    dense[np.arange(n_obs), np.arange(n_obs) % n_vars] += 1
    dense[np.arange(n_vars) % n_obs, np.arange(n_vars)] += 1
    dense[0, 0] = 7
    return dense.astype(np.float32)


def adata_of(X: Any, **parts: Any) -> anndata.AnnData:
    """AnnData with plain names around ``X``."""
    n_obs, n_vars = X.shape
    obs = parts.pop("obs", pd.DataFrame(index=[f"cell{i}" for i in range(n_obs)]))
    var = parts.pop("var", pd.DataFrame(index=[f"gene{i}" for i in range(n_vars)]))
    return anndata.AnnData(X, obs=obs, var=var, **parts)


def write(path: Path, X: Any, **parts: Any) -> Path:
    compression = parts.pop("compression", None)
    adata_of(X, **parts).write_h5ad(path, compression=compression)
    return path


def ref(path: Path) -> SourceRef:
    return SourceRef("source", path.name, str(path), path.stat().st_size, "upload", 0.0)


def log1p(dense: np.ndarray, target: float = 1e4, base: float = np.e) -> np.ndarray:
    """Normalised to ``target`` and logged."""
    scaled = dense / dense.sum(axis=1, keepdims=True) * target
    return (np.log1p(scaled) / np.log(base)).astype(np.float32)


def write_tenx(
    path: Path,
    dense: np.ndarray,
    *,
    legacy: bool = False,
    kinds: list[str] | None = None,
    genome: str = "GRCh38",
) -> Path:
    """A Cell Ranger file: CSC of genes x cells."""
    matrix = sparse.csc_matrix(dense.T.astype(np.int32))
    n_genes = dense.shape[1]
    names = np.array([f"gene{i}" for i in range(n_genes)], dtype="S")
    ids = np.array([f"ENSG{i:011d}" for i in range(n_genes)], dtype="S")
    with h5py.File(path, "a") as h5:
        group = h5.create_group(genome if legacy else "matrix")
        group["data"], group["indices"] = matrix.data, matrix.indices.astype(np.int64)
        group["indptr"], group["shape"] = matrix.indptr.astype(np.int64), np.array(matrix.shape, np.int32)
        group["barcodes"] = np.array([f"AAAC{i}-1" for i in range(dense.shape[0])], dtype="S")
        if legacy:
            group["genes"], group["gene_names"] = ids, names
        else:
            features = group.create_group("features")
            features["id"], features["name"] = ids, names
            features["feature_type"] = np.array(kinds or ["Gene Expression"] * n_genes, dtype="S")
            features["genome"] = np.array(["GRCh38"] * n_genes, dtype="S")
            features["_all_tag_keys"] = np.array(["genome"], dtype="S")
    return path


def write_old(path: Path, dense: np.ndarray, scaled: np.ndarray, levels: list[str]) -> Path:
    """An h5ad from before anndata 0.7: compound tables, categories in uns, h5sparse raw.X."""
    n_obs, n_vars = dense.shape
    obs = np.zeros(n_obs, dtype=[("index", "S10"), ("batch", "i1"), ("n", "f4")])
    obs["index"] = [f"cell{i}".encode() for i in range(n_obs)]
    obs["batch"] = np.arange(n_obs) % len(levels)
    var = np.zeros(n_vars, dtype=[("index", "S10")])
    var["index"] = [f"gene{i}".encode() for i in range(n_vars)]
    obsm = np.zeros(n_obs, dtype=[("X_pca", "f4", (3,))])
    obsm["X_pca"] = np.arange(n_obs * 3).reshape(n_obs, 3)
    matrix = sparse.csr_matrix(dense)
    with h5py.File(path, "w") as h5:
        h5["X"], h5["obs"], h5["var"], h5["obsm"], h5["raw.var"] = scaled, obs, var, obsm, var
        h5["uns/batch_categories"] = np.array(levels, dtype="S")
        raw = h5.create_group("raw.X")
        raw.attrs["h5sparse_format"], raw.attrs["h5sparse_shape"] = "csr", np.array(matrix.shape)
        raw["data"], raw["indices"], raw["indptr"] = matrix.data, matrix.indices, matrix.indptr
    return path


def told(facts: dict) -> list[Notice]:
    """The notices of what preparing answered."""
    return [Notice.from_dict(one) for one in facts["notices"]]


def selected(
    method="seurat_v3", *, per_batch=False, fell_back=False, batches=0, wider_fits=0, left_out=0
) -> Notice:
    """That twenty genes were selected, and how."""
    return notice(
        "genes_selected",
        n=20,
        method=method,
        per_batch=per_batch,
        fell_back=fell_back,
        batches=batches,
        wider_fits=wider_fits,
        left_out=left_out,
    )
