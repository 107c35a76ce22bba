"""A run of the real command line, and what it leaves opened by plain scvi-tools in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np

from backend.services import build_services
from backend.settings import Settings

PROJECT = Path(__file__).parents[2]

ELSEWHERE = """
import sys, warnings
warnings.simplefilter("ignore")
import anndata, numpy as np, scvi
adata = anndata.read_h5ad("data.h5ad")
assert adata.raw.shape == (700, 765), adata.raw.shape  # all genes, though fewer were trained on
assert list(adata.raw.var_names[adata.raw.var["highly_variable"]]) == list(adata.var_names)
model = scvi.model.SCVI.load(sys.argv[1], adata=adata)
np.save("latent.npy", model.get_latent_representation())
np.save("from_the_file.npy", adata.obsm["X_scVI"])
"""


def test_the_model_gives_the_same_latent_space_elsewhere(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    environment = {**os.environ, "SCVI_STUDIO_WORKSPACE": str(workspace)}
    command = ["train", "--demo", "--n-top-genes", "200", "--max-epochs", "2", "--batch-size", "256"]
    trained = subprocess.run(
        [sys.executable, "-m", "backend", *command, "--accelerator", "cpu", "--json"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert trained.stderr == ""
    result = json.loads(trained.stdout)
    assert (trained.returncode, result["status"]) == (0, "finished")
    assert len(result["seconds_per_epoch"]) == len(result["history"]["validation_loss"]) == 2

    services = build_services(Settings(workspace))
    services.start(server=False)
    with zipfile.ZipFile(services.exports.of_run(result["run_id"], "model.zip")) as archive:
        archive.extractall(tmp_path)
        folder = archive.namelist()[0].split("/")[0]
    os.link(services.exports.of_run(result["run_id"], "data.h5ad"), tmp_path / "data.h5ad")
    services.close()

    subprocess.run([sys.executable, "-c", ELSEWHERE, folder], cwd=tmp_path, check=True, timeout=250)
    latent = np.load(tmp_path / "latent.npy")
    np.testing.assert_array_equal(
        np.load(tmp_path / "from_the_file.npy"), np.load(workspace / "runs" / result["run_id"] / "latent.npy")
    )
    np.testing.assert_allclose(latent, np.load(tmp_path / "from_the_file.npy"), atol=1e-5)
