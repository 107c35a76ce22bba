"""The child process of ``_child``: does one request on a file and ends.

It says ``{"progress", "phase"}`` while working, then ``{"result"}`` or ``{"problem"}``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import OutOfMemory, StudioError
from ..jobs import Reporter, Say, serve
from ..storage import is_full, no_space
from ..types import PrepareSpec, SourceRef

OnProgress = Callable[[float | None, str], None]


def inspect(request: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    from ._inspect import inspect_source

    return inspect_source(SourceRef.from_dict(request["ref"]), on_progress).to_dict()


def prepare(request: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    from ._prepare import prepare_source

    extra = {"full": Path(request["full"])} if request.get("full") else {}
    return prepare_source(
        SourceRef.from_dict(request["ref"]),
        PrepareSpec.from_dict(request["spec"]),
        Path(request["out_dir"]),
        on_progress,
        **extra,
    )


def simulate(request: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    from ._simulate import SimulationSpec, write_simulated

    return write_simulated(SimulationSpec.from_dict(request["spec"]), Path(request["out"]), on_progress)


def public(request: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    from ._public import fetch_public

    return fetch_public(request["key"], Path(request["folder"]), Path(request["out"]), on_progress)


ACTIONS: dict[str, Callable[[dict[str, Any], OnProgress], dict[str, Any]]] = {
    "inspect": inspect,
    "prepare": prepare,
    "simulate": simulate,
    "public": public,
}


def perform(request: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    """Do ``request``, turning what a user can understand into a ``StudioError``."""
    try:
        return ACTIONS[request["action"]](request, on_progress)
    except StudioError:
        raise
    except MemoryError as error:
        raise OutOfMemory(
            "This machine does not have enough memory for this file. Close other programs, or choose fewer "
            "genes."
        ) from error
    except OSError as error:
        if is_full(error):
            place = Path(request.get("out_dir") or request.get("out") or Path.cwd())
            raise no_space("what is being written", place) from error
        raise


def answer(request: dict[str, Any], say: Say) -> None:
    say({"result": perform(request, Reporter(say))})


if __name__ == "__main__":
    sys.exit(serve(answer, niceness=5))
