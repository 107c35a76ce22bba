"""The child process of ``_child``: does the steps of one job and ends.

It says ``{"step", "progress", "phase"}`` while working, then ``{"done"}`` or ``{"problem"}``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ..errors import OutOfMemory
from ..jobs import Reporter, Say, serve
from ..types import DatasetRef, RunRecord
from ._kinds import KINDS
from ._steps import perform_step


def perform(request: dict[str, Any], say: Say) -> None:
    dataset = DatasetRef.from_dict(request["dataset"]) if request["dataset"] else None
    record = RunRecord.from_dict(request["record"])
    try:
        for number, (name, options) in enumerate(request["steps"]):
            perform_step(
                KINDS[name],
                options,
                record=record,
                dataset=dataset,
                run_dir=Path(request["run_dir"]),
                progress=Reporter(say, step=number),
                check=lambda: None,  # a child is ended from outside
                threads=request["threads"],
            )
    except MemoryError as error:
        raise OutOfMemory(
            "This computer does not have enough memory for this. Close other programs and try again."
        ) from error
    say({"done": True})


if __name__ == "__main__":
    sys.exit(serve(perform, niceness=2))
