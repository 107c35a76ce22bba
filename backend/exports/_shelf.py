"""Where built files are kept: ``run_dir/exports/<name>``, each whole or not there, however many ask at once.

path = built(folder, "model.zip", write, newer_than=(weights,))    # made again when older than these
path = built(folder, "history.csv", write)                         # quick to make: made every time
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..storage import replacing

_locks: dict[Path, threading.Lock] = {}
_locks_lock = threading.Lock()


def built(
    folder: Path, name: str, build: Callable[[Path], Any], *, newer_than: Iterable[Path] | None = None
) -> Path:
    """The file ``name``, written by ``build`` beside its place and renamed."""
    path = folder / name
    with _lock_for(path):
        if newer_than is not None and _is_newer(path, newer_than):
            return path
        with replacing(path, durable=False) as part:  # made again at any time
            build(part)
    return path


def _lock_for(path: Path) -> threading.Lock:
    """One builder a file, across all exporters of the process."""
    with _locks_lock:
        return _locks.setdefault(path, threading.Lock())


def _is_newer(path: Path, others: Iterable[Path]) -> bool:
    if not path.exists():
        return False
    made = path.stat().st_mtime_ns
    return all(made >= other.stat().st_mtime_ns for other in others if other.exists())
