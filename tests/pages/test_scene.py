"""The stand-ins that tests of pages use answer to the same calls as the real services."""

from __future__ import annotations

import inspect

import pytest

from backend.checks import Checks
from backend.datasets import DatasetLibrary
from backend.devices import Devices
from backend.runs import RunService
from tests.pages.scene import FakeChecks, FakeDatasets, FakeDevices, FakeRuns

OWN = {"add", "change"}  # how a test sets the scene


@pytest.mark.parametrize(
    ("fake", "real"),
    [
        (FakeDatasets, DatasetLibrary),
        (FakeRuns, RunService),
        (FakeDevices, Devices),
        (FakeChecks, Checks),
    ],
)
def test_stand_in_takes_the_calls_of_the_real_one(fake: type, real: type) -> None:
    for name, method in inspect.getmembers(fake, inspect.isfunction):
        if name.startswith("_") or name in OWN:
            continue
        inspected = inspect.signature(getattr(real, name)).parameters
        for parameter in inspect.signature(method).parameters:
            assert parameter in inspected, f"{real.__name__}.{name} has no {parameter}"
