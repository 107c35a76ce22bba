"""The presets on real data: what a course of training is worth, beside scanpy's PCA and the defaults of scvi-tools.

    FOLDER=/path/to/h5ad make bench ONLY=presets

Every file of ``presets.json`` that is in the folder (label and batch columns stand there), 2,000 cells of it and 2,000
highly variable genes, x three seeds; 400 epochs, PCA and changes of the recommended course with the first seed.
"scvi-tools" are its own values, trained by the fused engine, whose losses are equal; 25, 150 and 400 epochs are stages
of one run. Times are processor seconds of one thread (training and validation), which hold on a shared machine too.
What was measured is kept in ``bench-results/presets.jsonl`` and not measured again; ``docs/PRESETS.md`` gets the table.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend.training import preset
from backend.types import DatasetRef, MetricPoint, RunSpec
from tests.benchmarks._report import PROJECT, RESULTS, Row, machine

KNOWN = json.loads((Path(__file__).parent / "presets.json").read_text("utf-8"))
DOCUMENT = PROJECT / "docs" / "PRESETS.md"
KEPT = "presets.jsonl"
SEEDS = (0, 1, 2)
CELLS, GENES = 2000, 2000
STAGES = (25, 150, 400)
STOCK, PCA = "scvi-tools", "PCA"
STOCK_EPOCH = "epoch of the stock engine"
WITHIN, FIFTH = 1.005, 5  # of the best ELBO, at this part of its time
NOISE = {"purity": 0.01, "mixing": 0.02}  # what seeds differ by

Course = Callable[[int], dict[str, Any]]  # for a number of cells
RECOMMENDED = "recommended"


def _changed(**changes: Any) -> Course:
    return lambda n_obs: preset(RECOMMENDED, n_obs) | changes


COURSES: dict[str, Course] = {
    RECOMMENDED: lambda n: preset(RECOMMENDED, n),
    "quick": lambda n: preset("quick", n),
}
CHANGED: dict[str, Course] = {  # one part of it at a time
    "... 10 epochs, KL weight to 0.45": _changed(max_epochs=10, n_epochs_kl_warmup=20),
    "... 40 epochs": _changed(max_epochs=40, n_epochs_kl_warmup=20),
    "... without recalibration": _changed(norm_recalibration=False),
    "... without it, momentum 0.01": _changed(norm_recalibration=False, norm_momentum=0.01),
    "... minibatches of 512": _changed(batch_size=512),
}


@dataclass(frozen=True)
class Data:
    file: str
    dataset: DatasetRef
    batch_key: str | None
    labels: Any  # one a cell
    batches: Any  # one a cell, or None

    @property
    def name(self) -> str:
        return str(KNOWN[self.file]["name"])


def measure() -> list[Row]:
    given = os.environ.get("FOLDER")
    if not given:
        raise RuntimeError("FOLDER=/path/to/h5ad says where the files of tests/benchmarks/presets.json are")
    _one_thread()
    with tempfile.TemporaryDirectory(prefix="studio-presets-") as folder:
        everything = list(_prepared(Path(given), Path(folder)))
        found = [
            one for seed in SEEDS for data in everything for one in _contestants(data, seed, Path(folder))
        ]
        found += [one for data in everything for one in _variants(data, Path(folder))]
        epochs = {
            data.file: _remembered(
                data, STOCK_EPOCH, SEEDS[0], {}, lambda data=data: _stock_epoch(data, Path(folder))
            )["seconds"]
            for data in everything
        }
    _write(f"{_sooner(found, epochs)}\n{_table(found)}", found)
    return _rows(found)


# --- what is trained ---


def _one_thread() -> None:
    import numba
    import torch

    torch.set_num_threads(1)
    numba.set_num_threads(1)


def _prepared(given: Path, folder: Path) -> Iterator[Data]:
    import anndata

    from backend.datasets import DatasetLibrary
    from backend.settings import Settings

    library = DatasetLibrary(Settings(workspace=folder / "workspace"))
    library.start()
    try:
        for file, facts in KNOWN.items():
            if not (given / file).is_file():
                continue
            source = library.import_file(_some_cells(given / file, folder / file)).source_id
            library.wait(library.inspect(source).job_id)
            report = library.report(source)
            assert report is not None
            done = library.wait(
                library.prepare(
                    source, report.recommended.replace(n_top_genes=GENES, hvg_batch_key=None)
                ).job_id
            )
            dataset = library.dataset(done.result_id)
            obs = anndata.read_h5ad(dataset.path, backed="r").obs
            batch = facts["batch"]
            batches = None if batch is None else obs[batch].astype(str).to_numpy()
            yield Data(file, dataset, batch, obs[facts["label"]].astype(str).to_numpy(), batches)
    finally:
        library.close()


def _some_cells(file: Path, copy: Path) -> Path:
    """A file of ``CELLS`` cells, drawn at random where there are more."""
    import anndata

    cells = anndata.read_h5ad(file)
    if cells.n_obs > CELLS:
        chosen = np.sort(np.random.default_rng(0).choice(cells.n_obs, CELLS, replace=False))
        cells = cells[chosen].copy()
    cells.write_h5ad(copy)
    return copy


def _contestants(data: Data, seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    for name, course in COURSES.items():
        yield _one(data, name, course, seed, folder)
    stages = STAGES if seed == SEEDS[0] else STAGES[:-1]
    names = [f"{STOCK}, {epochs} epochs" for epochs in stages]
    specs = [_spec(data, seed).replace(max_epochs=epochs) for epochs in stages]
    kept = [_find(data, name, seed, spec.to_dict()) for name, spec in zip(names, specs, strict=True)]
    if None in kept:
        made = _trained(data, specs, folder)
        kept = [
            _keep(data, name, seed, spec.to_dict(), one)
            for name, spec, one in zip(names, specs, made, strict=True)
        ]
    yield from (one for one in kept if one is not None)


def _variants(data: Data, folder: Path) -> Iterator[dict[str, Any]]:
    for name, course in CHANGED.items():
        yield _one(data, name, course, SEEDS[0], folder)
    yield _remembered(data, PCA, SEEDS[0], {}, lambda: _pca(data))


def _one(data: Data, name: str, course: Course, seed: int, folder: Path) -> dict[str, Any]:
    spec = _spec(data, seed).replace(**course(data.dataset.n_obs))
    return _remembered(data, name, seed, spec.to_dict(), lambda: _trained(data, [spec], folder)[0])


def _spec(data: Data, seed: int) -> RunSpec:
    return RunSpec(data.dataset.dataset_id, accelerator="cpu", batch_key=data.batch_key, seed=seed)


def _trained(data: Data, stages: Sequence[RunSpec], folder: Path) -> list[dict[str, Any]]:
    """One run, looked at after each stage."""
    from backend.training import train
    from backend.training._clock import AwakeClock

    elbo: dict[int, MetricPoint] = {}
    found = []
    with tempfile.TemporaryDirectory(dir=folder) as run_dir:
        for number, spec in enumerate(stages):
            train(
                spec,
                data.dataset,
                Path(run_dir),
                on_metric=lambda p: elbo.update({p.epoch: p}) if p.name == "elbo_validation" else None,
                on_phase=lambda phase: None,
                on_start=lambda info: None,
                should_stop=lambda: False,
                resume=number > 0,
                clock=AwakeClock(monotonic=time.process_time),
                pictures=False,
            )
            curve = [elbo[epoch] for epoch in sorted(elbo)]
            found.append(
                {
                    "elbo": curve[-1].value,
                    "curve": [round(point.value, 3) for point in curve],
                    "seconds": curve[-1].seconds,
                    "epochs": len(curve),
                    **_judged(data, np.load(Path(run_dir) / "latent.npy")),
                }
            )
    return found


def _stock_epoch(data: Data, folder: Path) -> dict[str, Any]:
    """Seconds of an epoch of scvi-tools' own engine at its own values: the median of the second to the fourth."""
    from backend.training import train
    from backend.training._clock import AwakeClock

    took: list[float] = []
    spec = _spec(data, 0).replace(engine="stock", max_epochs=4)
    with tempfile.TemporaryDirectory(dir=folder) as run_dir:
        train(
            spec,
            data.dataset,
            Path(run_dir),
            on_metric=lambda p: took.append(p.value) if p.name == "epoch_seconds" else None,
            on_phase=lambda phase: None,
            on_start=lambda info: None,
            should_stop=lambda: False,
            clock=AwakeClock(monotonic=time.process_time),
            pictures=False,
        )
    return {"seconds": statistics.median(took[1:])}


def _pca(data: Data) -> dict[str, Any]:
    """scanpy's tutorial on the selected genes: 10,000 counts a cell, log1p, scaled, 50 components."""
    import scanpy as sc

    cells = sc.read_h5ad(data.dataset.path)
    start = time.process_time()
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    sc.pp.scale(cells, max_value=10)
    sc.pp.pca(cells, n_comps=50, random_state=0)
    seconds = time.process_time() - start
    return {"elbo": None, "seconds": seconds, "epochs": 0, **_judged(data, cells.obsm["X_pca"])}


def _judged(data: Data, points: Any) -> dict[str, Any]:
    from sklearn.metrics import adjusted_rand_score

    from backend.analysis._clusters import clusters
    from backend.analysis._graph import nearest, neighbour_graph
    from backend.analysis._mixing import mixing_entropy
    from backend.analysis._resolution import propose

    indices, _ = nearest(np.ascontiguousarray(points, dtype=np.float32), 16, 1)
    weights = neighbour_graph(points, 15, 1).weights
    resolution, _ = propose(points, weights)
    ari = {r: adjusted_rand_score(data.labels, clusters(weights, r)) for r in (resolution, 1.0)}
    mixing = None
    if data.batches is not None:
        mixing = mixing_entropy(indices, np.unique(data.batches, return_inverse=True)[1].astype(np.int32))
    return {
        "purity": float((data.labels[indices[:, 1:]] == data.labels[:, None]).mean()),
        "resolution": resolution,
        "ari": float(ari[resolution]),
        "ari_at_1": float(ari[1.0]),
        "mixing": mixing,
    }


# --- what is kept ---


def _remembered(
    data: Data, name: str, seed: int, asked: dict[str, Any], make: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    found = _find(data, name, seed, asked)
    return found if found is not None else _keep(data, name, seed, asked, make())


def _key(data: Data, name: str, seed: int, asked: dict[str, Any]) -> dict[str, Any]:
    settings = {key: value for key, value in asked.items() if key not in ("dataset_id", "dataset_name")}
    return {"file": data.file, "name": name, "seed": seed, "settings": json.loads(json.dumps(settings))}


def _find(data: Data, name: str, seed: int, asked: dict[str, Any]) -> dict[str, Any] | None:
    path, key = RESULTS / KEPT, _key(data, name, seed, asked)
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    same = [one for one in map(json.loads, lines) if all(one[part] == key[part] for part in key)]
    return same[-1] if same else None


def _keep(data: Data, name: str, seed: int, asked: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    one = _key(data, name, seed, asked) | found
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / KEPT).open("a", encoding="utf-8") as file:
        file.write(json.dumps(one) + "\n")
    print(
        f"{data.name}, seed {seed}, {name}: { ({k: v for k, v in found.items() if k != 'curve'}) }",
        flush=True,
    )
    return one


# --- what it comes to ---


def _groups(found: Sequence[dict[str, Any]]) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """File: contestant: one a seed."""
    groups: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for one in found:
        groups[one["file"]][one["name"]].append(one)
    return groups


def _mean(of: Sequence[dict[str, Any]], what: str) -> float | None:
    values = [one[what] for one in of if one[what] is not None]
    return statistics.mean(values) if values else None


def _rows(found: Sequence[dict[str, Any]]) -> list[Row]:
    """The criterion, data set by data set."""
    rows = []
    for file, contestants in _groups(found).items():
        title, ours = KNOWN[file]["name"], contestants[RECOMMENDED]
        first = [of[0]["elbo"] for of in contestants.values() if of[0]["elbo"] is not None]  # all of one seed
        stock = [of for name, of in contestants.items() if name.startswith(STOCK)]
        rows.append(
            Row(
                f"{title}: ELBO over the best course's", "times", (ours[0]["elbo"] / min(first),), goal=WITHIN
            )
        )
        for what, noise in NOISE.items():
            value, usual = _mean(ours, what), [_mean(of, what) for of in stock]
            known = [one for one in usual if one is not None]
            if value is not None and known:
                least = max(known) - noise
                rows.append(Row(f"{title}: {what}", "share", (value,), goal=least, at_least=True))
        times = max(of[0]["seconds"] for of in stock) / ours[0]["seconds"]
        rows.append(
            Row(f"{title}: sooner than 400 epochs of {STOCK}", "times", (times,), goal=FIFTH, at_least=True)
        )
    return rows


def _sooner(found: Sequence[dict[str, Any]], epochs: dict[str, float]) -> str:
    """When the recommended course has the ELBO that scvi-tools' engine and values have after so many epochs."""
    lines = [
        "### Time to the ELBO that scvi-tools reaches",
        "",
        "| | its engine and values | recommended has that ELBO | sooner by, times |",
        "| --- | --- | --- | --- |",
    ]
    for file, contestants in _groups(found).items():
        stock = contestants[f"{STOCK}, 150 epochs"]
        for goal in (5, 25, 150, "best of 150"):
            theirs, ours, hits = [], [], []
            for one, other in zip(stock, contestants[RECOMMENDED], strict=True):
                curve = one["curve"]
                n = curve.index(min(curve)) + 1 if isinstance(goal, str) else goal
                hit = next(
                    (epoch for epoch, elbo in enumerate(other["curve"], 1) if elbo <= curve[n - 1]), None
                )
                if hit is not None:
                    theirs.append(n * epochs[file])
                    ours.append(hit * other["seconds"] / other["epochs"])
                    hits.append(hit)
            if len(hits) < len(stock):
                lines.append(f"| {KNOWN[file]['name']}: {goal} | | not with every seed | |")
                continue
            factors = [their / our for their, our in zip(theirs, ours, strict=True)]
            what = f"after {goal} epochs" if isinstance(goal, int) else "its best within 150"
            lines.append(
                f"| {KNOWN[file]['name']}, {what} | {statistics.mean(theirs):.1f} s | {statistics.mean(ours):.2f} s, "
                f"epoch {min(hits)} to {max(hits)} of {contestants[RECOMMENDED][0]['epochs']} | "
                f"{statistics.mean(factors):.0f} ({min(factors):.0f} to {max(factors):.0f}) |"
            )
    return "\n".join([*lines, ""])


def _table(found: Sequence[dict[str, Any]]) -> str:
    lines = []
    for file, contestants in _groups(found).items():
        facts = KNOWN[file]
        lines += [
            f"### {facts['name']}",
            "",
            f"Labels: {facts['labels']}."
            + (f" Batch: `{facts['batch']}`." if facts["batch"] else " No batch."),
            "",
            "| | epochs | ELBO | purity | ARI (resolution) | ARI at 1.0 | batch mixing | processor s |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        for name, of in contestants.items():
            resolutions = sorted({one["resolution"] for one in of})
            at = "-".join(f"{r:g}" for r in dict.fromkeys((resolutions[0], resolutions[-1])))
            said = [
                f"**{name}**" if name == RECOMMENDED else name,
                str(of[0]["epochs"] or ""),
                _span(of, "elbo", 1),
                _span(of, "purity", 3),
                f"{_span(of, 'ari', 2)} ({at})",
                _span(of, "ari_at_1", 2),
                _span(of, "mixing", 2),
                "" if name in CHANGED else _span(of, "seconds", 1),
            ]
            lines.append(f"| {' | '.join(said)} |")
        lines.append("")
    return "\n".join(lines)


def _span(of: Sequence[dict[str, Any]], what: str, digits: int) -> str:
    """The mean of the seeds, and from the least to the greatest."""
    values = [one[what] for one in of if one[what] is not None]
    if not values:
        return ""
    low, mean, high = (
        f"{value:,.{digits}f}" for value in (min(values), statistics.mean(values), max(values))
    )
    return mean if low == high else f"{mean} ({low} to {high})"


def _write(table: str, found: Sequence[dict[str, Any]]) -> None:
    """Into the document, between its marks; everything else there is written by hand."""
    begin, end = "<!-- written by make bench ONLY=presets -->", "<!-- end -->"
    text = DOCUMENT.read_text("utf-8")
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    facts = machine()
    seeds = len({one["seed"] for one in found})
    said = (
        f"{seeds} seeds, mean (least to greatest). {facts['processor']}, one thread, Python {facts['python']}, "
        f"torch {facts['torch']}, scvi-tools {facts['scvi-tools']}."
    )
    DOCUMENT.write_text(f"{before}{begin}\n\n{said}\n\n{table}\n{end}{after}", "utf-8")
