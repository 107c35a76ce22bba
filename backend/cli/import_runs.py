"""``python -m backend import BUNDLE.zip``: take runs from another computer in, to be looked at and compared."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..errors import NotFound
from ..settings import Settings
from .args import add_common
from .bundle import opened

HELP = "import the runs of a bundle from another computer"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "bundle", metavar="BUNDLE.zip", type=Path, help="what `bundle` wrote on the other computer"
    )
    add_common(parser, "print one JSON object with the ids of the runs and of their group")


def run(settings: Settings, args: argparse.Namespace) -> int:
    path = args.bundle.expanduser()
    if not path.is_file():
        raise NotFound(f"There is no file {path}.")
    with opened(settings) as services:
        run_ids = services.exports.import_bundle(path)
        records = [services.registry.get(run_id) for run_id in run_ids]
    group_id = records[0].group_id
    if args.json:
        print(json.dumps({"run_ids": run_ids, "group_id": group_id}))
        return 0
    for record in records:
        print(f"{record.run_id}  {record.name}, from {record.imported_from}")
    if group_id:
        print(f"group {group_id}")
    return 0
