"""Every field of every message of a bundle, with any value: it is refused in a sentence, or all pages can show it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.errors import StudioError
from backend.types import PrepareSpec, RunSpec
from backend.words import duration, loss_value, moment, number, or_dash, sentence
from pages.runs.table import frame
from tests.exports.conftest import Workshop, raw_file

ODD = st.sampled_from(
    [
        *(
            -1,
            0,
            2**31,
            2**63,
            -(2**63),
            10**400,
            1e308,
            -1e308,
            1e-320,
            253402300800.0,
            1e12,
            -62135596801.0,
        ),
        *("", "x", "\ud800", "\x00", "\u202e", "=1+1", "a" * 5000, "../../x", "NaN", "cuda:0", "finished"),
        *(None, True, False, [], {}, [[]], {"": ""}, [None] * 50, {"a": {"b": {"c": [1e308]}}}),
    ]
)
FAST = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("sent")
    workshop = Workshop(folder)
    workshop.prepare(raw_file(folder / "cells.h5ad"), PrepareSpec("layers/counts", drop_empty_cells=True))
    workshop.pretend(RunSpec("d1", n_latent=4, max_epochs=2), "r1")
    workshop.find_out("umap", np.ones((119, 2), np.float32), n_neighbors=15)
    workshop.pretend(RunSpec("d1", n_latent=4, max_epochs=2), "r2")
    with zipfile.ZipFile(workshop.exporter.together(["r1", "r2"], "bundle.zip")) as archive:
        read = {name: archive.read(name) for name in archive.namelist()}
    workshop.registry.close()
    return read


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    made = Workshop(tmp_path_factory.mktemp("here"))
    yield made
    made.registry.close()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a JSON document."""
    yield path
    items = (
        value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    )
    for key, item in items:
        yield from places(item, (*path, key))


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


@FAST
@given(st.data())
def test_any_value_anywhere_is_refused_or_can_be_shown(
    contents: dict[str, bytes], here: Workshop, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from([one for one in sorted(contents) if one.endswith(".json")]))
    document = json.loads(contents[name])
    for path in data.draw(
        st.lists(st.sampled_from(list(places(document))), min_size=1, max_size=2, unique=True)
    ):
        try:
            document = put(document, path, data.draw(ODD))
        except (KeyError, IndexError, TypeError):  # the first change took the place of the second
            continue
    bundle = here.settings.workspace / "odd.zip"
    with zipfile.ZipFile(bundle, "w") as archive:
        for member, content in {**contents, name: json.dumps(document).encode()}.items():
            archive.writestr(member, content)
    refused = ""
    try:
        run_ids = here.exporter.import_bundle(bundle)
    except StudioError as error:
        refused = str(error)
    if refused:
        assert refused.endswith(".")
        return
    runs = [here.registry.get(run_id) for run_id in run_ids]
    assert len(frame(runs, here.registry.series(run_ids, "validation_loss"))) == len(runs)
    for run in runs:
        said = [
            *(duration(run.elapsed), moment(run.created_at), or_dash(run.started_at, moment)),
            *(or_dash(run.best_validation, loss_value), or_dash(run.cells_per_second, number)),
            *map(sentence, run.notices),
        ]
        assert all(said)
        assert here.exporter.of_run(run.run_id, "report.html").is_file()
        assert here.exporter.of_run(run.run_id, "methods.txt").is_file()
    for run_id in run_ids:
        here.registry.remove(run_id)
