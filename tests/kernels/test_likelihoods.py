"""Every implementation of the decoder's loss against the plain one in float64, on awkward shapes and values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.kernels import CsrCounts, Likelihood, _numba, _reference, _torch


def serial(*arguments):
    return _numba.nll_and_gradients(*arguments, threads=1)


def parallel(*arguments):
    return _numba.nll_and_gradients(*arguments, threads=3)


IMPLEMENTATIONS = {"numba serial": serial, "numba parallel": parallel, "torch": _torch.nll_and_gradients}
# name -> cells, genes, counts to draw from, spread of the logits, log theta from and to
CASES = {
    "ordinary": (7, 300, [1, 2, 3, 8, 9], 1.0, (-1, 3)),
    "one cell": (1, 50, [1, 5], 1.0, (-1, 3)),
    "one gene": (6, 1, [1, 4, 30], 1.0, (-1, 3)),
    "counts of a hundred thousand": (5, 40, [1, 1e3, 1e5], 2.0, (-1, 3)),
    "not whole": (5, 40, [0.25, 1.5, 17.75], 1.0, (-1, 3)),
    "tiny theta": (5, 40, [1, 12], 1.0, (np.log(1e-6), np.log(1e-4))),
    "huge theta": (5, 40, [1, 12], 1.0, (np.log(1e5), np.log(1e6))),
    "extreme logits": (5, 60, [1, 12], 80.0, (-1, 3)),
}


def example(case: str, likelihood: Likelihood, seed: int = 0):
    n_obs, n_vars, choices, spread, (low, high) = CASES[case]
    rng = np.random.default_rng(seed)
    dense = rng.choice(choices, (n_obs, n_vars)) * (rng.random((n_obs, n_vars)) < 0.3)
    if n_obs > 2:
        dense[1] = 0  # a cell without counts
    dense = torch.tensor(dense, dtype=torch.float32)
    rows, genes = dense.nonzero(as_tuple=True)
    indptr = torch.cat((torch.zeros(1, dtype=torch.long), torch.bincount(rows, minlength=n_obs).cumsum(0)))
    counts = CsrCounts(indptr, genes.int(), dense[rows, genes], n_vars)
    width = n_vars * likelihood.heads
    logits = torch.tensor(rng.uniform(-spread, spread, (n_obs, width)), dtype=torch.float32)
    bias = torch.tensor(rng.normal(size=width) * 0.1, dtype=torch.float32)
    log_theta = torch.tensor(rng.uniform(low, high, (3, n_vars)), dtype=torch.float32)
    theta_row = torch.tensor(rng.integers(0, 3, n_obs))
    scale = dense.sum(1)
    return logits, bias, log_theta, theta_row, scale, counts, likelihood


def in_float64(arguments):
    return tuple(
        a.double() if isinstance(a, torch.Tensor) and a.is_floating_point() else a for a in arguments
    )


def run(implementation, arguments):
    logits, *rest = arguments
    logits = logits.clone()
    loss, d_bias, d_log_theta = implementation(logits, *rest)
    return {"loss": loss, "logits": logits, "bias": d_bias, "log_theta": d_log_theta}


def assert_agrees(found, truth, largest_count, *, loss, gradient):
    torch.testing.assert_close(found["loss"].double(), truth["loss"], rtol=loss, atol=1e-5)
    for name in ("logits", "bias", "log_theta"):
        scale = truth[name].abs().max().clamp(min=1e-6)
        if (
            name == "log_theta"
        ):  # a difference of terms as large as the counts, which cancel when theta is huge
            scale = torch.maximum(scale, largest_count)
        torch.testing.assert_close(
            found[name].double() / scale, truth[name] / scale, rtol=0, atol=gradient, msg=name
        )


@pytest.mark.parametrize("mean", ["softmax", "softplus"])
@pytest.mark.parametrize("name", ["zinb", "nb", "poisson"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS.keys())
def test_loss_and_gradients_agree_with_float64(implementation, case, name, mean):
    arguments = example(case, Likelihood(name, mean))
    if name == "poisson" and case == "extreme logits":
        # Its rate would be 1e-60 under a positive count, which float32 cannot hold, here or in scvi-tools.
        arguments = (arguments[0] / 3, *arguments[1:])
    truth = run(_reference.nll_and_gradients, in_float64(arguments))
    largest = arguments[5].values.max().double()
    assert_agrees(run(implementation, arguments), truth, largest, loss=1e-4, gradient=1e-5)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS.keys())
def test_nan_in_the_logits_shows_in_the_loss(implementation):
    logits, *rest = example("ordinary", Likelihood())
    logits[2, 5] = torch.nan
    loss, _, _ = implementation(logits, *rest)
    assert loss[2].isnan()
    assert loss[[0, 1, 3, 4, 5, 6]].isfinite().all()


def test_the_number_of_threads_changes_nothing_but_the_order_of_sums():
    arguments = example("ordinary", Likelihood())
    one, three = run(serial, arguments), run(parallel, arguments)
    assert torch.equal(one["loss"], three["loss"])
    assert torch.equal(one["logits"], three["logits"])
    torch.testing.assert_close(one["log_theta"], three["log_theta"])
