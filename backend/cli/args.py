"""The arguments of the command line: how each command's are read, and the kinds of value they share.

A command is a file of this room with ``HELP``, ``add_arguments(parser)`` and ``run(settings, args)``.
What they can check without looking at any data is checked here.
"""

from __future__ import annotations

import argparse
import importlib
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from ..errors import BadInput

# the word people type: the file it is in
COMMANDS = {
    "run": "run",
    "train": "train",
    "sweep": "sweep",
    "runs": "runs",
    "report": "report",
    "bundle": "bundle",
    "import": "import_runs",
    "bench": "bench",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message} (see: {self.prog} --help)")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Raises ``BadInput`` with one sentence for what cannot be understood."""
    parser = _Parser(
        prog="scvi-studio" if Path(sys.argv[0]).stem == "scvi-studio" else "python -m backend",
        description="Train scVI from the command line. The dashboard shows these runs too.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar=f"{{{','.join(COMMANDS)}}}")
    for name in COMMANDS:
        module = command(name)
        module.add_arguments(commands.add_parser(name, help=module.HELP))
    return parser.parse_args(argv)


def command(name: str) -> ModuleType:
    return importlib.import_module(f".{COMMANDS[name]}", __package__)


def add_data(parser: argparse.ArgumentParser) -> Any:
    """Which cells: exactly one of a file, the built-in set, simulated counts. Gives the group of these."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("file", nargs="?", metavar="FILE", help="an .h5ad or 10x .h5 file with raw counts")
    source.add_argument("--demo", action="store_true", help="the built-in data set of 700 blood cells")
    source.add_argument(
        "--simulate", type=size, metavar="CELLSxGENES", help="simulated counts, for example 5000x2000"
    )
    parser.add_argument(
        "--n-top-genes", type=whole(2), metavar="N", help="train on the N most variable genes only"
    )
    parser.add_argument("--batch-key", metavar="K", help="obs column of the experimental batch")
    return source


def add_common(parser: argparse.ArgumentParser, json_help: str) -> None:
    parser.add_argument("--workspace", metavar="DIR", help="default: $SCVI_STUDIO_WORKSPACE or ./workspace")
    parser.add_argument("--json", action="store_true", help=json_help)


def whole(low: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low:
            raise argparse.ArgumentTypeError(f"must be a whole number of {low} or more, and is {text!r}")
        return value

    return whole_number


def several(kind: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    """Values with commas between them, each once."""

    def values(text: str) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(kind(part.strip()) for part in text.split(",")))

    return values


def one_of(*choices: str) -> Callable[[str], str]:
    def choice(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(choices)}, and is {text!r}")
        return text

    return choice


def rate(text: str) -> float | None:
    if text == "auto":
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be auto or a number above 0, and is {text!r}")
    return value


def size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)[xX×](\d+)", text.replace(",", "").replace("_", ""))
    if not match:
        raise argparse.ArgumentTypeError(f"must be CELLSxGENES, for example 5000x2000, and is {text!r}")
    return int(match[1]), int(match[2])
