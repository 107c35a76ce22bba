"""The arguments of the command line, checked as far as they can be without looking at any data."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Sequence
from typing import NoReturn

from backend.errors import BadInput
from backend.types import RunSpec

_DEFAULTS = RunSpec(dataset_id="")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message} (see: {self.prog} --help)")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Raises ``BadInput`` with one sentence for what cannot be understood."""
    parser = _Parser(
        prog="python -m backend",
        description="Train scVI from the command line. The dashboard shows these runs too.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="{train,runs}")
    _add_train(commands.add_parser("train", help="train a model on a file or a built-in data set"))
    _add_runs(commands.add_parser("runs", help="list all runs of the workspace"))
    return parser.parse_args(argv)


def _add_train(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("file", nargs="?", metavar="FILE", help="an .h5ad or 10x .h5 file with raw counts")
    source.add_argument("--demo", action="store_true", help="the built-in data set of 700 blood cells")
    source.add_argument(
        "--simulate", type=_size, metavar="CELLSxGENES", help="simulated counts, for example 5000x2000"
    )
    add = parser.add_argument
    add("--accelerator", choices=("auto", "cpu", "mps", "cuda"), default="auto", help="default: auto")
    add(
        "--batch-size",
        type=_whole(2),
        default=_DEFAULTS.batch_size,
        metavar="N",
        help="cells in a minibatch (%(default)s)",
    )
    add(
        "--lr",
        type=_rate,
        default=None,
        metavar="auto|X",
        help="learning rate; auto: 0.001 x minibatch size / 128",
    )
    add(
        "--max-epochs", type=_whole(1), default=_DEFAULTS.max_epochs, metavar="N", help="default: %(default)s"
    )
    add("--batch-key", metavar="K", help="obs column of the experimental batch")
    add("--n-top-genes", type=_whole(2), metavar="N", help="train on the N most variable genes only")
    add("--engine", default=_DEFAULTS.engine, metavar="NAME", help="default: %(default)s")
    add("--seed", type=_whole(0), default=_DEFAULTS.seed, metavar="N", help="default: %(default)s")
    add("--name", default="", help="what to call the run")
    _add_common(parser, "print one JSON object about the run at the end, and nothing else, on stdout")


def _add_runs(parser: argparse.ArgumentParser) -> None:
    _add_common(parser, "print a JSON list instead of a table")


def _add_common(parser: argparse.ArgumentParser, json_help: str) -> None:
    parser.add_argument("--workspace", metavar="DIR", help="default: $SCVI_STUDIO_WORKSPACE or ./workspace")
    parser.add_argument("--json", action="store_true", help=json_help)


def _whole(low: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low:
            raise argparse.ArgumentTypeError(f"must be a whole number of {low} or more, and is {text!r}")
        return value

    return whole_number


def _rate(text: str) -> float | None:
    if text == "auto":
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be auto or a number above 0, and is {text!r}")
    return value


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)[xX×](\d+)", text.replace(",", "").replace("_", ""))
    if not match:
        raise argparse.ArgumentTypeError(f"must be CELLSxGENES, for example 5000x2000, and is {text!r}")
    return int(match[1]), int(match[2])
