"""What was found out about the cells of a run, as far as somebody asked for it: map, clusters, their names.

    found = explored(analyses, run_dir, run_id)     # .umap, .clusters, .names: None where there are none

Of several maps or clusterings of a run the one made last counts, or the clustering whose clusters were named last.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Explored:
    umap: np.ndarray | None = None  # cells x 2
    umap_options: dict[str, Any] = field(default_factory=dict)
    clusters: np.ndarray | None = None  # a number per cell
    cluster_options: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] | None = None  # of each cluster, where the user named them; merged ones share one
    files: tuple[Path, ...] = ()  # what this was read from

    @property
    def labels(self) -> np.ndarray | None:
        """A name per cell."""
        return None if self.names is None or self.clusters is None else np.array(self.names)[self.clusters]


def explored(analyses: Any, run_dir: Path, run_id: str) -> Explored:
    """``analyses`` may be None: then nothing is known."""
    if analyses is None:
        return Explored()
    umap = latest(analyses, run_dir, run_id, "umap")
    named = analyses.names.of(run_id)
    leiden = analyses.result(run_id, "leiden", **named.options) if named is not None else None
    if leiden is None:
        named, leiden = None, latest(analyses, run_dir, run_id, "leiden")
    clusters = None if leiden is None else np.asarray(leiden.array("labels"))
    files = [result.folder / "meta.json" for result in (umap, leiden) if result is not None]
    return Explored(
        umap=None if umap is None else np.asarray(umap.array("xy")),
        umap_options={} if umap is None else dict(umap.options),
        clusters=clusters,
        cluster_options={} if leiden is None else dict(leiden.options),
        names=None if named is None or clusters is None else tuple(named.names),
        # clusters named since count as news, and so do names that were taken back
        files=(*files, run_dir / "analysis" / "labels.json"),
    )


def latest(analyses: Any, run_dir: Path, run_id: str, kind: str) -> Any:
    """The newest result of a kind, whatever its options; it must fit the run as it is now."""
    made = []
    for folder in (run_dir / "analysis").glob(f"{kind}-*"):
        try:
            meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
            made.append((float(meta["made_at"]), meta["options"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    for _, options in sorted(made, key=lambda item: item[0], reverse=True):
        result = analyses.result(run_id, kind, **options)
        if result is not None:
            return result
    return None


def trained_cells(run_dir: Path) -> int | None:
    """How many cells were trained on; None where it is not on disk."""
    path = run_dir / "split.npz"
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as stored:
        return len(stored["train"])
