"""Every command, every setting, every bad value: one line that says what to do, and an exit code that is not zero."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from backend.cli import main
from backend.errors import BadInput
from backend.settings import Settings

COMMANDS: dict[str, list[str]] = {
    "train": ["train", "--demo", "--max-epochs", "1", "--accelerator", "cpu"],
    "sweep": ["sweep", "--demo", "--max-epochs", "1", "--accelerators", "cpu"],
    "sweep --resume": ["sweep", "--resume", "nothing"],
    "runs": ["runs"],
    "runs --json": ["runs", "--json"],
    "report": ["report", "nothing", "--html", "{out}/report.html"],
    "bundle": ["bundle", "nothing", "{out}/runs.zip"],
    "import": ["import", "{here}"],
    "run": ["run"],
}


def _missing_home(folder: Path) -> str:
    return "~nosuchuser/workspace"


def _a_file(folder: Path) -> str:
    (folder / "file").write_text("in the way")
    return str(folder / "file")


def _registry_is_a_folder(folder: Path) -> str:
    (folder / "odd" / "registry.sqlite3").mkdir(parents=True)
    return str(folder / "odd")


def _registry_is_no_database(folder: Path) -> str:
    (folder / "junk").mkdir()
    (folder / "junk" / "registry.sqlite3").write_text("not a database, whatever the name says")
    return str(folder / "junk")


def _runs_is_a_file(folder: Path) -> str:
    (folder / "old").mkdir()
    (folder / "old" / "runs").write_text("")
    return str(folder / "old")


WORKSPACES: dict[str, Callable[[Path], str]] = {
    "a file": _a_file,
    "below a file": lambda folder: f"{_a_file(folder)}/workspace",
    "cannot be made": lambda folder: "/proc/workspace",  # unwritable for root as well, as tests may run
    "no such home": _missing_home,
    "too long": lambda folder: f"/tmp/{'x' * 5000}",
    "registry is a folder": _registry_is_a_folder,
    "registry is no database": _registry_is_no_database,
    "runs is a file": _runs_is_a_file,
}


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run a command that must refuse; the one line it says."""

    def no_server(*of: Any) -> None:
        raise AssertionError("the server was started")

    monkeypatch.setattr(os, "execve", no_server)

    def refused(argv: Sequence[str]) -> str:
        code = main(argv)
        out, err = capfd.readouterr()
        assert code not in (0, None)
        assert out == ""
        assert err.count("\n") == 1, err
        assert err.startswith("error: ")
        assert "Traceback" not in err
        assert "unexpected" not in err
        return err

    return refused


@pytest.mark.parametrize("workspace", WORKSPACES)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("given", ["option", "variable"])
def test_a_workspace_that_cannot_be_used(
    tmp_path: Path,
    command: str,
    workspace: str,
    given: str,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = WORKSPACES[workspace](tmp_path)
    argv = [part.format(out=tmp_path, here=__file__) for part in COMMANDS[command]]
    if given == "option":
        argv = [*argv, "--workspace", folder]
    else:
        monkeypatch.setenv("SCVI_STUDIO_WORKSPACE", folder)
    said = refused(argv)
    assert folder[:20] in said


@pytest.mark.parametrize("workspace", WORKSPACES)
def test_a_workspace_that_cannot_be_used_for_measuring(
    tmp_path: Path, workspace: str, refused: Callable[..., str]
) -> None:
    refused(["bench", "--demo", "--workspace", WORKSPACES[workspace](tmp_path)])


SETTINGS = {
    "SCVI_STUDIO_THREADS": ["0", "-1", "1.5", "nan", "inf", "many", "1e9"],
    "SCVI_STUDIO_WORKERS": ["0", "-1", "1.5", "nan", "inf", "many", "65"],
    "SCVI_STUDIO_MAX_UPLOAD_GB": ["0", "-1", "nan", "inf", "20 GB", "1e300"],
    "SCVI_STUDIO_CHECKPOINT_SECONDS": ["-1", "nan", "inf", "soon", "1e300"],
    "SCVI_STUDIO_DATA_DIRS": ["/no/such/folder", __file__, f"/tmp:/{'x' * 5000}", "~nosuchuser"],
    "SCVI_STUDIO_WORKSPACE": ["~nosuchuser/x"],
    "SCVI_STUDIO_TOKEN": ["short", "with a space", "x" * 500],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", SETTINGS)
def test_a_variable_that_cannot_be_used(
    tmp_path: Path, command: str, name: str, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = [part.format(out=tmp_path, here=__file__) for part in COMMANDS[command]]
    monkeypatch.setenv("SCVI_STUDIO_WORKSPACE", str(tmp_path / "workspace"))
    for value in SETTINGS[name]:
        monkeypatch.setenv(name, value)
        said = refused(argv)
        assert name in said or "workspace" in said, (value, said)
        assert not (tmp_path / "workspace").exists()


def test_every_variable_has_bad_values_here() -> None:
    text = Path(Settings.from_env.__code__.co_filename).read_text(encoding="utf-8")
    anything = {"SCVI_STUDIO_ALLOWED_HOSTS"}  # names that nobody has do no harm
    assert set(re.findall(r'"(SCVI_STUDIO_\w+)"', text)) - anything == set(SETTINGS)


@pytest.mark.parametrize(
    "options",
    [
        ["--address", "nowhere"],
        ["--address", "300.1.1.1"],
        ["--base-path", "a b"],
        ["--base-path", "/../x"],
        ["--nonsense"],
    ],
    ids=" ".join,
)
def test_an_option_of_the_server_that_cannot_be_used(
    tmp_path: Path, options: list[str], refused: Callable[..., str]
) -> None:
    refused(["run", "--workspace", str(tmp_path), *options])


@pytest.mark.parametrize("port", ["0", "-1", "65536", "99999", "http", "80.5", "1e400", "9" * 5000])
def test_a_port_that_is_none(tmp_path: Path, port: str, refused: Callable[..., str]) -> None:
    assert "port" in refused(["run", "--workspace", str(tmp_path), "--port", port])


def test_a_home_that_is_not_there_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", no_home)
    with pytest.raises(BadInput, match="home folder"):
        Settings.from_env({"SCVI_STUDIO_WORKSPACE": "~/x"})


def test_good_values_are_taken(tmp_path: Path) -> None:
    read = Settings.from_env(
        {
            "SCVI_STUDIO_THREADS": "4",
            "SCVI_STUDIO_MAX_UPLOAD_GB": "0.5",
            "SCVI_STUDIO_CHECKPOINT_SECONDS": "0",
            "SCVI_STUDIO_DATA_DIRS": f"{tmp_path}:/tmp",
        }
    )
    assert (read.threads, read.max_upload_bytes, read.checkpoint_seconds) == (4, 500_000_000, 0)
    assert read.data_dirs == (tmp_path, Path("/tmp"))
    assert Settings.from_env({}).threads is None
