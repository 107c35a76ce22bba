"""Parity: fused against stock with the same seed, beside stock against stock with another seed; 25 epochs each.

The same split for all, each run in a fresh process on the CPU: all genes of the built-in set, of simulated cells and
of any FILES. The engines may differ by no more than two seeds do, in validation ELBO and in the clusters found.
"""

from __future__ import annotations

from backend.training import USEFUL
from backend.types import RunSpec
from tests.benchmarks._agreement import same_clusters
from tests.benchmarks._one_run import Cells, Run, prepared_data, train_fresh
from tests.benchmarks._report import Row

SIMULATED = (3_000, 20_000)


def measure() -> list[Row]:
    rows = []
    with prepared_data([SIMULATED]) as (folder, data):
        for number, cells in enumerate(data):
            spec = RunSpec(
                cells.dataset.dataset_id,
                engine="stock",
                accelerator="cpu",
                max_epochs=USEFUL,
                batch_key=cells.batch_key,
            )
            first = folder / f"{number}-stock"
            stock = train_fresh(spec, cells, first)
            other = train_fresh(spec.replace(seed=1), cells, folder / f"{number}-seed-1", like=first)
            fused = train_fresh(spec.replace(engine="fused"), cells, folder / f"{number}-fused", like=first)
            assert (stock.engine, fused.engine) == ("stock", "fused")
            rows += _rows(cells, stock, other, fused)
    return rows


def _rows(cells: Cells, stock: Run, other: Run, fused: Run) -> list[Row]:
    title = cells.title
    seeds = _apart(stock, other)
    agree = same_clusters(stock.latent(), other.latent())
    return [
        Row(f"{title}: validation ELBO of stock, last epoch", "nats", (stock.elbo[-1],)),
        Row(f"{title}: ELBO of two seeds of stock, apart in an epoch by", "nats", seeds),
        Row(
            f"{title}: ELBO of fused and stock, apart in an epoch by",
            "nats",
            _apart(stock, fused),
            goal=max(seeds),
            judged="max",
        ),
        Row(f"{title}: clusters of two seeds of stock", "ARI", (agree,)),
        Row(
            f"{title}: clusters of fused and stock",
            "ARI",
            (same_clusters(stock.latent(), fused.latent()),),
            goal=agree,
            at_least=True,
        ),
    ]


def _apart(one: Run, other: Run) -> tuple[float, ...]:
    return tuple(abs(a - b) for a, b in zip(one.elbo, other.elbo, strict=True))
