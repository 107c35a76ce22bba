"""What was found out about the cells of a run, as far as somebody asked for it: map, clusters, their names.

    found = explored(analyses, run_dir, run_id)     # .umap, .clusters, .names: None where there are none
    result = latest(analyses, run_dir, run_id, "reencode")

Of several maps or clusterings of a run the one made last counts, or the clustering whose clusters were named last.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..types import Labels


class Result(Protocol):
    """A finished analysis, as ``Analyses`` gives it."""

    @property
    def folder(self) -> Path: ...

    @property
    def options(self) -> dict[str, Any]: ...

    @property
    def facts(self) -> dict[str, Any]: ...

    def array(self, name: str) -> np.ndarray: ...


class Names(Protocol):
    """Of the clusters of a run."""

    def of(self, run_id: str) -> Labels | None: ...

    def give(self, run_id: str, options: dict[str, Any], names: Sequence[str]) -> Labels: ...


class Findings(Protocol):
    """What exports ask of ``Analyses``."""

    @property
    def names(self) -> Names: ...

    def result(self, run_id: str, kind: str, **options: Any) -> Result | None: ...

    def stamp(self, run_id: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Explored:
    umap: np.ndarray | None = None  # cells x 2, float32
    umap_options: dict[str, Any] = field(default_factory=dict)  # as executed
    clusters: np.ndarray | None = None  # cells, int32
    cluster_options: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] | None = None  # of each cluster, where the user named them; merged ones share one
    files: tuple[Path, ...] = ()  # what this was read from

    @property
    def n_clusters(self) -> int:
        return 0 if self.clusters is None else int(self.clusters.max()) + 1

    @property
    def labels(self) -> np.ndarray | None:
        """A name per cell."""
        return None if self.names is None or self.clusters is None else np.array(self.names)[self.clusters]


def explored(analyses: Findings, run_dir: Path, run_id: str) -> Explored:
    umap = latest(analyses, run_dir, run_id, "umap")
    named = analyses.names.of(run_id)
    leiden = analyses.result(run_id, "leiden", **named.options) if named is not None else None
    if leiden is None:
        named, leiden = None, latest(analyses, run_dir, run_id, "leiden")
    files = [result.folder / "meta.json" for result in (umap, leiden) if result is not None]
    return Explored(
        umap=None if umap is None else np.asarray(umap.array("xy")),
        umap_options={} if umap is None else dict(umap.options),
        clusters=None if leiden is None else np.asarray(leiden.array("labels")),
        cluster_options={} if leiden is None else dict(leiden.options),
        names=None if named is None else tuple(named.names),
        # clusters named since count as news, and so do names that were taken back
        files=(*files, run_dir / "analysis" / "labels.json"),
    )


def latest(analyses: Findings, run_dir: Path, run_id: str, kind: str) -> Result | None:
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
