"""The built-in data set: real PBMC counts rebuilt exactly from the file that scanpy ships.

That file holds ``raw = round(log1p(1e4 * count / n_counts), 3)`` for 700 cells of the 68k PBMC data of 10x
Genomics. The rounding leaves exactly one whole number possible for every value; ``demo_counts`` verifies
this and refuses to go on otherwise. A newer scanpy that ships ``layers["counts"]`` is taken at its word.
Nothing here imports scanpy.
"""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadFile

if TYPE_CHECKING:
    from anndata import AnnData
    from scipy.sparse import csr_matrix

DEMO_ID = "pbmc700v1"
DEMO_NAME = "PBMC 700 cells (built in)"
DEMO_NOTE = (
    "Real counts of 700 human blood cells and 765 genes: the PBMC 68k data of 10x Genomics (Zheng et al. "
    "2017), "
    "rebuilt exactly from the reduced set that comes with scanpy."
)
_ROUNDING = 0.0011  # the file keeps three decimals; float32 adds a little


def write_demo(path: Path) -> None:
    """Write the built-in data set to ``path`` as h5ad with counts in X."""
    build_demo().write_h5ad(path)


def bundled_file() -> Path:
    spec = importlib.util.find_spec("scanpy")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "datasets" / "10x_pbmc68k_reduced.h5ad"


def build_demo() -> AnnData:
    """Counts, cell types and the published embedding, without normalised matrices and neighbour graphs."""
    import anndata
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # scanpy's file is in an old encoding
        warnings.simplefilter("ignore", getattr(anndata, "OldFormatWarning", FutureWarning))
        shipped = anndata.read_h5ad(bundled_file())
    counts = shipped.layers["counts"].copy() if "counts" in shipped.layers else demo_counts(shipped)
    demo = anndata.AnnData(
        X=counts,
        obs=shipped.obs.copy(),
        var=shipped.var.copy(),
        obsm={key: shipped.obsm[key].copy() for key in ("X_pca", "X_umap")},
        uns={key: value for key, value in shipped.uns.items() if key.endswith("_colors")},
    )
    demo.uns["source"] = DEMO_NOTE
    # the number after a barcode is the 10x channel the cell was captured in: a true experimental batch
    channels = demo.obs_names.str.rsplit("-", n=1).str[-1]
    demo.obs["channel"] = pd.Categorical([f"channel {number}" for number in channels])
    return demo


def demo_counts(shipped: AnnData) -> csr_matrix:
    """Undo the normalisation of ``shipped.raw``.

    Raises
    ------
    BadFile
        A value does not come from exactly one whole count.
    """
    import numpy as np
    from scipy.sparse import csr_matrix

    raw = csr_matrix(shipped.raw.X)
    scale = np.repeat(shipped.obs["n_counts"].to_numpy(np.float64), np.diff(raw.indptr)) / 1e4
    count = np.rint(np.expm1(raw.data.astype(np.float64)) * scale)
    error = np.abs(np.log1p(count / scale) - raw.data)
    gap = np.log1p((count + 1) / scale) - np.log1p(count / scale)
    if not (np.all(count >= 1) and np.all(error < _ROUNDING) and np.all(gap > 2 * _ROUNDING)):
        raise BadFile(
            "The built-in data set of the installed scanpy is not the one this program knows, and its counts "
            "cannot be rebuilt exactly. Install the scanpy version named in requirements.txt."
        )
    counts = csr_matrix((count.astype(np.float32), raw.indices, raw.indptr), shape=raw.shape)
    counts.sort_indices()
    return counts
