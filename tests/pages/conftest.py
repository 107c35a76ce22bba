"""Fixtures for tests of pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import streamlit as st

from backend import services
from pages.run import page as run_page
from tests.pages.scene import Scene


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A workspace answered from memory, installed as this process's services."""
    made = Scene()
    before = services.install(made)  # type: ignore[arg-type]
    yield made
    services.install(before)


@pytest.fixture
def run_as_title(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that end where a run's own page begins, which has tests of its own: it is its title."""
    monkeypatch.setattr(run_page, "run_view", lambda run_id: st.title(f"Run {run_id}"))
