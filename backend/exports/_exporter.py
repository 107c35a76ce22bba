"""``Exporter``: the files of a run, built once into ``run_dir/exports`` and served from there.

    path = Exporter(settings, registry, datasets).model_zip(run_id)

Refuses with ``Conflict`` what a run does not have. Each file appears whole or not at all, however many ask
for it at once; one older than the model it was made from is made anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from backend.errors import Conflict, NotFound
from backend.exports._explored import explored
from backend.exports._history import write_history
from backend.exports._model import write_model
from backend.exports._shelf import built
from backend.registry import RunRegistry
from backend.settings import Settings
from backend.types import RunRecord, RunStatus, SourceRef


class Exporter:
    def __init__(
        self,
        settings: Settings,
        registry: RunRegistry,
        datasets: Any,
        analyses: Any = None,
        comparer: Any = None,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._datasets = datasets
        self._analyses = analyses
        self._comparer = comparer

    def model_zip(self, run_id: str) -> Path:
        """A folder that plain ``scvi.model.SCVI.load`` opens, with a few lines on how, as a zip."""
        record, run_dir = self._with_model(run_id)
        folder = run_dir / "model"
        return self._built(
            run_dir,
            "model.zip",
            lambda part: write_model(part, folder, record),
            newer_than=(folder / "model.pt",),
        )

    def h5ad(self, run_id: str) -> Path:
        """The cells with ``obsm["X_scvi"]``: all their genes, where training used a selection."""
        from backend.exports._h5ad import write_h5ad  # anndata takes a second to import

        record, run_dir = self._with_model(run_id)
        dataset = self._datasets.dataset(record.spec.dataset_id)
        latent = run_dir / "latent.npy"
        if not latent.exists():
            raise Conflict(
                "The latent space of this run is missing on disk. Extend the run by an epoch to remake it."
            )
        about = _about(record, dataset.to_dict())
        found, source = explored(self._analyses, run_dir, run_id), self._source(dataset.source_id)
        return self._built(
            run_dir,
            "data.h5ad",
            lambda part: write_h5ad(part, dataset, latent, about, found, source),
            newer_than=(latent, *found.files),
        )

    def history_csv(self, run_id: str) -> Path:
        """One row an epoch, one column a metric."""
        record, run_dir = self._registry.get(run_id), self._run_dir(run_id)
        points = self._registry.epoch_points(run_id)
        return self._built(run_dir, "history.csv", lambda part: write_history(part, record, points))

    def spec_json(self, run_id: str) -> Path:
        """What was trained, as executed, on which data and with which versions."""
        record, run_dir = self._registry.get(run_id), self._run_dir(run_id)
        known = {dataset.dataset_id: dataset for dataset in self._datasets.prepared()}
        dataset = known.get(record.spec.dataset_id)
        text = json.dumps(
            _about(record, dataset.to_dict() if dataset else None), indent=2, ensure_ascii=False
        )
        return self._built(run_dir, "spec.json", lambda part: part.write_text(text + "\n", encoding="utf-8"))

    def script(self, run_id: str) -> Path:
        """A Python script that repeats the run with plain scvi-tools."""
        from backend.exports._script import script

        return self._from_recipe(run_id, "reproduce.py", script)

    def notebook(self, run_id: str) -> Path:
        """The same as a Jupyter notebook."""
        from backend.exports._script import notebook

        return self._from_recipe(run_id, "reproduce.ipynb", notebook)

    def _from_recipe(self, run_id: str, name: str, write: Callable[[Any], str]) -> Path:
        from backend.exports._recipe import gather

        record, run_dir = self._with_model(run_id)
        dataset = self._datasets.dataset(record.spec.dataset_id)
        steps = self._registry.read_since(run_id, names=["train_loss_step"]).points
        recipe = gather(
            record,
            dataset,
            self._source(dataset.source_id),
            run_dir,
            self._registry.epoch_points(run_id),
            steps[-1] if steps else None,
            self._settings.threads,
        )
        return self._built(run_dir, name, lambda part: part.write_text(write(recipe), encoding="utf-8"))

    def _source(self, source_id: str) -> SourceRef | None:
        try:
            return self._datasets.source(source_id)
        except NotFound:  # removed since
            return None

    def _run_dir(self, run_id: str) -> Path:
        return self._settings.runs_dir / run_id  # the registry knows the id, so it is one of ours

    def _with_model(self, run_id: str) -> tuple[RunRecord, Path]:
        record = self._registry.get(run_id)
        run_dir = self._run_dir(run_id)
        if not record.status.has_model:
            state = "not finished" if not record.status.is_over else record.status
            remedy = " Resume it first." if record.status is RunStatus.INTERRUPTED else ""
            raise Conflict(f"This run has no model to download: it is {state}.{remedy}")
        if not (run_dir / "model" / "model.pt").exists():
            raise Conflict("The model of this run is missing on disk. Train it again with the same settings.")
        return record, run_dir

    def _built(
        self, run_dir: Path, name: str, build: Callable[[Path], Any], newer_than: Iterable[Path] | None = None
    ) -> Path:
        return built(run_dir / "exports", name, build, newer_than=newer_than)


def _about(record: RunRecord, dataset: dict[str, Any] | None) -> dict[str, Any]:
    if dataset is not None:
        dataset = {key: value for key, value in dataset.items() if key not in ("path", "full_path")}
    return {
        "program": "scVI Studio",
        "run_id": record.run_id,
        "name": record.name,
        "status": str(record.status),
        "spec": record.spec.to_dict(),
        "epochs": record.epoch,
        "device": record.device,
        "device_name": record.device_name,
        "environment": dict(record.environment),
        "dataset": dataset,
    }
