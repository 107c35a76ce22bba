"""``python -m backend qc FILE``: what the cells of each sample are like, suggested limits, who given limits remove."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ..datasets import DatasetLibrary
from ..errors import BadInput
from ..quality import CLASSES, RULES, Doublets, Judged, Quality, filters_cells, judge, limit_said, suggestions
from ..settings import Settings
from ..types import PrepareSpec, settings_of
from ..words import count, counted, listed, number, one_line, rule_reasons
from .args import add_batch_key, add_common, add_limits, add_setting, add_source, limits_of, setting_value
from .bundle import opened
from .data import check_samples, finish, inspected, refuse_untrainable
from .terminal import Progress, print_table

HELP = "quality control: measure each cell, suggest limits for each sample, say who given limits would remove"
USUAL_MADS = 5.0
_METRICS = ("counts", "genes", "pct_mt", "pct_ribo", "pct_hb", "complexity")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    mads = settings_of(PrepareSpec)["max_mads"]
    parser.add_argument(
        "--mads",
        type=partial(setting_value, mads),
        default=USUAL_MADS,
        metavar="X",
        help=f"MADs from the median that the suggested limits are; default: {USUAL_MADS:g}",
    )
    parser.add_argument(
        "--doublets", action="store_true", help="score doublets with Scrublet, each sample by itself"
    )
    add_limits(parser)
    add_setting(parser, "--round-counts", settings_of(PrepareSpec)["round_counts"])
    add_batch_key(parser)
    add_common(parser, "print one JSON object with everything that was measured, and nothing else, on stdout")


def run(settings: Settings, args: argparse.Namespace) -> int:
    with opened(settings) as services, Progress(quiet=args.json) as progress:
        datasets = services.datasets
        report = inspected(datasets, args, progress)
        refuse_untrainable(report)
        spec = report.recommended.replace(round_counts="round_counts" in args, **limits_of(args))
        check_samples(report, spec.qc_sample_key)
        quality, doublets = _measured(datasets, report.source_id, spec, args.doublets, progress)
    samples = quality.samples(spec.qc_sample_key)
    if spec.max_pct_mt is not None and not quality.report.class_genes["mt"]:
        raise BadInput(
            "No mitochondrial genes were recognised by their names, so --max-pct-mt cannot be applied. Leave it out, "
            "or give a file with gene symbols."
        )
    judged = judge(quality.cells, spec, samples, doublets) if filters_cells(spec) else None
    found = {
        "source_id": report.source_id,
        **quality.report.to_dict(),
        "samples": [asdict(one) for one in suggestions(quality.cells, samples, args.mads)],
        "mads": args.mads,
        "metrics": {name: _quantiles(getattr(quality.cells, name)) for name in _METRICS},
        "doublets": None if doublets is None else _of_doublets(doublets),
        "limits": {rule: getattr(spec, rule) for rule in (*RULES, "qc_sample_key", "min_cells_per_gene")},
        "removed": None if judged is None else _removed(judged),
        "genes_below_limit": quality.rare_genes(spec.min_cells_per_gene),
    }
    print(json.dumps(found)) if args.json else _show(found, judged, spec, quality)
    return 0


def _measured(
    datasets: DatasetLibrary, source_id: str, spec: PrepareSpec, score: bool, progress: Progress
) -> tuple[Quality, Doublets | None]:
    finish(datasets, datasets.measure(source_id, spec), progress)
    quality = datasets.quality(source_id, spec)
    assert quality is not None
    if not score and spec.max_doublet_score is None:
        return quality, None
    finish(datasets, datasets.score_doublets(source_id, spec), progress)
    return quality, datasets.doublets(source_id, spec)


def _quantiles(values: npt.NDArray[np.floating | np.integer]) -> dict[str, float]:
    at = dict(zip(("min", "p5", "median", "p95", "max"), (0, 0.05, 0.5, 0.95, 1), strict=True))
    return {name: float(np.quantile(values, share)) for name, share in at.items()}


def _of_doublets(doublets: Doublets) -> dict[str, Any]:
    known = doublets.scores[np.isfinite(doublets.scores)]
    return {
        "thresholds": doublets.thresholds,
        "unscored": doublets.unscored,
        "note": doublets.note,
        "scores": _quantiles(known) if len(known) else None,
    }


def _removed(judged: Judged) -> dict[str, Any]:
    each = {rule: int(mask.sum()) for rule, mask in judged.removed.items()}
    return {"cells": judged.n_removed, "of": len(judged.passed), "each": each}


def _show(found: dict[str, Any], judged: Judged | None, spec: PrepareSpec, quality: Quality) -> None:
    genes = [f"{count(found['class_genes'][name])} {word}" for name, word in CLASSES.items()]
    where = f"the column {one_line(found['symbols'])}" if found["symbols"] else "the names of the genes"
    print(
        f"{counted(found['n_obs'], 'cell')}, {counted(found['n_vars'], 'gene')}; {listed(genes)} by {where}"
    )
    rows: list[tuple[str, ...]] = [
        ("sample", "cells", "counts", "limits", "genes", "limits", "mito %", "limit")
    ]
    rows += [
        (
            one_line(one["sample"], 40),
            count(one["n_cells"]),
            *_with_limits(one["counts"]),
            *_with_limits(one["genes"]),
            number(round(one["pct_mt"][0], 2)),
            number(round(one["pct_mt"][1], 2)) if np.isfinite(one["pct_mt"][1]) else "none",
        )
        for one in found["samples"]
    ]
    print(f"Medians, and limits {found['mads']:g} MADs from them:")
    print_table(rows)
    if found["doublets"]:
        _show_doublets(found["doublets"])
    if judged is not None:
        rules = list(judged.removed)
        limits = [limit_said(spec, rule) for rule in rules]
        reasons = rule_reasons(
            rules, limits, spec.qc_sample_key or "", bool(quality.report.class_genes["mt"])
        )
        told = [
            f"{count(int(judged.removed[rule].sum()))} {reason}"
            for rule, reason in zip(rules, reasons, strict=True)
        ]
        print(
            f"Would remove {count(judged.n_removed)} of {counted(len(judged.passed), 'cell')}: {listed(told)}."
        )
    if spec.min_cells_per_gene and found["genes_below_limit"] is not None:
        n = counted(found["genes_below_limit"], "gene")
        print(f"{n} detected in fewer than {counted(spec.min_cells_per_gene, 'cell')}.")


def _with_limits(values: tuple[float, float, float]) -> tuple[str, str]:
    median, low, high = (count(round(value)) if np.isfinite(value) else "none" for value in values)
    return median, f"{low} to {high}"


def _show_doublets(doublets: dict[str, Any]) -> None:
    for sample, threshold in doublets["thresholds"].items():
        said = "none" if threshold is None else f"{threshold:.2f}"
        if not doublets["note"]:
            print(f"doublet threshold of {one_line(sample, 40)}: {said}")
    scores = doublets["scores"]
    if scores:
        print(f"doublet scores: median {scores['median']:.2f}, 95 % below {scores['p95']:.2f}")
    if doublets["unscored"]:
        print(
            f"too small to score doublets in: {', '.join(one_line(name, 40) for name in doublets['unscored'])}"
        )
    if doublets["note"]:
        print(doublets["note"])
