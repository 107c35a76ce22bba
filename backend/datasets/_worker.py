"""The child process of ``_performer``: does one request on a file and ends."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..jobs import OnProgress, serve
from ..types import DesignChoice, PrepareSpec, SourceRef
from . import inspect_source, prepare_source


def inspect(request: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    return inspect_source(SourceRef.from_dict(request["ref"]), on_progress).to_dict()


def prepare(request: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    full = Path(request["full"]) if request.get("full") else None
    return prepare_source(
        SourceRef.from_dict(request["ref"]),
        PrepareSpec.from_dict(request["spec"]),
        Path(request["out_dir"]),
        on_progress,
        full=full,
        doublets=Path(request["doublets"]) if request.get("doublets") else None,
    )


def quality(request: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    from ._quality import measure_source

    return measure_source(*_of_cells(request), on_progress).to_dict()


def doublets(request: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    from ._doublets import score_source

    score_source(*_of_cells(request), on_progress)
    return {}


def design(request: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    from ._design import design_of_source

    choice = DesignChoice.from_dict(request["choice"])
    design_of_source(SourceRef.from_dict(request["ref"]), choice, Path(request["out_dir"]), on_progress)
    return {}


def _of_cells(request: dict[str, Any]) -> tuple[SourceRef, PrepareSpec, Path]:
    ref, spec = SourceRef.from_dict(request["ref"]), PrepareSpec.from_dict(request["spec"])
    return ref, spec, Path(request["out_dir"])


def simulate(request: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    from ._simulate import SimulationSpec, write_simulated

    return write_simulated(SimulationSpec.from_dict(request["spec"]), Path(request["out"]), on_progress)


def public(request: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    from ._public import fetch_public

    return fetch_public(request["key"], Path(request["folder"]), Path(request["out"]), on_progress)


ACTIONS: dict[str, Callable[[dict[str, Any], OnProgress], dict[str, Any]]] = {
    "inspect": inspect,
    "prepare": prepare,
    "quality": quality,
    "doublets": doublets,
    "design": design,
    "simulate": simulate,
    "public": public,
}


def perform(request: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
    return ACTIONS[request["action"]](request, on_progress)


if __name__ == "__main__":
    sys.exit(serve(perform, niceness=5))
