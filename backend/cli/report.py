"""``python -m backend report RUN|GROUP --html OUT``: one HTML file that opens without a network."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..settings import Settings
from ..words import file_size
from .args import add_common
from .bundle import deliver, opened

HELP = "write a run, or a comparison of runs, as one HTML file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="+",
        metavar="RUN|GROUP",
        help="a run, a sweep or other group, or several runs to compare",
    )
    parser.add_argument("--html", required=True, metavar="OUT", type=Path, help="the file to write")
    parser.add_argument("--title", default="", help="title of a comparison")
    add_common(parser, "print one JSON object with the file's path and size")


def run(settings: Settings, args: argparse.Namespace) -> int:
    what = args.what[0] if len(args.what) == 1 else args.what
    with opened(settings) as services:
        group, records = services.exports.chosen(what)
        if group is None and len(records) == 1:
            made = services.exports.of_run(records[0].run_id, "report.html")
        else:
            made = services.exports.together(what, "report.html", title=args.title)
        out = deliver(made, args.html, ".html")
    size = out.stat().st_size
    print(json.dumps({"path": str(out), "bytes": size}) if args.json else f"{out}: {file_size(size)}")
    return 0
