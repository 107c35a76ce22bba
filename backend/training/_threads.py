"""How many threads compute, and whose they are.

    use_threads(settings.threads)     # in the thread that will compute, before its first work
    compiled_threads()                # "omp": whose threads compiled code of other packages runs on

Our kernels never enter numba's parallel code: they take ``torch.get_num_threads()`` threads of their own. Other
packages (UMAP, scanpy) do, and numba's plain fallback ends the process when two threads are inside: a layer that
is safe for threads is asked for, and without one only the compute thread may call such code.
"""

from __future__ import annotations

import logging
from types import ModuleType
from typing import Any

logger = logging.getLogger("backend.training")

_FALLBACK = "workqueue"


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

    try:
        return str(numba.threading_layer())
    except ValueError:
        pass  # not chosen yet
    strays = parallel_kernels()
    assert not strays, f"kernels run on threads of their own, not on numba's: {strays}"
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


def parallel_kernels() -> list[str]:
    """Names of our kernels that are compiled for numba's threads: there should be none."""
    from numba.core.dispatcher import Dispatcher

    from .. import kernels

    modules = [value for value in vars(kernels).values() if isinstance(value, ModuleType)]
    return [
        f"{module.__name__}.{name}"
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, Dispatcher) and value.targetoptions.get("parallel")
    ]
