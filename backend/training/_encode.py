"""The mean of q(z|x) of a fixed sample of cells, while the model trains: no random number, no trace.

The counts of the sample are gathered once and stay sparse; only the encoder's first layer sees them. Works on the
module as either engine lays it out.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from scvi import REGISTRY_KEYS

_BLOCK = 256  # cells, where the device has no sparse product


class SampleEncoder:
    """``encoder()`` gives (C, L) float32 on the CPU.

    Refuses, with ``NotImplementedError``, an encoder that sees covariates: no spec asks for one.
    """

    def __init__(self, manager: Any, module: Any, cells: np.ndarray[Any, Any]) -> None:
        if getattr(module, "encode_covariates", False):
            raise NotImplementedError("the encoder sees covariates")
        self._encoder = module.z_encoder
        counts = manager.get_from_registry(REGISTRY_KEYS.X_KEY)[cells].astype(np.float32)
        if module.log_variational:
            np.log1p(counts.data, out=counts.data)
        device = next(module.parameters()).device
        self._dense_blocks = None if _multiplies_sparse(device) else counts
        self._inputs = None if self._dense_blocks is not None else _as_csr(counts, device)

    @torch.no_grad()
    def __call__(self) -> np.ndarray[Any, Any]:
        encoder = self._encoder
        was_training = encoder.training
        encoder.eval()
        try:
            (first, *rest), *others = encoder.encoder.fc_layers
            x = self._first(first.weight) + first.bias
            for layer in [*rest, *(layer for block in others for layer in block)]:
                if layer is not None:
                    x = layer(x)
            latent: np.ndarray[Any, Any] = encoder.mean_encoder(x).float().cpu().numpy()
        finally:
            encoder.train(was_training)
        return latent

    def _first(self, weight: torch.Tensor) -> torch.Tensor:
        if self._inputs is not None:
            return self._inputs @ weight.t()
        counts = self._dense_blocks
        assert counts is not None
        starts = range(0, counts.shape[0], _BLOCK)
        blocks = (torch.from_numpy(counts[start : start + _BLOCK].toarray()) for start in starts)
        return torch.cat([block.to(weight.device) @ weight.t() for block in blocks])


def _multiplies_sparse(device: torch.device) -> bool:
    return device.type == "cuda" or (device.type == "cpu" and torch.backends.mkl.is_available())


def _as_csr(counts: Any, device: torch.device) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            torch.from_numpy(counts.indptr.astype(np.int32)),
            torch.from_numpy(counts.indices.astype(np.int32)),
            torch.from_numpy(counts.data),
            size=counts.shape,
            check_invariants=True,
            device=device,
        )
