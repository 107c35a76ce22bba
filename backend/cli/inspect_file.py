"""``python -m backend inspect FILE``: what is in a file, whether it can be trained on, which column is the batch."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..settings import Settings
from ..types import DatasetReport
from ..words import count, counted, one_line
from .args import add_batch_key, add_common, add_source
from .bundle import opened
from .data import inspected
from .findings import as_json, findings_on, tell
from .terminal import Progress, print_table

HELP = "look through a file: which matrix holds counts, what is wrong, which column is the batch"
_NOT_TRAINABLE = 2
_COLUMNS = ("column", "as batch key", "levels", "missing", "reason")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    add_batch_key(parser)
    add_common(parser, "print one JSON object with everything that was found, and nothing else, on stdout")


def run(settings: Settings, args: argparse.Namespace) -> int:
    with opened(settings) as services, Progress(quiet=args.json) as progress:
        report = inspected(services.datasets, args, progress)
    if args.json:
        print(json.dumps(_everything(report, args.batch_key)))
    else:
        _show(report, args.batch_key)
    return 0 if report.trainable else _NOT_TRAINABLE


def _everything(report: DatasetReport, batch_key: str | None) -> dict[str, Any]:
    found = report.to_dict()
    del found["problems"]
    return {
        **found,
        "trainable": report.trainable,
        "recommended_batch_key": report.batch_key,
        "findings": as_json(findings_on(report, batch_key)),
    }


def _show(report: DatasetReport, batch_key: str | None) -> None:
    species = f" ({report.species})" if report.species else ""
    verdict = f"counts in {report.counts}" if report.trainable else "cannot be trained on"
    print(f"{counted(report.n_obs, 'cell')}, {counted(report.n_vars, 'gene')}{species}: {verdict}")
    for matrix in report.matrices:
        print(f"{one_line(matrix.where)}: {matrix.verdict}, {one_line(matrix.evidence, 500)}")
    tell(findings_on(report, batch_key), print)
    if report.columns:
        rows = [
            (
                one_line(one.column),
                one.verdict,
                count(one.n_levels),
                count(one.n_missing),
                one_line(one.reason, 300),
            )
            for one in report.columns
        ]
        print_table([_COLUMNS, *rows])
