"""Which devices have instructions for bfloat16 products. Whether those are worth using is measured, not told here."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from ._machine import run

_CPU_INFO = Path("/proc/cpuinfo")
_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # the last one on arm64
_SLOW = "This processor has no instructions for bfloat16, so it would be slower and less exact."


@cache
def bfloat16_obstacle(name: str) -> str:
    """Why ``cpu``, ``mps`` or ``cuda`` should not be asked for it, as a sentence; empty where it may."""
    if name == "cpu":
        return "" if _cpu_has_it() else _SLOW
    import torch

    if name == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "This graphics processor is too old for bfloat16."
    if name == "mps" and not torch.backends.mps.is_macos_or_newer(14, 0):
        return "bfloat16 on the Apple GPU needs macOS 14 or newer."
    return ""


def _cpu_has_it() -> bool:
    if platform.system() == "Darwin":
        return run("sysctl", "-n", "hw.optional.arm.FEAT_BF16") == "1"
    try:
        lines = _CPU_INFO.read_text(errors="replace").splitlines()
    except OSError:
        return False
    for line in lines:
        name, _, flags = line.partition(":")
        if name.strip().lower() in ("flags", "features") and _FLAGS & set(flags.split()):
            return True
    return False
