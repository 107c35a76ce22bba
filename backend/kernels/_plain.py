"""What lies between the products of a step, in torch operations: any device, any dtype.

Batch norm with what follows it, and the sample of the latent; forward, and back from the gradient of a result to those
of the arguments. ``_numba`` has the same in one pass each. ``C`` cells, ``H`` hidden units, ``L`` latent dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ._types import CsrCounts, Likelihood

_native = torch.ops.aten


@dataclass(frozen=True, slots=True)
class Norm:
    """Batch norm: ``scale`` and ``shift`` (H,), the running averages that it moves, and how."""

    scale: torch.Tensor
    shift: torch.Tensor
    running_mean: torch.Tensor
    running_var: torch.Tensor
    eps: float


@dataclass(frozen=True, slots=True)
class Normalised:
    """What ``normalise`` made, (C, H), and what its way back needs."""

    out: torch.Tensor
    before: torch.Tensor
    mean: torch.Tensor
    over_deviation: torch.Tensor


def normalise(
    a: torch.Tensor,
    norm: Norm,
    momentum: float,
    *,
    of_minibatch: bool,
    rectified: bool,
    kept: torch.Tensor | None,
) -> Normalised:
    """Batch norm of ``a`` (C, H), and then ReLU and dropout where wished.

    Parameters
    ----------
    of_minibatch
        Normalise by the minibatch's own mean and variance, and move the running averages; else by these.
    kept
        0 or 1 / (1 - p) for each unit, (C, H).
    """
    x, mean, over = _native.native_batch_norm(
        a, norm.scale, norm.shift, norm.running_mean, norm.running_var, of_minibatch, momentum, norm.eps
    )
    if rectified:
        x = torch.relu(x)
    return Normalised(x if kept is None else x * kept, a, mean, over)


def normalise_back(
    d: torch.Tensor,
    made: Normalised,
    norm: Norm,
    d_scale: torch.Tensor,
    d_shift: torch.Tensor,
    *,
    rectified: bool,
    kept: torch.Tensor | None,
) -> torch.Tensor:
    """The gradient for ``a``; ``d`` may be overwritten, ``d_scale`` and ``d_shift`` are filled."""
    if kept is not None:
        d = d.mul_(kept)
    if rectified:  # where a unit was dropped, both its output and its gradient are zero already
        d = _native.threshold_backward(d, made.out, 0)
    d, of_scale, of_shift = _native.native_batch_norm_backward(
        d, made.before, norm.scale, norm.running_mean, norm.running_var, made.mean, made.over_deviation,
        True, norm.eps, [True, True, True],
    )  # fmt: skip
    d_scale.copy_(of_scale)
    d_shift.copy_(of_shift)
    return d


@dataclass(frozen=True, slots=True)
class Sample:
    """Of q(z | x): the sample, its variance and standard deviation, each (C, L), and the KL term over all cells."""

    z: torch.Tensor
    variance: torch.Tensor
    deviation: torch.Tensor
    kl: torch.Tensor


def sample(both: torch.Tensor, noise: torch.Tensor, eps: float) -> Sample:
    """From mean and log variance side by side, (C, 2L), and standard normal ``noise`` (C, L)."""
    mean, log_variance = both.chunk(2, dim=1)
    variance = log_variance.exp().add_(eps)
    deviation = variance.sqrt()
    kl = (variance - variance.log()).addcmul_(mean, mean).sub_(1).sum().mul_(0.5)
    return Sample(torch.addcmul(mean, deviation, noise), variance, deviation, kl)


def sample_back(
    d_z: torch.Tensor, both: torch.Tensor, drawn: Sample, noise: torch.Tensor, eps: float, weight: float
) -> torch.Tensor:
    """The gradient for ``both``, of what ``d_z`` is the gradient of plus ``weight`` times the KL term."""
    d_mean = d_z + weight * both[:, : d_z.shape[1]]
    d_variance = d_z * noise / drawn.deviation
    d_variance += weight * (1 - 1 / drawn.variance)
    return torch.cat((d_mean, d_variance.mul_(drawn.variance - eps).mul_(0.5)), dim=1)


class Whole:
    """``_numba.Reconstruction`` for an implementation that takes all cells at once."""

    def __init__(
        self,
        nll_and_gradients: Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor]],
        *arguments: torch.Tensor | CsrCounts | Likelihood,
        slots: int,
    ) -> None:
        assert slots == 1
        self._compute, self._arguments = nll_and_gradients, arguments
        self._result: Any = None  # a tuple of tensors, once it is there

    def block(self, slot: int, logits: torch.Tensor, low: int, high: int) -> None:
        assert (low, high) == (0, logits.shape[0])
        self._result = self._compute(logits, *self._arguments)

    def result(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        found: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = self._result
        return found
