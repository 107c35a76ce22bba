"""Kernels compiled from other sources than these are forgotten, as after an update.

numba keeps what it compiled on disk and compiles again when a kernel's own file changed, not when a function changed
that the kernel calls from another file: it would go on computing what the former version did.

    forget_stale(Path(kernel.stats.cache_path), Path(__file__).parent)      # before anything is compiled
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

STAMP = "kernels.sha256"


def forget_stale(compiled: Path, sources: Path) -> None:
    """Remove what numba keeps in ``compiled`` unless it was made from ``sources`` as they are now."""
    now = hashlib.sha256()
    for file in sorted(sources.glob("*.py")):
        now.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    stamp = compiled / STAMP
    with suppress(OSError):  # where nothing can be written, numba keeps nothing either
        if stamp.exists() and stamp.read_text() == now.hexdigest():
            return
        for pattern in ("*.nbi", "*.nbc"):
            for kept in compiled.glob(pattern):
                kept.unlink(missing_ok=True)
        stamp.write_text(now.hexdigest())
