"""Fast kernels for SCVI's two expensive places, each beside a plain reference.

``decoder_nll`` is the reconstruction loss of zinb, nb and poisson from the decoder's hidden layer; ``sparse_linear``
is the encoder's first layer. ``KernelOptions.implementation`` chooses: ``numba`` (CPU), ``torch`` (any device) or
``reference`` (plain torch, the truth in tests). This package knows nothing of scvi-tools.
"""

from ._autograd import Head, KernelOptions, decoder_nll, sparse_linear
from ._numba import compile_kernels
from ._phases import listening, phase
from ._sparse import by_gene, gather_rows
from ._types import CsrCounts, GeneOrder, Likelihood

__all__ = [
    "CsrCounts",
    "GeneOrder",
    "Head",
    "KernelOptions",
    "Likelihood",
    "by_gene",
    "compile_kernels",
    "decoder_nll",
    "gather_rows",
    "listening",
    "phase",
    "sparse_linear",
]
