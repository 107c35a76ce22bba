"""What a training run says about itself: once at its start, once at its end."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..types import Message, Problem


@dataclass(frozen=True, slots=True)
class StartInfo(Message):
    """Told when the first minibatch is about to be trained."""

    device: str  # where the parameters were: "cpu", "mps:0", "cuda:0"
    device_name: str
    engine: str
    implementation: str  # what the engine computed with: "CPU kernels (numba)", "torch on MPS", "scvi-tools"
    preparation_seconds: float  # it took to make the engine ready, in this session
    notices: tuple[str, ...]  # fallbacks worth showing with the run
    environment: dict[str, str] = field(default_factory=dict)  # versions, machine
    n_obs: int = 0
    n_vars: int = 0
    first_epoch: int = 1  # above 1 where a run was resumed


@dataclass(frozen=True, slots=True)
class TrainingResult(Message):
    """How a run ended. A model was saved unless it diverged before its first epoch was complete."""

    outcome: str  # finished, stopped, diverged
    epochs: int  # completed, over all sessions
    elapsed: float  # seconds of training over all sessions
    problem: Problem | None = None
    notices: tuple[str, ...] = ()
