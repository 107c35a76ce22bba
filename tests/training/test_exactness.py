"""A run through ``train`` gives the numbers that scvi-tools gives when called directly."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.datasets import open_prepared
from backend.types import DatasetRef, RunSpec, find_notice
from tests.training.conftest import Told


def train_plainly(spec: RunSpec, ref: DatasetRef) -> tuple[dict[str, list[float]], Any]:
    """What a user of scvi-tools would write."""
    import scvi

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata = open_prepared(ref)
        scvi.settings.seed = spec.seed
        scvi.model.SCVI.setup_anndata(
            adata,
            batch_key=spec.batch_key,
            categorical_covariate_keys=list(spec.categorical_covariate_keys) or None,
            continuous_covariate_keys=list(spec.continuous_covariate_keys) or None,
        )
        model = scvi.model.SCVI(
            adata,
            n_hidden=spec.n_hidden,
            n_latent=spec.n_latent,
            n_layers=spec.n_layers,
            dropout_rate=spec.dropout_rate,
            dispersion=spec.dispersion,
            gene_likelihood=spec.gene_likelihood,
        )
        model.train(
            max_epochs=spec.max_epochs,
            accelerator="cpu",
            train_size=spec.train_size,
            batch_size=spec.batch_size,
            check_val_every_n_epoch=spec.check_val_every_n_epoch,
            early_stopping=spec.early_stopping,
            early_stopping_patience=spec.early_stopping_patience,
            plan_kwargs={"lr": spec.lr, "n_epochs_kl_warmup": spec.n_epochs_kl_warmup},
            enable_progress_bar=False,
        )
    return {name: values.iloc[:, 0].astype(float).tolist() for name, values in model.history.items()}, model


def in_fresh_process(code: str, *arguments: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.split("RESULT")[1])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "gene_likelihood": "nb",
            "dispersion": "gene-batch",
            "n_layers": 2,
            "categorical_covariate_keys": ("donor",),
            "continuous_covariate_keys": ("stress",),
            "check_val_every_n_epoch": 2,
            "n_epochs_kl_warmup": None,
            "max_epochs": 4,
            "seed": 7,
        },
        {"early_stopping": True, "early_stopping_patience": 1, "max_epochs": 20, "lr": 0.05},
    ],
    ids=["default", "covariates", "early-stopping"],
)
def test_equals_scvi_tools_called_directly(
    spec: RunSpec,
    ref: DatasetRef,
    told: Told,
    tmp_path: Path,
    changes: dict,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("backend.training._model.LATENT_PART", 128)  # several parts, as many cells have
    spec = spec.replace(**changes)
    expected, model = train_plainly(spec, ref)
    result = told.run(spec, ref, tmp_path)

    assert result.outcome == "finished"
    assert {"train_loss", "validation_loss", "elbo_validation", "kl_local_train"} <= set(expected)
    for name, values in expected.items():
        if name != "kl_weight":  # logged every tenth step only; ours is every epoch's
            assert told.series(name) == values, name
    assert result.epochs == len(expected["train_loss"])
    assert np.load(tmp_path / "latent.npy").tolist() == model.get_latent_representation().tolist()
    with np.load(tmp_path / "split.npz") as split:
        assert split["train"].tolist() == model.train_indices.tolist()
        assert split["validation"].tolist() == model.validation_indices.tolist()


def test_early_stopping_ends_early_and_says_so(spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path):
    spec = spec.replace(early_stopping=True, early_stopping_patience=1, max_epochs=200, lr=0.05)
    result = told.run(spec, ref, tmp_path)
    assert result.outcome == "finished"
    assert result.epochs < 200
    assert find_notice(result.notices, "stopped_early")
    extended = told.run(spec, ref, tmp_path, resume=True)
    assert extended.epochs > result.epochs  # it gets a new chance


def test_the_same_spec_gives_the_same_history_twice(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    again, other = Told(), Told()
    told.run(spec, ref, tmp_path / "1")
    again.run(spec, ref, tmp_path / "2")
    other.run(spec.replace(seed=1), ref, tmp_path / "3")
    for name in ("train_loss", "validation_loss", "train_loss_step"):
        assert told.series(name) == again.series(name) != other.series(name)


LOADED = """
import json, sys
import scvi
from backend.datasets import open_prepared
from backend.types import DatasetRef
adata = open_prepared(DatasetRef.from_dict(json.loads(sys.argv[2])))
model = scvi.model.SCVI.load(sys.argv[1], adata=adata, accelerator="cpu")
history = {k: [float(x) for x in v.iloc[:, 0]] for k, v in model.history.items()}
print("RESULT" + json.dumps({"latent": model.get_latent_representation().tolist(), "history": history,
                             "train": model.train_indices.tolist()}))
"""


def test_the_saved_model_opens_in_plain_scvi_tools(
    spec: RunSpec, ref: DatasetRef, told: Told, tmp_path: Path
) -> None:
    told.run(spec, ref, tmp_path)
    loaded = in_fresh_process(LOADED, str(tmp_path / "model"), json.dumps(ref.to_dict()))
    latent = np.load(tmp_path / "latent.npy")
    assert latent.shape == (ref.n_obs, spec.n_latent)
    assert latent.dtype == np.float32
    np.testing.assert_array_equal(np.array(loaded["latent"], np.float32), latent)
    assert loaded["history"]["validation_loss"] == told.series("validation_loss")
    assert len(loaded["train"]) == 189
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["model.pt"]
    assert open_prepared(ref).obs.columns.tolist() == ["batch", "donor", "stress"]  # the file is untouched
