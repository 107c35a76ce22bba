"""``Exporter``: the files of a run, built once into ``run_dir/exports`` and served from there.

    path = Exporter(settings, registry, datasets).model_zip(run_id)

Refuses with ``Conflict`` what a run does not have. Each file appears whole or not at all, however many ask
for it at once; one older than the model it was made from is made anew.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.errors import Conflict, NotFound
from backend.exports._explored import explored, trained_cells
from backend.exports._history import write_history
from backend.exports._model import write_model
from backend.exports._shelf import built
from backend.registry import RunRegistry
from backend.settings import Settings
from backend.types import DatasetRef, GroupRecord, RunRecord, RunStatus, SourceRef

if TYPE_CHECKING:
    from backend.exports._bundle import Packed


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
        dataset = self._dataset(record)
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

    def methods_text(self, run_id: str) -> str:
        """A methods paragraph with references, as plain text."""
        from backend.exports._methods import methods_text

        record, run_dir = self._registry.get(run_id), self._run_dir(run_id)
        dataset = self._dataset(record)
        source = self._source(dataset.source_id) if dataset else None
        return methods_text(
            record, dataset, source, explored(self._analyses, run_dir, run_id), trained_cells(run_dir)
        )

    def methods_txt(self, run_id: str) -> Path:
        text = self.methods_text(run_id)
        return self._built(
            self._run_dir(run_id), "methods.txt", lambda part: part.write_text(text, encoding="utf-8")
        )

    # --- from one computer to another ---

    def bundle(self, what: str | Sequence[str], *, with_model: bool = False) -> Path:
        """One run, the runs of one group, or several runs by their ids, as a file for another computer.

        Raises
        ------
        Conflict
            None of them has ended.
        """
        from backend.exports._bundle import write_bundle

        group, records = self.chosen(what)
        over = [record for record in records if record.status.is_over]
        if not over:
            raise Conflict("A bundle is made of runs that have ended, and none of these has yet.")
        packed = [self._packed(record) for record in over]
        key = hashlib.sha256(json.dumps([record.run_id for record in over]).encode()).hexdigest()[:16]
        name = f"runs-{key}{'-with-model' if with_model else ''}.zip"
        return built(
            self._settings.cache_dir / "bundles",
            name,
            lambda part: write_bundle(part, group, packed, with_model=with_model, made_at=time.time()),
        )

    def import_bundle(self, path: Path) -> list[str]:
        """Enter the runs of a bundle, to be looked at and compared; returns their ids here.

        Raises
        ------
        BadFile
            It is not a bundle, or not a sound one.
        """
        from backend.exports._import import import_bundle

        return import_bundle(Path(path), self._registry, self._settings.runs_dir, self._analyses)

    def chosen(self, what: str | Sequence[str]) -> tuple[GroupRecord | None, list[RunRecord]]:
        """What an id of a run or of a group, or several ids of runs, stand for; runs in order of asking."""
        if not isinstance(what, str):
            return None, [self._registry.get(run_id) for run_id in dict.fromkeys(what)]
        try:
            group = self._registry.group(what)
        except NotFound:
            return None, [self._registry.get(what)]
        return group, list(reversed(self._registry.list(group_id=what)))

    def _packed(self, record: RunRecord) -> Packed:
        from backend.exports._bundle import ANALYSES, Packed

        run_dir = self._run_dir(record.run_id)
        steps = self._registry.read_since(record.run_id, names=["train_loss_step"]).points
        found = explored(self._analyses, run_dir, record.run_id)
        folders = [file.parent for file in found.files if file.parent.name.split("-")[0] in ANALYSES]
        named = {"options": found.cluster_options, "names": list(found.names)} if found.names else None
        return Packed(
            record,
            self._dataset(record),
            self._registry.epoch_points(record.run_id),
            steps,
            run_dir,
            tuple(folders),
            named,
        )

    # --- inside ---

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

    def _dataset(self, record: RunRecord) -> DatasetRef | None:
        """None where it was removed; of a run from elsewhere what came with it."""
        try:
            found: DatasetRef = self._datasets.dataset(record.spec.dataset_id)
        except NotFound:
            beside = self._run_dir(record.run_id) / "dataset.json"
            if not beside.is_file():
                return None
            return DatasetRef.from_dict(json.loads(beside.read_text(encoding="utf-8")))
        return found

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
        if record.imported_from:
            raise Conflict(
                f"This run was brought from {record.imported_from}. Its model is not used here, because opening "
                "a model can run hidden code."
            )
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
