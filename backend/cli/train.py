"""``python -m backend train``: data in, a run, a model, with a progress bar on a terminal.

Ctrl-C stops and keeps the model, a second one discards it. The same can be asked for from the dashboard.
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
from types import FrameType
from typing import Any

from ..errors import Conflict, StudioError
from ..services import Services, build_services
from ..settings import Settings
from ..types import RunRecord, RunSpec, RunStatus
from ..words import loss_words, sentence, status_word
from .args import add_common, add_data
from .course import add_course, course_of
from .data import bring_data, findings_of
from .findings import as_json
from .terminal import Progress, handling, terminable

_EXIT_CODES = {
    RunStatus.FINISHED: 0,
    RunStatus.STOPPED: 0,
    RunStatus.CANCELED: 130,
    RunStatus.INTERRUPTED: 130,
}


HELP = "train a model on a file or a built-in data set"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    add_course(parser)
    parser.add_argument("--name", default="", help="name of the run")
    add_common(parser, "print one JSON object about the run at the end, and nothing else, on stdout")


def run(settings: Settings, args: argparse.Namespace) -> int:
    services = build_services(replace(settings, workers=0))  # here, in this process
    with contextlib.redirect_stdout(sys.stderr), terminable():  # stdout is for the answer alone
        services.start(server=False)
        try:
            record, result = _train(services, args)
        finally:
            services.close()
    print(json.dumps(result) if args.json else _summary(record, result["model_dir"]))
    if record.problem is not None:
        print(f"error: {record.problem.message}", file=sys.stderr)
    return _EXIT_CODES.get(record.status, 1)


def _train(services: Services, args: argparse.Namespace) -> tuple[RunRecord, dict[str, Any]]:
    if "accelerator" in args and args.accelerator not in ("auto", "cpu"):
        services.devices.resolve(args.accelerator)  # refused before any data is read
    with Progress(quiet=args.json) as progress:
        dataset = bring_data(services.datasets, args, progress)
        spec = RunSpec(dataset_id=dataset.dataset_id, **course_of(args, dataset.n_obs))
        record = services.runs.submit(spec, name=args.name, origin="command line", hold=True)
        progress.expect(record)
        with _stoppable(services, record.run_id, progress.say):
            told = set(record.notices)
            record = services.runs.run_here(record.run_id, progress.follow)
        for notice in record.notices:
            if notice not in told:
                progress.say(sentence(notice))
    return record, _describe(services, record)


def _describe(services: Services, record: RunRecord) -> dict[str, Any]:
    history = services.registry.history(record.run_id)
    model_dir = services.runs.run_dir(record.run_id) / "model"
    dataset = services.datasets.dataset(record.spec.dataset_id)
    return {
        "run_id": record.run_id,
        "status": record.status,
        "spec": record.spec.to_dict(),
        "n_obs": record.n_obs,
        "n_vars": record.n_vars,
        "device": record.device,
        "engine": record.environment.get("engine", record.spec.engine),  # as executed
        "implementation": record.implementation,
        "preparation_seconds": record.preparation_seconds,
        "notices": [sentence(notice) for notice in record.notices],
        "findings": as_json(findings_of(services.datasets, dataset, record.spec.batch_key)),
        "seconds_per_epoch": history.get("epoch_seconds", []),
        "cells_per_second": record.cells_per_second,
        "history": {name: [_finite(value) for value in values] for name, values in history.items()},
        "model_dir": str(model_dir) if record.status.has_model else None,
        "problem": record.problem.message if record.problem else None,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None  # JSON knows no NaN


def _summary(record: RunRecord, model_dir: str | None) -> str:
    lines = [
        f"{record.name}: {status_word(record.status)} after {record.epoch} of {record.spec.max_epochs} epochs"
    ]
    if record.cells_per_second:
        lines.append(
            f"{record.elapsed:.1f} s of training on {record.device}, {record.cells_per_second:,.0f} cells/s, "
            f"{record.environment.get('engine', record.spec.engine)} engine ({record.implementation})"
        )
    if record.preparation_seconds and record.preparation_seconds >= 1:
        lines.append(f"{record.preparation_seconds:.1f} s before it to prepare the engine")
    if record.best_validation is not None:
        lines.append(
            f"best {loss_words(record.judged_by)} {record.best_validation:.2f} at epoch {record.best_epoch}"
        )
    lines.append(f"model {model_dir}" if model_dir else "no model was kept")
    return "\n".join(lines)


@contextlib.contextmanager
def _stoppable(services: Services, run_id: str, say: Callable[[str], None]) -> Iterator[None]:
    """Ctrl-C: stop and keep; again: discard; a third time: leave at once."""
    requests: list[Callable[[str], Any]] = [services.runs.stop, services.runs.cancel]
    lines = [
        "Stopping after this minibatch; the model is kept. Ctrl-C again discards it.",
        "Discarding the run.",
    ]

    def ask(request: Callable[[str], Any], line: str) -> None:
        try:
            request(run_id)
        except Conflict:
            say("Training is over already; the model is kept.")
        except StudioError as error:
            say(str(error))
        else:
            say(line)

    def interrupted(number: int, frame: FrameType | None) -> None:
        if not requests:
            os._exit(130)  # the next start finds the run interrupted
        # In a thread: the interrupted code may hold the very locks that asking needs.
        threading.Thread(target=ask, args=(requests.pop(0), lines.pop(0)), daemon=True).start()

    with handling(signal.SIGINT, interrupted):
        yield
