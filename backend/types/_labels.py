"""The names people give to clusters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ._message import Message


@dataclass(frozen=True, slots=True)
class Labels(Message):
    """A name for each cluster of one clustering. Clusters of one name are one: that is how they are merged."""

    names: tuple[str, ...]  # of cluster 0, 1, 2, ...
    options: dict[str, Any] = field(default_factory=dict)  # of the clustering (leiden) they belong to
    can_undo: bool = False

    def of(self, clusters: Iterable[int]) -> list[str]:
        """The name of each cell, by its cluster."""
        return [self.names[cluster] for cluster in clusters]

    @property
    def groups(self) -> dict[str, tuple[int, ...]]:
        """The clusters of each name, in the order of their first cluster."""
        found: dict[str, tuple[int, ...]] = {}
        for cluster, name in enumerate(self.names):
            found[name] = (*found.get(name, ()), cluster)
        return found

    @property
    def given(self) -> bool:
        """Whether anything was named or merged at all."""
        return self.names != tuple(map(default_name, range(len(self.names))))


def default_name(cluster: int) -> str:
    return f"Cluster {cluster + 1}"  # as on the map; the largest is 1
