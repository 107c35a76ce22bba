"""Turn what torch and scvi-tools raise into a sentence with a remedy; the traceback stays in the log."""

from __future__ import annotations

from ..errors import NoSpace, OutOfMemory, StudioError, TrainingFailed
from ..storage import is_full
from ..types import Problem, Remedy, RunSpec
from ..words import count, counted
from ._presets import learning_rate

_MEMORY_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


def translate(error: BaseException, spec: RunSpec, accelerator: str) -> StudioError:
    """Our error for any exception of a training run."""
    if isinstance(error, StudioError):
        return error
    text = str(error)
    if isinstance(error, MemoryError) or any(word in text.lower() for word in _MEMORY_WORDS):
        return OutOfMemory(
            f"There was not enough memory for minibatches of {counted(spec.batch_size, 'cell')}.",
            remedies=_smaller(spec, accelerator),
        )
    on_cpu = (Remedy("Try again on the CPU", "resubmit", {"accelerator": "cpu"}),)
    if accelerator == "mps" and ("MPS" in text or "mps" in text):
        return TrainingFailed(
            "The Apple GPU does not support an operation that this model needs.", remedies=on_cpu
        )
    if accelerator == "cuda" and "CUDA" in text:
        return TrainingFailed(f"The NVIDIA GPU reported an error: {_first_line(text)}", remedies=on_cpu)
    if is_full(error):
        return NoSpace("The disk is full, so the run could not be saved. Free some space and resume it.")
    line = _first_line(text)
    detail = f"{type(error).__name__}: {line}" if line else type(error).__name__
    return TrainingFailed(
        f"Training ended with an unexpected error ({detail}). The log of the run has the details."
    )


def diverged(spec: RunSpec, accelerator: str, epochs: int) -> Problem:
    """The problem of a run whose loss became NaN or infinite."""
    # far above the usual rate, a quarter of it would only diverge again
    lower = float(f"{min(spec.lr / 4, learning_rate(spec.batch_size, 'linear')):.2g}")
    remedies = [
        Remedy(
            f"Try again with a lower learning rate ({lower:g})",
            "resubmit",
            {"lr": lower, "lr_rule": "manual"},
        )
    ]
    if accelerator != "cpu":
        remedies.append(Remedy("Try again on the CPU", "resubmit", {"accelerator": "cpu"}))
    kept = (
        f"The model of epoch {epochs}, the last good one, was kept."
        if epochs
        else "No epoch was complete, so there is no model to keep."
    )
    return Problem(
        "diverged",
        "error",
        f"The loss became infinite or NaN, so training stopped. {kept}",
        tuple(remedies),
    )


def looks_diverged(error: Exception) -> bool:
    """Whether scvi-tools' distributions refused NaN parameters: how a diverged network shows itself."""
    text = str(error)
    return isinstance(error, ValueError) and "invalid values" in text and ("nan" in text or "inf" in text)


def _smaller(spec: RunSpec, accelerator: str) -> tuple[Remedy, ...]:
    remedies = []
    if spec.batch_size >= 32:
        half = spec.batch_size // 2
        changes: dict[str, object] = {"batch_size": half}
        if spec.lr_rule != "manual":
            changes["lr"] = learning_rate(half, spec.lr_rule)
        remedies.append(Remedy(f"Halve the minibatch size (to {count(half)})", "resubmit", changes))
    if accelerator != "cpu":
        remedies.append(Remedy("Try again on the CPU", "resubmit", {"accelerator": "cpu"}))
    return tuple(remedies)


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:300] if text.strip() else ""
