"""Fixtures for tests of pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backend import services
from tests.pages.scene import Scene


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A workspace answered from memory, installed as this process's services."""
    before = services._installed
    made = Scene()
    services.install(made)  # type: ignore[arg-type]
    yield made
    services.install(before)
