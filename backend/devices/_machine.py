"""Facts about the machine: processor, cores, memory, versions, power; and that a run here is one process."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from ..words import memory_size

_PACKAGES = ("torch", "scvi-tools", "lightning", "anndata", "numpy", "scipy", "pandas", "numba")
_CGROUP = Path("/sys/fs/cgroup")


def machine() -> dict[str, str]:
    facts = {
        "Processor": cpu_name(),
        "Cores": f"{cores()} usable",
        "Memory": memory_size(memory()[2]),
        "System": system_name(),
        "Python": platform.python_version(),
        "PyTorch": package_version("torch"),
        "scvi-tools": package_version("scvi-tools"),
    }
    layer = compiled_threads()
    if layer:
        facts["Parallel code of analyses"] = layer
    battery = on_battery()
    if battery is not None:
        facts["Power"] = "battery: training may be slower" if battery else "mains"
    return facts


def environment() -> dict[str, str]:
    """Versions and machine, kept with every run."""
    return {
        "python": platform.python_version(),
        **{name: package_version(name) for name in _PACKAGES},
        "platform": system_name(),
        "cpu": cpu_name(),
        "cores": str(cores()),
    }


def memory() -> tuple[int, int, int]:
    """Bytes used by this process, still available to it, and in the machine; a container's limit counts."""
    whole = psutil.virtual_memory()
    used = psutil.Process().memory_info().rss
    available, total = int(whole.available), int(whole.total)
    limit = _container_limit()
    if limit is not None and limit < total:
        total = limit
        available = max(0, min(available, limit - _container_use(used)))
    return used, available, total


def cores() -> int:
    """Cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


@cache
def cpu_name() -> str:
    if platform.system() == "Darwin":
        return run("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "model name" and value.strip():
            return value.strip()
    return f"{platform.machine()} processor"


def system_name() -> str:
    if platform.system() == "Darwin":
        return f"macOS {platform.mac_ver()[0]} {platform.machine()}"
    return f"{platform.system()} {platform.release()} {platform.machine()}"


@cache  # reading it parses the package's metadata: half of the time of a page that shows an estimate
def package_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def compiled_threads() -> str:
    """Which threads numba's parallel code runs on, in words; "" before anything asked numba for them."""
    numba = sys.modules.get("numba")
    try:
        layer = str(numba.threading_layer()) if numba else ""
    except ValueError:
        return ""
    return {
        "tbb": "TBB, safe for several threads",
        "omp": "OpenMP, safe for several threads",
        "workqueue": "numba's own (workqueue), used by one thread only",
    }.get(layer, layer)


def on_battery() -> bool | None:
    """None where the machine has no battery or does not say."""
    try:
        battery = psutil.sensors_battery()
    except (AttributeError, OSError, RuntimeError):
        return None
    if battery is None or battery.power_plugged is None:
        return None
    return not battery.power_plugged


def run(*command: str) -> str:
    """The output of a short system command, "" where it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _container_limit() -> int | None:
    """Memory limit of the cgroup (v2, or v1), as a container sees it."""
    for path in (_CGROUP / "memory.max", _CGROUP / "memory" / "memory.limit_in_bytes"):
        number = _read_number(path)
        if number is not None:
            return number
    return None


def _container_use(fallback: int) -> int:
    """Memory in use in the cgroup without the page cache, which is given back when needed."""
    current = _read_number(_CGROUP / "memory.current")
    if current is None:
        return fallback
    try:
        stat = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return current
    return max(0, current - int(stat.get("inactive_file", 0)) - int(stat.get("active_file", 0)))


def _read_number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def no_cluster() -> None:
    """Keep Lightning, and scvi-tools through it, from taking a job's tasks for processes of their own.

    Started within a job (an interactive allocation, Open OnDemand, ``torchrun``), it would refuse the number of tasks,
    wait for processes that never come, or tell nothing because it is "not the first".
    """
    from lightning.fabric.plugins import environments
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    for kind in (
        environments.KubeflowEnvironment,
        environments.LSFEnvironment,
        environments.MPIEnvironment,
        environments.SLURMEnvironment,
        environments.TorchElasticEnvironment,
    ):
        kind.detect = staticmethod(_nothing)  # type: ignore[method-assign]
    setattr(rank_zero_only, "rank", 0)  # noqa: B010 - read from RANK, SLURM_PROCID ... when Lightning was imported


def _nothing() -> bool:
    return False
