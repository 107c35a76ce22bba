"""Where the time of a training step goes: a small run of the fused engine is really listened to."""

from __future__ import annotations

import time

import pytest

from backend.bench import Roofline, _roofline, measure_roofline

STEPS = 24  # of an epoch, of which there are two


@pytest.fixture(scope="module")
def measured() -> Roofline:
    with pytest.MonkeyPatch.context() as patch:  # what the machine can do takes long to find out
        patch.setattr(_roofline, "_matmul_bound", lambda: 1000.0)
        patch.setattr(_roofline, "_copy_bound", lambda: 50.0)
        began = time.perf_counter()
        found = measure_roofline(batch_size=64, n_vars=300)
    # half of the second epoch's steps take the median or longer, however uneven the machine is
    assert STEPS / 2 * found.step_milliseconds / 1000 < time.perf_counter() - began
    return found


def test_the_phases_add_up_to_the_step(measured: Roofline) -> None:
    in_step = [row for row in measured.phases if not row.overlapped]
    assert [row.phase for row in measured.phases if row.overlapped] == ["row gather"]
    assert sum(row.milliseconds for row in in_step) == pytest.approx(measured.step_milliseconds)
    assert sum(row.share for row in in_step) == pytest.approx(1)
    assert in_step[-1].phase == "everything else"


def test_every_phase_was_heard_and_has_its_work_counted(measured: Roofline) -> None:
    *counted, rest = measured.phases
    assert rest.rate is None
    assert len(counted) == 7
    assert all(row.milliseconds > 0 and row.rate for row in counted)
    assert all(row.reached for row in counted)
    # two heads of 128 hidden units by 300 genes, a multiplication and an addition each, for 64 cells
    product = next(row for row in counted if row.phase == "matmul, forward")
    assert product.amount == pytest.approx(2 * 64 * 2 * 300 * 128 / 1e9)
    bounds = {"GFLOP": 1000.0, "GB": 50.0}
    assert product.rate == pytest.approx(product.amount / product.milliseconds * 1000)
    assert [measured.bound(row) for row in counted] == [
        pytest.approx(row.rate / bounds[row.unit]) for row in counted if row.rate
    ]


def test_the_table_names_the_step_and_every_phase(measured: Roofline) -> None:
    head, machine, _, *lines = measured.as_text().splitlines()
    assert head.startswith("One step of 64 cells x 300 genes (")
    assert machine == "The machine: 1,000 GFLOP/s in matrix products, 50.0 GB/s copied"
    assert len(lines) == len(measured.phases)
    for row, text in zip(measured.phases, lines, strict=True):
        assert text.startswith(row.phase)
        assert ("beside" if row.overlapped else f"{row.share:.0%}") in text
