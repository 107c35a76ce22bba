"""What devices, engines and statuses are called."""

from __future__ import annotations

from ..types import RunSpec, settings_of

_DEVICES = {"cpu": "CPU", "mps": "MPS", "cuda": "CUDA"}
_DEVICE_TITLES = {"cpu": "CPU", "mps": "Apple GPU (MPS)", "cuda": "NVIDIA GPU (CUDA)"}
_STATUSES = {"canceled": "cancelled"}


def device_word(device: str) -> str:
    """Short, for labels: "mps" or "mps:0" -> "MPS"."""
    kind = device.split(":")[0]
    return _DEVICES.get(kind, kind.upper())


def device_title(device: str) -> str:
    """Written out, where it is chosen or explained: "mps" -> "Apple GPU (MPS)"."""
    kind = device.split(":")[0]
    return _DEVICE_TITLES.get(kind, kind.upper())


def engine_title(engine: str) -> str:
    """ "stock" -> "scvi-tools (reference)"."""
    return settings_of(RunSpec)["engine"].choices.get(engine, engine)


def status_word(status: str) -> str:
    """Of a run, in British spelling: "canceled" -> "cancelled"."""
    return _STATUSES.get(status, str(status))
