"""The two places where the kernels enter torch's autograd: the decoder's loss and the encoder's first layer.

    loss_C = decoder_nll(hidden, head, log_theta, theta_row, scale, counts, options)
    out_CH = sparse_linear(weight, inputs, covariates, options)

Letters: C cells, G genes, H hidden, K rows of theta.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from . import _numba, _reference, _torch
from ._phases import phase
from ._types import CsrCounts, GeneOrder, Likelihood

IMPLEMENTATIONS: dict[str, ModuleType] = {"numba": _numba, "torch": _torch, "reference": _reference}


@dataclass(frozen=True, slots=True)
class KernelOptions:
    """Which implementation, which likelihood, and the buffer that each step's logits share."""

    implementation: str = "numba"
    likelihood: Likelihood = field(default_factory=Likelihood)
    matmul: torch.dtype | None = None  # narrower type for the products with the output layers
    buffers: dict[str, torch.Tensor] = field(default_factory=dict)

    def logits_buffer(self, shape: tuple[int, int], like: torch.Tensor) -> torch.Tensor:
        """A (C, heads * G) tensor, the same memory at every step."""
        held = self.buffers.get("logits")
        if held is None or held.shape[0] < shape[0] or held.shape[1] != shape[1]:
            held = self.buffers["logits"] = torch.empty(shape, device=like.device, dtype=like.dtype)
        return held[: shape[0]]


def _mm(
    a: torch.Tensor, b: torch.Tensor, options: KernelOptions, out: torch.Tensor | None = None
) -> torch.Tensor:
    """``a @ b``; with a narrower ``matmul`` its arguments and result are rounded to it, its sums are float32."""
    if options.matmul is None:
        return torch.mm(a, b, out=out)
    product = torch.mm(a.to(options.matmul), b.to(options.matmul))
    return product.to(a.dtype) if out is None else out.copy_(product)


@dataclass(frozen=True, slots=True)
class Head:
    """The decoder's output layers in one piece: ``weight`` (heads * G, H), ``bias`` (heads * G,).

    ``parameters`` are the layers' own weights and biases, all weights first: views of the two, which training updates.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    parameters: tuple[torch.nn.Parameter, ...]


class _DecoderNll(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # of torch, for whatever is to be had again in ``backward``
        hidden: torch.Tensor,
        log_theta: torch.Tensor,
        head: Head,
        theta_row: torch.Tensor,
        scale: torch.Tensor,
        counts: CsrCounts,
        options: KernelOptions,
        *parameters: torch.nn.Parameter,
    ) -> torch.Tensor:
        kernels = IMPLEMENTATIONS[options.implementation]
        logits = options.logits_buffer((hidden.shape[0], head.weight.shape[0]), hidden)
        phase("matmul, forward", _mm, hidden, head.weight.t(), options, out=logits)
        loss: torch.Tensor
        loss, d_bias, d_log_theta = phase(
            "likelihood kernel",
            kernels.nll_and_gradients,
            logits,
            head.bias,
            log_theta,
            theta_row,
            scale,
            counts,
            options.likelihood,
        )
        ctx.save_for_backward(hidden, d_bias, d_log_theta)
        ctx.logits, ctx.head, ctx.options = logits, head, options
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_loss_C: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden, d_bias, d_log_theta = ctx.saved_tensors
        # The kernel differentiated the sum over cells; the loss of training is their mean, one factor for all.
        factor = d_loss_C[0]
        if d_loss_C.device.type == "cpu":
            diverged = bool(factor.isnan())  # for others to see; NaN is not equal to itself
            assert diverged or bool((d_loss_C == factor).all()), "decoder_nll wants one weight for all cells"
        d_hidden = phase("matmul, backward", _mm, ctx.logits, ctx.head.weight, ctx.options).mul_(factor)
        d_weight = phase("matmul, backward", _mm, ctx.logits.t(), hidden * factor, ctx.options)
        heads = ctx.options.likelihood.heads
        d_parameters = (*d_weight.chunk(heads), *(d_bias * factor).chunk(heads))
        return d_hidden, d_log_theta * factor, None, None, None, None, None, *d_parameters


def decoder_nll(
    hidden: torch.Tensor,
    log_theta: torch.Tensor,
    head: Head,
    theta_row: torch.Tensor,
    scale: torch.Tensor,
    counts: CsrCounts,
    options: KernelOptions,
) -> torch.Tensor:
    """Negative log-likelihood of each cell, (C,), from the decoder's last hidden layer.

    Parameters
    ----------
    hidden
        (C, H).
    log_theta
        Log inverse dispersion, (K, G).
    head
        The output layers.
    theta_row
        Which row of theta each cell uses, int64 (C,).
    scale
        Library size or size factor, (C,).
    counts, options
        The cells' counts; implementation, likelihood and buffers.

    Notes
    -----
    Take one backward pass before the next call with the same options: the logits' memory is reused. The gradient
    that arrives must be the same for every cell, as it is below a mean or a sum.
    """
    loss_C: torch.Tensor = _DecoderNll.apply(
        hidden, log_theta, head, theta_row, scale, counts, options, *head.parameters
    )
    return loss_C


class _SparseLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        weight: torch.Tensor,
        inputs: CsrCounts,
        covariates: torch.Tensor | None,
        implementation: str,
    ) -> torch.Tensor:
        kernels = IMPLEMENTATIONS[implementation]
        weight_IH = weight.t()  # the layer keeps its weights gene-major, see fused training
        out: torch.Tensor = phase("encoder, forward", kernels.multiply, inputs, weight_IH[: inputs.n_vars])
        if covariates is not None:
            out.addmm_(covariates, weight_IH[inputs.n_vars :])
        ctx.inputs, ctx.covariates, ctx.kernels = inputs, covariates, kernels
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        d_weight = phase("encoder, backward", ctx.kernels.multiply_transposed, ctx.inputs, d_out)
        if ctx.covariates is not None:
            d_weight = torch.cat((d_weight, ctx.covariates.t() @ d_out))
        return d_weight.t(), None, None, None


def sparse_linear(
    weight: torch.Tensor,
    inputs: CsrCounts | GeneOrder,
    covariates: torch.Tensor | None,
    options: KernelOptions,
) -> torch.Tensor:
    """``[inputs, covariates] @ weight.T``, (C, H), without making the inputs dense on the CPU.

    ``weight`` (H, G + covariates) must be stored gene-major (its transpose contiguous); ``covariates`` (C, n) or None.
    """
    inputs = inputs.by_cell() if isinstance(inputs, GeneOrder) else inputs
    out_CH: torch.Tensor = _SparseLinear.apply(weight, inputs, covariates, options.implementation)
    return out_CH
