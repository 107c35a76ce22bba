"""Installed, scVI Studio is one package and one command, whatever folder it is started from."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; what it depends on is seen through a path file, not downloaded again."""
    folder = tmp_path_factory.mktemp("package")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build = ["wheel", str(PROJECT), "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*pip, *build], check=True, cwd=folder)
    venv.create(folder / "env", symlinks=True)
    python = folder / "env" / "bin" / "python"
    [wheel] = folder.glob("scvi_studio-*.whl")
    subprocess.run(
        [*pip, "--python", str(python), "install", "--no-deps", str(wheel)], check=True, cwd=folder
    )
    [library] = (folder / "env" / "lib").glob("python*/site-packages")
    (library / "others.pth").write_text("\n".join(site.getsitepackages()))
    return folder / "env" / "bin"


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    elsewhere = folder / "empty"
    elsewhere.mkdir(exist_ok=True)
    env = {**os.environ, "SCVI_STUDIO_WORKSPACE": str(folder / "workspace")}
    env.pop("PYTHONPATH", None)
    done = subprocess.run(
        command, cwd=elsewhere, env=env, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return done


def test_no_general_names_are_put_among_other_packages(installed: Path, tmp_path: Path) -> None:
    code = "import importlib.util as u; print([n for n in ('backend', 'pages', 'app', 'tests') if u.find_spec(n)])"
    assert run(str(installed / "python"), "-c", code, folder=tmp_path).stdout.strip() == "[]"


def test_the_command_trains_and_a_notebook_sees_the_run(installed: Path, tmp_path: Path) -> None:
    command = str(installed / "scvi-studio")
    told = run(command, "train", "--demo", "--max-epochs", "1", "--json", folder=tmp_path)
    assert json.loads(told.stdout)["status"] == "finished"
    code = (
        "import scvi_studio as s; w = s.open_workspace(); print([r.status for r in w.runs.list()]); w.close()"
    )
    assert "finished" in run(str(installed / "python"), "-c", code, folder=tmp_path).stdout


def test_what_the_dashboard_is_made_of_is_in_the_package(installed: Path, tmp_path: Path) -> None:
    code = "import scvi_studio; print(scvi_studio.__path__[0])"
    package = Path(run(str(installed / "python"), "-c", code, folder=tmp_path).stdout.strip())
    there = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    wanted = [PROJECT / "app.py", PROJECT / ".streamlit" / "config.toml", *(PROJECT / "backend").rglob("*.*")]
    wanted += (PROJECT / "pages").rglob("*.*")
    names = {str(path.relative_to(PROJECT)) for path in wanted if "__pycache__" not in path.parts}
    assert names - there == set()
