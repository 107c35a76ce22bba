"""Runs from one computer to another: the same there as here, and nothing hostile gets in."""

from __future__ import annotations

import io
import json
import math
import pickle
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.errors import BadFile, Conflict, NoSpace, NotFound
from backend.types import GroupRecord, Labels, MetricPoint, PrepareSpec, RunSpec, RunStatus, default_name
from tests.exports.conftest import Workshop, raw_file


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path / "elsewhere")
    yield made
    made.registry.close()


@pytest.fixture(scope="module")
def parcel(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A bundle of one run with a map."""
    folder = tmp_path_factory.mktemp("parcel")
    workshop = Workshop(folder)
    workshop.prepare(raw_file(folder / "cells.h5ad"), PrepareSpec("layers/counts", drop_empty_cells=True))
    workshop.pretend(RunSpec("d1", n_latent=4, max_epochs=2), "r1")
    workshop.pretend(RunSpec("d1", n_latent=4, max_epochs=2), "r2")
    workshop.find_out("umap", np.ones((119, 2), np.float32), n_neighbors=15)
    data = workshop.exporter.together(["r1", "r2"], "bundle.zip").read_bytes()
    workshop.registry.close()
    return data


@pytest.fixture
def hostile(parcel: bytes, tmp_path: Path) -> Path:
    """A bundle to be spoiled."""
    path = tmp_path / "hostile.zip"
    path.write_bytes(parcel)
    return path


@pytest.fixture
def sent(workshop: Workshop, tiny: RunSpec, tmp_path: Path) -> Path:
    """A bundle of two runs of a group, one with a map."""
    choices = PrepareSpec("layers/counts", drop_empty_cells=True)
    workshop.prepare(raw_file(tmp_path / "cells.h5ad"), choices)
    workshop.registry.add_group(GroupRecord("g1", "duel", "CPU & fused", 1.0))
    for run_id, engine in (("r1", "stock"), ("r2", "fused")):
        workshop.pretend(
            tiny.replace(engine=engine), run_id, group_id="g1", name=f"run {engine}", note="=1+1"
        )
    workshop.registry.append("r1", MetricPoint("train_loss", 3, math.nan, 1.5))
    steps = (MetricPoint("train_loss_step", 1, 5.0, 0.1, step=step) for step in range(6000))
    workshop.registry.append("r1", *steps)
    n_obs = workshop.datasets["d1"].n_obs
    workshop.find_out("umap", np.ones((n_obs, 2), np.float32), n_neighbors=15, min_dist=0.3)
    workshop.find_out("leiden", (np.arange(n_obs) % 2).astype(np.int32), resolution=1.0)
    workshop.named = Labels(("T cells", default_name(1)), {"resolution": 1.0})
    return workshop.exporter.together("g1", "bundle-with-model.zip")


JUDGED = ("judged_by", "best_validation", "best_epoch", "last_validation")


def test_runs_arrive_as_they_were_and_say_where_they_are_from(
    workshop: Workshop, elsewhere: Workshop, sent: Path
) -> None:
    ids = elsewhere.exporter.import_bundle(sent)
    assert ids == ["r1", "r2"]
    for run_id in ids:
        before, after = workshop.registry.get(run_id), elsewhere.registry.get(run_id)
        assert after.imported_from == "Two-thread test processor"
        own = {name: getattr(after, name) for name in ("group_id", "imported_from", *JUDGED)}
        assert after == before.replace(**own)
        values = elsewhere.registry.history(run_id).get(after.judged_by, [])
        assert after.best_validation == min(filter(math.isfinite, values), default=None), (
            "from its own points"
        )
        assert elsewhere.registry.epoch_points(run_id)[0] == workshop.registry.epoch_points(run_id)[0]
        assert elsewhere.registry.history(run_id).keys() == workshop.registry.history(run_id).keys()
        np.testing.assert_array_equal(elsewhere.latent(run_id), workshop.latent(run_id))
    assert math.isnan(elsewhere.registry.history("r1")["train_loss"][-1])
    steps = elsewhere.registry.read_since("r1", names=["train_loss_step"]).points
    assert 2500 < len(steps) <= 5001
    assert steps[-1].step == 5999
    (group,) = elsewhere.registry.groups()
    assert (group.kind, group.name) == ("import", "CPU & fused")
    assert {elsewhere.registry.get(run_id).group_id for run_id in ids} == {group.group_id}


def test_a_map_comes_along_and_counts_as_made_here(
    workshop: Workshop, elsewhere: Workshop, sent: Path
) -> None:
    elsewhere.exporter.import_bundle(sent)
    folder = elsewhere.settings.runs_dir / "r1" / "analysis"
    meta = json.loads(next(folder.glob("umap-*/meta.json")).read_text())
    assert meta["stamp"] == "stamp of r1"
    assert meta["options"] == {"n_neighbors": 15, "min_dist": 0.3}
    assert np.load(next(folder.glob("umap-*/xy.npy"))).shape == (workshop.datasets["d1"].n_obs, 2)
    meta = json.loads(next(folder.glob("leiden-*/meta.json")).read_text())
    assert meta["facts"]["n_clusters"] == 2
    names = ("T cells", default_name(1))
    assert elsewhere.renamed == [(run_id, {"resolution": 1.0}, names) for run_id in ("r1", "r2")]


def test_a_model_is_put_aside_and_never_offered(elsewhere: Workshop, sent: Path) -> None:
    elsewhere.exporter.import_bundle(sent)
    run_dir = elsewhere.settings.runs_dir / "r1"
    assert (run_dir / "imported-model" / "model.pt").read_bytes() == b"weights"
    assert not (run_dir / "model").exists()
    for name in ("model.zip", "data.h5ad", "reproduce.py"):
        with pytest.raises(Conflict, match="hidden code"):
            elsewhere.exporter.of_run("r1", name)
    assert "Two-thread" not in elsewhere.exporter.of_run("r1", "history.csv").read_text()
    assert "119 cells" in elsewhere.exporter.methods_text("r1")
    assert json.loads(elsewhere.exporter.of_run("r1", "spec.json").read_text())["dataset"]["n_obs"] == 119


def test_the_same_bundle_twice_gives_other_ids_and_can_travel_on(
    elsewhere: Workshop, sent: Path, tmp_path: Path
) -> None:
    first = elsewhere.exporter.import_bundle(sent)
    second = elsewhere.exporter.import_bundle(sent)
    assert len({*first, *second}) == 4
    third = Workshop(tmp_path / "third")
    (again,) = third.exporter.import_bundle(elsewhere.exporter.together(second[0], "bundle-with-model.zip"))
    assert third.registry.get(again).imported_from == "Two-thread test processor"
    assert third.registry.groups() == []
    assert (third.settings.runs_dir / again / "imported-model" / "model.pt").exists()
    third.registry.close()


def test_a_bundle_is_made_of_runs_that_are_over(workshop: Workshop, tiny: RunSpec, sent: Path) -> None:
    workshop.registry.update("r1", status=RunStatus.RUNNING)
    with zipfile.ZipFile(workshop.exporter.together("g1", "bundle.zip")) as archive:
        assert json.loads(archive.read("bundle.json"))["runs"] == ["r2"]
        assert not any(name.endswith("model.pt") for name in archive.namelist())
        assert str(workshop.folder) not in "".join(
            archive.read(name).decode()
            for name in archive.namelist()
            if name.endswith(("json", "csv", "txt"))
        )
    workshop.registry.update("r2", status=RunStatus.RUNNING)
    with pytest.raises(Conflict, match="have ended"):
        workshop.exporter.together(["r1", "r2"], "bundle.zip")
    with pytest.raises(NotFound):
        workshop.exporter.together("nobody", "bundle.zip")


# --- hostile ---------------------------------------------------------------------------------------


def rewritten(path: Path, change: Callable[[dict[str, bytes]], Any]) -> Path:
    """The bundle with other contents."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    change(contents)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return path


def edited(name: str, *keys: str, value: Any) -> Callable[[dict[str, bytes]], None]:
    """Set one place of a JSON document."""

    def change(contents: dict[str, bytes]) -> None:
        document = json.loads(contents[name])
        place = document
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        contents[name] = json.dumps(document).encode()

    return change


def replaced(name: str, data: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda contents: contents.update({name: data})


def removed(name: str) -> Callable[[dict[str, bytes]], None]:
    return lambda contents: contents.pop(name)


class Evil:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("it was unpickled",))


def array(values: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, values, allow_pickle=True)
    return file.getvalue()


def array_head(shape: tuple[int, ...]) -> bytes:
    """Of an array that is not there."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.getvalue()


RECORD, HISTORY, LATENT = "runs/r1/record.json", "runs/r1/history.json", "runs/r1/latent.npy"
MAP = "runs/r1/analysis/umap-0123456789abcdef"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (replaced("../../evil.txt", b"x"), "leads elsewhere"),
        (replaced("/etc/evil", b"x"), "leads elsewhere"),
        (replaced("runs/r1/..\\..\\x", b"x"), "leads elsewhere"),
        (replaced("C:/evil", b"x"), "leads elsewhere"),
        (replaced("runs/r1/sitecustomize.py", b"x"), "does not belong"),
        (replaced("runs/r1/model/evil.pkl", b"x"), "does not belong"),
        (replaced("runs/r1/<b>\x1b[2J.json", b"x"), "does not belong"),
        (replaced("README.txt", b"0" * 2**20 * 2), "too large"),
        (replaced("runs/r1/history.csv", b"0" * 2**20 * 20), "far more than it is"),
        (replaced("bundle.json", b"{"), "not proper JSON"),
        (replaced("bundle.json", b"[" * 100_000), "not proper JSON"),
        (replaced("bundle.json", b"[]"), "not made by scVI Studio"),
        (removed("bundle.json"), "missing"),
        (removed(RECORD), "missing"),
        (removed(HISTORY), "missing"),
        (edited("bundle.json", "version", value=99), "newer version"),
        (edited("bundle.json", "version", value="1"), "which version"),
        (edited("bundle.json", "runs", value=["../r1"]), "impossible"),
        (edited("bundle.json", "runs", value=[]), "empty"),
        (edited("bundle.json", "runs", value=["r1", "r1"]), "repeats"),
        (edited("bundle.json", "runs", value=["r2", "r3"]), "missing"),
        (edited(RECORD, "run_id", value="r2"), "two names"),
        (edited(RECORD, "status", value="running"), "has not ended"),
        (edited(RECORD, "status", value="excellent"), "not as it should be: Invalid enum"),
        (edited(RECORD, "name", value=["x"]), "Expected `str`"),
        (edited(RECORD, "name", value="x" * 5000), "too long a text"),
        (edited(RECORD, "epoch", value=True), "Expected `int`"),
        (edited(RECORD, "epoch", value=1e400), "not proper JSON"),
        (edited(RECORD, "elapsed", value=10**400), "number that cannot be right"),
        (edited(RECORD, "n_obs", value=-1), "make no sense"),
        (edited(RECORD, "created_at", value=3e11), "make no sense"),
        (edited(RECORD, "started_at", value=-1.0), "make no sense"),
        (edited(RECORD, "ended_at", value=1e200), "make no sense"),
        (edited(RECORD, "spec", "batch_size", value=0), "make no sense"),
        (edited(RECORD, "spec", "gene_likelihood", value="<b>"), "make no sense"),
        (edited(RECORD, "spec", "engine", value="<img src=x>"), "make no sense"),
        (edited(RECORD, "spec", value=None), "Expected `object`"),
        (edited(RECORD, "environment", value={"cpu": 3}), "Expected `str`"),
        (edited(RECORD, "conditions", value={"a": [[[[[[[[1]]]]]]]]}), "too deeply"),
        (
            replaced(HISTORY, b'{"epochs": {"train_loss": {"epoch": [1], "value": [NaN], "seconds": [1]}}}'),
            "JSON",
        ),
        (
            replaced(HISTORY, b'{"epochs": {"x y": {"epoch": [1], "value": [1], "seconds": [1]}}}'),
            "cannot be",
        ),
        (replaced(HISTORY, b'{"epochs": {"x": {"epoch": [1, 2], "value": [1], "seconds": [1]}}}'), "lengths"),
        (
            replaced(HISTORY, b'{"epochs": {"x": {"epoch": ["1"], "value": [1], "seconds": [1]}}}'),
            "Expected `int`",
        ),
        (replaced(HISTORY, b'{"epochs": {"x": [1]}}'), "Expected `object`"),
        (replaced(LATENT, pickle.dumps(Evil())), "plain array"),
        (replaced(LATENT, array(np.array([Evil()], dtype=object))), "plain array"),
        (replaced(LATENT, b"\x93NUMPY\x01\x00\xff\xff"), "plain array"),
        (replaced(LATENT, array(np.zeros((3, 4), np.float32))), "does not fit"),
        (replaced(LATENT, array(np.zeros((119, 4), np.float64))), "does not fit"),
        (replaced(LATENT, array_head((1 << 40, 4))), "does not fit"),
        (replaced(LATENT, array_head((119, 4))), "plain array"),
        (replaced(LATENT, array(np.full((119, 4), np.nan, np.float32))), "not numbers"),
        (replaced(f"{MAP}/xy.npy", array(np.zeros((5, 2), np.float32))), "does not fit"),
        (edited(f"{MAP}/meta.json", "options", value={"n_neighbors": "<b>"}), "does not fit"),
        (edited(f"{MAP}/meta.json", "kind", value="other"), "none that travels"),
        (removed(f"{MAP}/xy.npy"), "missing"),
        (replaced("runs/r1/labels.json", b'{"options": {}, "names": ["a"]}'), "do not fit the clusters"),
    ],
)
def test_what_is_not_sound_is_refused_and_leaves_nothing(
    elsewhere: Workshop, hostile: Path, change: Callable[[dict[str, bytes]], Any], says: str
) -> None:
    with pytest.raises(BadFile, match=says) as refused:
        elsewhere.exporter.import_bundle(rewritten(hostile, change))
    assert str(refused.value).isprintable()
    assert elsewhere.registry.list() == []
    assert elsewhere.registry.groups() == []
    assert not elsewhere.settings.runs_dir.exists() or not list(elsewhere.settings.runs_dir.iterdir())


def test_links_and_repeated_and_countless_members_are_refused(
    elsewhere: Workshop, hostile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = zipfile.ZipInfo("runs/r1/latent.npy")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(hostile.with_name("link.zip"), "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BadFile, match="a link"):
        elsewhere.exporter.import_bundle(hostile.with_name("link.zip"))
    with zipfile.ZipFile(hostile, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("bundle.json", "{}")
    with pytest.raises(BadFile, match="twice"):
        elsewhere.exporter.import_bundle(hostile)
    with zipfile.ZipFile(hostile, "w") as archive:
        for number in range(5001):
            archive.writestr(f"runs/r{number}/record.json", "")
    with pytest.raises(BadFile, match="at most 5,000"):
        elsewhere.exporter.import_bundle(hostile)


def test_what_is_no_zip_or_a_broken_one_is_refused(elsewhere: Workshop, hostile: Path) -> None:
    whole = hostile.read_bytes()
    for data in (b"", b"not a zip", whole[: len(whole) // 2], pickle.dumps(Evil())):
        hostile.write_bytes(data)
        with pytest.raises(BadFile, match="not a zip archive"):
            elsewhere.exporter.import_bundle(hostile)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        at = archive.getinfo("runs/r2/record.json").header_offset + 80
    hostile.write_bytes(whole[:at] + bytes(b ^ 0xFF for b in whole[at : at + 20]) + whole[at + 20 :])
    with pytest.raises(BadFile, match="damaged"):
        elsewhere.exporter.import_bundle(hostile)
    assert elsewhere.registry.list() == []


def test_names_that_mean_something_to_others_are_one_harmless_line(
    elsewhere: Workshop, hostile: Path
) -> None:
    name = "<img src=x onerror=alert(1)>\n**b** \x1b[31m\u202e=1+1"
    elsewhere.exporter.import_bundle(rewritten(hostile, edited(RECORD, "name", value=name)))
    assert elsewhere.registry.get("r1").name == "<img src=x onerror=alert(1)> **b** [31m =1+1"


def test_what_fails_midway_is_taken_out_again(
    elsewhere: Workshop, hostile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = elsewhere.registry.add

    def full(record: Any) -> None:
        if record.run_id == "r2":
            raise OSError(28, "No space left on device")
        add(record)

    monkeypatch.setattr(elsewhere.registry, "add", full)
    with pytest.raises(NoSpace, match="disk is full"):
        elsewhere.exporter.import_bundle(hostile)
    assert elsewhere.registry.list() == []
    assert elsewhere.registry.groups() == []
    assert list(elsewhere.settings.runs_dir.iterdir()) == []
