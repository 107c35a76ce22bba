"""Threads: the number from the settings reaches everything that computes, and numba's are checked."""

from __future__ import annotations

import importlib
import logging
import pkgutil
import subprocess
import sys
import threading
from collections.abc import Iterator

import numba
import pytest
import torch
from numba.core.dispatcher import Dispatcher
from numba.np.ufunc import parallel

from backend import kernels
from backend.devices import Devices
from backend.kernels import _rows
from backend.settings import Settings
from backend.training import compiled_threads, use_threads


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    torch_threads, numba_threads, layer = (
        torch.get_num_threads(),
        numba.get_num_threads(),
        numba.config.THREADING_LAYER,
    )
    yield
    torch.set_num_threads(torch_threads)
    numba.set_num_threads(numba_threads)
    numba.config.THREADING_LAYER = layer


def test_the_number_reaches_torch_and_numba() -> None:
    use_threads(1)
    assert (torch.get_num_threads(), numba.get_num_threads()) == (1, 1)


@pytest.mark.parametrize(
    "first",
    ["import backend.kernels", "from backend.training import use_threads; use_threads(1); import scvi"],
)
def test_the_kernels_are_compiled_for_this_very_processor_whatever_comes_first(first: str) -> None:
    code = (
        f"{first}\nimport backend.kernels._compiled as compiled\nfrom numba import config\n"
        "from numba.core.registry import cpu_target\n"
        "print((config.CPU_FEATURES or '') in cpu_target.target_context.codegen().magic_tuple()[2])\n"
        "print(('-prefer-256-bit' in (config.CPU_FEATURES or '')) == bool(compiled.HOST_FEATURES.get('avx512f')))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["True", "True"]


def test_more_threads_than_numba_has_are_no_error() -> None:
    use_threads(numba.config.NUMBA_NUM_THREADS + 3)
    assert numba.get_num_threads() == numba.config.NUMBA_NUM_THREADS
    assert torch.get_num_threads() == numba.config.NUMBA_NUM_THREADS + 3


def test_the_kernels_take_that_many(monkeypatch: pytest.MonkeyPatch) -> None:
    from backend.kernels import CsrCounts, Likelihood, _numba

    entered: set[int] = set()
    rows, together = _rows.rows, threading.Barrier(2, timeout=30)

    def noted(*arguments: object) -> None:
        entered.add(threading.get_ident())
        together.wait()  # the work is so small that one of them could do all of it
        rows(*arguments)

    monkeypatch.setattr(_rows, "rows", noted)
    counts = CsrCounts(torch.arange(5), torch.zeros(4, dtype=torch.int32), torch.ones(4), 3)
    use_threads(2)
    _numba.nll_and_gradients(
        torch.zeros(4, 3),
        torch.zeros(3),
        torch.zeros(1, 3),
        torch.zeros(4, dtype=torch.long),
        torch.ones(4),
        counts,
        Likelihood("nb"),
    )
    assert len(entered) == 2
    assert threading.get_ident() in entered


def test_the_layer_is_chosen_at_the_start_and_shown(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    layer = compiled_threads()
    assert layer == numba.threading_layer()
    assert Devices(Settings(tmp_path)).machine()["Parallel code of analyses"]


def start_anew(monkeypatch: pytest.MonkeyPatch, safe: bool) -> list[str]:
    """As in a process where nothing has used numba's threads; what was asked for, in order."""
    asked: list[str] = []
    chosen: list[str] = []

    def launch() -> None:
        asked.append(numba.config.THREADING_LAYER)
        if asked[-1] == "threadsafe" and not safe:
            raise ValueError("No threading layer could be loaded.")
        chosen.append("omp" if asked[-1] == "threadsafe" else "workqueue")

    def layer() -> str:
        if not chosen:
            raise ValueError("Threading layer is not initialized.")
        return chosen[-1]

    monkeypatch.setattr(numba, "threading_layer", layer)
    monkeypatch.setattr(parallel, "_launch_threads", launch)
    monkeypatch.setattr(numba.config, "THREADING_LAYER", "default")
    return asked


def test_a_safe_layer_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = start_anew(monkeypatch, safe=True)
    assert compiled_threads() == "omp"
    assert asked == ["threadsafe"]


def test_without_a_safe_layer_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = start_anew(monkeypatch, safe=False)
    with caplog.at_level(logging.WARNING):
        assert compiled_threads() == "workqueue"
    assert asked == ["threadsafe", "default"]
    assert "left to the compute thread" in caplog.text


def test_our_kernels_never_run_on_numbas_threads() -> None:
    compiled = [
        value
        for module in pkgutil.iter_modules(kernels.__path__, "backend.kernels.")
        for value in vars(importlib.import_module(module.name)).values()
        if isinstance(value, Dispatcher)
    ]
    assert compiled
    assert not [kernel for kernel in compiled if kernel.targetoptions.get("parallel")]
