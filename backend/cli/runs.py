"""``python -m backend runs``: every run of the workspace, newest first."""

from __future__ import annotations

import argparse
import json

from ..settings import Settings
from ..types import ELBO, RunRecord
from ..words import moment
from .args import add_common
from .bundle import opened
from .terminal import print_table

_HEADINGS = ("run", "status", "epochs", "best val. ELBO", "s/epoch", "device", "started", "name")


HELP = "list all runs of the workspace"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser, "print a JSON list instead of a table")


def run(settings: Settings, args: argparse.Namespace) -> int:
    with opened(settings) as services:
        records = services.runs.list()
    if args.json:
        print(json.dumps([record.to_dict() for record in records], indent=2))
    elif not records:
        print(f"No runs yet in {settings.workspace}. Start one: python -m backend train --demo")
    else:
        print_table([_HEADINGS, *map(_row, records)])
    return 0


def _row(record: RunRecord) -> tuple[str, ...]:
    return (
        record.run_id,
        record.status,
        f"{record.epoch}/{record.spec.max_epochs}",
        _best(record),
        "" if record.seconds_per_epoch is None else f"{record.seconds_per_epoch:.2f}",
        record.device or record.spec.accelerator,
        moment(record.started_at) if record.started_at else "",
        # A name is data: nothing in it may steer the terminal.
        "".join(char if char.isprintable() else "?" for char in record.name),
    )


def _best(record: RunRecord) -> str:
    if record.best_validation is None:
        return ""
    return f"{record.best_validation:.1f}{'' if record.judged_by == ELBO else ' (KL-weighted)'}"
