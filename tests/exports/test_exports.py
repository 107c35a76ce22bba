"""The files of a run: whole, built once, made anew when the model is newer, refused where there is nothing."""

from __future__ import annotations

import csv
import json
import math
import os
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from backend.comparison import Comparer
from backend.errors import Conflict, NoSpace, NotFound
from backend.exports import OF_RUN, Exporter
from backend.jobs import JobBoard
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
            return desk.dataset

        def source(self, source_id: str) -> SourceRef:
            raise NotFound("It was removed.")

    unexplored = SimpleNamespace(
        names=SimpleNamespace(of=lambda run_id: None),
        annotations=SimpleNamespace(of=lambda run_id, n_obs: {}),
        result=lambda *_, **__: None,
    )
    exporter = Exporter(
        settings, registry, Library(), unexplored, Comparer(registry, unexplored), JobBoard(tmp_path / "jobs")
    )
    desk = Desk(exporter, registry, run_dir, dataset)
    yield desk
    registry.close()


def test_the_model_is_a_folder_with_a_readme(desk: Desk) -> None:
    with zipfile.ZipFile(desk.exporter.of_run("r1", "model.zip")) as archive:
        names = archive.namelist()
        (folder,) = {name.split("/")[0] for name in names}
        assert set(names) == {f"{folder}/README.txt", f"{folder}/model.pt"}
        assert archive.read(f"{folder}/model.pt") == b"weights"
        readme = archive.read(f"{folder}/README.txt").decode()
    assert f'SCVI.load("{folder}", adata=adata)' in readme
    assert "=" not in folder  # nothing of a data set's name but letters and digits


def test_the_data_have_all_genes_the_latent_space_and_where_it_comes_from(desk: Desk) -> None:
    adata = anndata.read_h5ad(desk.exporter.of_run("r1", "data.h5ad"))
    before = anndata.read_h5ad(desk.dataset.full_path)
    assert (adata.shape, adata.raw.shape) == ((20, 5), (20, 12))  # as trained on, and all
    assert (adata.raw.X != before.X).nnz == 0
    assert list(adata.obs["batch"]) == list(before.obs["batch"])
    np.testing.assert_array_equal(adata.obsm["X_scVI"], np.load(desk.run_dir / "latent.npy"))
    about = adata.uns["scvi_studio"]
    assert about["run_id"] == "r1"
    assert about["spec"]["batch_size"] == 128
    assert about["dataset"]["prepare"]["n_top_genes"] == 5
    assert "path" not in about["dataset"]  # nobody's folders travel
    assert "X_scVI" not in anndata.read_h5ad(desk.dataset.full_path).obsm  # the original is as it was


def test_without_a_selection_the_prepared_cells_are_taken(desk: Desk) -> None:
    desk.dataset = desk.dataset.replace(full_path="")
    assert anndata.read_h5ad(desk.exporter.of_run("r1", "data.h5ad")).shape == (20, 5)


def test_the_history_is_one_row_an_epoch_and_safe_in_a_spreadsheet(desk: Desk) -> None:
    points = [
        MetricPoint("train_loss", 1, -2.5, 1.0),
        MetricPoint("train_loss", 2, math.nan, 2.0),
        MetricPoint("validation_loss", 2, 3.0, 2.25),
        MetricPoint("@evil", 2, 1.0, 2.0),
        MetricPoint("train_loss_step", 1, 9.0, 0.5, step=3),
    ]
    desk.registry.append("r1", *points)
    with desk.exporter.of_run("r1", "history.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["run_id", "dataset", "epoch", "seconds", "'@evil", "train_loss", "validation_loss"],
        ["r1", "'=HYPERLINK(1)", "1", "1.0", "", "-2.5", ""],
        ["r1", "'=HYPERLINK(1)", "2", "2.25", "1.0", "nan", "3.0"],
    ]


def test_the_spec_is_the_one_that_was_executed(desk: Desk) -> None:
    data = json.loads(desk.exporter.of_run("r1", "spec.json").read_text())
    assert RunSpec.from_dict(data["spec"]) == desk.registry.get("r1").spec
    assert data["dataset"]["prepare"]["n_top_genes"] == 5
    assert data["environment"] == {"torch": "2"}


def test_a_file_asked_for_by_many_at_once_is_whole_for_all(desk: Desk) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: desk.exporter.of_run("r1", "model.zip"), range(8)))
    assert len(set(paths)) == 1
    with zipfile.ZipFile(paths[0]) as archive:
        assert archive.testzip() is None


def test_big_files_are_built_once_and_again_when_the_model_is_newer(desk: Desk) -> None:
    first = desk.exporter.of_run("r1", "model.zip").stat()
    assert desk.exporter.of_run("r1", "model.zip").stat().st_ino == first.st_ino
    (desk.run_dir / "model" / "model.pt").write_bytes(b"more weights")
    os.utime(desk.run_dir / "model" / "model.pt", ns=(first.st_mtime_ns + 1, first.st_mtime_ns + 1))
    with zipfile.ZipFile(desk.exporter.of_run("r1", "model.zip")) as archive:
        assert b"more weights" in [archive.read(name) for name in archive.namelist()]


def test_many_who_ask_at_once_get_one_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[int] = []
    model = OF_RUN["model.zip"]
    counting = replace(model, build=lambda run, path: (built.append(1), model.build(run, path)))
    monkeypatch.setitem(OF_RUN, "model.zip", counting)
    askers = [threading.Thread(target=desk.exporter.of_run, args=("r1", "model.zip")) for _ in range(5)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert built == [1]


def test_a_full_disk_leaves_no_half_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(run: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(OF_RUN, "model.zip", replace(OF_RUN["model.zip"], build=full))
    with pytest.raises(NoSpace, match="disk is full"):
        desk.exporter.of_run("r1", "model.zip")
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
    for name in ("model.zip", "data.h5ad"):
        with pytest.raises(Conflict, match=says):
            desk.exporter.of_run("r1", name)
    assert desk.exporter.of_run("r1", "history.csv").exists()  # numbers there are
    assert desk.exporter.of_run("r1", "spec.json").exists()


def test_a_model_that_vanished_is_a_sentence(desk: Desk) -> None:
    (desk.run_dir / "model" / "model.pt").unlink()
    with pytest.raises(Conflict, match="missing on disk"):
        desk.exporter.of_run("r1", "model.zip")
    with pytest.raises(NotFound):
        desk.exporter.of_run("nobody", "model.zip")
