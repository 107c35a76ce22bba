"""``python -m backend sweep``: a grid of settings, one run after the other, with a table at the end.

Trains in this process; the dashboard shows it meanwhile and can pause or cancel it. Ctrl-C leaves a sweep that
goes on later: in the dashboard, or with ``--resume``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any

from ..services import Services, build_services
from ..settings import Settings
from ..types import GroupRecord, RunRecord, RunSpec, SweepPlan, settings_of
from ..words import count, sentence
from .args import add_common, add_data, add_setting, setting_value, several
from .data import bring_data
from .terminal import Progress, handling, print_table, terminable

HELP = "train a grid of settings, one after the other, and compare them"
_DEFAULTS = SweepPlan(RunSpec(dataset_id=""))
_SETTINGS = settings_of(RunSpec)
_HEADINGS = ("minibatch", "LR", "rule", "engine", "device", "seed", "seconds", "val. ELBO", "status", "run")
_PAUSED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = add_data(parser)
    source.add_argument("--resume", metavar="GROUP", help="resume an unfinished sweep")
    add = parser.add_argument
    for option, name, default in (
        ("--batch-sizes", "batch_size", _DEFAULTS.batch_sizes),
        ("--lr-rule", "lr_rule", _DEFAULTS.lr_rules),
        ("--accelerators", "accelerator", ("auto",)),
        ("--engines", "engine", _DEFAULTS.engines),
        ("--seeds", "seed", _DEFAULTS.seeds),
    ):
        one = _SETTINGS[name]
        add(
            option,
            type=several(partial(setting_value, one)),
            default=default,
            metavar="N,N" if one.is_number else "A,A",
            help=f"{one.label}, several: {one.range}; default: {','.join(map(str, default))}",
        )
    add(
        "--lr",
        type=partial(setting_value, _SETTINGS["lr"]),
        default=None,
        metavar="X",
        help="learning rate at 128 cells; default: 0.001",
    )
    add_setting(parser, "--max-epochs", _SETTINGS["max_epochs"])
    add(
        "--set",
        type=_setting,
        action="append",
        default=[],
        metavar="NAME=V,V",
        dest="other",
        help="any other setting and its values, for example n_latent=10,20",
    )
    add("--name", default="", help="name of the sweep")
    add_common(parser, "print one JSON object about the sweep at the end, and nothing else, on stdout")


def run(settings: Settings, args: argparse.Namespace) -> int:
    services = build_services(replace(settings, workers=0))  # here, in this process
    with contextlib.redirect_stdout(sys.stderr), terminable():  # stdout is for the answer alone
        services.start(server=False)
        try:
            group, runs = _sweep(services, args)
            rows = [_row(services, record) for record in runs]
        finally:
            services.close()
    left = [record for record in runs if not record.status.has_model]
    if args.json:
        print(json.dumps({"group_id": group.group_id, "name": group.name, "rows": rows}))
    else:
        print_table([_HEADINGS, *map(_cells, rows)])
        print(f"sweep {group.group_id}")
    for record in left:
        if record.problem is not None:
            print(f"error: {record.name}: {record.problem.message}", file=sys.stderr)
    if group.paused:
        print(f"Paused. Resume with: python -m backend sweep --resume {group.group_id}", file=sys.stderr)
        return _PAUSED
    return 1 if left else 0


def _sweep(services: Services, args: argparse.Namespace) -> tuple[GroupRecord, list[RunRecord]]:
    for name in args.accelerators:
        services.devices.resolve(name)  # refused before any data is read
    groups = services.groups
    with Progress(quiet=args.json) as progress:
        if args.resume:
            group = groups.get(args.resume)
            groups.hold(group.group_id)
            groups.resume(group.group_id)
        else:
            plan = _plan(args)
            dataset = bring_data(services.datasets, args, progress)
            plan = plan.replace(base=plan.base.replace(dataset_id=dataset.dataset_id))
            group = groups.sweep(plan, args.name, origin="command line", hold=True)
        for notice in group.notices:
            progress.say(sentence(notice))
        _execute(services, group.group_id, progress)
        return groups.get(group.group_id), groups.runs(group.group_id)


def _plan(args: argparse.Namespace) -> SweepPlan:
    base = RunSpec(dataset_id="", batch_key=args.batch_key)
    if "max_epochs" in args:
        base = base.replace(max_epochs=args.max_epochs)
    return SweepPlan(
        base=base if args.lr is None else base.replace(lr=args.lr),
        batch_sizes=args.batch_sizes,
        lr_rules=args.lr_rule,
        accelerators=args.accelerators,
        engines=args.engines,
        seeds=args.seeds,
        other=dict(args.other),
    )


def _execute(services: Services, group_id: str, progress: Progress) -> None:
    """Train what waits, in order, until there is nothing left or the user leaves."""
    groups, leaving, told = services.groups, threading.Event(), False
    try:
        with _leavable(services, group_id, leaving, progress.say):
            while not leaving.is_set():
                record = groups.next_here(group_id)
                if record is None:
                    return
                if groups.get(group_id).paused:
                    if not told:
                        progress.say("Paused in the dashboard. Resume it there, or leave with Ctrl-C.")
                    told = True
                    leaving.wait(0.3)
                    continue
                told = False
                over = [run.status.is_over for run in groups.runs(group_id)]
                progress.say(f"run {sum(over) + 1} of {len(over)}: {record.name}")
                progress.expect(record.replace(notices=()))
                services.runs.run_here(record.run_id, progress.follow)
    except BaseException:
        groups.pause(group_id)  # or a server would take over what was told to end
        raise


@contextlib.contextmanager
def _leavable(
    services: Services, group_id: str, leaving: threading.Event, say: Callable[[str], None]
) -> Iterator[None]:
    """Ctrl-C: leave a sweep that can be gone on with; a second time: leave at once."""
    asked: list[threading.Thread] = []

    def leave() -> None:
        services.groups.pause(group_id)
        services.runs.close(timeout=60)

    def interrupted(number: int, frame: FrameType | None) -> None:
        if asked:
            os._exit(_PAUSED)
        leaving.set()
        # In a thread: the interrupted code may hold the very locks that asking needs.
        asked.append(threading.Thread(target=leave, daemon=True))
        asked[0].start()
        say("Stopping after this minibatch; what has been trained is kept.")

    with handling(signal.SIGINT, interrupted):
        yield
        for thread in asked:
            thread.join(timeout=60)


def _row(services: Services, record: RunRecord) -> dict[str, Any]:
    history = services.registry.history(record.run_id)
    losses, elbos = history.get("validation_loss", []), history.get("elbo_validation", [])
    ended = record.status.has_model
    return {
        "engine": record.spec.engine,
        "accelerator": record.spec.accelerator,
        "batch_size": record.spec.batch_size,
        "lr": record.spec.lr,
        "seconds": round(record.elapsed, 3) if ended else None,
        "elbo_validation": elbos[-1] if ended and elbos and math.isfinite(elbos[-1]) else None,
        "validation_loss": losses[-1] if ended and losses and math.isfinite(losses[-1]) else None,
        "run_id": record.run_id,
        "lr_rule": record.spec.lr_rule,
        "seed": record.spec.seed,
        "epochs": record.epoch,
        "status": record.status,
        "engine_used": record.environment.get("engine", ""),
        "other_load": record.conditions.get("other_load"),
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        count(row["batch_size"]),
        f"{row['lr']:g}",
        row["lr_rule"],
        row["engine"],
        row["accelerator"],
        str(row["seed"]),
        "" if row["seconds"] is None else f"{row['seconds']:.1f}",
        "" if row["elbo_validation"] is None else f"{row['elbo_validation']:.1f}",
        row["status"],
        row["run_id"],
    )


def _setting(text: str) -> tuple[str, tuple[Any, ...]]:
    name, equals, values = text.partition("=")
    name = name.strip()
    if not equals or not values:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE,VALUE, and is {text!r}")
    if name not in _SETTINGS:
        return name, (values,)  # refused by the plan, with the names there are
    one = _SETTINGS[name]
    return name, several(lambda part: setting_value(one, "" if part == "null" else part))(values)
