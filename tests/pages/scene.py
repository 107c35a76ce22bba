"""A workspace without disk or training, for tests of pages: ``Services`` answered from memory.

scene = Scene()                    # one prepared data set, one source that waits, a CPU and no GPU
with scene.installed(): ...        # pages see it through ``backend.services.current()``
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from backend.errors import NotFound, StudioError
from backend.settings import Settings
from backend.types import (
    Accelerator,
    CellColours,
    ColumnAdvice,
    DatasetRef,
    DatasetReport,
    DeviceCheck,
    Estimate,
    FrameIndex,
    GroupRecord,
    Job,
    JobState,
    MatrixVerdict,
    Notice,
    Place,
    PrecisionEffect,
    PrepareSpec,
    RunRecord,
    RunSpec,
    RunStatus,
    SourceRef,
    SweepEstimate,
    SweepPlan,
)

SHELL = str(Path(__file__).parents[2] / "pages" / "shell.py")
CPU = Accelerator("cpu", "CPU", True, "Two-thread test processor", 8 * 1024**3)
MPS = Accelerator("mps", "Apple GPU (MPS)", False, reason="This is not an Apple computer.")
CUDA = Accelerator(
    "cuda",
    "NVIDIA GPU (CUDA)",
    False,
    reason="No NVIDIA driver was found.",
    remedy="Install the NVIDIA driver and start scVI Studio again.",
)
DEMO = SourceRef("demo", "Blood cells (PBMC)", "/nowhere/demo.h5ad", 2_000_000, "demo", 1.0)
WAITING = SourceRef("waiting", "lung_*atlas*.h5ad", "/nowhere/lung.h5ad", 90_000_000, "upload", 2.0)


def dataset(dataset_id: str = "demo-ready", **changes: Any) -> DatasetRef:
    ref = DatasetRef(
        dataset_id=dataset_id,
        source_id=DEMO.source_id,
        name="Blood cells (PBMC)",
        path="/nowhere/prepared.h5ad",
        n_obs=700,
        n_vars=765,
        nnz=140_000,
        prepare=PrepareSpec(),
        obs_columns=("sample", "cell_type", "percent_mito"),
    )
    return ref.replace(**changes)


def report(source_id: str, *, batch_key: str | None = "sample", trainable: bool = True) -> DatasetReport:
    matrix = MatrixVerdict(
        "X", "counts", "All values are whole numbers.", 700, 765, 140_000, 0, 90, 1.0, "CSR"
    )
    return DatasetReport(
        source_id=source_id,
        n_obs=700,
        n_vars=765,
        matrices=(matrix,),
        counts="X" if trainable else None,
        density=0.26,
        counts_per_cell=None,
        genes_per_cell=None,
        columns=(
            ColumnAdvice("sample", 3.0, 2, 0, "recommended", "Two values that look like two experiments."),
            ColumnAdvice(
                "cell_type", -1.0, 8, 0, "unsuitable", "These are labels of cells, not experiments."
            ),
            ColumnAdvice("percent_mito", -1.0, 700, 0, "unsuitable", "A number.", kind="continuous"),
        ),
        batch_key=batch_key,
        problems=(),
    )


class FakeDatasets:
    def __init__(self) -> None:
        self.ready = [dataset()]
        self.brought = [WAITING, DEMO]
        self.reports = {"demo": report("demo"), "waiting": report("waiting", batch_key=None)}
        self.prepare_jobs: dict[str, Job] = {}

    def prepared(self) -> list[DatasetRef]:
        return list(self.ready)

    def dataset(self, dataset_id: str) -> DatasetRef:
        for ref in self.ready:
            if ref.dataset_id == dataset_id:
                return ref
        raise NotFound("This data set is not here any more.")

    def sources(self) -> list[SourceRef]:
        return list(self.brought)

    def demo(self) -> SourceRef:
        return DEMO

    def report(self, source_id: str) -> DatasetReport | None:
        return self.reports.get(source_id)

    def prepare(self, source_id: str, spec: PrepareSpec) -> Job:
        ref = dataset(f"{source_id}-ready", source_id=source_id, name="Prepared just now", n_obs=1234)
        self.ready.insert(0, ref)
        job = Job(
            f"prepare-{source_id}", "prepare", "Preparing", JobState.DONE, 0.0, 1.0, result_id=ref.dataset_id
        )
        self.prepare_jobs[job.job_id] = job
        return job

    def inspect(self, source_id: str) -> Job:
        self.reports[source_id] = report(source_id)
        job = Job(f"inspect-{source_id}", "inspect", "Inspecting", JobState.DONE, 0.0, 1.0)
        self.prepare_jobs[job.job_id] = job
        return job

    def job(self, job_id: str) -> Job:
        return self.prepare_jobs[job_id]

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        return self.prepare_jobs[job_id]


class FakeRuns:
    def __init__(self) -> None:
        self.records: dict[str, RunRecord] = {}
        self.estimate_now = Estimate(0.8, 20.0, 400 * 1024**2, 4 * 1024**3, "calibration")
        self.refusal: StudioError | None = None
        self.column_refusal: StudioError | None = None  # of a spec with a continuous covariate
        self.cautions_now: tuple[Notice, ...] = ()
        self.busy_with = ""
        self.trouble_now = ""
        self.places: tuple[Place, ...] = (Place(),)

    def submit(self, spec: RunSpec, *, name: str = "", origin: str = "dashboard") -> RunRecord:
        if self.refusal:
            raise self.refusal
        return self.add(RunStatus.QUEUED, spec=spec)

    def add(self, status: RunStatus, *, spec: RunSpec | None = None, **fields: Any) -> RunRecord:
        run_id = f"run-{len(self.records) + 1}"
        fields = {"name": f"Run {len(self.records) + 1}", "created_at": time.time()} | fields
        record = RunRecord(run_id, spec or RunSpec("demo-ready", "Blood cells (PBMC)"), status, **fields)
        self.records[run_id] = record
        return record

    def change(self, run_id: str, **fields: Any) -> None:
        self.records[run_id] = self.records[run_id].replace(**fields)

    def get(self, run_id: str) -> RunRecord:
        if run_id not in self.records:
            raise NotFound("Run not found any more.")
        return self.records[run_id]

    def list(self) -> list[RunRecord]:
        return list(reversed(self.records.values()))

    def revision(self) -> int:
        return hash(tuple((run.run_id, repr(run)) for run in self.records.values()))

    def queue(self) -> list[RunRecord]:
        return [run for run in self.records.values() if run.status is RunStatus.QUEUED]

    def active(self) -> RunRecord | None:
        return next((run for run in self.records.values() if run.status is RunStatus.RUNNING), None)

    def running(self) -> list[RunRecord]:
        return [run for run in self.records.values() if run.status is RunStatus.RUNNING]

    def workers(self) -> tuple[Place, ...]:
        return self.places

    def in_the_way(self, accelerator: str) -> RunRecord | None:
        return None if any(place.name and place.room for place in self.places) else self.active()

    def holds_up(self) -> str:
        return self.busy_with

    def trouble(self) -> str:
        return self.trouble_now

    def estimate(self, spec: RunSpec) -> Estimate:
        return self.estimate_now

    def cautions(self, spec: RunSpec) -> tuple[Notice, ...]:
        if self.column_refusal and spec.continuous_covariate_keys:
            raise self.column_refusal
        return self.cautions_now


def check_job(subject: str, progress: float, phase: str) -> Job:
    title = f"Checking {subject}"
    return Job(
        f"check-{subject}",
        "check",
        title,
        JobState.WORKING,
        0.0,
        progress,
        phase,
        area="check",
        subject=subject,
    )


class FakeChecks:
    """What is known of the devices: nothing, until a test says so."""

    def __init__(self) -> None:
        self.known: dict[str, DeviceCheck] = {}
        self.effect: PrecisionEffect | None = None
        self.obstacle = ""
        self.states: dict[str, Job] = {}
        self.asked: list[object] = []

    def device(self, name: str) -> DeviceCheck | None:
        return self.known.get(name)

    def recommendation(self) -> DeviceCheck | None:
        passed = [check for check in self.known.values() if check.batch_size]
        return max(passed, key=lambda check: check.speed("fused", check.batch_size) or 0.0, default=None)

    def check_device(self, name: str) -> Job:
        self.asked.append(name)
        self.states[name] = check_job(name, 0.25, "comparing zinb of the fused engine")
        return self.states[name]

    def state(self, subject: str) -> Job | None:
        return self.states.get(subject)

    def cancel(self, subject: str) -> None:
        self.states.pop(subject, None)

    def bfloat16_obstacle(self, accelerator: str) -> str:
        return self.obstacle

    def precision(self, spec: RunSpec) -> PrecisionEffect | None:
        return self.effect

    def measure_precision(self, spec: RunSpec) -> Job:
        self.asked.append(spec)
        self.states["precision"] = check_job("precision", 0.5, "timing both")
        return self.states["precision"]


class FakeGroups:
    """Sweeps and duels: none, until a test puts some in."""

    def __init__(self) -> None:
        self.known: list[GroupRecord] = []
        self.estimate_now = SweepEstimate(12, 240.0)

    def list(self) -> list[GroupRecord]:
        return list(self.known)

    def estimate(self, plan: SweepPlan) -> SweepEstimate:
        return self.estimate_now

    def suggested_contestants(self) -> tuple[dict[str, str], dict[str, str]]:
        return {"engine": "stock"}, {"engine": "fused"}


class FakeDevices:
    def __init__(self) -> None:
        self.found = [CPU, MPS, CUDA]

    def accelerators(self) -> list[Accelerator]:
        return list(self.found)

    def resolve(self, name: str) -> Accelerator:
        return next(a for a in reversed(self.found) if a.available)

    def machine(self) -> dict[str, str]:
        return {"Processor": "Two-thread test processor", "Threads": "2", "Python": "3.11", "PyTorch": "2.13"}

    def memory(self) -> tuple[int, int, int]:
        return 1 * 1024**3, 4 * 1024**3, 8 * 1024**3


class FakePictures:
    """Pictures of the cells of no run; a test that wants some puts them in."""

    def __init__(self) -> None:
        self.taken: dict[str, FrameIndex] = {}
        self.coloured: dict[str, CellColours] = {}

    def index(self, run_id: str) -> FrameIndex | None:
        return self.taken.get(run_id)

    def columns(self, run_id: str) -> tuple[str, ...]:
        return tuple(self.coloured)

    def colours(self, run_id: str, column: str) -> CellColours:
        return self.coloured[column]


class FakeAnalyses:
    """Nothing is analysed, and nothing can be."""

    def active(self) -> None:
        return None

    def result(self, run_id: str, kind: str) -> None:
        return None

    def first_look(self, run_id: str, kind: str) -> None:
        return None


class FakeCells:
    """Cells without a column to group them by."""

    def groupings(self, dataset_id: str) -> list[str]:
        return []

    def likely(self, run: RunRecord) -> tuple[None, None]:
        return None, None


class Scene:
    """What ``services.current()`` gives the pages; ``open`` runs the whole app on one of them."""

    def __init__(self) -> None:
        self.settings = Settings(workspace=Path("/nowhere"))
        self.analyses = FakeAnalyses()
        self.cells = FakeCells()
        self.datasets = FakeDatasets()
        self.runs = FakeRuns()
        self.groups = FakeGroups()
        self.devices = FakeDevices()
        self.checks = FakeChecks()
        self.pictures = FakePictures()

    def open(self, page: str = "start", **params: str) -> AppTest:
        app = AppTest.from_file(SHELL, default_timeout=30)
        for name, value in params.items():
            app.query_params[name] = value
        if page != "start":
            app._page_hash = calc_hash(page)  # pages are told by their address before the first run
        return app.run()


def texts(app: AppTest) -> str:
    """Everything that is written on the page, one element a line."""
    parts = [
        *app.title,
        *app.header,
        *app.subheader,
        *app.markdown,
        *app.caption,
        *app.warning,
        *app.error,
        *app.info,
    ]
    return "\n".join(str(part.value) for part in parts)
