"""60 ``kill -9`` at random moments of training, saving, resuming: nothing is lost, curves are the undisturbed one."""

from __future__ import annotations

import time

from backend.types import RunStatus
from tests.chaos import runner
from tests.chaos.trial import Trial

EPOCHS = 40
PER_RUN = 8  # kills, before a run is left in peace
PATIENCE = 300.0  # seconds for what takes two on an idle machine


def run(trial: Trial) -> None:
    kills = 8 if trial.short else 60
    workspace = trial.folder / "workspace"
    services = runner.opened(workspace)
    try:
        dataset_id = runner.prepared(services)
        _train(services.runs.submit(runner.spec_of(dataset_id, 1), name="compiles").run_id, trial)
        began = time.monotonic()
        expected = _train(
            services.runs.submit(runner.spec_of(dataset_id, EPOCHS), name="undisturbed").run_id, trial
        )
        reference = runner.curve(services, expected)
        usual = time.monotonic() - began
        trial.require(len(reference) == 2 * EPOCHS, f"the undisturbed run has {len(reference)} points")
        killed = runs = saved = 0
        while killed < kills:
            runs += 1
            run_id = services.runs.submit(runner.spec_of(dataset_id, EPOCHS), name=f"run {runs}").run_id
            here = 0
            while here < PER_RUN and killed < kills:
                process = runner.start(runner.go_on, workspace, run_id)
                process.join(trial.chance.uniform(0.0, usual))
                if process.exitcode is not None:
                    break
                process.kill()
                process.join()
                killed, here = killed + 1, here + 1
                saved += services.runs.get(run_id).epoch > 0
            if services.runs.get(run_id).status is not RunStatus.FINISHED:
                _train(run_id, trial)
            services.runs.start(work=False)  # looks for the dead
            for fault in runner.faults(services, services.runs.get(run_id), reference):
                trial.lose(fault)
        trial.count("kills", killed)
        trial.count("of them after the first epoch", saved)
        trial.count("runs", runs)
        trial.count("lost", len(trial.losses))
    finally:
        services.close()


def _train(run_id: str, trial: Trial) -> str:
    process = runner.start(runner.go_on, trial.folder / "workspace", run_id)
    process.join(PATIENCE)
    trial.require(process.exitcode == 0, f"{run_id} did not end by itself, code {process.exitcode}")
    if process.exitcode is None:
        process.kill()
        process.join()
    return run_id
