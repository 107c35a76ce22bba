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

CELLS = 4096  # at most are looked at
ROUNDS, SECONDS = 25, 4.0  # of timing, at most
Minibatch = dict[str, Any]


def measure_precision(
    spec: RunSpec,
    dataset: DatasetRef,
    on_step: Callable[[float, str], None],
    clock: Callable[[], float] = time.time,
) -> PrecisionEffect:
    on_step(0.0, "loading the libraries")
    import numpy as np
    import torch

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
        exact, narrow, minibatch = trial(model, spec, device)
        loss, gradients = _loss_and_gradients(exact, model.module, minibatch)
        narrow_loss, narrow_gradients = _loss_and_gradients(narrow, model.module, minibatch)
        on_step(0.5, "timing both")
        optimizer = torch.optim.Adam(model.module.parameters(), lr=1e-4)
        return PrecisionEffect(
            measured_at=clock(),
            loss_change=float((narrow_loss - loss) / loss.abs()),
            gradient_change=float((narrow_gradients - gradients).norm() / gradients.norm()),
            speed=_relative_speed(exact, narrow, minibatch, optimizer, device, on_step),
            cells=next(iter(minibatch["batch"].shape)),
        )
    finally:
        if model is not None:
            release_model(model)
        restore_random_state(random_state)


@dataclasses.dataclass(frozen=True)
class _Way:
    """One way to compute: a plan's forward pass, within a context."""

    forward: Callable[[Minibatch], Any]
    context: Callable[[], AbstractContextManager[Any]]

    def loss(self, minibatch: Minibatch) -> Any:
        with self.context():
            return self.forward(minibatch)[-1].loss


def _fused_trial(model: Any, spec: RunSpec, device: str) -> tuple[_Way, _Way, Minibatch]:
    import numpy as np
    import torch

    from ._engines import IMPLEMENTATIONS
    from ._fused_plan import FusedTrainingPlan
    from ._minibatches import CsrLoader

    module = model.module.to(device)
    size = min(spec.batch_size, model.adata.n_obs)
    loader = CsrLoader(
        model.adata_manager,
        np.arange(size),
        size,
        shuffle=False,
        log_inputs=module.log_variational,
    )
    minibatch = {name: tensor.to(device) for name, tensor in next(iter(loader)).items()}
    plan = FusedTrainingPlan(module, implementation=IMPLEMENTATIONS[device])
    plan.on_fit_start()
    options = plan._options
    narrow_options = dataclasses.replace(options, matmul=torch.bfloat16)

    def forward(chosen: Any) -> Callable[[Minibatch], Any]:
        def compute(minibatch: Minibatch) -> Any:
            plan._options = chosen
            return plan.forward(minibatch, {"kl_weight": 1.0})

        return compute

    return _Way(forward(options), nullcontext), _Way(forward(narrow_options), nullcontext), minibatch


def _stock_trial(model: Any, spec: RunSpec, device: str) -> tuple[_Way, _Way, Minibatch]:
    import torch
    from scvi.train import TrainingPlan

    module = model.module.to(device)
    size = min(spec.batch_size, model.adata.n_obs)
    tensors = next(iter(model._make_data_loader(adata=model.adata, batch_size=size)))
    minibatch = {name: tensor.to(device) for name, tensor in tensors.items()}
    plan = TrainingPlan(module)

    def forward(minibatch: Minibatch) -> Any:
        return plan.forward(minibatch, loss_kwargs={"kl_weight": 1.0})

    def autocast() -> AbstractContextManager[Any]:
        return torch.autocast(device, dtype=torch.bfloat16)

    return _Way(forward, nullcontext), _Way(forward, autocast), minibatch


def _loss_and_gradients(way: _Way, module: Any, minibatch: Minibatch) -> tuple[Any, Any]:
    """Both ways draw the same dropout and the same latent noise."""
    import torch

    torch.manual_seed(0)
    module.train()
    module.zero_grad()
    loss = way.loss(minibatch)
    loss.backward()
    gradients = [p.grad.flatten().float() for p in module.parameters() if p.grad is not None]
    return loss.detach().float(), torch.cat(gradients).clone()


def _relative_speed(
    exact: _Way,
    narrow: _Way,
    minibatch: Minibatch,
    optimizer: Any,
    device: str,
    on_step: Callable[[float, str], None],
) -> float:
    from ._pace import wait_for

    begin = time.perf_counter()
    took: dict[str, list[float]] = {"exact": [], "narrow": []}
    for done in range(ROUNDS):
        for name, way in (("exact", exact), ("narrow", narrow)):
            start = time.perf_counter()
            optimizer.zero_grad()
            way.loss(minibatch).backward()
            optimizer.step()
            wait_for(device)
            took[name].append(time.perf_counter() - start)
        spent = time.perf_counter() - begin
        on_step(0.5 + 0.5 * max(done / ROUNDS, min(1.0, spent / SECONDS)), "timing both")
        if spent > SECONDS and done > 1:
            break
    steady = {name: statistics.median(seconds[1:]) for name, seconds in took.items()}
    return steady["exact"] / steady["narrow"]
