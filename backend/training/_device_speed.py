"""How fast a device trains: stock at its usual minibatch size, fused at several, for some seconds.

    speeds = measure_speeds("cpu", on_step=print)
    recommended_size(speeds)        # 1024

On simulated cells of a fixed shape, so that computers can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..types import RunSpec, Speed
from ._checkpoint import capture_random_state, restore_random_state
from ._model import build_model, release_model
from ._pace import simulate, train_step
from ._quiet import silence

GENES, DENSITY = 10_000, 0.08
CONTESTANTS = (("stock", (128,)), ("fused", (128, 256, 512, 1024, 2048)))
CELLS = 4 * 2048
SECONDS = 0.8  # for each, in each round
ROUNDS = 2  # of which the faster counts: what else the computer does comes and goes
ABOUT_AS_FAST = 0.95  # of the fastest


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
                    on_step(f"measuring the {engine} engine with minibatches of {size:,}")
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
