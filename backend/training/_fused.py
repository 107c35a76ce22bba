"""The fused engine: the same model and the same loss as ``stock``, several times faster on a CPU.

It plugs a training plan and a splitter into an ordinary ``SCVI``. Where the model uses something that the kernels do
not compute exactly, the run falls back to ``stock`` and says which option was the cause.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from ..types import RunSpec, notice
from ._engines import TrainArguments

IMPLEMENTATIONS = {"cpu": "numba", "mps": "torch", "cuda": "torch"}
WORDS = {"cpu": "CPU kernels (numba)", "mps": "torch on MPS", "cuda": "torch on CUDA"}


class FusedEngine:
    preparation = "preparing the engine (up to half a minute, once on this computer)"

    def check(self, spec: RunSpec, accelerator: str) -> None:
        """Refuses nothing: what it cannot do falls back to stock when the model is known."""

    def install(self, model: Any, spec: RunSpec, accelerator: str) -> TrainArguments:
        obstacle = unsupported(model, spec)
        if obstacle is not None:
            return TrainArguments(notices=(notice("engine_fell_back", option=obstacle),), engine="stock")
        from ..kernels import compile_kernels
        from ._fused_plan import FusedTrainingPlan, make_ordinary
        from ._minibatches import CsrSplitter

        if IMPLEMENTATIONS[accelerator] == "numba":
            compile_kernels()  # before the first epoch, whose time it would spoil
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
            implementation=WORDS[accelerator],
            precision="32-true",  # where bfloat16 is asked for, the plan sees to it: all but the products stays exact
        )


def unsupported(model: Any, spec: RunSpec) -> str | None:
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
