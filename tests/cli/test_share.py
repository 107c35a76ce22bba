"""report, bundle and import on the command line: files out, runs in, one line for what does not work."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from backend.cli import main
from backend.registry import RunRegistry
from backend.settings import Settings
from backend.types import GroupRecord, MetricPoint, RunRecord, RunSpec, RunStatus


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """One with two runs of a group."""
    settings = Settings(tmp_path / "here")
    registry = RunRegistry(settings.registry_path)
    registry.open()
    registry.add_group(GroupRecord("g1", "sweep", "my sweep", 1.0))
    for number, run_id in enumerate(("r1", "r2"), start=1):
        spec = RunSpec("d", "cells", batch_size=64 * number, max_epochs=2)
        registry.add(
            RunRecord(
                run_id, spec, RunStatus.FINISHED, f"run {number}", float(number), epoch=2, device="cpu",
                n_obs=100, n_vars=10, elapsed=2.0, group_id="g1", environment={"cpu": "A processor"},
            )
        )  # fmt: skip
        for epoch in (1, 2):
            registry.append(run_id, MetricPoint("validation_loss", epoch, 9.0 / epoch, float(epoch)))
            registry.append(run_id, MetricPoint("train_loss", epoch, 8.0 / epoch, float(epoch)))
    registry.close()
    return settings.workspace


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*argv: object) -> tuple[int, str, str]:
        code = main([str(one) for one in argv])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_runs_go_from_one_workspace_to_another(workspace: Path, tmp_path: Path, run: Any) -> None:
    out = tmp_path / "out.zip"
    code, told, _ = run("bundle", "g1", out, "--workspace", workspace)
    assert code == 0
    assert "python -m backend import out.zip" in told
    there = tmp_path / "there"
    code, told, _ = run("import", out, "--workspace", there, "--json")
    answer = json.loads(told)
    assert (code, answer["run_ids"]) == (0, ["r1", "r2"])
    code, told, _ = run("runs", "--workspace", there, "--json")
    assert {one["imported_from"] for one in json.loads(told)} == {"A processor"}
    code, told, _ = run("report", answer["group_id"], "--html", tmp_path / "x.html", "--workspace", there)
    assert code == 0
    assert "<h1>my sweep</h1>" in (tmp_path / "x.html").read_text()
    code, told, _ = run("import", out, "--workspace", there)
    assert code == 0
    assert "run 1, from A processor" in told


def test_a_report_of_one_run_and_of_several(workspace: Path, tmp_path: Path, run: Any) -> None:
    code, told, _ = run("report", "r1", "--html", tmp_path / "one.html", "--workspace", workspace, "--json")
    assert code == 0
    assert json.loads(told)["bytes"] == (tmp_path / "one.html").stat().st_size
    assert "Settings as executed" in (tmp_path / "one.html").read_text()
    run("report", "r1", "r2", "--title", "Two", "--html", tmp_path / "two.html", "--workspace", workspace)
    assert "<h1>Two</h1>" in (tmp_path / "two.html").read_text()


def test_a_report_as_pdf_is_printed_by_the_browser_that_is_there_or_a_sentence_says_there_is_none(
    workspace: Path, tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    if sys.platform == "linux":  # elsewhere a browser is found by its folder
        code, _, err = run("report", "r1", "--pdf", tmp_path / "one.pdf", "--workspace", workspace)
        assert (code, err.count("\n")) == (2, 1)
        assert "--html" in err
    browser = folder / "chromium"
    browser.write_text(
        f"#!{sys.executable}\nimport sys\n"
        "out = next(a.split('=', 1)[1] for a in sys.argv if a.startswith('--print-to-pdf='))\n"
        "open(out, 'w').write('PDF of ' + sys.argv[-1])\n"
    )
    browser.chmod(0o755)
    code, _, _ = run("report", "r1", "--pdf", tmp_path / "one.pdf", "--workspace", workspace)
    assert code == 0
    assert (tmp_path / "one.pdf").read_text().endswith("report.html")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["bundle", "nobody", "x.zip"], "no such run"),
        (["bundle", "r1", "."], "is a folder"),
        (["report", "r1", "--html", "no/where/x.html"], "no folder"),
        (["report", "r1"], "--html"),
        (["import", "nothing.zip"], "There is no file"),
        (["import", "notes.zip"], "not a zip archive"),
    ],
)
def test_what_does_not_work_is_one_line(
    workspace: Path, tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch, argv: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.zip").write_text("notes")
    code, out, err = run(*argv, "--workspace", workspace)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err
