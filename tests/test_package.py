"""Installed, scVI Studio is one package and one command, whatever folder it is started from."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import venv
from pathlib import Path

import anndata
import numpy as np
import pytest
from scipy import sparse

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


def test_the_lines_of_the_notebook_page_run_as_they_stand(installed: Path, tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "NOTEBOOK.md").read_text(encoding="utf-8")
    lines = page.split("```python\n")[1].split("```")[0]
    assert len([line for line in lines.splitlines() if line]) == 10
    rng = np.random.default_rng(0)
    counts = sparse.csr_matrix(rng.poisson(1.0, (210, 40)).astype(np.float32))
    adata = anndata.AnnData(counts, obs={"batch": rng.choice(["a", "b"], 210)})
    (tmp_path / "empty").mkdir()
    adata.write_h5ad(tmp_path / "empty" / "cells.h5ad")
    seen = "\nprint(model.is_trained_, adata.obsm['X_scVI'].shape, len(model.history['elbo_validation']))"
    again = "\nprint(scvi.model.SCVI.load('model', adata=adata).is_trained_)"
    told = run(
        str(installed / "python"), "-W", "error::UserWarning", "-c", lines + seen + again, folder=tmp_path
    )
    assert "True (210, 10) 20\n" in told.stdout
    assert told.stdout.endswith("True\n")


def test_what_the_dashboard_is_made_of_is_in_the_package(installed: Path, tmp_path: Path) -> None:
    code = "import scvi_studio; print(scvi_studio.__path__[0])"
    package = Path(run(str(installed / "python"), "-c", code, folder=tmp_path).stdout.strip())
    there = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    wanted = [PROJECT / "app.py", PROJECT / ".streamlit" / "config.toml", *(PROJECT / "backend").rglob("*.*")]
    wanted += (PROJECT / "pages").rglob("*.*")
    names = {str(path.relative_to(PROJECT)) for path in wanted if "__pycache__" not in path.parts}
    assert names - there == set()
