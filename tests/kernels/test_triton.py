"""The Triton kernel without a card: its numbers in Triton's interpreter, and that it compiles for NVIDIA's cards."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from backend.kernels import Likelihood, _reference
from tests.kernels.test_likelihoods import CASES, assert_agrees, example, in_float64, run

triton_kernels = pytest.importorskip("backend.kernels._triton", exc_type=ImportError)


@pytest.mark.parametrize("mean", ["softmax", "softplus"])
@pytest.mark.parametrize("name", ["zinb", "nb", "poisson"])
@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradients_agree_with_float64(case: str, name: str, mean: str) -> None:
    arguments = example(case, Likelihood(name, mean))
    if name == "poisson" and case == "extreme logits":
        arguments = (arguments[0] / 3, *arguments[1:])  # a rate of 1e-60 under a count is none in float32
    truth = run(_reference.nll_and_gradients, in_float64(arguments))
    largest = arguments[5].values.max().double()
    assert_agrees(run(triton_kernels.nll_and_gradients, arguments), truth, largest, loss=1e-4, gradient=1e-5)


def test_more_genes_and_counts_than_a_program_takes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_kernels, "GENES", 64)
    monkeypatch.setattr(triton_kernels, "COUNTS", 16)
    arguments = example("ordinary", Likelihood())
    truth = run(_reference.nll_and_gradients, in_float64(arguments))
    largest = arguments[5].values.max().double()
    assert_agrees(run(triton_kernels.nll_and_gradients, arguments), truth, largest, loss=1e-5, gradient=1e-6)


def test_it_compiles_for_a_card_that_is_not_there(tmp_path: Path) -> None:
    script = """
        import triton
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource
        from backend.kernels import implementation

        cell = implementation("triton")._cell
        names = cell.arg_names
        fixed = {"HEADS": 2, "NAME": "zinb", "SOFTMAX": True, "GENES": 1024, "COUNTS": 256}
        types = dict.fromkeys(names, "*fp32") | dict.fromkeys(fixed, "constexpr")
        types |= {"theta_row": "*i64", "indptr": "*i64", "indices": "*i32", "n_vars": "i32", "n_values": "i32"}
        source = ASTSource(cell, types, {(names.index(name),): value for name, value in fixed.items()})
        print(len(triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["cubin"]))
    """
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 10_000
