"""Fewer points, the same picture: the lowest and highest of each bucket, with both ends kept."""

from __future__ import annotations

import numpy as np


def thin(values: np.ndarray, limit: int = 500) -> np.ndarray:
    """Indices of at most ``limit`` points of ``values``; a thinned series has no gaps."""
    n = len(values)
    if n <= limit:
        return np.arange(n)
    buckets = np.array_split(np.arange(1, n - 1), max(1, (limit - 2) // 2))
    kept = {0, n - 1}
    for bucket in buckets:
        part = bucket[np.isfinite(values[bucket])]
        if len(part):
            kept.add(int(part[np.argmin(values[part])]))
            kept.add(int(part[np.argmax(values[part])]))
    return np.array(sorted(kept))


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Running mean over the last ``window`` numbers; over fewer at the beginning."""
    known = np.where(np.isfinite(values), values, 0.0)
    counted = np.cumsum(np.isfinite(values))
    total = np.cumsum(known)
    total[window:] = total[window:] - np.cumsum(known)[:-window]
    counts = counted.copy()
    counts[window:] = counted[window:] - counted[:-window]
    return np.divide(total, counts, out=np.full(len(values), np.nan), where=counts > 0)
