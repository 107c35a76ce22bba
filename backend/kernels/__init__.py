"""Fast kernels for SCVI's two expensive places, each beside a plain reference.

``nll_and_gradients`` is the reconstruction loss of zinb, nb and poisson with its gradients, from the decoder's logits;
``multiply`` and ``multiply_transposed`` are the encoder's first layer, forward and back. ``IMPLEMENTATIONS`` has the
modules that compute them: ``numba`` (CPU), ``torch`` (any device) and ``reference`` (plain torch, the truth in tests).
This package knows nothing of scvi-tools.
"""

from . import _numba, _reference, _torch
from ._compiled import PROCESSOR
from ._numba import compile_kernels
from ._phases import listening, phase
from ._sparse import gather_rows
from ._types import CsrCounts, Likelihood

IMPLEMENTATIONS = {"numba": _numba, "torch": _torch, "reference": _reference}

__all__ = [
    "IMPLEMENTATIONS",
    "PROCESSOR",
    "CsrCounts",
    "Likelihood",
    "compile_kernels",
    "gather_rows",
    "listening",
    "phase",
]
