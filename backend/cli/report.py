"""``python -m backend report RUN|GROUP --html OUT`` or ``--pdf OUT``: one file that opens without a network."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from ..settings import Settings
from ..words import file_size
from .args import add_common
from .bundle import deliver, opened
from .pdf import print_pdf

HELP = "write a run, or a comparison of runs, as one HTML or PDF file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="+",
        metavar="RUN|GROUP",
        help="a run, a sweep or other group, or several runs to compare",
    )
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--html", metavar="OUT", type=Path, help="the file to write")
    kind.add_argument(
        "--pdf",
        nargs="?",
        const=Path("report.pdf"),
        metavar="OUT",
        type=Path,
        help="the same as PDF, through the Chromium, Chrome or Edge that is installed (default: report.pdf)",
    )
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
        if args.pdf is None:
            out = deliver(made, args.html, ".html")
        else:
            with tempfile.TemporaryDirectory() as folder:
                printed = Path(folder) / "report.pdf"
                print_pdf(made, printed)
                out = deliver(printed, args.pdf, ".pdf")
    size = out.stat().st_size
    print(json.dumps({"path": str(out), "bytes": size}) if args.json else f"{out}: {file_size(size)}")
    return 0
