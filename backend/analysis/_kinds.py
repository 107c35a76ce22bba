"""The table of all kinds of analysis. A new kind is one file with a ``KIND`` and one line here."""

from __future__ import annotations

from backend.analysis import _before, _decoded, _leiden, _mixing, _neighbours, _umap
from backend.analysis._kind import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        _neighbours.KIND,
        _umap.KIND,
        _leiden.KIND,
        _before.KIND,
        _mixing.KIND,
        _decoded.KIND,
    )
}
