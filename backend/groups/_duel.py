"""The two contestants of a duel. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import BadInput
from ..types import Accelerator, RunSpec
from ._grid import same_run

Contestants = tuple[dict[str, Any], dict[str, Any]]
_FIELDS = frozenset(f.name for f in dataclasses.fields(RunSpec)) - {"dataset_name"}


def suggested(base: RunSpec, accelerators: Iterable[Accelerator]) -> Contestants:
    """CPU against the GPU where there is one; where there is none, one engine against the other."""
    gpu = next((one.name for one in accelerators if one.available and one.name != "cpu"), None)
    if gpu is not None:
        return {"accelerator": "cpu"}, {"accelerator": gpu}
    return {"engine": "stock", "accelerator": "cpu"}, {"engine": "fused", "accelerator": "cpu"}


def contestants(
    base: RunSpec, changes: Contestants, check: Callable[[RunSpec], RunSpec]
) -> tuple[RunSpec, RunSpec]:
    if len(changes) != 2:
        raise BadInput(f"A duel has two contestants, not {len(changes)}.")
    for change in changes:
        unknown = sorted(change.keys() - _FIELDS)
        if unknown:
            raise BadInput(f"There is no setting {unknown[0]!r} to change.")
    one, two = (check(base.replace(**change)) for change in changes)
    if same_run(one) == same_run(two):
        raise BadInput("The two contestants are the same. Choose another device, engine or setting for one.")
    return one, two
