"""scvi-tools' ``VAE`` as one explicit step: what ``VAE.forward`` and ``VAE.loss`` compute, and the gradients by hand.

The encoder's first layer multiplies sparse, and the decoder's output layers run into the likelihood without
cells-by-genes temporaries but the logits, which become their own gradient in place (``backend.kernels``).
``C`` cells, ``G`` genes, ``H`` hidden units, ``L`` latent dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import one_hot

from ..kernels import Likelihood, Sample, Team, one_thread, phase, team_of
from ..kernels import implementation as kernels_of
from ._arena import Arena
from ._layers import SparseLayer, Stack
from ._minibatch import Minibatch

# scvi-tools' models and what Lightning hands over have no types: ``Any``.

Update = Callable[[int, int], object]

_BLOCK = 128  # cells whose logits are made, used and sent back before those of the next
_PIECE = 1024  # output units whose gradient is one piece of work, a multiple of a line of memory
_WIDE = 16_000_000  # multiplications in the sparse layer from which on several threads are worth their waking


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
        self._kernels = kernels = kernels_of(implementation)
        self._has_team = implementation == "numba"
        mean = "softplus" if module.use_size_factor_key else "softmax"
        self._likelihood = Likelihood(module.gene_likelihood, mean)
        self._matmul = matmul
        self._logits = torch.empty(0)
        self._likely: Any = None  # the kernel's ``Reconstruction`` of this minibatch
        self.arena = arena = Arena()
        encoder, decoder = module.z_encoder, module.decoder
        self._first = SparseLayer(encoder.encoder, arena, kernels)
        self._encoder = Stack(encoder.encoder, arena, kernels, first=1)
        self._n_first = encoder.encoder.fc_layers[0][0].out_features
        self._n_encoded = encoder.mean_encoder.in_features
        outputs = encoder.mean_encoder, encoder.var_encoder
        self._latent_weight = arena.place(*(layer.weight for layer in outputs))
        self._latent_bias = arena.place(*(layer.bias for layer in outputs))
        self._decoder = Stack(decoder.px_decoder, arena, kernels)
        heads = [decoder.px_scale_decoder[0], decoder.px_dropout_decoder][: self._likelihood.heads]
        self._head_weight = arena.place(*(layer.weight for layer in heads))
        self._head_bias = arena.place(*(layer.bias for layer in heads))
        self._log_theta = None
        if self._likelihood.name != "poisson":
            self._log_theta = arena.place(module.px_r, transposed=module.px_r.dim() == 2)
        arena.settle()
        self._no_theta = arena.values.new_zeros(1, module.n_input)

    def step(self, cells: Minibatch, kl_weight: float, update: Update = lambda start, end: None) -> Losses:
        """One minibatch forward and back: losses, with the gradients of their mean in the arena.

        ``update`` is called with parts of the arena as soon as their gradients are there and the parameters are not
        needed any more in this step, from any thread; in the end it was called for all of it.
        """
        with self._working() as team:
            both, noise, drawn, decoded, hidden = self._to_output(cells, team, training=True)
            reconstruction, d_bias, d_log_theta, d_decoded = self._reconstruct(
                team, decoded, cells, back=True
            )
            losses = _losses(reconstruction, drawn.kl, kl_weight)
            share = 1.0 / cells.n_obs  # the loss is the mean over cells
            torch.mul(d_bias, share, out=self._head_bias.gradient)
            if self._log_theta is not None:
                torch.mul(d_log_theta, share, out=self._log_theta.gradient.view_as(d_log_theta))
            threads = self._sparse_threads(cells, team)
            heads, d_first = self._head_weight, torch.empty(0)

            def back() -> None:
                nonlocal d_first
                d_first = self._back_to_first(
                    d_decoded.mul_(share), both, noise, drawn, hidden, kl_weight * share
                )
                if threads.get("threads", 1) == 1:
                    self._first.backward(d_first, **threads)
                    update(0, heads.start)

            team.run(self._head_pieces(decoded * share, update), back)
            if threads.get("threads", 1) > 1:
                self._first.backward(d_first, **threads)
                edges = [heads.start * i // team.size // 16 * 16 for i in range(team.size)] + [heads.start]
                team.run([partial(update, low, high) for low, high in pairwise(edges)])
            update(heads.start + heads.size, self.arena.values.numel())
        return losses

    def evaluate(self, cells: Minibatch, kl_weight: float) -> Losses:
        """The losses of a minibatch in evaluation mode."""
        with self._working() as team:
            _, _, drawn, decoded, _ = self._to_output(cells, team, training=False)
            reconstruction, *_ = self._reconstruct(team, decoded, cells, back=False)
            return _losses(reconstruction, drawn.kl, kl_weight)

    def through_batch_norms(self, cells: Minibatch) -> None:
        """Everything before the output layers, in evaluation mode but for batch norms that are in training mode."""
        with self._working() as team:
            self._to_output(cells, team, training=False)

    # --- the parts --------------------------------------------------------------------------------------

    @contextmanager
    def _working(self) -> Iterator[Team]:
        """Whoever shares the work: as many threads as torch has, each with one of torch's; or none but the caller."""
        if not self._has_team:
            yield team_of(1)
            return
        with one_thread() as threads:
            yield team_of(threads)

    def _sparse_threads(self, cells: Minibatch, team: Team) -> dict[str, int]:
        if not self._has_team:
            return {}
        products = cells.inputs.values.numel() * self._n_first
        return {"threads": team.size if products > _WIDE else 1}

    def _to_output(
        self, cells: Minibatch, team: Team, training: bool
    ) -> tuple[torch.Tensor, torch.Tensor, Sample, torch.Tensor, torch.Tensor]:
        """Everything before the output layers: mean and log variance side by side (C, 2L), noise, sample, the
        decoder's and the encoder's last hidden layers."""
        product, noise = self._begin(cells, team, training)
        hidden, covariates = self._encode(product, cells, training)
        both = torch.addmm(self._latent_bias.value, hidden, self._latent_weight.value.t())
        drawn = self._kernels.sample(both, noise, self._module.z_encoder.var_eps)
        if self._module.latent_distribution == "ln":
            drawn = replace(drawn, z=drawn.z.softmax(1))
        return both, noise, drawn, self._decode(drawn.z, cells, covariates, training), hidden

    def _begin(self, cells: Minibatch, team: Team, training: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """The inputs multiplied into the first layer, and the latent's noise; beside it what needs neither: all random
        numbers of the step, in the order of scvi-tools, and what the likelihood needs of the dispersion."""
        product = noise = torch.empty(0)
        threads = self._sparse_threads(cells, team)

        def multiply() -> None:
            nonlocal product
            product = self._first.multiply(cells.inputs, **threads)

        def draw() -> None:
            nonlocal noise
            for part in (self._first, self._encoder):
                part.draw(cells.n_obs, training)
            values = self.arena.values
            noise = values.new_empty(cells.n_obs, self._latent_bias.size // 2).normal_()
            self._decoder.draw(cells.n_obs, training)

        def prepare() -> None:
            self._likely = phase(
                "likelihood kernel",
                self._kernels.Reconstruction,
                self._head_bias.value,
                *self._dispersion(cells),
                cells.scale,
                cells.counts,
                self._likelihood,
                slots=team.size,
            )

        if threads.get("threads", 1) > 1:
            multiply()
            team.run([draw, prepare])
        else:
            team.run([draw, prepare], multiply)
        return product, noise

    def _back_to_first(
        self,
        d_decoded: torch.Tensor,
        both: torch.Tensor,
        noise: torch.Tensor,
        drawn: Sample,
        hidden: torch.Tensor,
        kl_weight: float,
    ) -> torch.Tensor:
        """From the decoder's last hidden layer to what the encoder's inputs were multiplied into."""
        d_z = self._decoder.backward(d_decoded, to=drawn.z.shape[1])
        if self._module.latent_distribution == "ln":
            d_z = torch.ops.aten._softmax_backward_data(d_z, drawn.z, 1, drawn.z.dtype)
        eps = self._module.z_encoder.var_eps
        d_latent = self._kernels.sample_back(d_z, both, drawn, noise, eps, kl_weight)
        torch.mm(d_latent.t(), hidden, out=self._latent_weight.gradient)
        torch.sum(d_latent, 0, out=self._latent_bias.gradient)
        d_hidden = d_latent @ self._latent_weight.value
        return self._first.back_to_linear(self._encoder.backward(d_hidden, to=self._n_encoded))

    def _encode(
        self, product: torch.Tensor, cells: Minibatch, training: bool
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The encoder's last hidden layer, and the categories in one-hot, which the decoder sees as well."""
        one_hots = self._one_hots(cells)
        hidden = one_hots if self._module.encode_covariates else None
        first = hidden
        if self._module.encode_covariates and cells.continuous is not None:
            first = _joined(cells.continuous, hidden)
        x = self._first.forward(product, cells.inputs, first, training)
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

    def _decode(
        self, z: torch.Tensor, cells: Minibatch, one_hots: torch.Tensor | None, training: bool
    ) -> torch.Tensor:
        x = z if cells.continuous is None else torch.cat((z, cells.continuous), dim=1)
        return self._decoder.forward(x, one_hots, training)

    def _reconstruct(
        self, team: Team, decoded: torch.Tensor, cells: Minibatch, back: bool
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Negative log-likelihood of each cell, what ``nll_and_gradients`` gives besides, and the gradient of their sum
        for ``decoded``; leaves the logits' gradient in ``_logits``. Block by block, while the logits are in a cache."""
        n_obs, slots = cells.n_obs, team.size
        logits, d_decoded = self._logits_of(n_obs), torch.empty_like(decoded)
        weight, decoded = self._narrowed(self._head_weight.value), self._narrowed(decoded)
        made = self._likely

        def work(slot: int, low: int, high: int) -> None:
            step = _BLOCK if self._has_team else max(1, n_obs)
            for start in range(low, high, step):
                end = min(start + step, high)
                block = logits[start:end]
                phase("matmul, forward", self._mm, decoded[start:end], weight.t(), out=block)
                phase("likelihood kernel", made.block, slot, logits, start, end)
                if back:
                    phase("matmul, backward", self._mm, block, weight, out=d_decoded[start:end])

        edges = [n_obs * i // slots for i in range(slots + 1)]
        pieces = [partial(work, i, edges[i], edges[i + 1]) for i in range(slots)]
        team.run(pieces[1:], pieces[0])
        return (*made.result(), d_decoded)

    def _head_pieces(self, decoded: torch.Tensor, update: Update) -> list[Callable[[], None]]:
        """The gradients of the output layers' weights, and their update."""
        logits, slot = self._logits[: decoded.shape[0]], self._head_weight
        decoded = self._narrowed(decoded)
        rows, width = slot.gradient.shape

        def work(low: int, high: int) -> None:
            out = slot.gradient[low:high]
            phase("matmul, backward", self._mm, logits[:, low:high].t(), decoded, out=out)
            update(slot.start + low * width, slot.start + high * width)

        size = -(-rows // (4 * _PIECE)) * _PIECE if self._has_team else rows
        return [partial(work, low, min(low + size, rows)) for low in range(0, rows, size)]

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

    def _narrowed(self, a: torch.Tensor) -> torch.Tensor:
        return a if self._matmul is None else a.to(self._matmul)

    def _mm(self, a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> None:
        """``a @ b``; with a narrower type its arguments and result are rounded to it, its sums are float32."""
        if self._matmul is None:
            torch.mm(a, b, out=out)
        else:
            out.copy_(torch.mm(self._narrowed(a), self._narrowed(b)))


def _losses(reconstruction: torch.Tensor, kl: torch.Tensor, kl_weight: float) -> Losses:
    total, n_obs = reconstruction.sum(), reconstruction.shape[0]
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
