"""A run is trained by this process alone, whatever a scheduler's variables say."""

from __future__ import annotations

from pathlib import Path

import pytest
from lightning.fabric.utilities.rank_zero import rank_zero_only

from backend.types import DatasetRef, RunSpec
from tests.training.conftest import Told

SCHEDULERS = {
    "slurm": {
        "SLURM_JOB_ID": "7",
        "SLURM_NTASKS": "4",
        "SLURM_JOB_NAME": "sys/dashboard/ood",
        "SLURM_PROCID": "1",
        "SLURM_LOCALID": "1",
        "SLURM_NODEID": "1",
        "SLURM_NNODES": "2",
        "SLURM_NODELIST": "node[1-2]",
    },
    "pbs": {"PBS_JOBID": "7.head", "PBS_NODEFILE": "/nowhere", "PBS_NP": "4", "PBS_ENVIRONMENT": "PBS_BATCH"},
    "lsf": {
        "LSB_JOBID": "7",
        "LSB_DJOB_RANKFILE": "/nowhere",
        "JSM_NAMESPACE_RANK": "1",
        "JSM_NAMESPACE_LOCAL_RANK": "1",
        "JSM_NAMESPACE_SIZE": "4",
    },
    "torchrun": {
        "TORCHELASTIC_RUN_ID": "7",
        "RANK": "1",
        "LOCAL_RANK": "1",
        "GROUP_RANK": "1",
        "WORLD_SIZE": "4",
        "MASTER_ADDR": "10.255.255.1",
        "MASTER_PORT": "1",
    },
    "kubernetes": {
        "KUBERNETES_PORT": "tcp://10.0.0.1:443",
        "MASTER_ADDR": "10.255.255.1",
        "MASTER_PORT": "1",
        "WORLD_SIZE": "4",
        "RANK": "1",
        "NODE_RANK": "1",
    },
}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("engine", ["stock", "fused"])
def test_a_run_within_a_job_is_trained_and_told_as_anywhere(
    engine: str,
    scheduler: str,
    spec: RunSpec,
    ref: DatasetRef,
    told: Told,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(
        rank_zero_only, "rank", 1
    )  # what Lightning reads from some of these when it is imported
    for name, value in SCHEDULERS[scheduler].items():
        monkeypatch.setenv(name, value)
    result = told.run(spec.replace(engine=engine, max_epochs=1), ref, tmp_path / "run")
    assert result.outcome == "finished"
    assert len(told.series("validation_loss")) == 1
    assert (tmp_path / "run" / "model" / "model.pt").exists()
