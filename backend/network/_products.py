"""Which library computes float32 matrix products.

    with products():
        ...              # torch's products of this process, until the end of the block

On AMD's processors Intel's MKL takes about twice as long as oneDNN, to which torch turns when products need not be
exact. There oneDNN is exact all the same, since these processors have no narrower products of their own: that is
tried once, on a small product, and where it is not so everything stays as it is. The choice depends on the processor
alone, so that a resumed run goes on with the same rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from ..kernels import PROCESSOR

_EXACT = 2e-6  # of the largest value; bfloat16 is a thousand times worse


@contextmanager
def products() -> Iterator[None]:
    if not _better():
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@cache
def _better() -> bool:
    if not PROCESSOR.startswith("znver"):
        return False
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(shape, generator=generator) for shape in ((128, 128), (128, 512)))
    true = a.double() @ b.double()
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        error = ((a @ b) - true).abs().max() / true.abs().max()
    finally:
        torch.set_float32_matmul_precision(before)
    return bool(error < _EXACT)
