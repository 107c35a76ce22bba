"""``python -m backend run``: the dashboard, at an address that is printed once it is ready."""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
import sys
from dataclasses import replace

from ..errors import BadInput
from ..services import check_workspace
from ..settings import MOST_WORKERS, PROJECT, Settings
from .args import add_workspace, whole

HELP = "start the dashboard"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=whole(1), default=8501, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--address",
        metavar="IP",
        help="where to listen, 0.0.0.0 for every network; beyond this computer a log-in is asked for "
        "(default: 127.0.0.1)",
    )
    parser.add_argument(
        "--base-path",
        metavar="PATH",
        help="the path that a proxy puts the dashboard under and keeps, such as node/HOST/8501",
    )
    parser.add_argument(
        "--workers",
        type=whole(1),
        metavar="N",
        help="train N runs at once, each in a process of its own, with the processor threads shared out (default: one "
        "run at a time; with several NVIDIA cards one a card)",
    )
    add_workspace(parser)


def run(settings: Settings, args: argparse.Namespace) -> int:
    """Does not come back: the server takes the place of this process."""
    if args.port > 65_535:
        raise BadInput(f"--port must be at most 65535, and is {args.port}.")
    if args.workers is not None:
        if args.workers > MOST_WORKERS:
            raise BadInput(f"--workers must be at most {MOST_WORKERS}, and is {args.workers}.")
        settings = replace(settings, workers=args.workers)
    check_workspace(settings)
    app = str(PROJECT / "app.py")
    command = [sys.executable, "-m", "streamlit", "run", app, "--server.port", str(args.port)]
    if args.address is not None:
        command += ["--server.address", _address(args.address)]
    if args.base_path is not None:
        command += ["--server.baseUrlPath", _base_path(args.base_path)]
    os.execve(sys.executable, [*command, "--server.showEmailPrompt", "false"], settings.environment())


def _address(text: str) -> str:
    try:
        return "127.0.0.1" if text == "localhost" else str(ipaddress.ip_address(text))
    except ValueError:
        raise BadInput(
            f"--address must be an IP address of this computer, such as 127.0.0.1 or 0.0.0.0, and is {text!r}."
        ) from None


def _base_path(text: str) -> str:
    path = text.strip("/")
    parts = path.split("/")
    if {".", ".."} & {*parts} or not all(re.fullmatch(r"[\w.~:-]+", part, flags=re.ASCII) for part in parts):
        raise BadInput(f"--base-path must be a path such as node/HOST/8501, and is {text[:80]!r}.")
    return path
