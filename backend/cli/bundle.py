"""``python -m backend bundle RUN|GROUP OUT.zip``: runs as one small file for another computer."""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..errors import BadInput, NotAllowed
from ..services import Services, build_services
from ..settings import Settings
from ..storage import is_full, no_space
from ..words import file_size
from .args import add_common

HELP = "write runs into one file that another computer can import"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", metavar="RUN|GROUP", help="the id of a run, or of a sweep or other group of runs"
    )
    parser.add_argument("out", metavar="OUT.zip", type=Path, help="the file to write")
    parser.add_argument("--with-model", action="store_true", help="include the trained model")
    add_common(parser, "print one JSON object with the file's path and size")


def run(settings: Settings, args: argparse.Namespace) -> int:
    with opened(settings) as services:
        name = "bundle-with-model.zip" if args.with_model else "bundle.zip"
        made = services.exports.together(args.what, name)
        out = deliver(made, args.out, ".zip")
        _, records = services.exports.chosen(args.what)
    size = out.stat().st_size
    left_out = [record.run_id for record in records if not record.status.is_over]
    if args.json:
        print(json.dumps({"path": str(out), "bytes": size, "left_out": left_out}))
    else:
        print(f"{out}: {file_size(size)}. On the other computer: python -m backend import {out.name}")
        if left_out:
            print(f"Left out, because they have not finished: {', '.join(left_out)}")
    return 0


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[Services]:
    """The services of a workspace for a short command, beside a server that may run."""
    services = build_services(settings)
    services.start(server=False)
    try:
        yield services
    finally:
        services.close()


def deliver(made: Path, out: Path, suffix: str) -> Path:
    """Copy what was built to where the user wants it."""
    out = out.expanduser().absolute()
    if out.is_dir():
        raise BadInput(f"{out} is a folder. Name the file to write, such as {out / f'runs{suffix}'}.")
    if not out.parent.is_dir():
        raise BadInput(f"There is no folder {out.parent} to write into. Create it first.")
    try:
        shutil.copyfile(made, out)
    except OSError as error:
        if is_full(error):
            raise no_space(out.name, out.parent) from error
        raise NotAllowed(f"{out} cannot be written ({error.strerror}). Choose another place.") from error
    return out
