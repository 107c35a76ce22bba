"""Time to a useful model: wall-clock until the validation ELBO is what stock reaches in 25 epochs at its defaults.

Stock at scvi-tools' defaults against the preset "fast", each in a fresh process on the CPU, same cells and split:
all genes of the built-in set, of simulated cells and of any FILES. What making the engine ready takes is not counted.
"""

from __future__ import annotations

from backend.training import USEFUL, preset
from backend.types import RunSpec
from tests.benchmarks._agreement import keeps_labels
from tests.benchmarks._one_run import Cells, Run, prepared_data, train_fresh
from tests.benchmarks._report import Row

SIMULATED = (6_000, 20_000)
BAR = 10  # times sooner


def measure() -> list[Row]:
    rows = []
    with prepared_data([SIMULATED]) as (folder, data):
        for number, cells in enumerate(data):
            usual = RunSpec(
                cells.dataset.dataset_id,
                engine="stock",
                accelerator="cpu",
                max_epochs=USEFUL,
                batch_key=cells.batch_key,
            )
            quick = usual.replace(engine="fused", **preset("fast", cells.dataset.n_obs))
            stock = train_fresh(usual, cells, folder / f"{number}-stock")
            fast = train_fresh(quick, cells, folder / f"{number}-fast")
            rows += _rows(cells, stock, fast)
    return rows


def _rows(cells: Cells, stock: Run, fast: Run) -> list[Row]:
    title, target = cells.title, stock.elbo[-1]
    there, hit = stock.reaches(target), fast.reaches(target)
    assert there is not None
    rows = [
        Row(f"{title}: validation ELBO of stock after {USEFUL} epochs", "nats", (target,)),
        Row(
            f"{title}: ... of fast after all its {len(fast.elbo)} epochs",
            "nats",
            (fast.elbo[-1],),
            goal=target,
        ),
        Row(f"{title}: stock reaches it", "s", (stock.seconds[there - 1],)),
    ]
    if hit is None:
        return [
            *rows,
            Row(f"{title}: fast did not reach it", "times sooner", (0.0,), goal=BAR, at_least=True),
        ]
    sooner = stock.seconds[there - 1] / fast.seconds[hit - 1]
    rows += [
        Row(f"{title}: fast reaches it", "s", (fast.seconds[hit - 1],)),
        Row(f"{title}: ... in epochs", f"of {len(fast.elbo)}", (float(hit),)),
        Row(f"{title}: fast reaches it sooner by", "times", (sooner,), goal=BAR, at_least=True),
        Row(f"{title}: all of fast, against stock", "times", (stock.seconds[there - 1] / fast.seconds[-1],)),
    ]
    labels = cells.labels()
    if labels is not None:
        for name, run in (("stock", stock), ("fast", fast)):
            near, ari = keeps_labels(run.latent(), labels)
            rows += [
                Row(f"{title}: {name}, neighbours with the cell's label", "share", (near,)),
                Row(f"{title}: {name}, clusters against the labels", "ARI", (ari,)),
            ]
    return rows
