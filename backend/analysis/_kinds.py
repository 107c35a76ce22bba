"""The table of all kinds of analysis. A new kind is one file with a ``KIND`` and one line here."""

from __future__ import annotations

from . import (
    _agreement,
    _before,
    _cell_loss,
    _decoded,
    _known_labels,
    _leiden,
    _markers,
    _mixing,
    _neighbours,
    _predictive,
    _reencode,
    _top_genes,
    _umap,
)
from ._kind import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        _neighbours.KIND,
        _umap.KIND,
        _leiden.KIND,
        _before.KIND,
        _mixing.KIND,
        _agreement.KIND,
        _known_labels.KIND,
        _decoded.KIND,
        _markers.KIND,
        _top_genes.KIND,
        _cell_loss.KIND,
        _predictive.KIND,
        _reencode.KIND,
    )
}
