"""The fused engine's epochs: minibatches, explicit steps and validation, without autograd and without a trainer.

    fit = FusedFit(model, spec, split, "cpu", callbacks, checkpoint=None)
    fit.run(); fit.conclude()

It draws random numbers in the order of a stock run, weighs an epoch's losses as Lightning does, and calls the same
callbacks by Lightning's names for the same moments (``Fit``): a callback serves both engines. While validation is
looked at (``on_validation_start``) and after the last epoch (``on_train_end``) the module can be used and changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..kernels import phase
from ..network import Adam, Losses, Minibatch, Network, make_ordinary, products
from ..types import RunSpec
from ._checkpoint import KEY, CheckpointStore, load
from ._engines import KERNELS
from ._minibatches import CsrCells, CsrLoader
from ._presets import share_of_rate
from ._resuming import Split
from ._watch import HistoryLogger

# scvi-tools' models and what Lightning hands over have no types: ``Any``.

_WEIGHT_DECAY, _EPS = 1e-6, 0.01  # scvi-tools' own


class FusedFit:
    """One session of training a ``SCVI``; for callbacks also what Lightning's trainer is for them, see ``Fit``.

    Parameters
    ----------
    model
        A ``SCVI`` of which ``network.obstacle`` has nothing to say, with counts in CSR.
    callbacks
        Called in their order at each moment.
    history, store
        Take the metrics, and the state at the end of an epoch.
    checkpoint
        The file to go on from.
    """

    def __init__(
        self,
        model: Any,
        spec: RunSpec,
        split: Split,
        accelerator: str,
        callbacks: Iterable[Any],
        *,
        history: HistoryLogger | None = None,
        store: CheckpointStore | None = None,
        checkpoint: Path | None = None,
    ) -> None:
        self.should_stop = False
        self.limit_val_batches = 1.0
        self.current_epoch = self.global_step = 0
        self.max_epochs = spec.max_epochs
        self.is_last_batch = False
        self.callback_metrics: dict[str, torch.Tensor] = {}
        self._model, self._spec, self._split = model, spec, split
        self._callbacks = list(callbacks)
        self._history = history or HistoryLogger()
        self._store = store or CheckpointStore()
        self._checkpoint = checkpoint
        self._device = torch.device(accelerator)
        self._module = module = model.module.to(self._device)
        narrow = torch.bfloat16 if spec.precision == "bf16-mixed" else None
        self._network = Network(module, KERNELS[accelerator], narrow)
        self._adam = Adam(self._network.arena, _WEIGHT_DECAY, _EPS)
        self._cells = cells = CsrCells(model, self._device)
        # On MPS gradients were reported wrong after a change of size.
        self._training = CsrLoader(
            cells, split.train, spec.batch_size, shuffle=True, drop_tail=accelerator == "mps"
        )
        self._validation = CsrLoader(cells, split.validation, spec.batch_size, shuffle=False)
        self.num_training_batches = len(self._training)

    def run(self) -> None:
        if self._checkpoint is not None:
            self._restore(load(self._checkpoint))
        self._call("on_fit_start")
        if self.current_epoch >= self.max_epochs:
            return
        self._module.train()
        self._call("on_train_start")
        while self.current_epoch < self.max_epochs and not self.should_stop:
            self._call("on_train_epoch_start")
            self._train()
            if (self.current_epoch + 1) % self._spec.check_val_every_n_epoch == 0:
                self._validate()
            self._call("on_train_epoch_end")
            self._history.log_metrics(
                {"epoch": self.current_epoch, **{n: v.item() for n, v in self._logged.items()}}
            )
            self.current_epoch += 1
        self._call("on_train_end")

    def conclude(self) -> None:
        """Make the model the ordinary, trained one that scvi-tools would have left."""
        make_ordinary(self._module)
        self._module.eval()
        model, split = self._model, self._split
        model.history_ = self._history.history
        model.train_indices, model.validation_indices = split.train, split.validation
        model.test_indices = split.test
        model.is_trained_ = True
        model.to_device(self._device)

    def load_state_dict(self, state_dict: dict[str, torch.Tensor]) -> None:
        """Of a checkpoint."""
        own = {
            name.removeprefix("module."): tensor
            for name, tensor in state_dict.items()
            if name.startswith("module.")
        }
        self._module.load_state_dict(own)

    def save_checkpoint(self, path: Path) -> None:
        """Hand the state to the store, as Lightning would: a checkpoint of either can be read by either."""
        checkpoint = {
            "epoch": self.current_epoch,
            "global_step": self.global_step,
            "state_dict": {f"module.{name}": value for name, value in self._module.state_dict().items()},
            "optimizer_states": [self._adam.state_dict(self._parameters(), self._rate(self.global_step))],
            "callbacks": {c.state_key: state for c in self._callbacks if (state := c.state_dict())},
        }
        self._call("on_save_checkpoint", checkpoint)
        self._store.save_checkpoint(checkpoint, path)

    # --- for ``Recalibration`` -----------------------------------------------------------------------------

    def minibatches(self, cells: npt.NDArray[np.intp], size: int) -> list[Minibatch]:
        return [one.to(self._device) for one in CsrLoader(self._cells, cells, size, shuffle=False)]

    def through_batch_norms(self, minibatches: Iterable[Minibatch]) -> None:
        for number, cells in enumerate(minibatches):
            torch.manual_seed(number)
            self._network.through_batch_norms(cells)

    def negative_elbo(self, minibatches: Iterable[Minibatch]) -> float:
        total = 0.0
        for number, cells in enumerate(minibatches):
            torch.manual_seed(number)
            losses = self._network.evaluate(cells, 1.0)
            total += float(losses.reconstruction + losses.kl)
        return total

    # --- inside -----------------------------------------------------------------------------------------

    def _train(self) -> None:
        spec, means = self._spec, _Means("train")
        kl_weight = self._kl_weight()
        for i, cells in enumerate(self._training, start=1):
            self.is_last_batch = i == self.num_training_batches
            losses = phase(
                "step", self._step, cells.to(self._device), kl_weight, self._rate(self.global_step)
            )
            self.global_step += 1
            means.add(losses)
            self._call("on_train_batch_end", {"loss": losses.loss}, cells, i - 1)
            if self.should_stop:
                break
        self._logged = {"kl_weight": torch.tensor(kl_weight), **means.metrics()}
        if spec.lr_schedule != "constant" or spec.lr_warmup > 0:
            self._logged["learning_rate"] = torch.tensor(self._rate(self.global_step - 1))
        self.callback_metrics.update(self._logged)

    @torch.no_grad()
    def _step(self, cells: Minibatch, kl_weight: float, rate: float) -> Losses:
        self._adam.begin(rate)
        with products():
            return self._network.step(cells, kl_weight, partial(phase, "optimizer", self._adam.move))

    @torch.no_grad()
    def _validate(self) -> None:
        if not len(self._validation) or not self.limit_val_batches:
            return
        self._module.eval()
        self._call("on_validation_start")
        means, kl_weight = _Means("validation"), self._kl_weight()
        for cells in self._validation:
            with products():
                means.add(self._network.evaluate(cells.to(self._device), kl_weight))
        self._logged.update(metrics := means.metrics())
        self.callback_metrics.update(metrics)
        self._call("on_validation_epoch_end")
        self._module.train()

    def _kl_weight(self) -> float:
        """scvi-tools' warm-up of the KL term, over epochs."""
        over = self._spec.n_epochs_kl_warmup
        return min(1.0, self.current_epoch / over) if over else 1.0

    def _rate(self, step: int) -> float:
        spec, steps = self._spec, self.num_training_batches * self.max_epochs
        return spec.lr * share_of_rate(step, steps, spec.lr_schedule, spec.lr_warmup, spec.lr_end)

    def _restore(self, checkpoint: dict[str, Any]) -> None:
        self.load_state_dict(checkpoint["state_dict"])
        self._adam.load_state_dict(self._parameters(), checkpoint["optimizer_states"][0])
        self.global_step = checkpoint["global_step"]
        for callback in self._callbacks:
            callback.on_load_checkpoint(self, self._module, checkpoint)
            if (state := checkpoint["callbacks"].get(callback.state_key)) is not None:
                callback.load_state_dict(state)
        self.current_epoch = checkpoint[KEY]["epoch"]

    def _parameters(self) -> list[torch.nn.Parameter]:
        return [parameter for parameter in self._module.parameters() if parameter.requires_grad]

    def _call(self, moment: str, *arguments: Any) -> None:
        for callback in self._callbacks:
            hook: Callable[..., Any] = getattr(callback, moment)
            hook(self, self._module, *arguments)


class _Means:
    """The losses of an epoch; they stay on the device until all are there."""

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._losses: list[torch.Tensor] = []
        self._sizes: list[int] = []

    def add(self, losses: Losses) -> None:
        self._losses += (losses.loss, losses.reconstruction, losses.kl)
        self._sizes.append(losses.n_obs)

    def metrics(self) -> dict[str, torch.Tensor]:
        """By scvi-tools' names. The loss is weighed by the size of each minibatch, the last being smaller."""
        found = torch.stack(self._losses).cpu().double().view(-1, 3)
        sizes = torch.tensor(self._sizes, dtype=torch.float64)
        n_obs = sizes.sum()
        loss = (found[:, 0] * sizes).sum() / n_obs
        reconstruction, kl = found[:, 1].sum() / n_obs, found[:, 2].sum() / n_obs
        mode = self._mode
        metrics = {
            f"{mode}_loss": loss,
            f"elbo_{mode}": reconstruction + kl,
            f"reconstruction_loss_{mode}": reconstruction,
            f"kl_local_{mode}": kl,
            f"kl_global_{mode}": torch.zeros(()),
        }
        return {name: value.float() for name, value in metrics.items()}
