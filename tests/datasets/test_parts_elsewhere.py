"""A file that shows parts of other files, or has links that lead nowhere: such a part is left out, never read, and
costs nothing else. Without a table there is a sentence.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from backend.datasets import inspect_source, prepare_source
from backend.errors import BadFile
from backend.types import DatasetReport
from tests.datasets.sample_files import counts, ref, write, write_tenx

SECRET = 424_242
Put = Callable[[h5py.Group, str, Path], None]


def by_link(group: h5py.Group, name: str, secret: Path) -> None:
    group[name] = h5py.ExternalLink(str(secret), "/x")


def by_way_of_a_link(group: h5py.Group, name: str, secret: Path) -> None:
    group.file.require_group("doors")[name] = h5py.ExternalLink(str(secret), "/")
    group[name] = h5py.SoftLink(f"/doors/{name}/x")


def by_storage(group: h5py.Group, name: str, secret: Path) -> None:
    group.create_dataset(name, shape=(60,), dtype="i4", external=[(str(secret), 0, 240)])


def by_view(group: h5py.Group, name: str, secret: Path) -> None:
    layout = h5py.VirtualLayout(shape=(60,), dtype="i8")
    layout[:] = h5py.VirtualSource(str(secret), "x", shape=(60,))
    group.create_virtual_dataset(name, layout)


def by_dead_link(group: h5py.Group, name: str, secret: Path) -> None:
    group[name] = h5py.SoftLink("/nothing/here")


def by_dead_file(group: h5py.Group, name: str, secret: Path) -> None:
    group[name] = h5py.ExternalLink(str(secret.with_name("gone.h5")), "/x")


def by_endless_link(group: h5py.Group, name: str, secret: Path) -> None:
    group[name] = h5py.SoftLink(f"{group.name}/{name}")


def by_pipe(group: h5py.Group, name: str, secret: Path) -> None:
    pipe = secret.with_name("pipe")
    os.mkfifo(pipe)  # who opened it would wait for ever
    group[name] = h5py.ExternalLink(str(pipe), "/x")


def by_unknown_filter(group: h5py.Group, name: str, secret: Path) -> None:
    group.create_dataset(name, data=np.arange(60), chunks=(60,), compression="gzip")
    raw = bytes(group[name].id.read_direct_chunk((0,))[1])
    del group[name]
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((60,))
    made.set_filter(32_999, h5py.h5z.FLAG_OPTIONAL, (1,))
    space = h5py.h5s.create_simple((60,))
    h5py.h5d.create(group.id, name.encode(), h5py.h5t.NATIVE_INT64, space, dcpl=made).write_direct_chunk(
        (0,), raw
    )


WAYS: list[Put] = [
    *(by_link, by_way_of_a_link, by_storage, by_view, by_dead_link, by_dead_file, by_endless_link, by_pipe),
    by_unknown_filter,
]
OUTSIDE = (by_link, by_storage, by_view, by_dead_file, by_pipe)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.h5"
    with h5py.File(path, "w") as h5:
        h5["x"] = np.full(60, SECRET)
    return path


def a_file(folder: Path, **parts: Any) -> Path:
    obs = pd.DataFrame(
        {"batch": pd.Categorical(["a", "b", "c"] * 20), "n": np.arange(60)},
        index=[f"c{i}" for i in range(60)],
    )
    return write(folder / "a.h5ad", sparse.csr_matrix(counts()), obs=obs, **parts)


def report_on(path: Path) -> DatasetReport:
    return inspect_source(ref(path), lambda *_: None)


def prepared(path: Path) -> anndata.AnnData:
    report = report_on(path)
    assert report.trainable
    out = path.parent / "prepared"
    out.mkdir()
    prepare_source(ref(path), report.recommended, out, lambda *_: None)
    assert str(SECRET).encode() not in (out / "data.h5ad").read_bytes()
    return anndata.read_h5ad(out / "data.h5ad")


def left_out(report: DatasetReport) -> list[str]:
    return [
        part for one in report.problems if one.code == "unreadable_columns" for part in one.params["parts"]
    ]


@pytest.mark.parametrize("put", WAYS, ids=lambda put: put.__name__)
@pytest.mark.parametrize("where", ["obs", "obs/batch", "var", "obsm", "uns", "uns/deep/deeper", "layers", ""])
def test_a_part_that_cannot_be_had_costs_nothing_else(
    tmp_path: Path, secret: Path, put: Put, where: str
) -> None:
    path = a_file(tmp_path)
    with h5py.File(path, "r+") as h5:
        put(h5.require_group(where) if where else h5, "extra", secret)
        if where in ("obs", "var"):
            h5[where].attrs["column-order"] = [*h5[where].attrs["column-order"], "extra"]
    report = report_on(path)
    named = {"obs": "obs/extra", "var": "var/extra", "layers": "layers/extra"}.get(where)
    if named is not None and not (where == "var" and put is by_unknown_filter):
        outside = " (kept in another file)" if put in OUTSIDE and where != "layers" else ""
        assert f"{named}{outside}" in left_out(report)
    cells = prepared(path)
    np.testing.assert_array_equal(cells.X.toarray(), counts())
    assert list(cells.obs["n"]) == list(range(60))
    if where != "obs/batch":
        assert list(cells.obs["batch"])[:3] == ["a", "b", "c"]


def test_other_parts_are_read_as_they_are_beside_one_that_is_elsewhere(tmp_path: Path, secret: Path) -> None:
    embedding = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    path = a_file(
        tmp_path,
        obsm={"X_umap": embedding},
        uns={"note": "kept", "deep": {"n": 3}},
        layers={"twice": counts() * 2},
    )
    with h5py.File(path, "r+") as h5:
        by_link(h5["uns"], "extra", secret)
        h5["obs/same"] = h5["obs/n"]  # two names of one
        h5["obs/soft"] = h5py.SoftLink("/obs/n")
        h5["uns/again"] = h5["uns/deep"]
        h5["uns/circle"] = h5["uns"]
        h5["obs"].attrs["column-order"] = ["batch", "n", "same", "soft"]
    cells = prepared(path)
    np.testing.assert_array_equal(cells.obsm["X_umap"], embedding)
    assert (cells.uns["note"], cells.uns["deep"]["n"], cells.uns["again"]["n"]) == ("kept", 3, 3)
    assert list(cells.obs["same"]) == list(cells.obs["soft"]) == list(range(60))


@pytest.mark.parametrize(
    "put", [by_link, by_storage, by_view, by_dead_file, by_pipe], ids=lambda put: put.__name__
)
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("obs", "The table of cells (obs) of this file is kept in another file"),
        ("var", "The table of genes (var) of this file is kept in another file"),
        ("X", "Its only matrix (X) of this file is kept in another file"),
    ],
)
def test_without_a_table_or_the_only_matrix_there_is_a_sentence(
    tmp_path: Path, secret: Path, put: Put, name: str, says: str
) -> None:
    path = a_file(tmp_path)
    with h5py.File(path, "r+") as h5:
        del h5[name], h5["layers"]
        put(h5, name, secret)
    with pytest.raises(BadFile) as refused:
        report_on(path)
    assert says in str(refused.value)
    assert "write_h5ad" in str(refused.value)


def test_a_table_that_is_a_dead_link_is_said(tmp_path: Path, secret: Path) -> None:
    path = a_file(tmp_path)
    with h5py.File(path, "r+") as h5:
        del h5["obs"]
        by_dead_link(h5, "obs", secret)
    with pytest.raises(BadFile, match=r"table of cells \(obs\) of this file is a link that leads nowhere"):
        report_on(path)


@pytest.mark.parametrize("put", [by_link, by_dead_link], ids=lambda put: put.__name__)
def test_counts_in_a_layer_are_trained_where_x_cannot_be_had(tmp_path: Path, secret: Path, put: Put) -> None:
    path = a_file(tmp_path, layers={"counts": sparse.csr_matrix(counts())})
    with h5py.File(path, "r+") as h5:
        del h5["X"]
        put(h5, "X", secret)
    report = report_on(path)
    assert report.counts == "layers/counts"
    assert "X" in left_out(report)
    np.testing.assert_array_equal(prepared(path).X.toarray(), counts())


@pytest.mark.parametrize("part", ["data", "indices", "indptr"])
@pytest.mark.parametrize("put", [by_link, by_dead_link, by_storage], ids=lambda put: put.__name__)
def test_a_matrix_with_a_part_elsewhere_is_unreadable_and_says_so(
    tmp_path: Path, secret: Path, put: Put, part: str
) -> None:
    path = a_file(tmp_path)
    with h5py.File(path, "r+") as h5:
        del h5[f"X/{part}"]
        put(h5["X"], part, secret)
    report = report_on(path)
    assert not report.trainable
    assert str(SECRET) not in json.dumps(report.to_dict())


@pytest.mark.parametrize("put", WAYS, ids=lambda put: put.__name__)
def test_a_cell_ranger_file_loses_no_more_than_the_part(tmp_path: Path, secret: Path, put: Put) -> None:
    path = write_tenx(tmp_path / "a.h5", counts())
    with h5py.File(path, "r+") as h5:
        put(h5["matrix/features"], "extra", secret)
        put(h5, "other", secret.with_name("other.h5")) if put is not by_pipe else None
    np.testing.assert_array_equal(prepared(path).X.toarray(), counts())


@pytest.mark.parametrize(
    ("part", "says"),
    [("barcodes", "The list of cells"), ("features/id", "The list of genes"), ("data", "Its matrix")],
)
def test_a_cell_ranger_file_without_a_part_is_a_sentence(
    tmp_path: Path, secret: Path, part: str, says: str
) -> None:
    path = write_tenx(tmp_path / "a.h5", counts())
    with h5py.File(path, "r+") as h5:
        del h5[f"matrix/{part}"]
        by_link(h5, f"matrix/{part}", secret)
    with pytest.raises(BadFile, match=f"{says}.*kept in another file"):
        report_on(path)
