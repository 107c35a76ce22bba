"""Place cells in two dimensions by their neighbour graph: UMAP, as ``scanpy.tl.umap`` does it, sooner.

    xy = layout(points, graph_matrix(neighbours), min_dist=0.5, progress=progress)

It begins at the first two principal components of the points: a sound beginning (Kobak and Linderman 2021) that keeps
the large structure and costs nothing, where the spectral one takes as long as all that follows. One thread: with
several, every map of the same cells would look different, and on 2 cores it is hardly quicker.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._graph import keep_compiled
from ._kind import Progress

_SPREAD = 1.0
_SAMPLE_RATE = 5  # negative samples for each positive one, UMAP's own


def layout(points: np.ndarray, graph: Any, min_dist: float, progress: Progress) -> np.ndarray:
    """Cells x 2, float32; the same for the same input."""
    from umap.umap_ import find_ab_params, simplicial_set_embedding

    keep_compiled()
    n_epochs = 500 if len(points) <= 10_000 else 200  # UMAP's own
    a, b = find_ab_params(_SPREAD, min_dist)
    xy, _ = simplicial_set_embedding(
        points,
        graph.tocoo(),
        n_components=2,
        initial_alpha=1.0,
        a=a,
        b=b,
        gamma=1.0,
        negative_sample_rate=_SAMPLE_RATE,
        n_epochs=n_epochs,
        init=beginning(points),
        random_state=np.random.RandomState(0),
        metric="euclidean",
        metric_kwds={},
        densmap=False,
        densmap_kwds={},
        output_dens=False,
        parallel=False,
        tqdm_kwds={
            "disable": False,
            "file": _Told(progress),
            "bar_format": "{n}/{total}",
            "mininterval": 0.2,
            "position": 0,
        },
    )
    return np.ascontiguousarray(xy, dtype=np.float32)


def beginning(points: np.ndarray) -> np.ndarray:
    """The first two principal components, within 10 of the middle, with a little noise against doubles."""
    centred = np.asarray(points, dtype=np.float64) - np.mean(points, axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    if axes.shape[1] == 1:
        axes = np.hstack([axes, axes])
    plane = axes[:, ::-1][:, :2].copy()
    plane *= np.where(
        plane[np.abs(plane).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0
    )  # a sign is arbitrary: fix it
    placed = centred @ plane
    placed *= 10.0 / max(np.abs(placed).max(), 1e-12)
    return (placed + np.random.default_rng(0).normal(scale=1e-4, size=placed.shape)).astype(np.float32)


class _Told:
    """What UMAP's progress bar writes to: every ``12/200`` becomes progress, which also ends what was canceled."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def write(self, text: str) -> None:
        done, _, total = text.strip().partition("/")
        if done.isdigit() and total.isdigit():
            self._progress(int(done) / max(1, int(total)), "placing the cells on the map")

    def flush(self) -> None:
        pass
