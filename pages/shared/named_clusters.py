"""Clusters of a run as groups of cells to colour by: those of one name together, the largest first."""

from __future__ import annotations

import numpy as np

from backend.types import Groups, Labels, default_name


def named_clusters(clusters: np.ndarray, labels: Labels | None) -> Groups:
    """Clusters of one name together, the largest first; those without a name of their own by their number."""
    sizes = np.bincount(clusters)
    names = labels.groups if labels else {default_name(number): (number,) for number in range(len(sizes))}
    order = sorted(names, key=lambda name: -sum(int(sizes[number]) for number in names[name]))
    table = np.full(len(sizes), -1, np.int32)
    for rank, name in enumerate(order):
        table[list(names[name])] = rank
    shown = tuple(shown_name(name, names[name]) for name in order)
    return Groups(table[clusters], shown, tuple(int(sizes[list(names[name])].sum()) for name in order))


def shown_name(name: str, members: tuple[int, ...]) -> str:
    """A cluster without a name of its own is shown by its number."""
    return str(members[0] + 1) if name == default_name(members[0]) else name
