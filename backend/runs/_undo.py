"""What a run was before it was resumed or extended, kept beside it, so that Cancel gives that back.

A copy of the record and of the checkpoint: small files. The model itself is replaced only when a session
ends, so it needs no copy.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from ..registry import RunRegistry
from ..storage import building, discard, write_json
from ..types import RunRecord, RunStatus

_FOLDER = "before"
CHECKPOINT = "checkpoint"
_PRODUCTS = ("model", CHECKPOINT, "exports", "frames", "analysis", _FOLDER)
_FILES = ("latent.npy", "split.npz")


def keep(run_dir: Path, record: RunRecord) -> None:
    """Remember ``record``, unless an earlier state with a model is: that is the one worth having."""
    earlier = kept(run_dir)
    if earlier is not None and earlier.status.has_model:
        return
    forget(run_dir)
    with building(run_dir / _FOLDER, "a copy of the checkpoint") as folder:
        write_json(folder / "record.json", record.to_dict())
        if (run_dir / CHECKPOINT).is_dir():
            shutil.copytree(
                run_dir / CHECKPOINT, folder / CHECKPOINT, ignore=shutil.ignore_patterns(".tmp-*")
            )


def kept(run_dir: Path) -> RunRecord | None:
    try:
        return RunRecord.from_dict(json.loads((run_dir / _FOLDER / "record.json").read_text()))
    except FileNotFoundError:
        return None


def bring_back(run_dir: Path) -> None:
    """Put the checkpoint of before in place again."""
    if (run_dir / _FOLDER / CHECKPOINT).is_dir():
        discard(run_dir / CHECKPOINT)
        (run_dir / _FOLDER / CHECKPOINT).rename(run_dir / CHECKPOINT)
    forget(run_dir)


def forget(run_dir: Path) -> None:
    shutil.rmtree(run_dir / _FOLDER, ignore_errors=True)


def discard_products(run_dir: Path) -> None:
    """Remove all a run made except its log."""
    for name in _PRODUCTS:
        shutil.rmtree(run_dir / name, ignore_errors=True)
    for name in _FILES:
        (run_dir / name).unlink(missing_ok=True)


def restored_fields(before: RunRecord) -> dict[str, Any]:
    """The fields of a record that a session changes, as they were before it."""
    names = ("spec", "epoch", "elapsed", "ended_at", "started_at", "best_validation", "best_epoch")
    judged = ("judged_by", "last_validation")
    more = ("seconds_per_epoch", "cells_per_second", "peak_memory", "notices", "device", "device_name")
    engine = ("environment", "implementation", "preparation_seconds")
    return {name: getattr(before, name) for name in (*names, *judged, *more, *engine, "conditions")}


def leave_queue(registry: RunRegistry, run_dir: Path, record: RunRecord) -> RunRecord | None:
    """Out of the queue, to what the run was before it; None where it is queued no more."""
    before = kept(run_dir)
    if before is None:
        fields: dict[str, Any] = {"status": RunStatus.CANCELED, "ended_at": time.time()}
    else:
        fields = {**restored_fields(before), "status": before.status, "problem": before.problem}
    left = registry.transition(record.run_id, {RunStatus.QUEUED}, requested="", **fields)
    if left is not None and before is not None:
        bring_back(run_dir)
    return left
