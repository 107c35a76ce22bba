"""A run is one process, whatever a cluster's scheduler has written into the environment."""

from __future__ import annotations


def no_cluster() -> None:
    """Keep Lightning, and scvi-tools through it, from taking a job's tasks for processes of their own.

    Started within a job (an interactive allocation, Open OnDemand, ``torchrun``), it would refuse the number of tasks,
    wait for processes that never come, or tell nothing because it is "not the first".
    """
    from lightning.fabric.plugins import environments
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    for kind in (
        environments.KubeflowEnvironment,
        environments.LSFEnvironment,
        environments.MPIEnvironment,
        environments.SLURMEnvironment,
        environments.TorchElasticEnvironment,
    ):
        kind.detect = staticmethod(_nothing)  # type: ignore[method-assign]
    setattr(rank_zero_only, "rank", 0)  # noqa: B010 - read from RANK, SLURM_PROCID ... when Lightning was imported


def _nothing() -> bool:
    return False
