"""Which accelerators are there, and for a missing one what would have to change.

The machine is probed into a ``Platform`` and torch into a ``TorchBuild``; the verdicts are pure functions
of the two, so that each can be tested on a machine that has none of it. Beside them: which devices have instructions
for bfloat16 products; whether those are worth using is measured, not told here.
"""

from __future__ import annotations

import itertools
import os
import platform
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..errors import BadInput, DeviceUnavailable
from ..types import Accelerator, Notice, Remedy, notice
from ..words import counted, device_title
from ._machine import cores, cpu_name, memory, run

_WHEELS = "https://download.pytorch.org/whl/"
_UPGRADE = "Install it again with: pip install --upgrade --force-reinstall torch"

_PROC = Path("/proc/driver/nvidia")  # a folder for each card in gpus/
_lock = threading.Lock()
_found: tuple[Accelerator, ...] | None = None


@dataclass(frozen=True, slots=True)
class Platform:
    system: str  # Linux, Darwin
    machine: str  # x86_64, arm64, aarch64
    macos: str = ""  # "14.5"
    rosetta: bool = False  # an Intel Python on Apple silicon
    nvidia_gpu: bool = False  # on the bus
    nvidia_driver: bool = False
    hidden: bool = False  # CUDA_VISIBLE_DEVICES hides every GPU


@dataclass(frozen=True, slots=True)
class TorchBuild:
    version: str
    mps_built: bool = False
    mps_available: bool = False
    cuda_version: str | None = None  # the CUDA it was built for, None: CPU only
    cuda_available: bool = False
    cuda_name: str = ""
    cuda_memory: int | None = None
    cuda_capability: tuple[int, int] | None = None
    cuda_architectures: tuple[str, ...] = ()  # "sm_80" ...


def find_accelerators() -> tuple[Accelerator, ...]:
    """CPU, MPS, CUDA: probed once in a process."""
    global _found
    with _lock:
        if _found is None:
            here, build = probe_platform(), probe_torch()
            _found = (cpu(), mps(here, build), cuda(here, build))
        return _found


def resolve_accelerator(name: str) -> tuple[Accelerator, tuple[Notice, ...]]:
    """The accelerator for a run, and notices about the choice.

    ``auto`` takes an NVIDIA GPU where there is one and otherwise the CPU. Like scvi-tools it does not take
    the Apple GPU on its own: that has to be asked for.
    """
    found = {accelerator.name: accelerator for accelerator in find_accelerators()}
    if name == "auto":
        if found["cuda"].available:
            return found["cuda"], ()
        if found["mps"].available:
            return found["cpu"], (notice("gpu_only_by_hand"),)
        return found["cpu"], (notice("no_gpu"),)
    if name not in found:
        raise BadInput(f"There is no accelerator {name!r}. Choose one of auto, {', '.join(found)}.")
    chosen = found[name]
    if not chosen.available:
        on_cpu = Remedy("Use the CPU instead", "resubmit", {"accelerator": "cpu"})
        raise DeviceUnavailable(
            f"{chosen.label} cannot be used here. {chosen.reason} {chosen.remedy}".strip(), remedies=(on_cpu,)
        )
    return chosen, ()


# --- verdicts ---------------------------------------------------------------------------------------


def cpu() -> Accelerator:
    threads = cores()
    name = f"{cpu_name()}, {counted(threads, 'core')}"
    return Accelerator("cpu", device_title("cpu"), True, name, memory()[2])


def mps(here: Platform, build: TorchBuild) -> Accelerator:
    if here.system != "Darwin":
        return _missing("mps", "It needs a Mac with Apple silicon (M1 or newer).")
    if here.rosetta:
        return _missing(
            "mps",
            "This Mac has Apple silicon, but Python is an Intel build.",
            "Install an arm64 Python (from python.org or Homebrew) and run make install again.",
        )
    if here.machine != "arm64":
        return _missing("mps", "This Mac has an Intel processor; it needs Apple silicon (M1 or newer).")
    if not build.mps_built:
        return _missing("mps", f"PyTorch {build.version} was built without MPS.", _UPGRADE)
    if not build.mps_available:
        if _number(here.macos) < 14:
            return _missing(
                "mps", f"PyTorch needs macOS 14 or newer for it; this is {here.macos}.", "Update macOS."
            )
        return _missing(
            "mps",
            "macOS offers PyTorch no Metal device; this happens in virtual machines and remote sessions.",
            "Start the application in a normal session on the Mac itself.",
        )
    return Accelerator(
        "mps",
        device_title("mps"),
        True,
        f"{cpu_name()} GPU",
        memory()[2],  # shared with the processor
    )


def cuda(here: Platform, build: TorchBuild) -> Accelerator:
    if here.system == "Darwin":
        return _missing("cuda", "NVIDIA GPUs do not work with macOS.")
    if build.cuda_available:
        if not _runs_on(build.cuda_capability, build.cuda_architectures):
            return _missing(
                "cuda",
                f"{build.cuda_name} is not supported by PyTorch {build.version} "
                f"({', '.join(build.cuda_architectures)}).",
                f"Install a PyTorch built for it from the list at {_WHEELS}",
            )
        return Accelerator("cuda", device_title("cuda"), True, build.cuda_name, build.cuda_memory)
    if here.hidden:
        return _missing(
            "cuda", "The variable CUDA_VISIBLE_DEVICES hides it.", "Unset it and start the application again."
        )
    if not here.nvidia_driver:
        if here.nvidia_gpu:
            return _missing(
                "cuda",
                "There is an NVIDIA GPU, but no driver was found.",
                "Install the NVIDIA driver of your system and restart the computer.",
            )
        return _missing(
            "cuda",
            "No NVIDIA GPU and no NVIDIA driver were found.",
            "If there is one, install its driver; in a container, start it with --gpus all.",
        )
    if build.cuda_version is None:
        return _missing(
            "cuda",
            f"There is an NVIDIA driver, but PyTorch {build.version} is a CPU-only build.",
            f"Install one for CUDA: pip install --force-reinstall torch --index-url {_WHEELS}cu126 "
            "(https://pytorch.org/get-started shows which page suits your driver).",
        )
    return _missing(
        "cuda",
        f"PyTorch is built for CUDA {build.cuda_version} and could not reach the GPU; most often the driver "
        "is too old for it.",
        "nvidia-smi shows the driver's CUDA version: update the driver or install a fitting PyTorch.",
    )


def _missing(name: str, reason: str, remedy: str = "") -> Accelerator:
    return Accelerator(name, device_title(name), False, reason=reason, remedy=remedy)


def _runs_on(capability: tuple[int, int] | None, architectures: tuple[str, ...]) -> bool:
    """Binary code runs on its own major architecture, ``compute_`` code on anything newer."""
    if capability is None or not architectures:
        return True
    for architecture in architectures:
        kind, _, digits = architecture.partition("_")
        digits = "".join(filter(str.isdigit, digits))
        if not digits:
            return True  # a naming we do not know: leave it to torch
        major, minor = int(digits[:-1] or 0), int(digits[-1])
        if kind == "compute" and (major, minor) <= capability:
            return True
        if kind == "sm" and major == capability[0] and minor <= capability[1]:
            return True
    return False


def _number(text: str) -> float:
    try:
        return float(".".join(text.split(".")[:2]))
    except ValueError:
        return 0.0


# --- probes -----------------------------------------------------------------------------------------


def probe_platform() -> Platform:
    system = platform.system()
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "unset").strip() in ("", "-1", "NoDevFiles")
    if system == "Darwin":
        return Platform(
            system,
            platform.machine(),
            platform.mac_ver()[0],
            rosetta=run("sysctl", "-n", "sysctl.proc_translated") == "1",
        )
    return Platform(
        system,
        platform.machine(),
        nvidia_gpu=_nvidia_on_bus(),
        nvidia_driver=Path("/proc/driver/nvidia/version").exists()
        or Path("/usr/lib/wsl/lib/nvidia-smi").exists()
        or bool(shutil.which("nvidia-smi") and run("nvidia-smi", "-L")),
        hidden=hidden,
    )


def cuda_cards(env: Mapping[str, str] | None = None, proc: Path = _PROC) -> tuple[str, ...]:
    """The NVIDIA cards this process may use, as CUDA_VISIBLE_DEVICES names them. Quick: torch is not asked."""
    visible = (os.environ if env is None else env).get("CUDA_VISIBLE_DEVICES")
    there = [str(index) for index, _ in enumerate(proc.glob("gpus/*"))]
    if visible is None or not there:
        return tuple(there)
    named = [part.strip() for part in visible.split(",")]
    # as CUDA does: what stands behind the first that is not valid is left out
    return tuple(itertools.takewhile(lambda name: name not in ("", "-1", "NoDevFiles"), named))


def _nvidia_on_bus() -> bool:
    for device in Path("/sys/bus/pci/devices").glob("*"):
        try:
            vendor, kind = (device / "vendor").read_text().strip(), (device / "class").read_text().strip()
        except OSError:
            continue
        if vendor == "0x10de" and kind.startswith("0x03"):
            return True
    return False


def probe_torch() -> TorchBuild:
    import torch

    available = torch.cuda.is_available()
    properties = torch.cuda.get_device_properties(0) if available else None
    return TorchBuild(
        version=torch.__version__,
        mps_built=torch.backends.mps.is_built(),
        mps_available=torch.backends.mps.is_available(),
        cuda_version=torch.version.cuda,
        cuda_available=available,
        cuda_name=torch.cuda.get_device_name(0) if available else "",
        cuda_memory=properties.total_memory if properties else None,
        cuda_capability=torch.cuda.get_device_capability(0) if available else None,
        cuda_architectures=tuple(torch.cuda.get_arch_list()) if available else (),
    )


# --- bfloat16

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
