"""The engines by name, and what an engine decides.

An engine plugs into an ordinary ``SCVI`` model through scvi-tools' own extension points
(``model._training_plan_cls``, ``model._data_splitter_cls``), so that the saved model is a plain one.
Everything else of a run (model, split, callbacks, checkpoints, metrics, device) is the same for all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from ..errors import BadInput
from ..types import Notice, RunSpec, notice

logger = logging.getLogger("backend.training")

# Of the kernels, and what the pages say of each.
IMPLEMENTATIONS = {"cpu": "numba", "mps": "torch", "cuda": "torch"}
_WORDS = {"cpu": "CPU kernels (numba)", "mps": "torch on MPS", "cuda": "torch on CUDA"}


@dataclass(frozen=True, slots=True)
class TrainArguments:
    """What an engine adds to ``model.train(...)`` on top of what every run passes.

    The keyword arguments are scvi-tools' own and of as many types, hence ``Any``.
    """

    plan_kwargs: dict[str, Any] = field(default_factory=dict)
    datasplitter_kwargs: dict[str, Any] = field(default_factory=dict)
    trainer_kwargs: dict[str, Any] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    after: Callable[[], None] = lambda: None  # called when the loop is over, also where it raised
    engine: str = ""  # the engine that trains, where the one asked for had to give way
    implementation: str = "scvi-tools"  # what it computes with, in words
    precision: str = ""  # what Lightning is told, where that is not the spec's own


class Engine(Protocol):
    preparation: str  # what ``install`` does that takes time, for the page; empty where it takes none

    def install(self, model: Any, spec: RunSpec, accelerator: str) -> TrainArguments:
        """Set the extension points of ``model``, an untrained ``SCVI``, and say what else ``train`` needs."""


class StockEngine:
    """scvi-tools as it comes, the baseline of every comparison."""

    preparation = ""

    def install(self, model: Any, spec: RunSpec, accelerator: str) -> TrainArguments:
        return TrainArguments()


class FusedEngine:
    """The same model and the same loss as ``stock``, several times faster on a CPU.

    Where the model uses something that the kernels do not compute exactly, or they cannot be made ready on this
    computer, the run falls back to ``stock`` and says why.
    """

    preparation = "preparing the engine (up to half a minute, once in a workspace)"

    def install(self, model: Any, spec: RunSpec, accelerator: str) -> TrainArguments:
        obstacle = _unsupported(model, spec)
        if obstacle is not None:
            return TrainArguments(notices=(notice("engine_fell_back", option=obstacle),), engine="stock")
        from ..kernels import compile_kernels
        from ._fused_plan import FusedTrainingPlan, make_ordinary
        from ._minibatches import CsrSplitter

        if IMPLEMENTATIONS[accelerator] == "numba":
            try:
                compile_kernels()  # before the first epoch, whose time it would spoil
            except Exception:
                logger.warning("the kernels cannot be compiled", exc_info=True)
                return TrainArguments(notices=(notice("kernels_not_compiled"),), engine="stock")
        model._training_plan_cls = FusedTrainingPlan
        model._data_splitter_cls = CsrSplitter
        return TrainArguments(
            plan_kwargs={
                "implementation": IMPLEMENTATIONS[accelerator],
                "matmul": "bfloat16" if spec.precision == "bf16-mixed" else "float32",
            },
            datasplitter_kwargs={
                "log_inputs": model.module.log_variational,
                "drop_tail": accelerator == "mps",  # its gradients were reported wrong after a change of size
            },
            after=partial(make_ordinary, model.module),
            implementation=_WORDS[accelerator],
            precision="32-true",  # where bfloat16 is asked for, the plan sees to it: all but the products stays exact
        )


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

    module = model.module
    X = model.adata_manager.get_from_registry(REGISTRY_KEYS.X_KEY)
    options = {
        f"gene_likelihood={module.gene_likelihood!r}": module.gene_likelihood
        not in ("zinb", "nb", "poisson"),
        "dispersion='gene-cell'": module.dispersion == "gene-cell",
        "use_observed_lib_size=False": not module.use_observed_lib_size,
        f"batch_representation={module.batch_representation!r}": module.batch_representation != "one-hot",
        f"precision={spec.precision!r}": spec.precision not in ("32-true", "bf16-mixed"),
    }
    for option, applies in options.items():
        if applies:
            return option
    return "" if not issparse(X) or X.format != "csr" else None
