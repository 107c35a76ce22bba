"""What was found when a device, or a precision, was tried on this computer."""

from __future__ import annotations

from dataclasses import dataclass

from ._message import Message


@dataclass(frozen=True, slots=True)
class Finding(Message):
    """One likelihood computed by one engine on a device, against float64 on the CPU."""

    engine: str  # fused, stock
    likelihood: str  # zinb, nb, poisson
    passed: bool
    loss_error: float | None = None  # the largest of any cell, relative
    gradient_error: float | None = None  # the largest, relative to the largest gradient of the same weights
    problem: str = ""  # why it could not be computed


@dataclass(frozen=True, slots=True)
class Speed(Message):
    """What an engine trained at, in a short measurement."""

    engine: str
    batch_size: int
    cells_per_second: float


@dataclass(frozen=True, slots=True)
class DeviceCheck(Message):
    """The self-check of one accelerator: does it compute the right numbers, and how fast."""

    accelerator: str  # cpu, mps, cuda
    device_name: str
    checked_at: float  # Unix seconds
    seconds: float  # the check took
    findings: tuple[Finding, ...]
    speeds: tuple[Speed, ...]  # empty where the numbers were wrong
    n_vars: int  # genes of the cells that the speed was measured on
    density: float  # their share of counts that are not zero
    batch_size: int | None = (
        None  # recommended for the fused engine: the smallest that is about as fast as any
    )

    @property
    def passed(self) -> bool:
        return bool(self.findings) and all(finding.passed for finding in self.findings)

    def speed(self, engine: str, batch_size: int | None) -> float | None:
        """Cells per second, where that was measured."""
        found = (s for s in self.speeds if (s.engine, s.batch_size) == (engine, batch_size))
        return next((s.cells_per_second for s in found), None)


@dataclass(frozen=True, slots=True)
class PrecisionEffect(Message):
    """bfloat16 against float32 on the same minibatch of the same cells, from the same weights."""

    measured_at: float
    loss_change: float  # relative: 0.001 is a loss 0.1 % higher
    gradient_change: float  # length of the difference of all gradients, relative
    speed: float  # steps per second, relative: 2 is twice as fast
    cells: int  # in the minibatch

    @property
    def worth_it(self) -> bool:
        """Whether the time gained is more than noise."""
        return self.speed >= 1.05
