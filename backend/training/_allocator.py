"""Keep freed memory in the process, so that training does not page-fault through every step (Linux, glibc).

Each training step makes dozens of cells x genes temporaries. glibc serves large ones with ``mmap`` and
gives them back at once, so every step touches fresh pages. With both thresholds raised they are reused.
Call once at process start, before torch allocates; does nothing elsewhere.
"""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_THRESHOLD = 2**31 - 1  # the parameters are C ints; glibc takes this as "practically always reuse"


def give_back_memory() -> None:
    """Return what was kept to the system, after a run: pages and other programs can use it until the next."""
    if platform.system() != "Linux":
        return
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):  # musl has no such function, and keeps nothing
        return


def tune_allocator() -> bool:
    """Raise glibc's thresholds. Returns whether it took effect (False on macOS and musl)."""
    if platform.system() != "Linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    mallopt.argtypes = [ctypes.c_int, ctypes.c_int]
    mallopt.restype = ctypes.c_int
    return bool(mallopt(_M_MMAP_THRESHOLD, _THRESHOLD)) & bool(mallopt(_M_TRIM_THRESHOLD, _THRESHOLD))
