"""The self-check of an accelerator: does it compute the right numbers, and how fast does it train.

    check = check_device("mps", "Apple M3 GPU", on_step=lambda share, phase: None)

Takes some ten seconds on the compute thread; raise in ``on_step`` to leave it. Where the numbers are wrong the speed is
not measured, because it would recommend something that must not be used.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ..types import DeviceCheck

OnStep = Callable[[float, str], None]


def check_device(
    accelerator: str, device_name: str, on_step: OnStep, clock: Callable[[], float] = time.time
) -> DeviceCheck:
    begin = clock()
    on_step(0.0, "loading the libraries")
    from ._exactness import LIKELIHOODS, check_exactness
    from ._pace import (
        CONTESTANTS,
        DENSITY,
        GENES,
        ROUNDS,
        measure_speeds,
        recommended_size,
    )

    steps = 1 + 2 * len(LIKELIHOODS) + ROUNDS * sum(len(sizes) for _, sizes in CONTESTANTS)
    done = 0

    def step(phase: str) -> None:
        nonlocal done
        on_step(min(1.0, done / steps), phase)
        done += 1

    findings = check_exactness(accelerator, step)
    right = all(finding.passed for finding in findings)
    speeds = measure_speeds(accelerator, step) if right else ()
    return DeviceCheck(
        accelerator,
        device_name,
        checked_at=begin,
        seconds=clock() - begin,
        findings=findings,
        speeds=speeds,
        n_vars=GENES,
        density=DENSITY,
        batch_size=recommended_size(speeds),
    )
