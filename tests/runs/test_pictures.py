"""Pictures of the cells as pages get them: only of epochs the run has, and a column as colours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from backend.errors import NotFound
from backend.registry import RunRegistry
from backend.runs import Pictures
from backend.training import FrameFiles
from backend.types import DatasetRef, PrepareSpec, RunRecord, RunSpec, RunStatus
from tests.analysis.small_run import lay_out


@pytest.fixture
def pictures(tmp_path: Path) -> Iterator[Pictures]:
    registry = RunRegistry(tmp_path / "registry.sqlite3")
    registry.open()
    registry.add(RunRecord("r", RunSpec("d"), RunStatus.FINISHED, "R", 0.0, epoch=2))
    files = FrameFiles(tmp_path / "runs" / "r")
    files.begin(np.array([0, 2, 3]), 5, epoch=0)
    for epoch in range(4):
        files.add(epoch, np.array([[0.0, 0.0], [1.0, 3.0], [2.0, 1.0]]), 0.9)
    registry.close()
    registry.open()
    yield Pictures(registry, None, tmp_path / "runs")
    registry.close()


def test_the_columns_to_colour_by_begin_with_labels_and_the_batch(tmp_path: Path) -> None:
    obs = pd.DataFrame(
        {
            "site": ["a", "b"] * 10,
            "same": ["x"] * 20,
            "depth": np.linspace(0.0, 1.0, 20),
            "donor": ["d1", "d2"] * 10,
            "cell_type": ["T", "B"] * 10,
        },
        index=[f"c{n}" for n in range(20)],
    )
    registry = RunRegistry(tmp_path / "registry.sqlite3")
    registry.open()
    registry.add(RunRecord("r", RunSpec("d", batch_key="donor"), RunStatus.FINISHED, "R", 0.0, epoch=2))
    path = tmp_path / "cells.h5ad"
    anndata.AnnData(sparse.csr_matrix(np.ones((20, 3), np.float32)), obs=obs).write_h5ad(path)
    lay_out(path)
    dataset = DatasetRef("d", "s", "cells", str(path), 20, 3, 60, PrepareSpec())
    library = SimpleNamespace(dataset=lambda dataset_id: dataset)
    made = Pictures(registry, library, tmp_path / "runs")
    assert made.columns("r") == ("cell_type", "donor", "site", "depth")
    registry.close()


def test_pictures_of_an_extension_that_was_taken_back_are_not_shown(pictures: Pictures) -> None:
    index = pictures.index("r")
    assert index is not None
    assert [frame.epoch for frame in index.frames] == [0, 1, 2]


def test_a_picture_is_two_small_numbers_a_cell(pictures: Pictures) -> None:
    index = pictures.index("r")
    assert index is not None
    values = np.frombuffer(pictures.values("r", index.frames[0].name), "<u2").reshape(-1, 2)
    assert values.tolist() == [[0, 0], [32768, 65535], [65535, 21845]]


@pytest.mark.parametrize("name", ["gone", "../../registry.sqlite3", "000003"])
def test_only_pictures_of_the_run_can_be_asked_for(pictures: Pictures, name: str) -> None:
    with pytest.raises(NotFound):
        pictures.values("r", name)
    with pytest.raises(NotFound):
        pictures.values("other", name)
