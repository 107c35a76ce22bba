"""What a browser may send: any address, any message of a component. No page falls, and nothing is believed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.types import RunSpec
from pages.shared.cell_map import decode, encode
from pages.train import draft
from tests.pages.scene import Scene

EXTREMES = (
    *(
        "",
        " ",
        "\x00",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "-0",
        "9" * 400,
        "1_000",
        "١٢٣",
        "None",
        "true",
        "[]",
        "{}",
    ),
    *(
        "../../etc/passwd",
        "<script>",
        "'; drop table runs; --",
        "%00",
        "a" * 5000,
        "\u202e",
        "😀",
        "demo-ready",
    ),
)
NAMES = (
    *RunSpec("").to_dict(),
    "batch",
    "dataset",
    "preset",
    "like",
    "run",
    "runs",
    "group",
    "tab",
    "stage",
    "see",
)
TEXTS = st.one_of(st.sampled_from(EXTREMES), st.text(max_size=30))
ADDRESSES = st.dictionaries(st.sampled_from((*NAMES, "with", "show", "source")), TEXTS, max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("page", ["train", "explore", "runs"])
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(address=ADDRESSES)
def test_no_address_makes_a_page_fall(scene: Scene, page: str, address: dict[str, str]) -> None:
    app = scene.open(page, **address)
    assert not app.exception, (address, app.exception)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), TEXTS | st.lists(TEXTS, max_size=3), max_size=10))
def test_the_form_is_filled_with_values_within_bounds_whatever_the_address(address: dict[str, str]) -> None:
    spec = draft.within_limits(draft.from_params(address, RunSpec("demo-ready")))
    assert draft.within_limits(spec) == spec


@settings(max_examples=200, deadline=None)
@given(bits=JSON, n_obs=st.integers(1, 50))
def test_a_selection_is_cells_of_the_map_or_none(bits: object, n_obs: int) -> None:
    found = decode(bits, n_obs)  # type: ignore[arg-type]
    assert found is None or (found.min() >= 0 and found.max() < n_obs)
    chosen = np.arange(n_obs)
    assert np.array_equal(decode(encode(chosen, n_obs), n_obs), chosen)
