"""What a training step takes: the counts of some cells, and what is known of each cell besides."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ..kernels import CsrCounts


@dataclass(frozen=True, slots=True)
class Minibatch:
    """C cells. All tensors live on one device.

    ``inputs`` is what the encoder sees of ``counts``; ``scale`` (C,) the library size or size factor; ``batch`` and
    ``labels`` int64 (C, 1); ``categorical`` int64 (C, n) or None; ``continuous`` (C, n) or None.
    """

    counts: CsrCounts
    inputs: CsrCounts
    scale: torch.Tensor
    batch: torch.Tensor
    labels: torch.Tensor
    categorical: torch.Tensor | None = None
    continuous: torch.Tensor | None = None

    @property
    def n_obs(self) -> int:
        return self.counts.n_obs

    def categories(self) -> tuple[torch.Tensor, ...]:
        """The batch and each categorical covariate, (C,), in the order in which scvi-tools encodes them."""
        more = () if self.categorical is None else self.categorical.unbind(1)
        return (self.batch[:, 0], *more)

    def to(self, device: torch.device) -> Minibatch:
        if self.scale.device == device:
            return self

        def there(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.to(device, non_blocking=True)

        counts = self.counts.to(device)
        return Minibatch(
            counts,
            replace(counts, values=there(self.inputs.values)),
            there(self.scale),
            there(self.batch),
            there(self.labels),
            None if self.categorical is None else there(self.categorical),
            None if self.continuous is None else there(self.continuous),
        )
