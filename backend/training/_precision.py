"""What bfloat16 changes, measured on the data it is meant for: loss, gradients and speed of the same minibatch.

    effect = measure_precision(spec, dataset, on_step=lambda share, phase: None)

From the same weights and the same random numbers one minibatch is computed in float32 and in bfloat16, by the engine
of ``spec``; then steps of both are timed in turn, so that a machine busy with other things slows both.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ..types import DatasetRef, PrecisionEffect, RunSpec

# scvi-tools' models, modules and losses have no types: ``Any``.

CELLS = 4096  # at most are looked at
ROUNDS, SECONDS = 25, 4.0  # of timing, at most
RATE = 1e-4


def measure_precision(
    spec: RunSpec,
    dataset: DatasetRef,
    on_step: Callable[[float, str], None],
    clock: Callable[[], float] = time.time,
) -> PrecisionEffect:
    on_step(0.0, "loading the libraries")
    import numpy as np

    from ..datasets import open_prepared
    from ..devices import resolve_accelerator
    from ._checkpoint import capture_random_state, restore_random_state
    from ._model import build_model, release_model, seed_everything
    from ._process import silence

    silence()
    device = resolve_accelerator(spec.accelerator)[0].name
    random_state = capture_random_state()
    model = None
    try:
        on_step(0.2, "reading cells")
        adata = open_prepared(dataset)
        n = min(adata.n_obs, max(CELLS, spec.batch_size))
        chosen = np.sort(np.random.default_rng(spec.seed).permutation(adata.n_obs)[:n])
        seed_everything(spec.seed)
        model = build_model(spec, adata[chosen].copy())
        on_step(0.3, "computing one minibatch in both")
        trial = _fused_trial if spec.engine == "fused" else _stock_trial
        exact, narrow, cells = trial(model, spec, device)
        loss, gradients = _loss_and_gradients(exact, model.module)
        narrow_loss, narrow_gradients = _loss_and_gradients(narrow, model.module)
        on_step(0.5, "timing both")
        return PrecisionEffect(
            measured_at=clock(),
            loss_change=float((narrow_loss - loss) / loss.abs()),
            gradient_change=float((narrow_gradients - gradients).norm() / gradients.norm()),
            speed=_relative_speed(exact, narrow, device, on_step),
            cells=cells,
        )
    finally:
        if model is not None:
            release_model(model)
        restore_random_state(random_state)


@dataclasses.dataclass(frozen=True)
class _Way:
    """One way to compute: the loss and the gradients of a minibatch, and the step that follows from them."""

    loss_and_gradients: Callable[[], tuple[Any, Any]]
    update: Callable[[], object]


def _fused_trial(model: Any, spec: RunSpec, device: str) -> tuple[_Way, _Way, int]:
    import numpy as np
    import torch

    from ..network import Adam, Network
    from ._engines import KERNELS
    from ._minibatches import CsrCells

    module = model.module.to(device)
    size = min(spec.batch_size, model.adata.n_obs)
    cells = CsrCells(model).minibatch(np.arange(size)).to(torch.device(device))

    def way(matmul: Any) -> _Way:
        network = Network(module, KERNELS[device], matmul)  # of both the last one lays out the parameters
        adam = Adam(network.arena, weight_decay=1e-6, eps=0.01)

        @torch.no_grad()
        def loss_and_gradients() -> tuple[Any, Any]:
            return network.step(cells, 1.0).loss, [network.arena.gradients]

        return _Way(loss_and_gradients, lambda: adam.step(RATE))

    return way(None), way(torch.bfloat16), size


def _stock_trial(model: Any, spec: RunSpec, device: str) -> tuple[_Way, _Way, int]:
    import torch
    from scvi.train import TrainingPlan

    module = model.module.to(device)
    size = min(spec.batch_size, model.adata.n_obs)
    tensors = next(iter(model._make_data_loader(adata=model.adata, batch_size=size)))
    minibatch = {name: tensor.to(device) for name, tensor in tensors.items()}
    plan = TrainingPlan(module)
    optimizer = torch.optim.Adam(module.parameters(), lr=RATE)

    def way(context: Callable[[], AbstractContextManager[Any]]) -> _Way:
        def loss_and_gradients() -> tuple[Any, Any]:
            optimizer.zero_grad()
            with context():
                loss = plan.forward(minibatch, loss_kwargs={"kl_weight": 1.0})[-1].loss
            loss.backward()
            return loss.detach(), [p.grad for p in module.parameters() if p.grad is not None]

        return _Way(loss_and_gradients, optimizer.step)

    return way(nullcontext), way(lambda: torch.autocast(device, dtype=torch.bfloat16)), size


def _loss_and_gradients(way: _Way, module: Any) -> tuple[Any, Any]:
    """Both ways draw the same dropout and the same latent noise."""
    import torch

    torch.manual_seed(0)
    module.train()
    loss, gradients = way.loss_and_gradients()
    together = [gradient.flatten().float() for gradient in gradients]
    return loss.float(), torch.cat(together)


def _relative_speed(exact: _Way, narrow: _Way, device: str, on_step: Callable[[float, str], None]) -> float:
    from ._pace import wait_for

    begin = time.perf_counter()
    took: dict[str, list[float]] = {"exact": [], "narrow": []}
    for done in range(ROUNDS):
        for name, way in (("exact", exact), ("narrow", narrow)):
            start = time.perf_counter()
            way.loss_and_gradients()
            way.update()
            wait_for(device)
            took[name].append(time.perf_counter() - start)
        spent = time.perf_counter() - begin
        on_step(0.5 + 0.5 * max(done / ROUNDS, min(1.0, spent / SECONDS)), "timing both")
        if spent > SECONDS and done > 1:
            break
    steady = {name: statistics.median(seconds[1:]) for name, seconds in took.items()}
    return steady["exact"] / steady["narrow"]
