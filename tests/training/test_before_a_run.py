"""What can be asked before a run: rates, epochs, memory, speed, the split, and all of it quickly."""

from __future__ import annotations

import os
import platform
import random
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.errors import BadInput
from backend.training import (
    calibrate,
    checkpoint_epoch,
    estimate_memory,
    learning_rate,
    let_idle_threads_sleep,
    max_epochs_heuristic,
    tune_allocator,
)
from backend.training._resuming import load_split, save_split, split_cells
from backend.types import DatasetRef, PrepareSpec, RunSpec, notice

ROOT = Path(__file__).resolve().parents[2]


def test_the_rate_follows_the_minibatch_size() -> None:
    assert learning_rate(128) == learning_rate(512, "fixed") == 0.001
    assert learning_rate(512, "linear") == 0.004
    assert learning_rate(512, "sqrt") == 0.002
    with pytest.raises(BadInput, match="linear"):
        learning_rate(128, "cubic")


def test_epochs_are_those_of_scvi_tools() -> None:
    from scvi.model._utils import get_max_epochs_heuristic

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n_obs in (1, 700, 20_000, 20_001, 90_852, 1_000_000, 50_000_000):
            assert max_epochs_heuristic(n_obs) == get_max_epochs_heuristic(n_obs)


def test_importing_is_cheap() -> None:
    code = (
        "import sys, backend.training, backend.devices; print([m for m in sys.argv[1:] if m in sys.modules])"
    )
    heavy = ("torch", "scvi", "lightning", "anndata", "pandas", "numpy", "scipy")
    done = subprocess.run(
        [sys.executable, "-c", code, *heavy], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("n_obs", "train_size", "batch_size"), [(210, 0.9, 32), (700, 0.9, 128), (181, 0.9, 54), (181, 0.9, 81)]
)
def test_the_split_is_the_one_scvi_tools_makes(n_obs: int, train_size: float, batch_size: int) -> None:
    from types import SimpleNamespace

    import scvi
    from scvi.dataloaders import DataSplitter

    before = scvi.settings.seed
    scvi.settings.seed = 11
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        manager = SimpleNamespace(adata=SimpleNamespace(n_obs=n_obs))
        theirs = DataSplitter(manager, train_size=None, batch_size=batch_size)  # None is 0.9, with their rule
    theirs.setup()
    scvi.settings.seed = before
    ours = split_cells(n_obs, train_size, batch_size, seed=11)
    np.testing.assert_array_equal(ours.train, theirs.train_idx)
    np.testing.assert_array_equal(ours.validation, theirs.val_idx)
    np.testing.assert_array_equal(ours.test, theirs.test_idx)


def test_a_tail_too_small_to_train_goes_to_validation_and_is_told() -> None:
    split = split_cells(181, 0.9, 81, seed=0)  # 163 = 2 * 81 + 1
    assert (len(split.train), len(split.validation), len(split.test)) == (162, 19, 0)
    assert split.notices == (notice("tail_moved", n=1, to="validation"),)
    alone = split_cells(100, 1.0, 49, seed=0)
    assert (len(alone.train), len(alone.validation), len(alone.test)) == (98, 0, 2)
    assert alone.notices == (notice("tail_moved", n=2, to="aside"),)


def test_a_split_is_kept_and_draws_nothing_from_the_global_generators(tmp_path: Path) -> None:
    np.random.seed(3)
    random.seed(3)
    before = np.random.get_state()[1].tolist(), random.getstate()
    split = split_cells(50, 0.8, 16, seed=0)
    save_split(split, tmp_path)
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before
    stored = load_split(tmp_path, 50)
    np.testing.assert_array_equal(stored.train, split.train)
    assert [path.name for path in tmp_path.iterdir()] == ["split.npz"]
    assert load_split(tmp_path / "nowhere", 50) is None


def dataset(n_obs: int, n_vars: int, density: float) -> DatasetRef:
    return DatasetRef("d", "s", "d", "", n_obs, n_vars, int(n_obs * n_vars * density), PrepareSpec())


def test_memory_grows_with_minibatch_genes_and_cells() -> None:
    spec = RunSpec("d", engine="stock", batch_size=128)
    small = estimate_memory(spec, dataset(2_700, 2_000, 0.08))
    assert 0.5e9 < small < 1.5e9
    large = estimate_memory(spec.replace(batch_size=4096), dataset(90_852, 20_000, 0.08))
    assert large > 8e9
    assert estimate_memory(spec, dataset(90_852, 20_000, 0.08)) < large
    assert (
        estimate_memory(spec.replace(batch_size=4096, engine="fused"), dataset(90_852, 20_000, 0.08)) < large
    )
    assert estimate_memory(spec, dataset(2_700, 2_000, 0.08), used=3 * 1024**3) - small > 2e9
    # a server that has trained before: 893 MB before and 972 at the peak, of a run that the spec says takes 20
    again = estimate_memory(RunSpec("d", batch_size=512), dataset(700, 765, 0.24), used=893 * 10**6)
    assert 972e6 < again < 1.4 * 972e6
    assert estimate_memory(spec.replace(gene_likelihood="nb"), dataset(2_700, 2_000, 0.08)) < small
    assert estimate_memory(spec, dataset(2_700, 500, 0.08)) < small - 30e6  # after a selection of genes


# What runs really took at their peak, in MB: a process of its own, 2 cores, torch 2.13, scvi-tools 1.4.2. "mps" stands
# for the fused engine's torch operations, measured on the CPU.
MEASURED = [
    ("stock", "cpu", {}, 2_500, 2_000, 128, 726),
    ("stock", "cpu", {}, 2_500, 10_000, 1024, 2412),
    ("stock", "cpu", {}, 2_500, 20_000, 512, 2475),
    ("stock", "cpu", {}, 6_000, 10_000, 2048, 4041),
    ("stock", "cpu", {"gene_likelihood": "nb"}, 2_500, 10_000, 1024, 1998),
    ("stock", "cpu", {"gene_likelihood": "poisson"}, 2_500, 10_000, 1024, 1350),
    ("stock", "cpu", {"precision": "bf16-mixed"}, 2_500, 10_000, 1024, 2327),
    ("stock", "cpu", {"dispersion": "gene-cell"}, 2_500, 10_000, 1024, 2538),
    ("stock", "cpu", {"dispersion": "gene-batch"}, 2_500, 10_000, 1024, 2547),
    ("stock", "cpu", {"n_hidden": 256, "n_layers": 2}, 6_000, 10_000, 512, 1926),
    ("stock", "cpu", {"n_hidden": 512, "n_layers": 2}, 2_500, 20_000, 128, 1921),
    ("fused", "cpu", {}, 2_500, 10_000, 128, 971),
    ("fused", "cpu", {}, 6_000, 10_000, 2048, 1195),
    ("fused", "cpu", {"gene_likelihood": "nb"}, 6_000, 10_000, 2048, 1049),
    ("fused", "cpu", {"gene_likelihood": "poisson"}, 6_000, 10_000, 2048, 1045),
    ("fused", "cpu", {"precision": "bf16-mixed"}, 6_000, 10_000, 2048, 1277),
    ("fused", "cpu", {"dispersion": "gene-cell"}, 2_500, 10_000, 1024, 2129),
    ("fused", "cpu", {"n_hidden": 512, "n_layers": 2}, 2_500, 20_000, 128, 2081),
    ("fused", "mps", {}, 2_500, 10_000, 1024, 1795),
    ("fused", "mps", {"gene_likelihood": "nb"}, 2_500, 10_000, 1024, 1501),
    ("fused", "mps", {"precision": "bf16-mixed"}, 2_500, 10_000, 1024, 1879),
]


@pytest.mark.parametrize(("engine", "accelerator", "settings", "n_obs", "n_vars", "size", "peak"), MEASURED)
def test_memory_is_an_upper_estimate_and_not_a_wild_one(
    engine: str,
    accelerator: str,
    settings: dict[str, Any],
    n_obs: int,
    n_vars: int,
    size: int,
    peak: int,
) -> None:
    spec = RunSpec("d", engine=engine, accelerator=accelerator, batch_size=size, **settings)
    estimate = estimate_memory(spec, dataset(n_obs, n_vars, 0.08))
    assert peak * 1e6 < estimate < 1.4 * peak * 1e6


def test_calibration_predicts_an_epoch_and_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import scvi
    import torch

    from backend.training import _estimates

    monkeypatch.setattr(_estimates, "_BUDGET_SECONDS", 0.3)
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(5)
    stores = len(scvi.model.SCVI._setup_adata_manager_store)
    before = torch.get_rng_state()
    spec = RunSpec("d", accelerator="cpu", batch_size=32, batch_key="batch", dispersion="gene-batch")
    few = calibrate(spec, 1_000, 50, 0.1)
    many = calibrate(spec, 100_000, 50, 0.1)
    assert 0 < few.epoch < many.epoch
    assert 0 < few.around < many.around
    assert torch.equal(torch.get_rng_state(), before)
    assert len(scvi.model.SCVI._setup_adata_manager_store) == stores
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")
    assert calibrate(spec, 10, 50, 0.1).epoch > 0  # fewer cells than a minibatch


def test_a_folder_without_a_checkpoint_is_at_epoch_0(tmp_path: Path) -> None:
    assert checkpoint_epoch(tmp_path) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_the_allocator_keeps_freed_memory() -> None:
    code = """
import numpy as np, resource
from backend.training import tune_allocator
print(tune_allocator())
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(4_000_000, np.float32)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(); print(faults())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    took_effect, faults = done.stdout.split()
    if took_effect == "True":  # not on musl
        assert int(faults) < 1000  # 20 x 3900 pages otherwise


@pytest.mark.parametrize(("before", "after"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_idle_threads_sleep_unless_the_user_wants_them_awake(
    monkeypatch: pytest.MonkeyPatch, before: str | None, after: str
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if before:
        monkeypatch.setenv("OMP_WAIT_POLICY", before)
    let_idle_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == after


def test_tuning_elsewhere_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert tune_allocator() is False
