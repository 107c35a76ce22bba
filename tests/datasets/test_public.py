"""Public sets: fetched with the functions of scanpy and scvi-tools, written plainly, offline in a sentence."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

from backend.datasets import _public
from backend.errors import Offline


def public_cells(*_: Any) -> anndata.AnnData:
    cells = anndata.AnnData(
        np.ones((4, 3), np.float32), obs=pd.DataFrame({"donor": list("abab")}, index=list("1234"))
    )
    cells.obsm["proteins"] = pd.DataFrame(
        {"CD4/CD8": [1, 2, 3, 4]}, index=cells.obs_names
    )  # not writable as a name
    return cells


def test_a_public_set_is_written_with_counts_and_labels_only(tmp_path: Path) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    (folder / "half a download").touch()
    _public.fetch_public("pbmc3k", folder, tmp_path / "a.h5ad", lambda *_: None, public_cells)
    written = anndata.read_h5ad(tmp_path / "a.h5ad")
    assert list(written.obs["donor"]) == list("abab")
    assert not written.obsm
    assert not folder.exists()


@pytest.mark.parametrize(
    "error", [ConnectionResetError("reset"), TimeoutError(), EOFError(), OSError("unreachable")]
)
def test_being_offline_is_said_in_a_sentence(tmp_path: Path, error: Exception) -> None:
    def load(*_: Any) -> anndata.AnnData:
        raise error

    with pytest.raises(Offline, match="could not be downloaded"):
        _public.fetch_public("pbmc3k", tmp_path / "scratch", tmp_path / "a.h5ad", lambda *_: None, load)


def test_every_public_set_is_a_function_of_its_library() -> None:
    for chosen in _public.PUBLIC_SETS:
        spec = find_spec({"scanpy": "scanpy", "scvi-tools": "scvi"}[chosen.source])
        assert spec is not None
        assert spec.origin is not None
        package = Path(spec.origin).parent  # read, not imported, which takes seconds
        source = (
            package / ("data" if chosen.source == "scvi-tools" else "datasets") / "_datasets.py"
        ).read_text()
        assert f"def {chosen.key}(" in source
