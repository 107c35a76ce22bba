"""The files of a run: whole, built once, made anew when the model is newer, refused where there is nothing."""

from __future__ import annotations

import csv
import json
import math
import os
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from backend.errors import Conflict, NoSpace, NotFound
from backend.exports import Exporter, _exporter
from backend.registry import RunRegistry
from backend.settings import Settings
from backend.types import DatasetRef, MetricPoint, PrepareSpec, RunRecord, RunSpec, RunStatus, SourceRef


@dataclass
class Desk:
    """An exporter, a run with a model that it is to export, and two hands to change things with."""

    exporter: Exporter
    registry: RunRegistry
    run_dir: Path
    dataset: DatasetRef

    def prepared(self) -> list[DatasetRef]:
        return [self.dataset]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    settings = Settings(tmp_path / "workspace")
    registry = RunRegistry(settings.registry_path)
    registry.open()
    counts = sp.random(20, 12, 0.3, "csr", "float32", rng=np.random.default_rng(0))
    cells = pd.DataFrame({"batch": pd.Categorical(["a", "b"] * 10)}, index=[f"cell{n}" for n in range(20)])
    anndata.AnnData(counts, obs=cells).write_h5ad(tmp_path / "full.h5ad")
    anndata.AnnData(counts[:, :5], obs=cells).write_h5ad(tmp_path / "prepared.h5ad")
    dataset = DatasetRef(
        "d", "s", "=HYPERLINK(1)", str(tmp_path / "prepared.h5ad"), 20, 5, 30, PrepareSpec(n_top_genes=5), ("batch",)
    )  # fmt: skip
    dataset = dataset.replace(full_path=str(tmp_path / "full.h5ad"))
    spec = RunSpec("d", dataset_name=dataset.name)
    registry.add(
        RunRecord(
            "r1",
            spec,
            RunStatus.FINISHED,
            "mine",
            1.0,
            epoch=3,
            n_obs=20,
            n_vars=5,
            environment={"torch": "2"},
        )
    )
    run_dir = settings.runs_dir / "r1"
    (run_dir / "model").mkdir(parents=True)
    (run_dir / "model" / "model.pt").write_bytes(b"weights")
    np.save(run_dir / "latent.npy", np.arange(200, dtype="float32").reshape(20, 10))

    class Library:
        def dataset(self, dataset_id: str) -> DatasetRef:
            return dataset

        def prepared(self) -> list[DatasetRef]:
            return [dataset]

        def source(self, source_id: str) -> SourceRef:
            raise NotFound("It was removed.")

    yield Desk(Exporter(settings, registry, Library()), registry, run_dir, dataset)
    registry.close()


def test_the_model_is_a_folder_with_a_readme(desk: Desk) -> None:
    with zipfile.ZipFile(desk.exporter.model_zip("r1")) as archive:
        names = archive.namelist()
        (folder,) = {name.split("/")[0] for name in names}
        assert set(names) == {f"{folder}/README.txt", f"{folder}/model.pt"}
        assert archive.read(f"{folder}/model.pt") == b"weights"
        readme = archive.read(f"{folder}/README.txt").decode()
    assert f'SCVI.load("{folder}", adata=adata)' in readme
    assert "=" not in folder  # nothing of a data set's name but letters and digits


def test_the_data_have_all_genes_the_latent_space_and_where_it_comes_from(desk: Desk) -> None:
    adata = anndata.read_h5ad(desk.exporter.h5ad("r1"))
    before = anndata.read_h5ad(desk.dataset.full_path)
    assert adata.shape == (20, 12)
    assert (adata.X != before.X).nnz == 0
    assert list(adata.obs["batch"]) == list(before.obs["batch"])
    np.testing.assert_array_equal(adata.obsm["X_scvi"], np.load(desk.run_dir / "latent.npy"))
    about = adata.uns["scvi_studio"]
    assert about["run_id"] == "r1"
    assert about["spec"]["batch_size"] == 128
    assert about["dataset"]["prepare"]["n_top_genes"] == 5
    assert "path" not in about["dataset"]  # nobody's folders travel
    assert "X_scvi" not in anndata.read_h5ad(desk.dataset.full_path).obsm  # the original is as it was


def test_without_a_selection_the_prepared_cells_are_taken(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = desk.dataset.replace(full_path="")
    monkeypatch.setattr(desk.exporter._datasets, "dataset", lambda dataset_id: plain)
    assert anndata.read_h5ad(desk.exporter.h5ad("r1")).shape == (20, 5)


def test_the_history_is_one_row_an_epoch_and_safe_in_a_spreadsheet(desk: Desk) -> None:
    points = [
        MetricPoint("train_loss", 1, -2.5, 1.0),
        MetricPoint("train_loss", 2, math.nan, 2.0),
        MetricPoint("validation_loss", 2, 3.0, 2.25),
        MetricPoint("@evil", 2, 1.0, 2.0),
        MetricPoint("train_loss_step", 1, 9.0, 0.5, step=3),
    ]
    desk.registry.append("r1", *points)
    with desk.exporter.history_csv("r1").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["run_id", "dataset", "epoch", "seconds", "'@evil", "train_loss", "validation_loss"],
        ["r1", "'=HYPERLINK(1)", "1", "1.0", "", "-2.5", ""],
        ["r1", "'=HYPERLINK(1)", "2", "2.25", "1.0", "nan", "3.0"],
    ]


def test_the_spec_is_the_one_that_was_executed(desk: Desk) -> None:
    data = json.loads(desk.exporter.spec_json("r1").read_text())
    assert RunSpec.from_dict(data["spec"]) == desk.registry.get("r1").spec
    assert data["dataset"]["prepare"]["n_top_genes"] == 5
    assert data["environment"] == {"torch": "2"}


def test_big_files_are_built_once_and_again_when_the_model_is_newer(desk: Desk) -> None:
    first = desk.exporter.model_zip("r1").stat()
    assert desk.exporter.model_zip("r1").stat().st_ino == first.st_ino
    (desk.run_dir / "model" / "model.pt").write_bytes(b"more weights")
    os.utime(desk.run_dir / "model" / "model.pt", ns=(first.st_mtime_ns + 1, first.st_mtime_ns + 1))
    with zipfile.ZipFile(desk.exporter.model_zip("r1")) as archive:
        assert b"more weights" in [archive.read(name) for name in archive.namelist()]


def test_many_who_ask_at_once_get_one_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[int] = []
    write = _exporter.write_model
    monkeypatch.setattr(_exporter, "write_model", lambda *a: (built.append(1), write(*a)))
    askers = [threading.Thread(target=desk.exporter.model_zip, args=("r1",)) for _ in range(5)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert built == [1]


def test_a_full_disk_leaves_no_half_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *_: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_exporter, "write_model", full)
    with pytest.raises(NoSpace, match="disk is full"):
        desk.exporter.model_zip("r1")
    assert list((desk.run_dir / "exports").iterdir()) == []


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (RunStatus.RUNNING, "not finished"),
        (RunStatus.CANCELED, "canceled"),
        (RunStatus.INTERRUPTED, "Resume it first"),
    ],
)
def test_a_run_without_a_model_says_so(desk: Desk, status: RunStatus, says: str) -> None:
    desk.registry.update("r1", status=status)
    for export in (desk.exporter.model_zip, desk.exporter.h5ad):
        with pytest.raises(Conflict, match=says):
            export("r1")
    assert desk.exporter.history_csv("r1").exists()  # numbers there are
    assert desk.exporter.spec_json("r1").exists()


def test_a_model_that_vanished_is_a_sentence(desk: Desk) -> None:
    (desk.run_dir / "model" / "model.pt").unlink()
    with pytest.raises(Conflict, match="missing on disk"):
        desk.exporter.model_zip("r1")
    with pytest.raises(NotFound):
        desk.exporter.model_zip("nobody")
