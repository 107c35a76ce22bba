"""Measure speed and memory: ``make bench``, or ``make bench ONLY=prepare``.

Prints one table per benchmark, with medians; the numbers go to bench-results/ with machine and versions.
"""

from __future__ import annotations

import importlib
import sys

from tests.benchmarks import _report

BENCHMARKS = {
    "page_switch": "changing pages, idle and while a model trains",
    "live_update": "live update of charts with 4 runs of 400 epochs",
    "compare_many": "comparing 12 runs of 400 epochs",
    "many_runs": "a workspace of 1,000 runs, and one run of 700 epochs watched while it trains",
    "upload": "a 1 GB file uploaded in the browser",
    "prepare": "20,000 cells x 20,000 genes at 8 % density, checked and prepared",
    "engines": "stock and fused engine: speed, memory, loss; 2,000, 4,000 and 20,000 genes, and the built-in data",
    "quality": "quality control of 100,000 cells x 20,000 genes at 5 % density",
    "frames": "pictures of the cells while a model trains",
    "parity": "fused against stock, beside two seeds of stock (FILES=a.h5ad,b.h5ad adds data)",
    "presets": "the presets beside PCA and the defaults of scvi-tools (FOLDER=/path/to/h5ad, see presets.json)",
    "labels": "known labels found again, against scvi-tools and scanpy by hand (FILES=a.h5ad,b.h5ad adds data)",
    "after_training": "the latent space of all cells, and differential expression of 2 x 2,000",
    "map": "the map of 50,000 cells: neighbours, UMAP and Leiden",
    "cluster": "8 runs on two worker processes and on one, Cancel, and a worker that is killed",
    "minibatch_sizes": "large minibatches on real data, their averages recalibrated or not (FOLDER=/path/to/h5ad)",
    "growth": "the fused engine from 10,000 to 300,000 cells",
}


def main(names: list[str]) -> int:
    if unknown := [name for name in names if name not in BENCHMARKS]:
        print(f"No benchmark {unknown[0]!r}. There are: {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    print("  ".join(f"{key} {value}" for key, value in _report.machine().items()))
    failed = 0
    for name in names or BENCHMARKS:
        try:
            rows = importlib.import_module(f"tests.benchmarks.{name}").measure()
        except Exception as error:  # one that breaks must not hide the others
            print(f"\n{name}: could not be measured: {error!r}", file=sys.stderr)
            failed = 1
            continue
        _report.show(name, BENCHMARKS[name], rows)
        _report.keep(name, rows)
    print(f"\nWritten to {_report.RESULTS}")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
