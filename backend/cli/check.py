"""``python -m backend check cuda``: whether a device computes the right numbers, and how fast it trains."""

from __future__ import annotations

import argparse
import json

from ..devices import environment, resolve_accelerator
from ..settings import Settings
from ..types import DeviceCheck
from ..words import count
from .args import add_common
from .terminal import Progress, print_table

HELP = "check a device: right numbers, and how fast it trains"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "device", nargs="?", default="auto", metavar="auto|cpu|cuda|mps", help="default: auto"
    )
    add_common(parser, "print one JSON object at the end")


def run(settings: Settings, args: argparse.Namespace) -> int:
    accelerator, _ = resolve_accelerator(args.device)
    from ..training import check_device, use_threads

    use_threads(settings.threads)
    with Progress() as progress:
        check = check_device(
            accelerator.name, accelerator.label, lambda share, phase: progress.phase(phase, share)
        )
    if args.json:
        print(json.dumps(check.to_dict() | {"passed": check.passed, "environment": environment()}))
    else:
        _print(check)
    return 0 if check.passed else 1


def _print(check: DeviceCheck) -> None:
    wrong = [finding for finding in check.findings if not finding.passed]
    if wrong:
        print(f"{check.device_name} computes wrong numbers. Do not train on it:")
        for finding in wrong:
            print(f"  {finding.engine}, {finding.likelihood}: {finding.problem or 'too far from the CPU'}")
        return
    print(f"{check.device_name}: all {len(check.findings)} comparisons with float64 on the CPU passed.")
    rows = [(one.engine, str(one.batch_size), count(one.cells_per_second)) for one in check.speeds]
    print_table([("engine", "minibatch size", "cells/s"), *rows])
    print(f"Measured on simulated cells with {count(check.n_vars)} genes.")
