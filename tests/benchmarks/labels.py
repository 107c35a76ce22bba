"""Known labels: what the application finds against the same computed by hand with scvi-tools and scanpy, 25 epochs.

The application trains with its default engine, and its own neighbours and Leiden clusters are judged. By hand are stock
runs of three seeds, scanpy's neighbours and clusters. "Within noise": no further below the mean of the seeds than they
lie apart. The built-in set and any FILES that have a column of cell types.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

from backend.training import USEFUL
from backend.types import RunSpec
from tests.benchmarks._agreement import NEIGHBOURS, RESOLUTIONS, keeps_labels
from tests.benchmarks._one_run import Cells, prepared_data, train_fresh
from tests.benchmarks._report import Row

SEEDS = (0, 1, 2)


def measure() -> list[Row]:
    rows = []
    with prepared_data([]) as (folder, data):
        for number, cells in enumerate(data):
            labels = cells.labels()
            if labels is None:
                continue
            spec = RunSpec(
                cells.dataset.dataset_id,
                engine="fused",
                accelerator="cpu",
                max_epochs=USEFUL,
                batch_key=cells.batch_key,
            )
            app = _by_app(train_fresh(spec, cells, folder / f"{number}-app").latent(), labels)
            hand = [keeps_labels(_by_hand(cells, seed), labels) for seed in SEEDS]
            for what, unit, found, others in zip(
                (f"{NEIGHBOURS} nearest neighbours with the cell's label", "clusters against the labels"),
                ("share", "ARI"),
                app,
                zip(*hand, strict=True),
                strict=True,
            ):
                noise = max(others) - min(others)
                rows += [
                    Row(f"{cells.title}: by hand, {what}", unit, others),
                    Row(
                        f"{cells.title}: by the application, {what}",
                        unit,
                        (found,),
                        goal=statistics.mean(others) - noise,
                        at_least=True,
                    ),
                ]
    return rows


def _by_app(latent: Any, labels: Any) -> tuple[float, float]:
    from sklearn.metrics import adjusted_rand_score

    from backend.analysis._clusters import clusters
    from backend.analysis._graph import nearest, neighbour_graph

    near, _ = nearest(latent, NEIGHBOURS + 1, None)
    graph = neighbour_graph(latent, NEIGHBOURS).weights
    found = [adjusted_rand_score(labels, clusters(graph, resolution)) for resolution in RESOLUTIONS]
    return float((labels[near[:, 1:]] == labels[:, None]).mean()), float(max(found))


def _by_hand(cells: Cells, seed: int) -> Any:
    import anndata
    import scvi

    from backend.training._process import silence

    silence()
    adata = anndata.read_h5ad(cells.dataset.path)
    scvi.settings.seed = seed
    scvi.model.SCVI.setup_anndata(adata, batch_key=cells.batch_key)
    model = scvi.model.SCVI(adata)
    with tempfile.TemporaryDirectory() as folder:
        model.train(
            max_epochs=USEFUL,
            accelerator="cpu",
            enable_progress_bar=False,
            logger=False,
            default_root_dir=Path(folder),
        )
    return model.get_latent_representation()
