"""``Exporter``: the files of a run, built once into ``run_dir/exports`` and served from there.

    path = Exporter(settings, registry, datasets).model_zip(run_id)

Refuses with ``Conflict`` what a run does not have. Each file appears whole or not at all, however many ask
for it at once; one older than the model it was made from is made anew. What several runs leave together is in
``SharedExports``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import Conflict
from ..types import Curves, RunRecord
from ._explored import latest, trained_cells
from ._history import write_history
from ._model import write_model
from ._shared import SharedExports, made_at


class Exporter(SharedExports):
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
        from ._h5ad import write_h5ad  # anndata takes a second to import

        record, run_dir = self._with_model(run_id)
        dataset = self._datasets.dataset(record.spec.dataset_id)
        latent = run_dir / "latent.npy"
        if not latent.exists():
            raise Conflict(
                "The latent space of this run is missing on disk. Extend the run by an epoch to remake it."
            )
        about = {**_about(record, dataset.to_dict()), "methods": self.methods_text(run_id)}
        found, source = self._found(run_id), self._source(dataset.source_id)
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
        record = self._registry.get(run_id)
        dataset = self._dataset(record)
        about = _about(record, dataset.to_dict() if dataset else None)
        return self._written(run_id, "spec.json", json.dumps(about, indent=2, ensure_ascii=False) + "\n")

    def script(self, run_id: str) -> Path:
        """A Python script that repeats the run with plain scvi-tools."""
        from ._script import script

        return self._from_recipe(run_id, "reproduce.py", script)

    def notebook(self, run_id: str) -> Path:
        """The same as a Jupyter notebook."""
        from ._script import notebook

        return self._from_recipe(run_id, "reproduce.ipynb", notebook)

    def methods_text(self, run_id: str) -> str:
        """A methods paragraph with references, as plain text."""
        from ._methods import methods_text

        record = self._registry.get(run_id)
        dataset = self._dataset(record)
        source = self._source(dataset.source_id) if dataset else None
        return methods_text(
            record, dataset, source, self._found(run_id), trained_cells(self._run_dir(run_id))
        )

    def methods_txt(self, run_id: str) -> Path:
        return self._written(run_id, "methods.txt", self.methods_text(run_id))

    def report_html(self, run_id: str) -> Path:
        """One HTML file about the run that opens without a network."""
        from ._report_page import page
        from ._report_run import report_title, run_sections

        record = self._registry.get(run_id)
        curves = Curves()
        curves.add(self._registry.read_since(run_id).points)
        analyses, run_dir = self._analyses, self._run_dir(run_id)
        sections = run_sections(
            record,
            curves,
            self._dataset(record),
            self._found(run_id),
            self.methods_text(run_id),
            lambda kind: None if analyses is None else latest(analyses, run_dir, run_id, kind),
        )
        title, subtitle = report_title(record)
        return self._written(run_id, "report.html", page(title, subtitle, sections, made_at()))

    def _from_recipe(self, run_id: str, name: str, write: Callable[[Any], str]) -> Path:
        from ._recipe import gather

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
        return self._written(run_id, name, write(recipe))


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
