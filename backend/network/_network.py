"""scvi-tools' ``VAE`` as one explicit step: what ``VAE.forward`` and ``VAE.loss`` compute, and the gradients by hand.

The encoder's first layer multiplies sparse, and the decoder's output layers run into the likelihood without
cells-by-genes temporaries but the logits, which become their own gradient in place (``backend.kernels``).
``C`` cells, ``G`` genes, ``H`` hidden units, ``L`` latent dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import one_hot

from ..kernels import Likelihood, phase
from ..kernels import implementation as kernels_of
from ._arena import Arena
from ._layers import SparseLayer, Stack
from ._minibatch import Minibatch

# scvi-tools' models and what Lightning hands over have no types: ``Any``.


@dataclass(frozen=True, slots=True)
class Losses:
    """Of one minibatch, each a number on its device: the mean loss, and two sums over cells."""

    loss: torch.Tensor
    reconstruction: torch.Tensor
    kl: torch.Tensor
    n_obs: int


class Network:
    """The step of a ``VAE``, whose parameters and running averages it moves.

    Parameters
    ----------
    module
        On its device. What it uses must be written out here, see ``obstacle``.
    implementation
        Of the kernels, see ``backend.kernels.implementation``.
    matmul
        A narrower type for the products with the output layers; their sums stay float32.
    """

    def __init__(self, module: Any, implementation: str = "numba", matmul: torch.dtype | None = None) -> None:
        self._module = module
        self._kernels = kernels_of(implementation)
        mean = "softplus" if module.use_size_factor_key else "softmax"
        self._likelihood = Likelihood(module.gene_likelihood, mean)
        self._matmul = matmul
        self._logits = torch.empty(0)
        self.arena = arena = Arena()
        encoder, decoder = module.z_encoder, module.decoder
        self._first = SparseLayer(encoder.encoder, arena, self._kernels)
        self._encoder = Stack(encoder.encoder, arena, first=1)
        self._n_encoded = encoder.mean_encoder.in_features
        outputs = encoder.mean_encoder, encoder.var_encoder
        self._latent_weight = arena.place(*(layer.weight for layer in outputs))
        self._latent_bias = arena.place(*(layer.bias for layer in outputs))
        self._decoder = Stack(decoder.px_decoder, arena)
        heads = [decoder.px_scale_decoder[0], decoder.px_dropout_decoder][: self._likelihood.heads]
        self._head_weight = arena.place(*(layer.weight for layer in heads))
        self._head_bias = arena.place(*(layer.bias for layer in heads))
        self._log_theta = None
        if self._likelihood.name != "poisson":
            self._log_theta = arena.place(module.px_r, transposed=module.px_r.dim() == 2)
        arena.settle()
        self._no_theta = arena.values.new_zeros(1, module.n_input)

    def step(self, cells: Minibatch, kl_weight: float) -> Losses:
        """One minibatch forward and back: losses, with the gradients of their mean in the arena."""
        hidden, covariates = self._encode(cells, training=True)
        mean, variance, deviation, noise, z = self._latent(hidden)
        decoded = self._decode(z, cells, covariates, training=True)
        reconstruction, d_bias, d_log_theta = self._reconstruct(decoded, cells)
        losses = _losses(reconstruction, mean, variance, kl_weight)

        share = 1.0 / cells.n_obs  # the loss is the mean over cells
        torch.mul(d_bias, share, out=self._head_bias.gradient)
        if self._log_theta is not None:
            torch.mul(d_log_theta, share, out=self._log_theta.gradient.view_as(d_log_theta))
        d_decoded = self._back_from_logits(decoded, share)
        d_z = self._decoder.backward(d_decoded, to=z.shape[1])
        if self._module.latent_distribution == "ln":
            d_z = torch.ops.aten._softmax_backward_data(d_z, z, 1, z.dtype)
        weighted = kl_weight * share
        d_mean = d_z + weighted * mean
        d_variance = d_z * noise / deviation
        d_variance += weighted * (1 - 1 / variance)
        d_log_variance = d_variance.mul_(variance - self._module.z_encoder.var_eps).mul_(0.5)
        d_latent = torch.cat((d_mean, d_log_variance), dim=1)
        torch.mm(d_latent.t(), hidden, out=self._latent_weight.gradient)
        torch.sum(d_latent, 0, out=self._latent_bias.gradient)
        d_hidden = d_latent @ self._latent_weight.value
        self._first.backward(self._encoder.backward(d_hidden, to=self._n_encoded))
        return losses

    def evaluate(self, cells: Minibatch, kl_weight: float) -> Losses:
        """The losses of a minibatch in evaluation mode."""
        hidden, covariates = self._encode(cells, training=False)
        mean, variance, _, _, z = self._latent(hidden)
        reconstruction, _, _ = self._reconstruct(self._decode(z, cells, covariates, training=False), cells)
        return _losses(reconstruction, mean, variance, kl_weight)

    def through_batch_norms(self, cells: Minibatch) -> None:
        """Everything before the output layers, in evaluation mode but for batch norms that are in training mode."""
        hidden, covariates = self._encode(cells, training=False)
        *_, z = self._latent(hidden)
        self._decode(z, cells, covariates, training=False)

    # --- the parts --------------------------------------------------------------------------------------

    def _encode(self, cells: Minibatch, training: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The encoder's last hidden layer, and the categories in one-hot, which the decoder sees as well."""
        one_hots = self._one_hots(cells)
        hidden = one_hots if self._module.encode_covariates else None
        first = hidden
        if self._module.encode_covariates and cells.continuous is not None:
            first = _joined(cells.continuous, hidden)
        x = self._first.forward(cells.inputs, first, training)
        return self._encoder.forward(x, hidden, training), one_hots

    def _one_hots(self, cells: Minibatch) -> torch.Tensor | None:
        kinds = self._module.decoder.px_decoder.n_cat_list
        dtype = self.arena.values.dtype
        found = [
            one_hot(category, n).to(dtype)
            for n, category in zip(kinds, cells.categories(), strict=False)
            if n > 1
        ]
        return torch.cat(found, dim=1) if found else None

    def _latent(self, hidden: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Mean and variance of q(z | x), its standard deviation, the noise drawn, and the sample; each (C, L)."""
        both = torch.addmm(self._latent_bias.value, hidden, self._latent_weight.value.t())
        mean, log_variance = both.chunk(2, dim=1)
        variance = log_variance.exp().add_(self._module.z_encoder.var_eps)
        deviation = variance.sqrt()
        noise = torch.empty_like(deviation).normal_()
        z = torch.addcmul(mean, deviation, noise)
        if self._module.latent_distribution == "ln":
            z = z.softmax(1)
        return mean, variance, deviation, noise, z

    def _decode(
        self, z: torch.Tensor, cells: Minibatch, one_hots: torch.Tensor | None, training: bool
    ) -> torch.Tensor:
        x = z if cells.continuous is None else torch.cat((z, cells.continuous), dim=1)
        return self._decoder.forward(x, one_hots, training)

    def _reconstruct(
        self, decoded: torch.Tensor, cells: Minibatch
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Negative log-likelihood of each cell, and what ``nll_and_gradients`` gives besides; leaves the logits'
        gradient in ``_logits``."""
        logits = self._logits_of(cells.n_obs)
        phase("matmul, forward", self._mm, decoded, self._head_weight.value.t(), out=logits)
        log_theta, theta_row = self._dispersion(cells)
        result: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = phase(
            "likelihood kernel",
            self._kernels.nll_and_gradients,
            logits,
            self._head_bias.value,
            log_theta,
            theta_row,
            cells.scale,
            cells.counts,
            self._likelihood,
        )
        return result

    def _back_from_logits(self, decoded: torch.Tensor, share: float) -> torch.Tensor:
        logits = self._logits[: decoded.shape[0]]
        d_decoded: torch.Tensor = phase("matmul, backward", self._mm, logits, self._head_weight.value)
        phase("matmul, backward", self._mm, logits.t(), decoded * share, out=self._head_weight.gradient)
        return d_decoded.mul_(share)

    def _dispersion(self, cells: Minibatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Log theta, (K, G), and which row each cell uses."""
        if self._log_theta is None or self._module.dispersion == "gene":
            log_theta = self._no_theta if self._log_theta is None else self._log_theta.value[None]
            return log_theta, torch.zeros_like(cells.batch[:, 0])
        chosen = cells.batch if self._module.dispersion == "gene-batch" else cells.labels
        return self._log_theta.value, chosen[:, 0]

    def _logits_of(self, n_obs: int) -> torch.Tensor:
        """A (C, heads * G) tensor, the same memory at every step."""
        if self._logits.shape[0] < n_obs:
            weight = self._head_weight.value
            self._logits = torch.empty(n_obs, weight.shape[0], device=weight.device, dtype=weight.dtype)
        return self._logits[:n_obs]

    def _mm(self, a: torch.Tensor, b: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """``a @ b``; with a narrower type its arguments and result are rounded to it, its sums are float32."""
        if self._matmul is None:
            return torch.mm(a, b, out=out)
        product = torch.mm(a.to(self._matmul), b.to(self._matmul))
        return product.to(a.dtype) if out is None else out.copy_(product)


def _losses(
    reconstruction: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor, kl_weight: float
) -> Losses:
    kl = (variance - variance.log()).addcmul_(mean, mean).sub_(1).sum().mul_(0.5)
    total = reconstruction.sum()
    n_obs = reconstruction.shape[0]
    return Losses((total + kl_weight * kl) / n_obs, total, kl, n_obs)


def _joined(continuous: torch.Tensor, one_hots: torch.Tensor | None) -> torch.Tensor:
    return continuous if one_hots is None else torch.cat((continuous, one_hots), dim=1)


def obstacle(module: Any) -> str | None:
    """The option of ``module`` that is not written out here, as scvi-tools spells it; None: all of it is."""
    import torch.nn as nn

    stacks = (module.z_encoder.encoder, module.decoder.px_decoder)
    known = (nn.Linear, nn.BatchNorm1d, nn.LayerNorm, nn.ReLU, nn.Dropout)
    layers = [one for stack in stacks for block in stack.fc_layers for one in block if one is not None]
    strange = next((type(one).__name__ for one in layers if type(one) not in known), "")
    options = {
        f"gene_likelihood={module.gene_likelihood!r}": module.gene_likelihood
        not in ("zinb", "nb", "poisson"),
        "dispersion='gene-cell'": module.dispersion == "gene-cell",
        "use_observed_lib_size=False": not module.use_observed_lib_size,
        f"batch_representation={module.batch_representation!r}": module.batch_representation != "one-hot",
        "var_activation": module.z_encoder.var_activation is not torch.exp,
        f"a layer of type {strange}": bool(strange),
    }
    return next((option for option, applies in options.items() if applies), None)
