"""The table of all kinds of analysis. A new kind is a ``Kind`` in a file of this room, and its name here."""

from __future__ import annotations

from ._agreement import AGREEMENT
from ._clusters import KNOWN_LABELS, LEIDEN
from ._expression import DECODED
from ._graph import NEIGHBOURS
from ._kind import Kind
from ._maps import BEFORE, FIRST_LOOK, UMAP
from ._markers import MARKERS, TOP_GENES
from ._mixing import MIXING
from ._resolution import RESOLUTION
from ._trust import CELL_LOSS, PREDICTIVE, REENCODE

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        NEIGHBOURS, UMAP, LEIDEN, BEFORE, MIXING, AGREEMENT, KNOWN_LABELS, DECODED, MARKERS, TOP_GENES, CELL_LOSS,
        PREDICTIVE, REENCODE, RESOLUTION, FIRST_LOOK,
    )
}  # fmt: skip
