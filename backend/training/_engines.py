"""The engines by name, and what an engine decides.

An engine plugs into an ordinary ``SCVI`` model through scvi-tools' own extension points
(``model._training_plan_cls``, ``model._data_splitter_cls``), so that the saved model is a plain one.
Everything else of a run (model, split, callbacks, checkpoints, metrics, device) is the same for all.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..errors import BadInput
from ..types import Notice, RunSpec

_ENGINES = {
    "fused": "._fused:FusedEngine",
    "stock": "._stock:StockEngine",
}


@dataclass(frozen=True, slots=True)
class TrainArguments:
    """What an engine adds to ``model.train(...)`` on top of what every run passes."""

    plan_kwargs: dict[str, Any] = field(default_factory=dict)
    datasplitter_kwargs: dict[str, Any] = field(default_factory=dict)
    trainer_kwargs: dict[str, Any] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    after: Callable[[], None] = lambda: None  # called when the loop is over, also where it raised
    engine: str = ""  # the engine that trains, where the one asked for had to give way
    implementation: str = "scvi-tools"  # what it computes with, in words
    precision: str = ""  # what Lightning is told, where that is not the spec's own


class Engine(Protocol):
    preparation: str  # what ``install`` does that takes time, for the page; empty where it takes none

    def check(self, spec: RunSpec, accelerator: str) -> None:
        """Raise ``BadInput`` for a spec this engine cannot train on that accelerator."""

    def install(self, model: Any, spec: RunSpec, accelerator: str) -> TrainArguments:
        """Set the model's extension points and say what else ``train`` needs."""


def available_engines() -> tuple[str, ...]:
    return tuple(_ENGINES)


def make_engine(name: str) -> Engine:
    if name not in _ENGINES:
        raise BadInput(f"There is no engine {name!r}. Available: {', '.join(_ENGINES)}.")
    module, _, attribute = _ENGINES[name].partition(":")
    engine: Engine = getattr(importlib.import_module(module, __package__), attribute)()
    return engine
