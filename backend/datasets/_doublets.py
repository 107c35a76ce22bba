"""Doublet scores of the cells of a source: Scrublet, through scanpy, on each sample by itself.

    doublets = score(stored, cell_genes, samples, on_progress)
    save(folder, doublets); doublets = read_doublets(folder)

Scores need nothing besides scanpy. The threshold that Scrublet suggests for a sample needs scikit-image; without it
scores are there and a sentence says what to install.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ..quality import Doublets, Samples
from ..storage import read_json, write_array, write_json
from ..types import PrepareSpec, SourceRef
from ._container import check_container
from ._matrices import BUFFER_VALUES, Stored, blocks, find_matrix, open_h5
from ._quality import samples_of
from ._scan import Progress, scan_counts
from ._tables import read_tables, storable

FEWEST_CELLS = 100  # in a sample, to be scored
SEED = 0
SCORES = "scores.npy"
THRESHOLDS = "thresholds.json"
NO_THRESHOLD = (
    "Scrublet suggests a threshold for each sample where scikit-image is installed: pip install scikit-image. The "
    "scores do not need it."
)


def score_source(ref: SourceRef, spec: PrepareSpec, folder: Path, on_progress: Progress) -> None:
    """Score the cells of the matrix that ``spec`` names and write the scores into ``folder``."""
    container = check_container(ref.path)
    with open_h5(ref.path) as h5:
        stored = find_matrix(h5, container, spec.counts)
        tables = read_tables(h5, container, spec.counts)
        samples = samples_of(storable(tables.obs)[0], spec.qc_sample_key)
        stored, seen = scan_counts(stored, lambda fraction, phase: on_progress(0.2 * fraction, phase))
        if spec.round_counts and seen.n_far:
            stored = replace(stored, rounded=True)
        found = score(
            stored, seen.cell_genes, samples, lambda part, phase: on_progress(0.2 + 0.8 * part, phase)
        )
    save(folder, found)


def score(
    stored: Stored, cell_genes: npt.NDArray[np.int64], samples: Samples, on_progress: Progress
) -> Doublets:
    """Score all cells, one sample after the other.

    Parameters
    ----------
    cell_genes
        (C,) values above zero of each cell: how much memory its sample takes.
    """
    scores = np.full(stored.n_obs, np.nan)
    thresholds: dict[str, float | None] = {}
    unscored = []
    for done, (sample, cells, counts) in enumerate(_by_sample(stored, cell_genes, samples)):
        name = samples.names[sample]
        on_progress(
            done / len(samples.names), f"scoring doublets of sample {done + 1} of {len(samples.names)}"
        )
        found = _scrublet(counts) if len(cells) >= FEWEST_CELLS else None
        if found is None:
            unscored.append(name)
            continue
        scores[cells], thresholds[name] = found
    note = "" if find_spec("skimage") else NO_THRESHOLD
    return Doublets(scores, thresholds, tuple(unscored), note)


def save(folder: Path, doublets: Doublets) -> None:
    write_array(folder / SCORES, doublets.scores)
    facts = {"thresholds": doublets.thresholds, "unscored": doublets.unscored, "note": doublets.note}
    write_json(folder / THRESHOLDS, facts)


def read_doublets(folder: Path) -> Doublets | None:
    facts = read_json(folder / THRESHOLDS)
    if facts is None:
        return None
    try:
        scores = np.load(folder / SCORES, allow_pickle=False)
        return Doublets(scores, facts["thresholds"], tuple(facts["unscored"]), facts["note"])
    except (OSError, KeyError, ValueError):
        return None


def _scrublet(counts: sparse.csr_matrix) -> tuple[npt.NDArray[np.float64], float | None] | None:
    """Scores of one sample, and Scrublet's threshold; None where the sample has too little in it."""
    import scanpy
    from anndata import AnnData

    adata = AnnData(counts)
    given = None if find_spec("skimage") else 1.0  # a threshold that is given leaves the scores as they are
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            scanpy.pp.scrublet(adata, threshold=given, random_state=SEED, verbose=False)
        except ValueError:  # hardly any gene varies
            return None
    threshold = adata.uns["scrublet"].get("threshold") if given is None else None
    return adata.obs["doublet_score"].to_numpy(np.float64), None if threshold is None else float(threshold)


def _by_sample(
    stored: Stored, cell_genes: npt.NDArray[np.int64], samples: Samples
) -> Iterator[tuple[int, npt.NDArray[np.intp], sparse.csr_matrix]]:
    """Each sample with its cells and their counts; as many in one pass over the file as fit into the buffer."""
    sizes = np.bincount(samples.codes, weights=cell_genes, minlength=len(samples.names))
    together: list[int] = []
    for sample in range(len(sizes)):
        if together and sizes[together].sum() + sizes[sample] > BUFFER_VALUES:
            yield from _gathered(stored, samples, together)
            together = []
        together.append(sample)
    yield from _gathered(stored, samples, together)


def _gathered(
    stored: Stored, samples: Samples, together: list[int]
) -> Iterator[tuple[int, npt.NDArray[np.intp], sparse.csr_matrix]]:
    parts: dict[int, list[sparse.csr_matrix]] = {sample: [] for sample in together}
    for block in blocks(stored):
        rows = block.matrix.astype(np.float32)
        codes = samples.codes[block.start : block.stop] if stored.by_cells else samples.codes
        for sample in together:
            parts[sample].append(rows[np.flatnonzero(codes == sample)])
    stack = sparse.vstack if stored.by_cells else sparse.hstack
    for sample in together:
        counts = sparse.csr_matrix(stack(parts.pop(sample)))
        counts.sum_duplicates()
        yield sample, np.flatnonzero(samples.codes == sample), counts
