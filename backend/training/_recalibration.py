"""Batch-norm recalibration: the running averages that evaluation uses, recomputed from the weights as they are.

Training normalises with each minibatch's own mean and variance; validation and the saved model with running averages,
which follow with a momentum of 0.01 and after few steps are those of weights long gone. ``recalibrate`` replaces them
by cumulative averages over some training cells, as ``torch.optim.swa_utils.update_bn`` does, and takes that back where
the ELBO of held-out cells gets worse by it. No weight changes; the caller keeps the random numbers.

The functions are also what an exported script holds, so they use plain scvi-tools alone. torch is imported where it is
used: a script is written without it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# scvi-tools' modules and their minibatches have no types: ``Any``.

TRAINING_CELLS = 2048  # whose averages are taken: a mean of so many is within 2 % of a standard deviation
CHECKED_CELLS = 512  # whose ELBO decides
MINIBATCH = 256


def recalibrate(module: Any, average: Callable[[], object], elbo: Callable[[], float]) -> bool:
    """Recompute the running averages of ``module``'s batch norms, and keep them unless ``elbo`` rises.

    Parameters
    ----------
    average
        Runs training cells through every batch norm.
    elbo
        The negative ELBO of held-out cells in evaluation mode, lower is better; with the same random numbers each time.
    """
    import torch

    norms = [layer for layer in module.modules() if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm)]
    before = [{name: value.clone() for name, value in norm.state_dict().items()} for norm in norms]
    momenta, was_training = [norm.momentum for norm in norms], module.training
    module.eval()
    with torch.no_grad():
        earlier = elbo()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # cumulative: every minibatch counts alike
            norm.train()
        average()
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
        better = elbo() <= earlier
    if not better:
        for norm, state in zip(norms, before, strict=True):
            norm.load_state_dict(state)
    module.train(was_training)
    return better


def through_batch_norms(module: Any, minibatches: Iterable[Any]) -> None:
    """What comes before the decoder's output layer, which has no batch norm."""
    import torch

    for number, minibatch in enumerate(minibatches):
        torch.manual_seed(number)
        tensors = {name: value.to(module.device) for name, value in minibatch.items()}
        encoded = module.inference(**module._get_inference_input(tensors))
        given = module._get_generative_input(tensors, encoded)
        z, continuous, categorical = given["z"], given["cont_covs"], given["cat_covs"]
        module.decoder.px_decoder(
            z if continuous is None else torch.cat([z, continuous], dim=-1),
            given["batch_index"],
            *([] if categorical is None else categorical.split(1, dim=1)),
            given["y"],
        )


def negative_elbo(module: Any, minibatches: Iterable[Any]) -> float:
    import torch

    total = 0.0
    for number, minibatch in enumerate(minibatches):
        torch.manual_seed(number)
        loss = module({name: value.to(module.device) for name, value in minibatch.items()})[2]
        total += float(loss.reconstruction_loss_sum + loss.kl_local_sum)
    return total


def some_training_cells(train: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Whole minibatches of them, because each counts alike; all, where there are fewer than one holds."""
    n = min(len(train), TRAINING_CELLS)
    return train[: n - n % MINIBATCH or n]


def recalibration_source() -> str:
    """The code of this file that an exported script needs."""
    functions = (recalibrate, through_batch_norms, negative_elbo, some_training_cells)
    return "\n\n".join(
        (
            "from collections.abc import Callable, Iterable\nfrom typing import Any\n\nimport numpy.typing as npt\n",
            f"TRAINING_CELLS, CHECKED_CELLS, MINIBATCH = {TRAINING_CELLS}, {CHECKED_CELLS}, {MINIBATCH}\n",
            *(inspect.getsource(function) for function in functions),
        )
    )
