"""The self-check of a device: right numbers pass, wrong ones are found, and speed is asked of right ones only."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import torch

from backend.kernels import _numba
from backend.training import _exactness, _pace, check_device
from backend.types import DeviceCheck, Finding, Speed

SPEEDS = tuple(Speed("fused", size, speed) for size, speed in ((128, 700.0), (512, 960.0), (2048, 1000.0)))


def quiet(*_: object) -> None:
    pass


@pytest.fixture
def speeds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The speed is made up; the accelerators it was asked of."""
    asked: list[str] = []

    def measure(accelerator: str, on_step: Callable[[str], None]) -> tuple[Speed, ...]:
        asked.append(accelerator)
        return SPEEDS

    monkeypatch.setattr(_pace, "measure_speeds", measure)
    return asked


def failed(check: DeviceCheck) -> set[tuple[str, str]]:
    return {(one.engine, one.likelihood) for one in check.findings if not one.passed}


def test_the_cpu_passes_with_room_to_spare(speeds: list[str]) -> None:
    check = check_device("cpu", "Some processor", quiet)
    assert check.passed
    assert {(one.engine, one.likelihood) for one in check.findings} == {
        (engine, likelihood) for engine in ("fused", "stock") for likelihood in ("zinb", "nb", "poisson")
    }
    for one in check.findings:
        assert one.loss_error is not None
        assert one.gradient_error is not None
        assert one.loss_error < 1e-5
        assert one.gradient_error < 1e-5
    assert speeds == ["cpu"]
    assert DeviceCheck.from_dict(check.to_dict()) == check


def test_the_implementation_of_accelerators_passes_too(
    speeds: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_exactness.KERNELS, "cpu", "torch")
    assert check_device("cpu", "Some processor", quiet).passed


class Wrong:
    """A kernel whose numbers are a little off, as a broken driver's would be."""

    multiply = staticmethod(_numba.multiply)
    multiply_transposed = staticmethod(_numba.multiply_transposed)

    def __init__(self, spoil: Callable[..., None], likelihood: str) -> None:
        self._spoil, self._likelihood = spoil, likelihood

    def nll_and_gradients(self, logits, *arguments):
        result = _numba.nll_and_gradients(logits, *arguments)
        if arguments[-1].name == self._likelihood:
            self._spoil(logits, *result)
        return result


def loss_off(logits, loss, d_bias, d_log_theta):
    loss *= 1.001


def gradient_off(logits, loss, d_bias, d_log_theta):
    logits[0] *= 1.01


def not_a_number(logits, loss, d_bias, d_log_theta):
    d_log_theta[0, 3] = torch.nan


def out_of_order(logits, loss, d_bias, d_log_theta):
    raise RuntimeError("the device was lost\nwith details")


@pytest.mark.parametrize("likelihood", ["zinb", "nb", "poisson"])
@pytest.mark.parametrize("spoil", [loss_off, gradient_off, not_a_number, out_of_order])
def test_a_wrong_kernel_is_found_and_its_speed_not_asked(
    spoil: Callable[..., None], likelihood: str, speeds: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, _numba.__name__, Wrong(spoil, likelihood))
    check = check_device("cpu", "Some processor", quiet)
    assert failed(check) == {("fused", likelihood)}
    assert not check.passed
    assert (speeds, check.speeds, check.batch_size) == ([], (), None)
    if spoil is out_of_order:
        problem = next(one.problem for one in check.findings if not one.passed)
        assert problem == "RuntimeError: the device was lost"


def test_gradients_that_go_wrong_when_the_minibatch_changes_its_size_are_found(
    speeds: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def after_a_change(logits, loss, d_bias, d_log_theta):
        sizes.append(len(loss))
        if len(loss) != sizes[0]:
            d_bias *= 1.1

    monkeypatch.setitem(sys.modules, _numba.__name__, Wrong(after_a_change, "nb"))
    assert failed(check_device("cpu", "Some processor", quiet)) == {("fused", "nb")}


def test_the_smallest_size_that_is_about_as_fast_as_any_is_recommended(speeds: list[str]) -> None:
    assert check_device("cpu", "Some processor", quiet).batch_size == 512


def test_a_check_can_be_left_at_any_step(speeds: list[str]) -> None:
    class Enough(BaseException):
        pass

    heard: list[float] = []

    def on_step(share: float, phase: str) -> None:
        heard.append(share)
        if len(heard) == 4:
            raise Enough

    with pytest.raises(Enough):
        check_device("cpu", "Some processor", on_step)
    assert heard == sorted(heard)
    assert not speeds


def test_speeds_are_measured_by_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pace, "GENES", 60)
    monkeypatch.setattr(_pace, "CELLS", 512)
    monkeypatch.setattr(_pace, "SECONDS", 0.03)
    monkeypatch.setattr(_pace, "CONTESTANTS", (("stock", (128,)), ("fused", (128, 256))))
    heard: list[str] = []
    state = torch.get_rng_state()
    speeds = _pace.measure_speeds("cpu", heard.append)
    assert [(speed.engine, speed.batch_size) for speed in speeds] == [
        ("stock", 128),
        ("fused", 128),
        ("fused", 256),
    ]
    assert all(speed.cells_per_second > 0 for speed in speeds)
    assert len(heard) == 3 * _pace.ROUNDS
    assert torch.equal(torch.get_rng_state(), state)  # a run begun afterwards draws what it would have drawn


def test_no_finding_is_no_pass() -> None:
    assert not DeviceCheck("cpu", "", 0, 0, (), (), 1, 0.1).passed
    assert not DeviceCheck("cpu", "", 0, 0, (Finding("fused", "nb", False),), (), 1, 0.1).passed
