"""The fused engine's training plan: scvi-tools' own loop, loss and metrics, with its two expensive places replaced.

The encoder's first layer multiplies sparse, and the decoder's output layers run into the likelihood without
cells-by-genes temporaries (``backend.kernels``). Everything between is the module's own layers. For a fit the
parameters concerned are laid out as the kernels like them; ``make_ordinary`` undoes that.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from scvi import REGISTRY_KEYS
from scvi.module._constants import MODULE_KEYS
from scvi.module.base import LossOutput
from scvi.train import TrainingPlan
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import one_hot

from ..kernels import Head, KernelOptions, Likelihood, decoder_nll, phase, sparse_linear
from ._minibatches import Minibatch, counts_of, inputs_of


class FusedTrainingPlan(TrainingPlan):
    """A ``TrainingPlan`` of a ``VAE`` that takes ``CsrLoader``'s minibatches.

    Parameters
    ----------
    implementation
        Of the kernels: ``numba``, ``torch`` or ``reference``.
    matmul
        What the large matrix products compute in: ``float32``, or ``bfloat16`` with float32 sums.
    """

    def __init__(
        self, module: Any, *args: Any, implementation: str = "numba", matmul: str = "float32", **kwargs: Any
    ) -> None:
        super().__init__(module, *args, **kwargs)
        mean = "softplus" if module.use_size_factor_key else "softmax"
        narrow = {"float32": None, "bfloat16": torch.bfloat16}[matmul]
        self._options = KernelOptions(implementation, Likelihood(module.gene_likelihood, mean), narrow)
        self._head: Head | None = None

    # --- parameters -----------------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        """Lay out the parameters, now that they are on their device."""
        super().on_fit_start()
        first = self.module.z_encoder.encoder.fc_layers[0][0]
        first.weight.data = first.weight.data.t().contiguous().t()
        layers = [self.module.decoder.px_scale_decoder[0]]
        if self._options.likelihood.heads == 2:
            layers.append(self.module.decoder.px_dropout_decoder)
        weights, biases = [layer.weight for layer in layers], [layer.bias for layer in layers]
        self._head = Head(_stack(weights), _stack(biases), (*weights, *biases))

    def _optimizer_creator_fn(self, optimizer_cls: Any) -> Any:
        # The fused form is one pass over parameters, gradients and moments instead of a dozen.
        quick = type(optimizer_cls.__name__, (_Contiguous, optimizer_cls), {})
        return lambda params: quick(
            params, lr=self.lr, eps=self.eps, weight_decay=self.weight_decay, fused=True
        )

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None
    ) -> None:
        gradients = partial(phase, "gradients", optimizer_closure)
        phase("step", super().optimizer_step, epoch, batch_idx, optimizer, gradients)

    # --- metrics --------------------------------------------------------------------------------------

    def compute_and_log_metrics(self, loss_output: LossOutput, metrics: dict[str, Any], mode: str) -> None:
        """As scvi-tools, but logged with an epoch's last minibatch only: the metrics add up by themselves.

        What Lightning does for four metrics at every step takes longer than a step on few genes.
        """
        epoch = self.trainer.fit_loop.epoch_loop
        progress = epoch.val_loop.batch_progress if mode == "validation" else epoch.batch_progress
        if progress.is_last_batch:
            super().compute_and_log_metrics(loss_output, metrics, mode)
            return
        with torch.inference_mode():
            metrics[f"elbo_{mode}"].update(
                reconstruction_loss=loss_output.reconstruction_loss_sum,
                kl_local=loss_output.kl_local_sum,
                kl_global=loss_output.kl_global_sum,
                n_obs_minibatch=loss_output.n_obs_minibatch,
            )

    # --- one minibatch --------------------------------------------------------------------------------

    def forward(self, minibatch: Minibatch, loss_kwargs: dict[str, Any]) -> Any:
        """What ``VAE.forward`` and ``VAE.loss`` compute, as (inference outputs, {}, ``LossOutput``)."""
        module = self.module
        batch_index = minibatch[REGISTRY_KEYS.BATCH_KEY]
        continuous = minibatch.get(REGISTRY_KEYS.CONT_COVS_KEY)
        categorical = minibatch.get(REGISTRY_KEYS.CAT_COVS_KEY)
        categories = [batch_index, *([] if categorical is None else categorical.split(1, dim=1))]

        qz = self._encode(minibatch, categories, continuous)
        z = module.z_encoder.z_transformation(qz.rsample())
        decoder_input = z if continuous is None else torch.cat([z, continuous], dim=-1)
        hidden = module.decoder.px_decoder(decoder_input, *categories, minibatch[REGISTRY_KEYS.LABELS_KEY])
        log_theta, theta_row = self._dispersion(minibatch)
        assert self._head is not None, "the plan is used outside of a fit"
        reconstruction = decoder_nll(
            hidden,
            log_theta,
            self._head,
            theta_row,
            self._scale(minibatch),
            counts_of(minibatch, module.n_input),
            self._options,
        )
        kl_z = kl_divergence(qz, Normal(torch.zeros_like(qz.loc), torch.ones_like(qz.scale))).sum(dim=-1)
        loss = torch.mean(reconstruction + loss_kwargs.get("kl_weight", 1.0) * kl_z)
        kl_local = {MODULE_KEYS.KL_L_KEY: torch.zeros_like(kl_z), MODULE_KEYS.KL_Z_KEY: kl_z}
        output = LossOutput(loss=loss, reconstruction_loss=reconstruction, kl_local=kl_local)
        return {MODULE_KEYS.QZ_KEY: qz, MODULE_KEYS.Z_KEY: z}, {}, output

    def _encode(self, minibatch: Minibatch, categories: list[Any], continuous: Any) -> Normal:
        """q(z | x), as ``Encoder.forward``; the first layer sparse, its covariates (if encoded) dense."""
        encoder = self.module.z_encoder
        layers = encoder.encoder.fc_layers
        dense = [
            one_hot(category.squeeze(-1), n).float()
            for n, category in zip(encoder.encoder.n_cat_list, categories, strict=False)
            if n > 1
        ]
        first = dense if continuous is None or not self.module.encode_covariates else [continuous, *dense]
        linear, *rest = layers[0]
        x = sparse_linear(
            linear.weight,
            inputs_of(minibatch, self.module.n_input),
            torch.cat(first, dim=-1) if first else None,
            self._options,
        )
        x = _apply(rest, x + linear.bias)
        for i, (linear, *rest) in enumerate(layers[1:], start=1):
            if encoder.encoder.inject_into_layer(i):
                x = torch.cat((x, *dense), dim=-1)
            x = _apply(rest, linear(x))
        variance = encoder.var_activation(encoder.var_encoder(x)) + encoder.var_eps
        return Normal(encoder.mean_encoder(x), variance.sqrt())

    def _scale(self, minibatch: Minibatch) -> torch.Tensor:
        if self.module.use_size_factor_key:
            return minibatch[REGISTRY_KEYS.SIZE_FACTOR_KEY].flatten().float()
        return minibatch["library"]

    def _dispersion(self, minibatch: Minibatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Log theta, (K, G), and which row each cell uses."""
        module = self.module
        if module.dispersion == "gene":
            return module.px_r[None], torch.zeros_like(minibatch[REGISTRY_KEYS.BATCH_KEY].flatten())
        key = REGISTRY_KEYS.BATCH_KEY if module.dispersion == "gene-batch" else REGISTRY_KEYS.LABELS_KEY
        return module.px_r.t().contiguous(), minibatch[key].flatten()


class _Contiguous:
    """For an optimizer: shows it weights that are kept transposed as they lie in memory.

    torch's fused Adam takes more than twice as long for weights that are not contiguous.
    """

    def _init_group(self, group: Any, *lists: Any) -> Any:
        result = super()._init_group(group, *lists)  # type: ignore[misc]
        together = lists[:4]  # parameters, gradients and both moments
        for i, weight in enumerate(lists[0]):
            if weight.dim() == 2 and not weight.is_contiguous():
                for tensors in together:
                    tensors[i] = tensors[i].detach().t()
        return result


def make_ordinary(module: torch.nn.Module) -> None:
    """Give every parameter contiguous memory of its own again, as a module has it that was never fused."""
    for parameter in module.parameters():
        parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)


def _apply(layers: Any, x: torch.Tensor) -> torch.Tensor:
    for layer in layers:
        if layer is not None:
            x = layer(x)
    return x


def _stack(parameters: list[torch.nn.Parameter]) -> torch.Tensor:
    """The parameters' values in one tensor, of which each of them becomes a view."""
    together = torch.cat([parameter.data for parameter in parameters])
    start = 0
    for parameter in parameters:
        parameter.data = together[start : start + len(parameter)]
        start += len(parameter)
    return together
