"""The engines by name, and what an engine decides.

``stock`` is scvi-tools' own loop (``_stock``), ``fused`` the step written out (``_fused``). Everything else of a run
(model, split, callbacks, checkpoints, metrics, device) is the same for both, and both leave a plain ``SCVI``.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

from ..errors import BadInput
from ..types import Notice, RunSpec, notice

# scvi-tools' models have no types: ``Any``.

logger = logging.getLogger("backend.training")

# Their implementation on each device, and what the pages say of it.
KERNELS = {"cpu": "numba", "mps": "torch", "cuda": "triton" if find_spec("triton") else "torch"}
_WORDS = {"numba": "CPU kernels (numba)", "torch": "torch on {}", "triton": "Triton kernels on {}"}


@dataclass(frozen=True, slots=True)
class Ready:
    """Who will train a model, and what is to be said of it."""

    engine: str  # the one asked for, unless it had to give way
    implementation: str = "scvi-tools"  # what it computes with, in words
    notices: tuple[Notice, ...] = ()


class Engine(Protocol):
    preparation: str  # what ``prepare`` does that takes time, for the page; empty where it takes none

    def prepare(self, model: Any, spec: RunSpec, accelerator: str) -> Ready:
        """Make ready to train ``model``, an untrained ``SCVI``."""


class StockEngine:
    """scvi-tools as it comes, the baseline of every comparison."""

    preparation = ""

    def prepare(self, model: Any, spec: RunSpec, accelerator: str) -> Ready:
        return Ready("stock")


class FusedEngine:
    """The same model and the same loss as ``stock``, several times faster on a CPU.

    Where the model uses something that is not written out exactly, or the kernels cannot be made ready on this
    computer, the run falls back to ``stock`` and says why.
    """

    preparation = "preparing the engine (up to half a minute, once in a workspace)"

    def prepare(self, model: Any, spec: RunSpec, accelerator: str) -> Ready:
        option = _unsupported(model, spec)
        if option is not None:
            return Ready("stock", notices=(notice("engine_fell_back", option=option),))
        from ..kernels import compile_kernels

        if KERNELS[accelerator] == "numba":
            try:
                compile_kernels()  # before the first epoch, whose time it would spoil
            except Exception:
                logger.warning("the kernels cannot be compiled", exc_info=True)
                return Ready("stock", notices=(notice("kernels_not_compiled"),))
        return Ready("fused", _WORDS[KERNELS[accelerator]].format(accelerator.upper()))


_ENGINES: dict[str, type[Engine]] = {"fused": FusedEngine, "stock": StockEngine}


def available_engines() -> tuple[str, ...]:
    return tuple(_ENGINES)


def make_engine(name: str) -> Engine:
    """Raises ``BadInput`` for a name there is not."""
    if name not in _ENGINES:
        raise BadInput(f"There is no engine {name!r}. Available: {', '.join(_ENGINES)}.")
    return _ENGINES[name]()


def _unsupported(model: Any, spec: RunSpec) -> str | None:
    """The option that the fused engine cannot train; empty: the counts are no CSR matrix; None: it can."""
    from scipy.sparse import issparse
    from scvi import REGISTRY_KEYS

    from ..network import obstacle

    if spec.precision not in ("32-true", "bf16-mixed"):
        return f"precision={spec.precision!r}"
    if (option := obstacle(model.module)) is not None:
        return option
    X = model.adata_manager.get_from_registry(REGISTRY_KEYS.X_KEY)
    return "" if not issparse(X) or X.format != "csr" else None


def obstacle_of_own(model: Any) -> str:
    """What prepared cells and the models of a run never have, and people's own may; empty where nothing is."""
    import numpy as np
    from scipy.sparse import issparse
    from scvi import REGISTRY_KEYS
    from scvi.module import VAE

    if type(model.module) is not VAE:
        return f"a module of type {type(model.module).__name__}"
    if any(not one.requires_grad or one._backward_hooks for one in model.module.parameters()):
        return "frozen weights, as load_query_data leaves them"
    X = model.adata_manager.get_from_registry(REGISTRY_KEYS.X_KEY)
    if not issparse(X) or X.format != "csr":
        return ""  # ``prepare`` says so
    if X.dtype.kind not in "iuf" or X.dtype == np.float16:
        return f"counts of type {X.dtype}"
    if np.count_nonzero(X.data) < len(X.data):
        return "zeros stored among the counts, which eliminate_zeros() of the matrix removes"
    if not X.has_canonical_format and not X.sorted_indices().has_canonical_format:
        return "genes stored twice in a cell, which sum_duplicates() of the matrix joins"
    return ""
