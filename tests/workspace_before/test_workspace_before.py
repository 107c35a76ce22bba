"""A workspace that the version before wrote opens whole: runs, groups, data sets, notices, curves, what was exported.

``text`` is such a workspace as text (its MANIFEST.json says how it was made); ``restore`` puts it
together again with stand-ins for the binary files.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.errors import StudioError
from backend.services import Services, build_services
from backend.settings import Settings
from backend.types import Notice, RunStatus, find_notice, notice, with_notices
from backend.words import SENTENCES, sentence
from tests.workspace_before.restore import restore

FIXTURE = Path(__file__).parent / "text"
NAMES: dict[str, dict[str, str]] = json.loads((FIXTURE / "MANIFEST.json").read_text("utf-8"))["names"]


def rows(table: str) -> list[dict[str, Any]]:
    """As the version before left them."""
    db = sqlite3.connect(":memory:")
    db.row_factory = sqlite3.Row
    db.executescript((FIXTURE / "registry.sql").read_text("utf-8"))
    found = [dict(row) for row in db.execute(f"SELECT * FROM {table}")]
    db.close()
    return found


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    workspace = tmp_path_factory.mktemp("before") / "workspace"
    restore(FIXTURE, workspace)
    services = build_services(Settings(workspace))
    services.start(server=False)
    yield services
    services.close()


def run_id(name: str) -> str:
    return NAMES["runs"][name]


def dataset_id(name: str) -> str:
    return NAMES["datasets"][name]


def test_all_runs_are_there_as_they_were(services: Services) -> None:
    before = {row["run_id"]: row for row in rows("runs")}
    now = {record.run_id: record for record in services.runs.list()}
    assert len(now) == len(before) > 40
    assert now.keys() == before.keys()
    for known, record in now.items():
        old = before[known]
        assert record.name == old["name"]
        assert record.spec.to_dict() == {**record.spec.to_dict(), **listless(json.loads(old["spec"]))}
        assert (record.epoch, record.elapsed, record.group_id) == (
            old["epoch"],
            old["elapsed"],
            old["group_id"],
        )
        if old["status"] not in ("running", "queued"):
            assert record.status == old["status"]
    assert len({record.status for record in now.values()}) >= 6


def listless(spec: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in spec.items()}


def test_every_old_sentence_has_become_a_notice_that_says_the_same_numbers(services: Services) -> None:
    """Only what this version would say in other words: the numbers and names of the sentence are in it still."""
    kept = Counter()
    for table, owners in (
        ("runs", {record.run_id: record for record in services.runs.list()}),
        ("run_groups", {group.group_id: group for group in services.groups.list()}),
    ):
        for row in rows(table):
            now = owners[row["run_id" if table == "runs" else "group_id"]].notices
            sentences = json.loads(row["notices"])
            assert len(now) == len(sentences)
            for old, new in zip(sentences, now, strict=True):
                assert new.code in SENTENCES
                assert new.code != "text", old
                assert (new.severity == "warning") == old.startswith("Warning:")
                assert numbers(old) <= numbers(sentence(new)), (old, sentence(new))
                kept[new.code] += 1
    assert len(kept) >= 20, kept


def numbers(text: str) -> Counter[str]:
    words = text.replace("one cell", "1 cell").replace("(", " ").replace(")", " ").split()
    return Counter(word.strip(".,;") for word in words if word[:1].isdigit())


def test_a_sentence_that_nobody_knows_is_kept_as_it_is() -> None:
    old = "Warning: something of a version long gone"
    (kept,) = [Notice.from_dict(one) for one in with_notices({"notices": [old]})["notices"]]
    assert kept == notice("text", severity="warning", text="something of a version long gone")


def test_data_sets_and_sources_are_there_with_what_preparing_did(services: Services) -> None:
    prepared = {ref.dataset_id: ref for ref in services.datasets.prepared()}
    assert set(NAMES["datasets"].values()) <= prepared.keys()
    assert set(NAMES["sources"].values()) <= {source.source_id for source in services.datasets.sources()}
    assert all(one.code != "text" for ref in prepared.values() for one in ref.notices)
    mended = prepared[dataset_id("mended")].notices
    assert find_notice(mended, "missing_filled")
    assert find_notice(mended, "empty_cells_dropped")
    well = find_notice(prepared[dataset_id("selected per well")].notices, "genes_selected")
    assert well is not None
    assert (well.params["method"], well.params["per_batch"], well.params["fell_back"]) == (
        "seurat_v3",
        False,
        True,
    )
    few = find_notice(prepared[dataset_id("few")].notices, "genes_selected")
    assert few is None or few.params["n"] == prepared[dataset_id("few")].n_vars


def test_groups_have_their_runs(services: Services) -> None:
    groups = {group.group_id: group for group in services.groups.list()}
    assert groups.keys() == set(NAMES["groups"].values())
    for row in rows("run_groups"):
        members = {run["run_id"] for run in rows("runs") if run["group_id"] == row["group_id"]}
        assert {run.run_id for run in services.groups.runs(row["group_id"])} == members != set()
        assert (groups[row["group_id"]].kind, groups[row["group_id"]].name) == (row["kind"], row["name"])


def test_curves_are_there_point_by_point(services: Services) -> None:
    names = {row["id"]: row["name"] for row in rows("metric_names")}
    ids = {row["seq"]: row["run_id"] for row in rows("runs")}
    before: dict[tuple[str, str], list[float]] = {}
    for row in rows("metrics"):
        if row["step"] is None:
            before.setdefault((ids[row["run"]], names[row["name"]]), []).append(row["value"])
    assert before
    for (known, name), values in before.items():
        assert [
            None if value != value else value for value in services.registry.history(known)[name]
        ] == values


@pytest.mark.parametrize(
    ("name", "said", "unsaid"),
    [
        ("on selected per batch", "within each level of “batch”", "ratio of variance"),
        ("on selected per well", "by the seurat_v3 method", "within each level"),  # it had fallen back
        ("on few", "their ratio of variance to mean", "seurat_v3"),
        ("on recommended", "Cells without counts were removed.", "highly variable"),
    ],
)
def test_methods_say_what_was_done(services: Services, name: str, said: str, unsaid: str) -> None:
    text = services.exports.methods_text(run_id(name))
    assert said in text.split("References")[0]
    assert unsaid not in text.split("References")[0]


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("finished fused", False),
        ("on selected", True),
        ("on selected per well", True),
        ("on all kept", False),
        ("on demo, selected", False),
    ],
)
def test_recipes_can_be_written_still(services: Services, name: str, lost: bool) -> None:
    script = services.exports.of_run(run_id(name), "reproduce.py").read_text("utf-8")
    dataset = services.datasets.dataset(services.registry.get(run_id(name)).spec.dataset_id)
    how = find_notice(dataset.notices, "genes_selected", "all_genes_kept")
    assert how is None or sentence(how) in script
    assert ("cells without counts in these genes" in script) == lost


def test_without_its_data_set_a_run_has_no_recipe(services: Services) -> None:
    with pytest.raises(StudioError):
        services.exports.of_run(run_id("its data set is gone"), "reproduce.py")


def test_what_was_found_in_runs_is_there_still(services: Services) -> None:
    text = services.exports.methods_text(run_id("fast preset"))
    assert "Leiden" in text
    assert "UMAP" in text


def test_an_interrupted_extension_goes_back_to_what_was(services: Services) -> None:
    record = services.registry.get(run_id("extended, then interrupted"))
    assert record.status is RunStatus.INTERRUPTED
    assert all(one.code != "text" for one in record.notices)


def test_a_bundle_of_the_version_before_is_taken(services: Services) -> None:
    taken = services.exports.import_bundle(FIXTURE.with_name("two_computers_group.zip"))
    records = [services.registry.get(one) for one in taken]
    codes = {one.code for record in records for one in record.notices}
    assert len(records) == 2
    assert "text" not in codes
    assert {"device_unchecked", "device_failed_check"} & codes
