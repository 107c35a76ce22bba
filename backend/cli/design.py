"""``python -m backend design FILE --batch B --condition C``: what the layout of an experiment allows to conclude."""

from __future__ import annotations

import argparse
import json

from ..settings import Settings
from ..types import Crossed, DesignChoice
from ..words import count, one_line
from .args import add_common
from .bundle import opened
from .data import finish
from .findings import as_json, tell
from .terminal import Progress, print_table

HELP = "is the design sound: can batch, condition, donor and cell type be told apart?"
_MOST_LEVELS = 20  # of a table on a terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="an .h5ad file with a cell table")
    parser.add_argument(
        "--batch", required=True, metavar="K", help="the obs column that would be corrected for"
    )
    parser.add_argument(
        "--condition", required=True, metavar="K", help="the obs column that is to be compared"
    )
    parser.add_argument(
        "--donor", metavar="K", help="the obs column of the donors, the independent replicates"
    )
    parser.add_argument("--label", metavar="K", help="the obs column of cell types")
    add_common(
        parser, "print one JSON object with the crossed tables and the findings, and nothing else, on stdout"
    )


def run(settings: Settings, args: argparse.Namespace) -> int:
    """0 also where the design is not sound: that is an answer, not a failure."""
    choice = DesignChoice(args.batch, args.condition, args.donor, args.label)
    with opened(settings) as services, Progress(quiet=args.json) as progress:
        progress.phase("opening the file")
        source_id = services.datasets.import_file(args.file).source_id
        finish(services.datasets, services.datasets.check_design(source_id, choice), progress)
        report = services.datasets.design(source_id, choice)
    assert report is not None
    if args.json:
        print(json.dumps({**report.to_dict(), "findings": as_json(report.findings)}))
        return 0
    for crossed in report.crossed:
        _show(crossed)
    tell(report.findings, print)
    return 0


def _show(crossed: Crossed) -> None:
    strength = "" if crossed.cramers_v is None else f", Cramér's V {crossed.cramers_v:.2f}"
    print(f"{one_line(crossed.one)} x {one_line(crossed.other)}{strength}")
    if max(len(crossed.one_levels), len(crossed.other_levels)) > _MOST_LEVELS:
        print(f"{len(crossed.one_levels):,} x {len(crossed.other_levels):,} levels; --json has them all")
        return
    head = ("", *(one_line(level, 24) for level in crossed.other_levels))
    rows = [
        (one_line(level, 24), *map(count, row))
        for level, row in zip(crossed.one_levels, crossed.cells, strict=True)
    ]
    print_table([head, *rows])
