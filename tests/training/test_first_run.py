"""The first run of a computer, whose kernels are not compiled yet, is as exact as every other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from backend.types import DatasetRef, RunSpec

PROJECT = Path(__file__).parents[2]

TRAIN = """
import json, sys
from pathlib import Path
from backend.training import train, use_threads
from backend.types import DatasetRef, RunSpec
spec, ref, folder, epochs, resume = json.load(sys.stdin)
use_threads(1)
points = []
train(
    RunSpec.from_dict(spec).replace(max_epochs=epochs), DatasetRef.from_dict(ref), Path(folder),
    on_metric=points.append, on_phase=print, on_start=lambda info: None, should_stop=lambda: False, resume=resume,
)
Path(folder, "told.json").write_text(json.dumps({f"{p.name} {p.epoch} {p.step}": p.value for p in points}))
"""


def run(
    folder: Path, cache: Path, spec: RunSpec, ref: DatasetRef, epochs: int, *, resume: bool
) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TRAIN],
        cwd=PROJECT,
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        input=json.dumps([spec.to_dict(), ref.to_dict(), str(folder), epochs, resume]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "told.json").read_text())


def test_two_that_compile_at_once_compute_alike_and_one_that_resumes_the_first_run_as_well(
    spec: RunSpec, ref: DatasetRef, tmp_path: Path
) -> None:
    """Code that was just compiled rounds otherwise than the same code read from the cache."""
    spec = spec.replace(engine="fused")
    cache, whole, parts = tmp_path / "cache", tmp_path / "whole", tmp_path / "parts"
    with ThreadPoolExecutor() as both:
        one, other = (
            both.submit(run, folder, cache, spec, ref, epochs, resume=False)
            for folder, epochs in ((whole, 4), (parts, 2))
        )
        expected, first = one.result(), other.result()
    told = first | run(parts, cache, spec, ref, 4, resume=True)
    numbers = [name for name in expected if name.startswith(("train_loss", "validation_loss", "elbo"))]
    assert len(numbers) > 16
    assert {name: told[name] for name in numbers} == {name: expected[name] for name in numbers}
    assert (parts / "latent.npy").read_bytes() == (whole / "latent.npy").read_bytes()
