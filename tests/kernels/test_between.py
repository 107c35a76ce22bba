"""What lies between products: the CPU's loops against torch's own operations in float64."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from backend.kernels import Norm, implementation

FAST, PLAIN = implementation("numba"), implementation("reference")


def norm_of(width: int) -> Norm:
    scale, shift, mean = (torch.randn(width) for _ in range(3))
    return Norm(scale, shift, mean, torch.rand(width) + 0.5, 1e-3)


def doubled(one):
    return replace(
        one, **{f.name: v.double() for f in fields(one) if torch.is_tensor(v := getattr(one, f.name))}
    )


def close(found: torch.Tensor, truth: torch.Tensor) -> None:
    torch.testing.assert_close(found.double(), truth, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("of_minibatch", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(("rectified", "drops"), [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize(("n_obs", "width", "far"), [(2, 1, 0.0), (37, 20, 0.0), (128, 128, 30.0)])
def test_batch_norm_with_what_follows_it(n_obs, width, far, rectified, drops, of_minibatch) -> None:
    torch.manual_seed(1)
    a, d = torch.randn(n_obs, width) + far, torch.randn(n_obs, width)
    kept = torch.full_like(a, 0.7).bernoulli_().div_(0.7) if drops else None
    norm = norm_of(width)
    if of_minibatch:  # averages that are near what is normalised
        norm.running_mean.add_(far)
    exact = doubled(norm)
    options = {"rectified": rectified, "kept": kept}
    truth_options = {"rectified": rectified, "kept": None if kept is None else kept.double()}
    found = FAST.normalise(a, norm, 0.1, of_minibatch=of_minibatch, **options)
    truth = PLAIN.normalise(a.double(), exact, 0.1, of_minibatch=of_minibatch, **truth_options)
    scale = 1.0 if of_minibatch else max(1.0, far)
    close(found.out / scale, truth.out / scale)
    close(norm.running_mean, exact.running_mean)
    close(norm.running_var, exact.running_var)
    if of_minibatch:
        gradients, wanted = torch.empty(2, width), torch.empty(2, width, dtype=torch.float64)
        back = FAST.normalise_back(d.clone(), found, norm, *gradients, **options)
        steep = truth.over_deviation.max()  # two cells may lie as near as one likes
        close(
            back / steep,
            PLAIN.normalise_back(d.double(), truth, exact, *wanted, **truth_options) / steep,
        )
        close(gradients / n_obs, wanted / n_obs)


def test_what_is_no_number_stays_none() -> None:
    a = torch.randn(6, 4)
    a[2, 1] = float("nan")
    made = FAST.normalise(a, norm_of(4), 0.1, of_minibatch=True, rectified=True, kept=None)
    assert made.out[:, 1].isnan().all()
    assert not made.out[:, 0].isnan().any()


def test_the_latents_sample_and_its_gradient() -> None:
    torch.manual_seed(0)
    both, noise, d_z = torch.randn(9, 10), torch.randn(9, 5), torch.randn(9, 5)
    both[0] = 40.0
    found, truth = FAST.sample(both, noise, 1e-4), PLAIN.sample(both.double(), noise.double(), 1e-4)
    for name in ("z", "variance", "deviation", "kl"):
        torch.testing.assert_close(getattr(found, name).double(), getattr(truth, name), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(
        FAST.sample_back(d_z, both, found, noise, 1e-4, 0.3).double(),
        PLAIN.sample_back(d_z.double(), both.double(), truth, noise.double(), 1e-4, 0.3),
        rtol=1e-5,
        atol=1e-5,
    )
