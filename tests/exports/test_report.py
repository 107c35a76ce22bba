"""Reports: one file each, whole without a network, in which no name from the data is anything but text."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from backend.exports import Exporter
from backend.types import GroupRecord, Labels, PrepareSpec, RunRecord, RunSpec, RunStatus
from tests.exports.conftest import Workshop, raw_file

EVIL = "<img src=x onerror=alert(1)></script><script>alert(2)</script>=1+1"


@pytest.fixture
def told(workshop: Workshop, tiny: RunSpec, tmp_path: Path) -> Exporter:
    """Two runs with a hostile name in one of them, and what compares them."""
    workshop.prepare(raw_file(tmp_path / "cells.h5ad"), PrepareSpec("layers/counts", drop_empty_cells=True))
    workshop.registry.add_group(GroupRecord("g1", "sweep", EVIL, 1.0))
    workshop.pretend(tiny, "r1", name=EVIL, note="a note", group_id="g1", elapsed=1.0, best_validation=55.0)
    workshop.pretend(
        tiny.replace(batch_size=64, lr=0.002), "r2", group_id="g1", elapsed=2.0, seconds_per_epoch=1.0
    )
    return workshop.exporter


def figures(html: str) -> dict:
    return json.loads(
        re.search(r'<script type="application/json" id="figures">(.*?)</script>', html, re.S)[1]
    )


def without_scripts(html: str) -> str:
    return re.sub(r"<script.*?</script>", "", html, flags=re.S)


def test_a_report_names_its_scripts_and_forbids_everything_else(told: Exporter) -> None:
    html = told.of_run("r1", "report.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    assert policy.startswith("default-src 'none'")
    assert "connect-src" not in policy
    assert "http" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", html, re.S)
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert not re.search(r'(src|href)="(?!data:)', without_scripts(html))


def test_names_are_text_everywhere(told: Exporter, workshop: Workshop) -> None:
    for path in (
        told.of_run("r1", "report.html"),
        told.together("g1", "report.html"),
        told.together(["r1", "r2"], "report.html", title=EVIL),
    ):
        html = path.read_text()
        assert "<img" not in without_scripts(html)
        assert "alert(2)</script>" not in html
        assert html.count("</script>") == 3
        for shown in figures(html).values():
            assert "<img" not in json.dumps(shown)


def test_a_report_of_a_run_has_its_figures_settings_and_methods(told: Exporter) -> None:
    html = told.of_run("r1", "report.html").read_text()
    drawn = figures(html)
    assert [figure["name"] for figure in drawn.values()] == [
        "loss", "minibatch-loss", "loss-parts", "epoch-seconds", "speed",
    ]  # fmt: skip
    for part in (
        "In short",
        "Methods",
        "Lopez R, Regier J",
        "Settings as executed",
        "119 × 60",
        "a note",
        "2.13.0",
    ):
        assert part in html
    light, dark = (drawn["figure0"][side]["data"][0]["line"]["color"] for side in ("light", "dark"))
    assert light != dark
    assert len(html) < 6_000_000


def test_the_map_is_drawn_from_compact_arrays(told: Exporter, workshop: Workshop) -> None:
    xy = np.random.default_rng(0).normal(size=(119, 2)).astype(np.float32)
    workshop.find_out("umap", xy)
    workshop.find_out("leiden", (np.arange(119) % 3).astype(np.int32), resolution=1.0)
    workshop.named = Labels(("<b>T</b>", "B", "Cluster 3"), {"resolution": 1.0})
    cells = figures(told.of_run("r1", "report.html").read_text())["cells"]
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(cells["x"]), "<f4"), xy[:, 0])
    named, clusters, *columns = cells["colours"]
    assert named["labels"][:1] == ["&lt;b&gt;T&lt;/b&gt;"]  # Plotly would read the tags
    assert clusters["name"] == "clusters"
    assert [column["name"] for column in columns] == ['it\'s a "batch"', "donor", "stress"]
    codes = np.frombuffer(base64.b64decode(clusters["codes"]), "u1")
    assert [clusters["labels"][code] for code in codes[:4]] == [
        "Cluster 1",
        "Cluster 2",
        "Cluster 3",
        "Cluster 1",
    ]


def test_a_report_says_whether_to_trust_the_run_and_what_was_found(
    told: Exporter, workshop: Workshop
) -> None:
    plain = without_scripts(told.of_run("r1", "report.html").read_text())
    assert "Has training converged?" in plain
    assert "Genes that mark it" not in plain
    assert "adjusted Rand" not in plain
    clustering = {"resolution": 1.0}
    workshop.find_out("leiden", (np.arange(119) % 3).astype(np.int32), **clustering)
    workshop.named = Labels(("<b>T</b>", "B", "<b>T</b>"), clustering)
    groups = {"by": "clusters", "clustering": clustering, "members": [[0, 2], [1]]}
    top = {"gene": np.array(["CD3E", "<i>IL7R</i>", "MS4A1"]), "of": np.array([0, 0, 1])}
    facts = {"n_clusters": 3, "ari": 0.456, "same_label": 0.8, "chance_label": 0.3, "n_unknown": 0}
    again = {"largest": 1e-6, "spread": 1.0, "device": "cpu"}
    for kind, options, known, arrays in (
        ("top_genes", {"groups": groups}, {}, top),
        ("known_labels", {"label": "<u>kind</u>", "resolution": 1.0}, facts, {}),
        ("reencode", {}, again, {}),
    ):
        workshop.find_out(kind, np.zeros(1), **options)
        workshop.found[kind] = SimpleNamespace(options=options, facts=known, array=arrays.get)
    shown = without_scripts(told.of_run("r1", "report.html").read_text())
    words = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", shown, re.S)
    at = words.index("&lt;b&gt;T&lt;/b&gt;")
    assert words[at + 1 : at + 4] == ["79", "66.4 %", "CD3E, &lt;i&gt;IL7R&lt;/i&gt;"]
    assert "adjusted Rand index of 0.46" in shown
    assert "&lt;u&gt;kind&lt;/u&gt;" in shown
    assert "Is the latent space reproducible?" in shown
    workshop.named = Labels(("a", "b", "c"), {"resolution": 2.0})
    workshop.find_out("leiden", (np.arange(119) % 3).astype(np.int32), resolution=2.0)
    assert "Genes that mark it" not in without_scripts(told.of_run("r1", "report.html").read_text())


def test_the_first_page_says_what_was_found_and_training_is_the_appendix(
    told: Exporter, workshop: Workshop
) -> None:
    rng = np.random.default_rng(0)
    xy = rng.normal(size=(119, 2)).astype(np.float32)
    workshop.find_out("umap", xy)
    workshop.find_out("before", xy)
    workshop.find_out("leiden", (np.arange(119) % 3).astype(np.int32), resolution=0.4)
    workshop.find_out("mixing", np.zeros(1), batch="donor", label=None)
    workshop.found["mixing"].facts |= {"before": {"entropy": 0.3}, "after": {"entropy": 0.7}}
    html = told.of_run("r1", "report.html").read_text()
    shown = without_scripts(html)
    assert "falls into 3 clusters at a resolution of 0.4. scVI improves the mixing of “donor”." in shown
    assert "30 % without, 70 % with scVI" in shown
    assert "Genes higher in it" in shown  # nobody asked for differential expression
    assert re.search(r"gene\d+, gene\d+", shown)
    parts = [
        "In short",
        "Map of the cells",
        "Before and after",
        "Groups of cells and their genes",
        "Can it be trusted?",
    ]
    order = [
        shown.index(f"<h2>{title}</h2>") for title in (*parts, "Appendix: training", "Settings as executed")
    ]
    assert order == sorted(order)
    pair = next(figure for figure in figures(html).values() if figure["name"] == "before-and-after")
    assert sum(len(trace["x"]) for trace in pair["light"]["data"]) == 2 * 119


def test_fifty_thousand_cells_stay_small(told: Exporter, workshop: Workshop) -> None:
    rng = np.random.default_rng(0)
    workshop.find_out("umap", rng.normal(size=(50_000, 2)).astype(np.float32))
    workshop.find_out("leiden", rng.integers(0, 30, 50_000).astype(np.int32))
    cells = figures(told.of_run("r1", "report.html").read_text())["cells"]
    per_colour = len(json.dumps(cells["colours"][0]))
    assert len(cells["x"]) + len(cells["y"]) + 12 * per_colour < 3_000_000  # and the library is five


def test_a_report_says_what_the_machine_was_like_in_words(told: Exporter, workshop: Workshop) -> None:
    conditions = {
        "other_load": 0.887,
        "watched_seconds": 59.1,
        "frequency_mhz": 2596,
        "on_battery": True,
        "new": [1],
    }
    workshop.registry.update("r1", conditions=conditions)
    shown = without_scripts(told.of_run("r1", "report.html").read_text())
    assert "Processor used by other programs</th><td>88.7 %" in shown
    assert "2,596 MHz" in shown
    assert "On battery</th><td>yes" in shown
    for inner in ("other load", "other_load", "watched", "frequency mhz", "new"):
        assert f">{inner}" not in shown


def test_a_comparison_has_a_verdict_what_is_unfair_and_every_run(told: Exporter) -> None:
    html = told.together(["r1", "r2"], "report.html", title="Two sizes").read_text()
    shown = without_scripts(html)
    for part in (
        "<h1>Two sizes</h1>",
        "Verdict",
        "Only what differs",
        "Minibatch size (batch_size)",
        "64",
        "Methods",
    ):
        assert part in shown
    names = {figure["name"] for figure in figures(html).values()}
    assert {"loss-by-time", "loss-by-epoch", "time-against-loss", "where-the-time-went"} <= names
    assert "Published" not in shown


def test_a_comparison_tells_whether_the_biology_changed_once_somebody_asked(
    told: Exporter, workshop: Workshop
) -> None:
    assert "the biology" not in told.together(["r1", "r2"], "report.html").read_text()
    workshop.find_out("agreement", np.zeros(3), label="cell_type", n_cells=5000)
    arrays = {"clusters": np.array([0, 0, 1]), "neighbours": np.array([[1], [0], [0]])}
    facts = {"n_cells": 3, "n_clusters": 2, "same_label": 0.75}
    workshop.found["agreement"] = SimpleNamespace(
        options={"label": "cell_type", "batch": None}, facts=facts, array=arrays.__getitem__
    )
    shown = without_scripts(told.together(["r1", "r2"], "report.html").read_text())
    assert "Did the setting change the biology?" in shown
    assert "label purity" in shown
    assert "75 %" in shown
    assert "labels: cell_type" in shown
    assert "batch mixing" not in shown


def test_a_sweep_has_the_published_table_marked_as_such(told: Exporter) -> None:
    shown = without_scripts(told.together("g1", "report.html").read_text())
    assert "<caption>Published, Apple M-series (MPS)</caption>" in shown
    assert "83.1 s" in shown
    assert "90,852 cells" in shown
    assert "does not define its validation loss" in shown


def test_tables_of_several_runs_are_safe_in_a_spreadsheet(told: Exporter, workshop: Workshop) -> None:
    workshop.registry.update("r1", name="=HYPERLINK(1)")
    with told.together("g1", "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["run_id"], row["epoch"]) for row in rows] == [
        ("r1", "1"),
        ("r1", "2"),
        ("r2", "1"),
        ("r2", "2"),
    ]
    assert rows[0]["name"] == "'=HYPERLINK(1)"
    assert rows[0]["validation_loss"] == "110.0"
    with told.together("g1", "summary.csv").open(newline="") as file:
        summary = list(csv.DictReader(file))
    assert [row["batch_size"] for row in summary] == ["32", "64"]
    assert [row["setting lr"] for row in summary] == ["0.001", "0.002"]
    assert summary[0]["machine torch"] == "2.13.0"
    assert summary[0]["name"] == "'=HYPERLINK(1)"


def test_the_snippet_of_a_comparison_says_what_differed(told: Exporter) -> None:
    text = told.together(["r1", "r2"], "methods.txt").read_text()
    for part in (
        "2 models of scVI (Lopez et al., 2018) were trained on “cells.h5ad” (119 cells, 60 genes)",
        "Minibatch size (batch_size): 32, 64",
        "Each was trained for 2 epochs; random seed 3.",
        "Training ran on Two-thread test processor",
        "Runs were compared by the KL-weighted validation loss of their last epoch.",
    ):
        assert part in text


def test_runs_without_numbers_are_reported_too(told: Exporter, workshop: Workshop, tiny: RunSpec) -> None:
    workshop.registry.add(RunRecord("r3", tiny, RunStatus.CANCELED, "nothing", 1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert figures(told.of_run("r3", "report.html").read_text()) == {}
        told.together(["r3"], "report.html")


def test_a_data_set_that_is_gone_leaves_a_report(told: Exporter, workshop: Workshop) -> None:
    workshop.datasets.clear()
    assert "Counts matrix" not in told.of_run("r1", "report.html").read_text()
