"""``python -m backend run``: the dashboard, at an address that is printed once it is ready."""

from __future__ import annotations

import argparse
import os
import sys

from ..errors import BadInput
from ..services import check_workspace
from ..settings import PROJECT, Settings
from .args import add_workspace, whole

HELP = "start the dashboard"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=whole(1), default=8501, metavar="N", help="default: %(default)s")
    add_workspace(parser)


def run(settings: Settings, args: argparse.Namespace) -> int:
    """Does not come back: the server takes the place of this process."""
    if args.port > 65_535:
        raise BadInput(f"--port must be at most 65535, and is {args.port}.")
    check_workspace(settings)
    app = str(PROJECT / "app.py")
    command = [sys.executable, "-m", "streamlit", "run", app, "--server.port", str(args.port)]
    os.execve(sys.executable, [*command, "--server.showEmailPrompt", "false"], settings.environment())
