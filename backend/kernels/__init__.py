"""Fast kernels for SCVI's two expensive places, each beside a plain reference.

``nll_and_gradients`` is the reconstruction loss of zinb, nb and poisson with its gradients, from the decoder's logits;
``Reconstruction`` the same block by block of cells; ``multiply`` and ``multiply_transposed`` are the encoder's first
layer, ``normalise`` and ``sample`` what lies between products, forward and back. ``implementation`` gives the module
that computes them: ``numba`` (CPU), ``triton`` (NVIDIA), ``torch`` (any device) or ``reference`` (the truth in tests).
This package knows nothing of scvi-tools.
"""

from importlib import import_module
from types import ModuleType

from ._compiled import PROCESSOR
from ._numba import compile_kernels
from ._phases import listening, phase
from ._plain import Norm, Sample
from ._sparse import gather_rows
from ._team import Team, one_thread, team_of
from ._types import CsrCounts, Likelihood


def implementation(name: str) -> ModuleType:
    """``numba``, ``triton``, ``torch`` or ``reference``; only the one asked for is imported."""
    return import_module(f"._{name}", __package__)


__all__ = [
    "PROCESSOR",
    "CsrCounts",
    "Likelihood",
    "Norm",
    "Sample",
    "Team",
    "compile_kernels",
    "gather_rows",
    "implementation",
    "listening",
    "one_thread",
    "phase",
    "team_of",
]
