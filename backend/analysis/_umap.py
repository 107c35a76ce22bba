"""A map of the cells: UMAP of the neighbour graph. File: ``xy`` (cells x 2, float32)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._context import Context
from ._kind import Kind, Options, Progress, Step


def perform(context: Context, options: Options, progress: Progress) -> dict[str, Any]:
    from ._graph import graph_matrix
    from ._layout import layout

    progress(0.0, "placing the cells on the map")
    graph = graph_matrix(context.result("neighbours", n_neighbors=options["n_neighbors"]))
    xy = layout(np.asarray(context.latent), graph, options["min_dist"], progress)
    context.save("xy", xy)
    return {"n_obs": len(xy)}


def needs(options: Options) -> tuple[Step, ...]:
    return (("neighbours", {"n_neighbors": options["n_neighbors"]}),)


KIND = Kind(
    "umap",
    "Map of the cells",
    perform,
    {"n_neighbors": 15, "min_dist": 0.5},
    needs=needs,
    separate=True,
    weight=6,
)
