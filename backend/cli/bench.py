"""``python -m backend bench``: stock and fused side by side on this machine, and where a fused step spends its time.

Without a choice of cells it measures 20,000 simulated cells with 2,000, 4,000 and 20,000 genes, and the built-in data.
Takes about a quarter of an hour.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..devices import environment, resolve_accelerator
from ..errors import BadInput
from ..services import check_workspace
from ..settings import Settings
from ..training import available_engines
from .args import add_common, size, whole

if TYPE_CHECKING:
    from ..bench import EngineRow, Roofline

HELP = "measure both engines on this machine"
_DATA = (*(["--simulate", f"20000x{genes}"] for genes in (2_000, 4_000, 20_000)), ["--demo"])
_HEADINGS = (
    "data",
    "engine",
    "minibatch",
    "cells/s",
    "against stock at 128",
    "s/epoch",
    "peak MB",
    "val. loss",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group()
    source.add_argument("file", nargs="?", metavar="FILE", help="an .h5ad or 10x .h5 file with raw counts")
    source.add_argument("--demo", action="store_true", help="the built-in data set of 700 blood cells")
    source.add_argument("--simulate", type=size, metavar="CELLSxGENES", help="simulated counts")
    add = parser.add_argument
    add("--engines", type=_words, default=("stock", "fused"), metavar="A,B", help="default: stock,fused")
    add("--batch-sizes", type=_sizes, metavar="N,N", help="default: 128,1024")
    add(
        "--max-epochs",
        type=whole(2),
        default=3,
        metavar="N",
        help="of each; the first is warm-up (%(default)s)",
    )
    add("--accelerator", default="cpu", metavar="cpu|cuda|mps", help="train there (%(default)s)")
    add("--no-roofline", action="store_true", help="leave out the phases of a step")
    add_common(parser, "print one JSON object at the end, and nothing else, on stdout")


def run(settings: Settings, args: argparse.Namespace) -> int:
    if args.workspace:
        check_workspace(settings)
    from ..bench import measure_roofline  # torch

    for engine in args.engines:
        if engine not in available_engines():
            raise BadInput(f"There is no engine {engine!r}. Choose from: {', '.join(available_engines())}.")
    resolve_accelerator(args.accelerator)
    roofline = None
    with contextlib.redirect_stdout(sys.stderr), _workspace(settings, args) as workspace:
        rows = [row for data in _data(args) for row in _measure(data, workspace, args)]
        if not args.no_roofline and "fused" in args.engines and args.accelerator == "cpu":
            print("measuring the phases of a fused step ...")
            roofline = measure_roofline()
    if args.json:
        answer = {
            "environment": environment(),
            "rows": [row.to_dict() for row in rows],
            "roofline": asdict(roofline) if roofline else None,
        }
        print(json.dumps(answer))
    else:
        _print(rows, roofline)
    return 0


def _data(args: argparse.Namespace) -> list[list[str]]:
    if args.demo:
        return [["--demo"]]
    if args.simulate:
        return [["--simulate", "x".join(map(str, args.simulate))]]
    return [[args.file]] if args.file else list(_DATA)


def _measure(data: list[str], workspace: Path, args: argparse.Namespace) -> list[EngineRow]:
    from ..bench import BATCH_SIZES, measure_engines

    return measure_engines(
        data,
        workspace,
        engines=args.engines,
        batch_sizes=args.batch_sizes or BATCH_SIZES,
        max_epochs=args.max_epochs,
        accelerator=args.accelerator,
        on_row=lambda row: print("  ".join(_cells(row))),
    )


@contextlib.contextmanager
def _workspace(settings: Settings, args: argparse.Namespace) -> Iterator[Path]:
    """The named workspace, where the runs stay, or one that is thrown away."""
    if args.workspace:
        yield settings.workspace
        return
    with tempfile.TemporaryDirectory(prefix="scvi-studio-bench-") as folder:
        yield Path(folder)


def _cells(row: EngineRow) -> tuple[str, ...]:
    return (
        row.data,
        row.engine,
        str(row.batch_size),
        f"{row.cells_per_second:,.0f}",
        "" if row.speed_up is None else f"{row.speed_up:.2f} x",
        " ".join(f"{seconds:.2f}" for seconds in row.seconds_per_epoch),
        f"{row.peak_memory / 1e6:,.0f}",
        " ".join(f"{loss:.2f}" for loss in row.validation_loss),
    )


def _print(rows: list[EngineRow], roofline: Roofline | None) -> None:
    table = [_HEADINGS, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    if roofline:
        print()
        print(roofline.as_text())


def _words(text: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not words:
        raise argparse.ArgumentTypeError("must name at least one")
    return words


def _sizes(text: str) -> tuple[int, ...]:
    read = whole(2)
    return tuple(sorted({read(word) for word in _words(text)}))
