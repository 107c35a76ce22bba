"""Data sets nobody has to bring: public ones with raw counts, fetched by scanpy and scvi-tools, and the built-in one.

Left out on purpose: sets that are already normalised, and ``scvi.data.pbmc_dataset``, which unpickles a downloaded
file. Sizes are those of the download, rounded. ``fetch_public`` runs in the child process.
"""

from __future__ import annotations

import importlib.util
import logging
import shutil
import socket
import threading
import urllib.error
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadFile, NotFound, Offline
from ..jobs import OnProgress
from ..storage import is_full
from ..words import file_size

if TYPE_CHECKING:
    from anndata import AnnData
    from scipy.sparse import csr_matrix


_TIMEOUT = 60.0  # seconds without a byte before a server counts as silent
_LOOK_EVERY = 0.5
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A data set somebody else hosts. ``size_bytes`` and ``n_obs`` are approximate."""

    key: str
    title: str
    description: str
    size_bytes: int
    n_obs: int
    source: str  # scanpy or scvi-tools
    n_vars: int = 0


PUBLIC_SETS = (
    PublicSet(
        "pbmc3k",
        "PBMC 3k",
        "Blood cells of a healthy donor (10x Genomics): the data of most tutorials. No batches.",
        5_900_000,
        2_700,
        "scanpy",
        32_738,
    ),
    PublicSet(
        "paul15",
        "Mouse myeloid progenitors",
        "How blood cells develop in mouse bone marrow (Paul et al. 2015, MARS-seq), with the published "
        "clusters.",
        10_300_000,
        2_730,
        "scanpy",
        3_451,
    ),
    PublicSet(
        "cortex",
        "Mouse cortex",
        "Cells of mouse cortex and hippocampus (Zeisel et al. 2015) with seven known cell types.",
        90_000_000,
        3_005,
        "scvi-tools",
        19_972,
    ),
    PublicSet(
        "pbmcs_10x_cite_seq",
        "PBMC 5k and 10k (CITE-seq)",
        "Blood cells from two 10x Genomics runs: two real batches to correct. The proteins are left out.",
        43_300_000,
        10_849,
        "scvi-tools",
        15_792,
    ),
    PublicSet(
        "heart_cell_atlas_subsampled",
        "Heart cell atlas, a sample",
        "Human heart cells and nuclei of many donors (Litvinukova et al. 2020), with cell types and donors.",
        65_800_000,
        18_641,
        "scvi-tools",
        26_662,
    ),
)


def public_set(key: str) -> PublicSet:
    for known in PUBLIC_SETS:
        if known.key == key:
            return known
    raise NotFound(f"There is no public data set called {key!r}.")


def fetch_public(
    key: str,
    folder: Path,
    out: Path,
    on_progress: OnProgress,
    load: Callable[[PublicSet, Path], AnnData] | None = None,
) -> dict[str, Any]:
    """Download a public set into ``folder``, write it as h5ad to ``out``, and clear ``folder``.

    Raises
    ------
    Offline
        The server could not be reached or did not deliver.
    """
    chosen = public_set(key)
    # always an empty folder: the loaders take a half-downloaded file of an earlier attempt for the whole
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    socket.setdefaulttimeout(_TIMEOUT)
    ended = threading.Event()
    watcher = threading.Thread(
        target=_watch, args=(folder, chosen.size_bytes, on_progress, ended), daemon=True
    )
    watcher.start()
    try:
        adata = (load or _load)(chosen, folder)
    except (urllib.error.URLError, ConnectionError, TimeoutError, EOFError, OSError) as error:
        if is_full(error):  # a full disk is not the network's fault
            raise
        logger.exception("%s could not be fetched", key)
        raise Offline(
            f"{chosen.title} could not be downloaded: {_reason(error)}. Check the internet connection and "
            f"try again, "
            "or use the built-in data set, which needs none."
        ) from error
    finally:
        ended.set()
        watcher.join()
    on_progress(0.95, "writing")
    _counts_and_labels(adata).write_h5ad(out)
    shutil.rmtree(folder, ignore_errors=True)
    return {"n_obs": adata.n_obs, "n_vars": adata.n_vars}


def _load(chosen: PublicSet, folder: Path) -> AnnData:
    if chosen.source == "scanpy":
        import scanpy

        scanpy.settings.datasetdir = folder
        return getattr(scanpy.datasets, chosen.key)()
    import scvi.data

    return getattr(scvi.data, chosen.key)(save_path=str(folder))


def _counts_and_labels(adata: AnnData) -> AnnData:
    """Without embeddings, proteins and notes, which differ from set to set and are not always writable."""
    import anndata

    return anndata.AnnData(X=adata.X, obs=adata.obs.copy(), var=adata.var.copy(), layers=dict(adata.layers))


def _watch(folder: Path, expected: int, on_progress: OnProgress, ended: threading.Event) -> None:
    """The loaders report to the terminal only; how much has arrived can be seen in the folder."""
    while not ended.wait(_LOOK_EVERY):
        arrived = 0
        for path in folder.rglob("*"):
            try:
                arrived += path.stat().st_size if path.is_file() else 0
            except OSError:
                continue  # renamed meanwhile
        on_progress(
            min(0.9, 0.9 * arrived / expected), f"{file_size(arrived)} of about {file_size(expected)}"
        )


def _reason(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, socket.gaierror):
        return "the server's name could not be found, this computer seems to be offline"
    if isinstance(reason, TimeoutError):
        return "the server did not answer in time"
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} ({error.reason})"
    return str(reason)


# ---------------------------------------------------------------------- the built-in data set
# scanpy ships ``raw = round(log1p(1e4 * count / n_counts), 3)`` for 700 cells of the 68k PBMC data of 10x Genomics.
# The rounding leaves exactly one whole number possible for every value; ``demo_counts`` verifies this and refuses to
# go on otherwise. A newer scanpy that ships ``layers["counts"]`` is taken at its word. Nothing here imports scanpy.

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
