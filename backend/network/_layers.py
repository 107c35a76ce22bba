"""scvi-tools' fully connected layers, forward and back: linear, batch norm, layer norm, ReLU, dropout.

    stack = Stack(fc_layers, arena)
    out_CH = stack.forward(x, covariates, training=True)
    d_x = stack.backward(d_out_CH)       # the gradients of parameters are in the arena

A stack keeps what its backward pass needs, so one minibatch goes forward and back before the next. Dropout draws what
``torch.nn.Dropout`` draws on the device. ``C`` cells, ``H`` hidden units.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch

from ..kernels import CsrCounts, Norm, phase
from ._arena import Arena

# scvi-tools' models and what Lightning hands over have no types: ``Any``.

_native = torch.ops.aten


class Layer:
    """One of scvi-tools' blocks, of which all but the linear layer may be left out."""

    def __init__(self, block: Any, arena: Arena, kernels: ModuleType, *, gene_major: bool = False) -> None:
        self._kernels = kernels
        self._linear, self._norm, self._layer_norm = _found(block)
        self._dropout = next((one.p for one in block if isinstance(one, torch.nn.Dropout)), 0.0)
        self._rectified = any(isinstance(one, torch.nn.ReLU) for one in block)
        self._at_once = self._norm is not None and self._layer_norm is None  # batch norm and what follows it
        self.weight = arena.place(self._linear.weight, transposed=gene_major)
        self.bias = None if self._linear.bias is None else arena.place(self._linear.bias)
        if self._norm is not None:
            self._scale, self._shift = arena.place(self._norm.weight), arena.place(self._norm.bias)
        self._width = self._linear.out_features

    def draw(self, n_obs: int, training: bool) -> None:
        """Draw what ``activate`` drops; layers draw in their order."""
        dropped = training and self._dropout > 0
        self._kept = (
            _dropout_mask(self.weight.value.new_empty(n_obs, self._width), self._dropout) if dropped else None
        )

    def activate(self, a: torch.Tensor, training: bool) -> torch.Tensor:
        """What follows the linear layer, whose output (C, H) may be overwritten."""
        x = a
        if self._norm is not None:
            x = self._normalise(x, training)
        if self._layer_norm is not None:
            self._before_layer_norm = x
            x, self._layer_mean, self._layer_over_deviation = _native.native_layer_norm(
                x, [self._width], None, None, self._layer_norm.eps
            )
        if not self._at_once:
            if self._rectified:
                x = torch.relu(x)
            if self._kept is not None:
                x = x * self._kept
        self._out = x
        return x

    def back_to_linear(self, d: torch.Tensor) -> torch.Tensor:
        """From the gradient of ``activate``'s result to that of its argument; ``d`` may be overwritten."""
        if not self._at_once:
            if self._kept is not None:
                d = d.mul_(self._kept)
            if self._rectified:  # where a unit was dropped, both its output and its gradient are zero already
                d = _native.threshold_backward(d, self._out, 0)
        if self._layer_norm is not None:
            d, _, _ = _native.native_layer_norm_backward(
                d,
                self._before_layer_norm,
                [self._width],
                self._layer_mean,
                self._layer_over_deviation,
                None,
                None,
                [True, False, False],
            )
        if self._norm is not None:
            d = self._kernels.normalise_back(
                d,
                self._made,
                self._batch_norm(),
                self._scale.gradient,
                self._shift.gradient,
                rectified=self._at_once and self._rectified,
                kept=self._kept if self._at_once else None,
            )
        if self.bias is not None:
            torch.sum(d, 0, out=self.bias.gradient)
        return d

    def _normalise(self, a: torch.Tensor, training: bool) -> torch.Tensor:
        norm = self._norm
        of_minibatch = training or norm.training  # alone in training: its averages are recomputed
        momentum = 1 / (1 + int(norm.num_batches_tracked)) if norm.momentum is None else norm.momentum
        self._made = self._kernels.normalise(
            a,
            self._batch_norm(),
            momentum,
            of_minibatch=of_minibatch,
            rectified=self._at_once and self._rectified,
            kept=self._kept if self._at_once else None,
        )
        if of_minibatch:
            norm.num_batches_tracked.add_(1)
        out: torch.Tensor = self._made.out
        return out

    def _batch_norm(self) -> Norm:
        norm = self._norm
        return Norm(self._scale.value, self._shift.value, norm.running_mean, norm.running_var, norm.eps)


class Stack:
    """Layers on dense inputs; the covariates join every layer, or the first alone.

    Parameters
    ----------
    fc
        scvi-tools' ``FCLayers``.
    first
        The number of the first of its layers that belongs to this stack.
    """

    def __init__(self, fc: Any, arena: Arena, kernels: ModuleType, first: int = 0) -> None:
        blocks = list(enumerate(fc.fc_layers))[first:]
        self._layers = [Layer(block, arena, kernels) for _, block in blocks]
        self._joined = [fc.n_cov > 0 and fc.inject_into_layer(i) for i, _ in blocks]

    def draw(self, n_obs: int, training: bool) -> None:
        for layer in self._layers:
            layer.draw(n_obs, training)

    def forward(self, x: torch.Tensor, covariates: torch.Tensor | None, training: bool) -> torch.Tensor:
        self._inputs = []
        for layer, joined in zip(self._layers, self._joined, strict=True):
            if joined and covariates is not None:
                x = torch.cat((x, covariates), dim=1)
            self._inputs.append(x)
            x = layer.activate(_affine(x, layer.weight.value, layer.bias), training)
        return x

    def backward(self, d: torch.Tensor, *, to: int) -> torch.Tensor:
        """The gradient of the first ``to`` columns that went in."""
        for i in reversed(range(len(self._layers))):
            layer, x = self._layers[i], self._inputs[i]
            d = layer.back_to_linear(d)
            torch.mm(d.t(), x, out=layer.weight.gradient)
            below = self._layers[i - 1].weight.value.shape[0] if i else to
            d = d @ layer.weight.value[:, :below]
        return d


class SparseLayer:
    """The encoder's first layer: sparse inputs, and covariates if the encoder sees them.

    Its weights are laid out gene-major, (G + covariates, H): a non-zero of the inputs meets one row of them.
    """

    def __init__(self, fc: Any, arena: Arena, kernels: ModuleType) -> None:
        self._layer = Layer(fc.fc_layers[0], arena, kernels, gene_major=True)
        self._kernels = kernels

    def draw(self, n_obs: int, training: bool) -> None:
        self._layer.draw(n_obs, training)

    def multiply(self, inputs: CsrCounts, **threads: int) -> torch.Tensor:
        """``threads``, as those kernels take it that have threads of their own."""
        weight = self._layer.weight.value[: inputs.n_vars]
        product: torch.Tensor = phase("encoder, forward", self._kernels.multiply, inputs, weight, **threads)
        return product

    def forward(
        self, a: torch.Tensor, inputs: CsrCounts, covariates: torch.Tensor | None, training: bool
    ) -> torch.Tensor:
        """From ``multiply``'s result."""
        weight, bias = self._layer.weight.value, self._layer.bias
        if covariates is not None:
            a.addmm_(covariates, weight[inputs.n_vars :])
        self._inputs, self._covariates = inputs, covariates
        return self._layer.activate(a if bias is None else a.add_(bias.value), training)

    def back_to_linear(self, d: torch.Tensor) -> torch.Tensor:
        """The gradient of what the inputs were multiplied into."""
        return self._layer.back_to_linear(d)

    def backward(self, d: torch.Tensor, **threads: int) -> None:
        """From there to the weights."""
        gradient, n_vars = self._layer.weight.gradient, self._inputs.n_vars
        back = self._kernels.multiply_transposed
        phase("encoder, backward", back, self._inputs, d, out=gradient[:n_vars], **threads)
        if self._covariates is not None:
            torch.mm(self._covariates.t(), d, out=gradient[n_vars:])


def _found(block: Any) -> tuple[Any, Any, Any]:
    """Linear, batch norm and layer norm of a block; None for a norm that is not there."""
    kinds = (torch.nn.Linear, torch.nn.BatchNorm1d, torch.nn.LayerNorm)
    linear, norm, layer_norm = (next((one for one in block if isinstance(one, kind)), None) for kind in kinds)
    return linear, norm, layer_norm


def _affine(x: torch.Tensor, weight: torch.Tensor, bias: Any) -> torch.Tensor:
    return x @ weight.t() if bias is None else torch.addmm(bias.value, x, weight.t())


def _dropout_mask(like: torch.Tensor, p: float) -> torch.Tensor:
    """0 or 1 / (1 - p), drawn as torch's dropout draws it on this device."""
    if like.device.type == "cpu":
        return torch.empty_like(like).bernoulli_(1 - p).div_(1 - p)
    scaled, _ = torch.native_dropout(torch.ones_like(like), p, True)
    return scaled
