"""How fast this machine trains: real steps on simulated cells of a fixed shape, then arithmetic.

measure_pace(spec, n_obs, n_vars, density, budget=2)     # seconds of an epoch and around it, behind ``calibrate``
speeds = measure_speeds("cpu", on_step=print)            # stock at its usual minibatch size, fused at several
recommended_size(speeds)                                 # 1024
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from scipy import sparse

from ..devices import resolve_accelerator
from ..types import Pace, RunSpec, Speed
from ..words import count
from ._checkpoint import CheckpointStore, capture_random_state, restore_random_state
from ._engines import make_engine
from ._fused import FusedFit
from ._model import build_model, release_model
from ._presets import training_cells
from ._process import silence
from ._resuming import Split
from ._stock import StockFit
from ._watch import HistoryLogger

if TYPE_CHECKING:
    from anndata import AnnData

# scvi-tools' models and Lightning's minibatches have no types: ``Any``.

# Cells x genes; larger minibatches are measured at this size and scaled. The fused engine's steps are shorter,
# and more of each is work on the weights, which does not grow with the minibatch.
_ELEMENTS_PER_STEP = {"stock": 2_000_000, "fused": 8_000_000}
_ELEMENTS = 15_000_000
_WARM_UP = 2
_FUSED_CHECK = (
    0.4  # of a training step, measured: loss and gradients come in one pass, the products back are left out
)


# The self-check of a device.
GENES, DENSITY = 10_000, 0.08
CONTESTANTS = (("stock", (128,)), ("fused", (128, 256, 512, 1024, 2048)))
CELLS = 4 * 2048
SECONDS = 0.8  # for each, in each round
ROUNDS = 2  # of which the faster counts: what else the computer does comes and goes
ABOUT_AS_FAST = 0.95  # of the fastest


@dataclass
class _StepTimes(Callback):
    budget: float
    seconds: list[float] = field(default_factory=list)
    _last: float = 0.0
    first: float = 0.0  # when training began

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.first = self._last = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        wait_for(pl_module.device.type)
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now
        if now - self.first > self.budget and len(self.seconds) > _WARM_UP:
            trainer.should_stop = True


def measure_pace(spec: RunSpec, n_obs: int, n_vars: int, density: float, budget: float) -> Pace:
    silence()
    accelerator, _ = resolve_accelerator(spec.accelerator)
    largest = _ELEMENTS_PER_STEP.get(spec.engine, _ELEMENTS_PER_STEP["stock"]) // n_vars
    batch = max(3, min(spec.batch_size, n_obs, largest))
    steps = max(4, min(20, _ELEMENTS // (batch * n_vars)))
    random_state = capture_random_state()
    model = None
    try:
        adata = simulate(batch * steps, n_vars, density)
        begun = time.perf_counter()
        model = build_model(
            spec.replace(
                batch_key=None,
                categorical_covariate_keys=(),
                continuous_covariate_keys=(),
                dispersion="gene" if spec.dispersion == "gene-batch" else spec.dispersion,
            ),
            adata,
        )
        built = time.perf_counter() - begun
        step, started = _step_and_start(model, spec, accelerator.name, batch, 0.7 * budget)
        check = _FUSED_CHECK * step
        if spec.engine == "stock":
            check = _forward_pass(model, adata, batch, 0.2 * budget)
    finally:
        if model is not None:
            release_model(model)
        restore_random_state(random_state)
    n_train = training_cells(spec.train_size, n_obs)
    whole = spec.batch_size / batch if n_train >= spec.batch_size else 1.0
    train_steps, check_steps = n_train / spec.batch_size, (n_obs - n_train) / spec.batch_size
    if n_train < spec.batch_size:
        train_steps, check_steps = n_train / batch, (n_obs - n_train) / batch
    epoch = train_steps * step * whole + check_steps * check * whole / spec.check_val_every_n_epoch
    return Pace(epoch, built + started + (train_steps + check_steps) * check * whole)


def measure_speeds(accelerator: str, on_step: Callable[[str], None]) -> tuple[Speed, ...]:
    """``on_step`` hears of each measurement before it is made, and may raise to end them."""
    silence()
    random_state = capture_random_state()
    seconds: dict[tuple[str, int], float] = {}
    try:
        adata = simulate(CELLS, GENES, DENSITY)
        for engine, sizes in ROUNDS * CONTESTANTS:
            spec = RunSpec(dataset_id="", engine=engine, accelerator=accelerator)
            model = build_model(spec, adata)
            try:
                for size in sizes:
                    on_step(f"measuring the {engine} engine with minibatches of {count(size)}")
                    took = train_step(model, spec.replace(batch_size=size), accelerator, size, SECONDS)
                    seconds[engine, size] = min(took, seconds.get((engine, size), took))
            finally:
                release_model(model)
    finally:
        restore_random_state(random_state)
    return tuple(Speed(engine, size, size / took) for (engine, size), took in seconds.items())


def recommended_size(speeds: Iterable[Speed]) -> int | None:
    """The smallest size that is about as fast as any: smaller ones correct the model more often in an epoch."""
    fused = [speed for speed in speeds if speed.engine == "fused"]
    best = max((speed.cells_per_second for speed in fused), default=0.0)
    fast = [speed.batch_size for speed in fused if speed.cells_per_second >= ABOUT_AS_FAST * best]
    return min(fast, default=None)


def train_step(model: Any, spec: RunSpec, accelerator: str, batch: int, budget: float) -> float:
    """Seconds of one training step, in the middle of as many as ``budget`` seconds hold."""
    return _step_and_start(model, spec, accelerator, batch, budget)[0]


def _step_and_start(
    model: Any, spec: RunSpec, accelerator: str, batch: int, budget: float
) -> tuple[float, float]:
    """The same, and the seconds that the loop took to begin, kernels compiled."""
    times = _StepTimes(budget)
    ready = make_engine(spec.engine).prepare(model, spec, accelerator)
    n = model.adata.n_obs
    nobody = np.array([], int)
    spec = spec.replace(batch_size=batch, lr=1e-3, max_epochs=max(1, ceil(500 * batch / n)))
    fit: type[StockFit | FusedFit] = FusedFit if ready.engine == "fused" else StockFit
    begun = time.perf_counter()
    fit(
        model,
        spec,
        Split(np.arange(n), nobody, nobody),
        accelerator,
        [times],
        history=HistoryLogger(),
        store=CheckpointStore(),
    ).run()
    return statistics.median(times.seconds[_WARM_UP:]), times.first - begun


def _forward_pass(model: Any, adata: AnnData, batch: int, budget: float) -> float:
    """One validation step: reading the minibatch, a forward pass and the loss."""
    seconds: list[float] = []
    begin = last = time.perf_counter()
    model.module.eval()
    with torch.no_grad():
        for tensors in model._make_data_loader(adata=adata, batch_size=batch):
            model.module({name: value.to(model.module.device) for name, value in tensors.items()})
            wait_for(model.module.device.type)
            now = time.perf_counter()
            seconds.append(now - last)
            last = now
            if now - begin > budget and len(seconds) > 1:
                break
    return statistics.median(seconds)


def wait_for(device: str) -> None:
    """Until everything asked of the device is done: only then the clock says how long it took."""
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()


def simulate(n_obs: int, n_vars: int, density: float) -> AnnData:
    """Cells with evenly scattered small counts: the speed depends on the shape and the density only."""
    from anndata import AnnData

    rng = np.random.default_rng(0)
    per_cell = max(1, min(n_vars, round(density * n_vars)))
    places = (np.arange(per_cell) + rng.random((n_obs, per_cell))) * (n_vars / per_cell)
    indices = np.minimum(places.astype(np.int32), n_vars - 1).ravel()
    counts = rng.integers(1, 6, size=indices.size).astype(np.float32)
    indptr = np.arange(0, indices.size + 1, per_cell)
    return AnnData(sparse.csr_matrix((counts, indices, indptr), shape=(n_obs, n_vars)))
