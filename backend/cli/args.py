"""The arguments of the command line: how each command's are read, and the kinds of value they share.

A command is a file of this room with ``HELP``, ``add_arguments(parser)`` and ``run(settings, args)``.
What they can check without looking at any data is checked here.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from ..errors import BadInput
from ..quality import RULES
from ..settings import Settings
from ..types import PrepareSpec, RunSpec, Setting, settings_of

# A setting's value is ``Any`` of the types that a setting can have.

# the word people type: the file it is in
COMMANDS = {
    "run": "run",
    "inspect": "inspect_file",
    "qc": "qc",
    "design": "design",
    "prepare": "prepare_file",
    "train": "train",
    "sweep": "sweep",
    "runs": "runs",
    "report": "report",
    "bundle": "bundle",
    "import": "import_runs",
    "check": "check",
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


def add_source(parser: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    """Which cells: exactly one of a file, the built-in set, simulated counts. Gives the group of these."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("file", nargs="?", metavar="FILE", help="an .h5ad or 10x .h5 file with raw counts")
    source.add_argument("--demo", action="store_true", help="the built-in data set of 700 blood cells")
    source.add_argument(
        "--simulate", type=size, metavar="CELLSxGENES", help="simulated counts, for example 5000x2000"
    )
    return source


def add_batch_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batch-key", metavar="K", help=settings_of(RunSpec)["batch_key"].help)


def add_data(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Which cells, and how they are prepared. Gives the group of which one must be named."""
    source = add_source(parser)
    settings = settings_of(PrepareSpec)
    genes = settings["n_top_genes"]
    parser.add_argument("--n-top-genes", type=partial(setting_value, genes), metavar="N", help=genes.help)
    add_setting(parser, "--round-counts", settings["round_counts"])
    add_limits(parser)
    add_batch_key(parser)
    return source


# The options of quality control, and of the genes that it leaves.
LIMITS = {f"--{name.replace('_', '-')}": name for name in (*RULES, "qc_sample_key", "min_cells_per_gene")}


def add_limits(parser: argparse.ArgumentParser) -> None:
    settings = settings_of(PrepareSpec)
    for option, name in LIMITS.items():
        add_setting(parser, option, settings[name])


def limits_of(args: argparse.Namespace) -> dict[str, Any]:
    """Those that were given, by the names of ``PrepareSpec``."""
    return {name: getattr(args, name) for name in LIMITS.values() if name in args}


def add_workspace(parser: argparse.ArgumentParser) -> None:
    usual = str(Settings.from_env({}).workspace).replace("%", "%%")  # argparse formats its help
    parser.add_argument("--workspace", metavar="DIR", help=f"default: $SCVI_STUDIO_WORKSPACE or {usual}")


def add_common(parser: argparse.ArgumentParser, json_help: str) -> None:
    add_workspace(parser)
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


def setting_value(setting: Setting, text: str) -> Any:
    """A value of a setting as typed; its own sentence for what is none."""
    try:
        return setting.read(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_setting(parser: argparse.ArgumentParser, option: str, setting: Setting) -> None:
    """An option for one setting, from its declaration; absent from the namespace where it is not given."""
    if setting.kind is bool:
        parser.add_argument(
            option,
            action=argparse.BooleanOptionalAction,
            dest=setting.name,
            default=argparse.SUPPRESS,
            help=setting.help,
        )
        return
    taken = setting.among or setting.range
    default = setting.none if setting.default in (None, ()) else setting.default
    parser.add_argument(
        option,
        dest=setting.name,
        default=argparse.SUPPRESS,
        type=partial(setting_value, setting),
        metavar={int: "N", float: "X", tuple: "K,K"}.get(
            setting.kind, "|".join(map(str, setting.choices)) or "K"
        ),
        help=f"{setting.label}: {taken}; default: {default}",
    )


def size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)[xX×](\d+)", text.replace(",", "").replace("_", ""))
    if not match:
        raise argparse.ArgumentTypeError(f"must be CELLSxGENES, for example 5000x2000, and is {text!r}")
    return int(match[1]), int(match[2])
