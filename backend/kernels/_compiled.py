"""How the CPU kernels are compiled by numba: for this processor, once, and kept on disk where that can be written.

    @fast
    def kernel(...): ...

numba keeps what it compiled in ``NUMBA_CACHE_DIR``, beside the sources or in the user's cache folder, whichever can be
written, and a child process compiles (``_apart``); elsewhere a kernel is compiled anew in each process. A disk that is
full or damaged costs the copy, not the run. numba compiles again when a kernel's own file changed, but not when a
function changed that the kernel calls from another file: so what other sources than these left is forgotten, as after
an update.
"""

# numba has no types, so to a checker kernels and what their cache takes are ``Any``.
from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
from numba import config, njit
from numba.core.caching import FunctionCache

from ._apart import DONE, compiled_apart

logger = logging.getLogger("backend.kernels")

STAMP = "kernels.sha256"

try:
    HOST_FEATURES = llvm.get_host_cpu_features()
except RuntimeError:  # LLVM does not tell them for every processor; numba then does without as well
    HOST_FEATURES = {}
try:
    PROCESSOR = llvm.get_host_cpu_name()  # LLVM's name of its kind: "znver4", "sapphirerapids"
except RuntimeError:
    PROCESSOR = ""
_config: Any = config  # a module whose names are made as it reads the environment
if HOST_FEATURES.get("avx512f") and not _config.CPU_FEATURES:
    # LLVM prefers 256-bit vectors on such CPUs; these loops are nearly twice as fast in 512. numba reads this once.
    _config.CPU_NAME = PROCESSOR
    _config.CPU_FEATURES = HOST_FEATURES.flatten() + ",-prefer-256-bit"

_TARGET = repr((_config.CPU_NAME, _config.CPU_FEATURES, PROCESSOR, sorted(HOST_FEATURES.items())))


class _Kept(FunctionCache):
    """numba's cache of one function. Whatever goes wrong with it is logged, and the function compiled."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        found = self._read(sig, target_context)
        if found is None and compiled_apart(Path(self.cache_path), _TARGET):
            found = self._read(sig, target_context)
        return found

    def _read(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:
            logger.info("a compiled kernel could not be read and is compiled again", exc_info=True)
            with suppress(Exception):
                self.flush()
                _forget(Path(self.cache_path), DONE)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception:
            logger.info("a compiled kernel could not be kept", exc_info=True)


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """``numba.njit`` without the GIL and with numpy's division, kept on disk where there is a place to write."""

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = njit(nogil=True, error_model="numpy", **options)(function)
        try:
            kept = _Kept(function)
        except RuntimeError:  # "no locator available": no folder can be written
            logger.info("%s is not kept on disk", function.__name__)
        else:
            _forget_stale_once(Path(kept.cache_path))
            dispatcher._cache = kept
        return dispatcher

    return decorate


@cache
def _forget_stale_once(folder: Path) -> None:
    forget_stale(folder, Path(__file__).parent)


def forget_stale(folder: Path, sources: Path) -> None:
    """Remove what numba keeps in ``folder`` unless it was made from ``sources`` as they are now."""
    now = hashlib.sha256()
    for file in sorted(sources.glob("*.py")):
        now.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    stamp = folder / STAMP
    with suppress(OSError):  # where nothing can be written, numba keeps nothing either
        if stamp.exists() and stamp.read_text() == now.hexdigest():
            return
        _forget(folder, "*.nbi", "*.nbc", DONE)
        stamp.write_text(now.hexdigest())


def _forget(folder: Path, *patterns: str) -> None:
    for pattern in patterns:
        for kept in folder.glob(pattern):
            kept.unlink(missing_ok=True)


# Neither nnan nor ninf: a diverged run must show its NaN.
FAST = {"nsz", "arcp", "contract", "afn", "reassoc"}
exact = compiled()
fast = compiled(fastmath=FAST)
fast_inline = compiled(fastmath=FAST, inline="always")
finite = compiled(fastmath=True)  # as if there were no NaN: for sums that show theirs all the same
