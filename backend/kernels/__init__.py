"""Fast kernels for SCVI's two expensive places, each beside a plain reference.

``nll_and_gradients`` is the reconstruction loss of zinb, nb and poisson with its gradients, from the decoder's logits;
``multiply`` and ``multiply_transposed`` are the encoder's first layer, forward and back. ``implementation`` gives the
module that computes them: ``numba`` (CPU), ``triton`` (NVIDIA), ``torch`` (any device) or ``reference`` (plain torch,
the truth in tests). This package knows nothing of scvi-tools.
"""

from importlib import import_module
from types import ModuleType

from ._compiled import PROCESSOR
from ._numba import compile_kernels
from ._phases import listening, phase
from ._sparse import gather_rows
from ._types import CsrCounts, Likelihood


def implementation(name: str) -> ModuleType:
    """``numba``, ``triton``, ``torch`` or ``reference``; only the one asked for is imported."""
    return import_module(f"._{name}", __package__)


__all__ = [
    "PROCESSOR",
    "CsrCounts",
    "Likelihood",
    "compile_kernels",
    "gather_rows",
    "implementation",
    "listening",
    "phase",
]
