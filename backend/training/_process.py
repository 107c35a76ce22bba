"""What a process that trains sets for itself: memory, threads, compiled code, and what its libraries print.

    let_idle_threads_sleep(); tune_allocator()   # at the start, before torch is imported
    keep_compiled_code(settings.cache_dir)       # before numba is imported
    use_threads(settings.threads)                # in the thread that will compute, before its first work
    compiled_threads()                           # "omp": whose threads compiled code of other packages runs on

Our kernels never enter numba's parallel code: they take ``torch.get_num_threads()`` threads of their own. Other
packages (UMAP, scanpy) do, and numba's plain fallback ends the process when two threads are inside: a layer that
is safe for threads is asked for, and without one only the compute thread may call such code.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import platform
import sys
import warnings
from pathlib import Path
from typing import Any

from ..devices import no_cluster

# The configuration of numba is a module whose names are made at run time: ``Any``.

logger = logging.getLogger("backend.training")

# --- memory

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_THRESHOLD = 2**31 - 1  # the parameters are C ints; glibc takes this as "practically always reuse"


def tune_allocator() -> bool:
    """Keep freed memory in the process, by glibc's thresholds. Whether it took effect: not on macOS and musl.

    Each training step makes dozens of cells x genes temporaries. glibc serves large ones with ``mmap`` and gives
    them back at once, so every step touches fresh pages; with both thresholds raised they are reused.
    """
    if platform.system() != "Linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    mallopt.argtypes = [ctypes.c_int, ctypes.c_int]
    mallopt.restype = ctypes.c_int
    return bool(mallopt(_M_MMAP_THRESHOLD, _THRESHOLD)) & bool(mallopt(_M_TRIM_THRESHOLD, _THRESHOLD))


def give_back_memory() -> None:
    """Return what was kept to the system, after a run: pages and other programs can use it until the next."""
    if platform.system() != "Linux":
        return
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):  # musl has no such function, and keeps nothing
        return


def set_libraries_aside() -> None:
    """Where the libraries are imported: the garbage collector no longer walks what is there by now, once a process.

    torch, scvi-tools and Lightning leave some 560,000 objects that stay for good. Each full collection, of which a run
    needs one at its end, walked them all for 0.35 s, and the next run waited. Call it before cells are opened: what is
    set aside and refers to itself is never freed.
    """
    if "scvi" in sys.modules and not gc.get_freeze_count():
        gc.collect()
        gc.freeze()


# --- threads

_FALLBACK = "workqueue"


def let_idle_threads_sleep() -> None:
    """Let torch's idle compute threads sleep instead of spin; a value the user has set stays.

    Between two matrix products OpenMP's threads wait in a busy loop, which takes a core away from everything else
    that has work: the kernels' own threads, the server, the browser. On a machine of two cores with one of them busy
    the fused engine trained four times as fast with sleeping threads.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def use_threads(threads: int | None) -> None:
    """Set the number of threads of torch, of our kernels and of numba; None leaves it to them."""
    import numba
    import torch

    compiled_threads()  # first: numba chooses its threads when their number is set
    if threads:
        torch.set_num_threads(threads)
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]


def compiled_threads() -> str:
    """The threading layer of numba, chosen and logged now where nothing used it yet."""
    import numba
    from numba.np.ufunc import parallel

    from .. import kernels  # noqa: F401  # says for which processor, which numba reads once, when it is first used

    try:
        return str(numba.threading_layer())
    except ValueError:
        pass  # not chosen yet
    config: Any = numba.config
    wanted = config.THREADING_LAYER
    if wanted == "default":  # somebody's own choice stays
        config.THREADING_LAYER = "threadsafe"
    try:
        parallel._launch_threads()
    except ValueError:  # neither TBB nor OpenMP is there
        config.THREADING_LAYER = wanted
        parallel._launch_threads()
    layer = str(numba.threading_layer())
    if layer == _FALLBACK:
        logger.warning("numba has only %r: its parallel code is left to the compute thread", layer)
    else:
        logger.info("parallel code of numba runs on %r, which is safe for threads", layer)
    return layer


# --- compiled code


def keep_compiled_code(cache_dir: Path) -> None:
    """Let numba keep what it compiles below ``cache_dir``, also for child processes; a user's own choice stays.

    By itself it writes beside the sources or into the home folder, and where neither can be written every function
    that asks to be kept fails to be compiled: our kernels, UMAP, scanpy.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    os.environ["NUMBA_CACHE_DIR"] = str(cache_dir / "numba")
    if "numba" in sys.modules:
        # Now rather than when it finds the environment changed: the kernels have set values of their own by then.
        sys.modules["numba"].config.reload_config()


# --- what libraries print


def silence() -> None:
    """Before scvi-tools is used: its and Lightning's chatter off the console, and no look for a cluster.

    Filters and levels are set for good rather than within a ``with``: that would change and restore them for every
    thread of the server, in the wrong order.
    """
    import scvi
    from lightning.fabric.utilities.warnings import PossibleUserWarning

    no_cluster()
    warnings.filterwarnings("ignore", category=PossibleUserWarning)  # advice on workers and logging intervals
    for module in (r"lightning\.", r"scvi\.", r"torch\.", r"torchmetrics\.", r"pyro\."):
        for category in (UserWarning, FutureWarning, DeprecationWarning):
            warnings.filterwarnings("ignore", category=category, module=module)
    for message in (
        "`accelerator` has been",  # scvi-tools on MPS; our device page says it
        "Last batch will have a small size",  # the split has seen to it
        "User provided device_type of",  # autocast on a machine without CUDA
    ):
        warnings.filterwarnings("ignore", message=message)
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if scvi.settings.verbosity != logging.ERROR:
        scvi.settings.verbosity = logging.ERROR
