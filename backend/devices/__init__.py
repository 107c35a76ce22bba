"""The accelerators of this machine, why one is missing, and the machine itself.

``Devices(settings)`` is what pages and runs ask; ``resolve_accelerator(name)`` gives the accelerator that a
run will use, or refuses; ``environment()`` says what ran, for the record. Nothing is computed on a device
here, torch is imported only when asked about accelerators, and what was found is remembered for the life of
the process.
"""

from __future__ import annotations

from ..settings import Settings
from ..types import Accelerator
from ._accelerators import bfloat16_obstacle, cuda_cards, find_accelerators, resolve_accelerator
from ._machine import cores, environment, machine, memory, no_cluster

__all__ = ["Devices", "cores", "cuda_cards", "environment", "no_cluster", "resolve_accelerator"]


class Devices:
    """What the pages and the runs ask. Holds nothing but the settings; safe to call from any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def accelerators(self) -> list[Accelerator]:
        """CPU, Apple GPU and NVIDIA GPU, each there or missing for a reason."""
        return list(find_accelerators())

    def resolve(self, name: str) -> Accelerator:
        """The accelerator for ``cpu``, ``mps``, ``cuda`` or ``auto``; raises ``DeviceUnavailable``."""
        return resolve_accelerator(name)[0]

    def bfloat16_obstacle(self, name: str) -> str:
        """Why a device cannot multiply in bfloat16 well, as a sentence; empty where it can."""
        return bfloat16_obstacle(name)

    def machine(self) -> dict[str, str]:
        """Facts about the machine, each a label and a text."""
        return machine()

    def memory(self) -> tuple[int, int, int]:
        """Bytes used by this process, still available to it, and in the machine."""
        return memory()
