"""The prepared data sets: ``prepared_dir/<dataset_id>/{meta.json, data.h5ad}``, one per source and choice."""

from __future__ import annotations

import hashlib
import json
from contextlib import AbstractContextManager
from pathlib import Path

from ..errors import NotFound
from ..storage import building, clear_leftovers, discard, read_json, write_json
from ..types import DatasetRef, PrepareSpec

_RECIPE = 1  # raise when preparing gives another file for the same choices
DATA = "data.h5ad"
# choices added since, as they were before: the ids of old files stay
_LATER = {
    "round_counts": False,
    "min_counts": 0,
    "max_counts": None,
    "min_genes": 0,
    "max_genes": None,
    "max_pct_mt": None,
    "max_mads": None,
    "max_doublet_score": None,
    "qc_sample_key": None,
}


def dataset_id(source_id: str, spec: PrepareSpec) -> str:
    """The id that a source prepared in this way has, on every machine."""
    chosen = {name: value for name, value in spec.to_dict().items() if _LATER.get(name, ...) != value}
    choices = json.dumps([_RECIPE, source_id, chosen], sort_keys=True)
    return hashlib.sha256(choices.encode()).hexdigest()[:16]


class PreparedStore:
    """All prepared data sets of a workspace."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        clear_leftovers(self._folder)

    def list(self) -> list[DatasetRef]:
        """All prepared data sets, newest first."""
        folders = self._folder.iterdir() if self._folder.is_dir() else ()
        found = [ref for folder in folders if (ref := self._read(folder))]
        return sorted(found, key=lambda ref: (ref.created_at, ref.dataset_id), reverse=True)

    def find(self, dataset_id: str) -> DatasetRef | None:
        return self._read(self._folder / dataset_id) if dataset_id.isalnum() else None

    def get(self, dataset_id: str) -> DatasetRef:
        ref = self.find(dataset_id)
        if ref is None:
            raise NotFound("This prepared data set is no longer there. Prepare it again on the Data page.")
        return ref

    def building(self, dataset_id: str) -> AbstractContextManager[Path]:
        """A folder to write ``data.h5ad`` and, with ``describe``, its description into."""
        return building(self._folder / dataset_id)

    def describe(self, folder: Path, ref: DatasetRef) -> None:
        # the file is named relative to its folder, so that a workspace can be moved
        own = "" if ref.full_path == ref.path else ref.full_path and Path(ref.full_path).parent.name
        write_json(folder / "meta.json", ref.replace(path=DATA, full_path=own).to_dict())

    def remove(self, dataset_id: str) -> None:
        self.get(dataset_id)
        discard(self._folder / dataset_id)

    def path(self, dataset_id: str) -> Path:
        return self._folder / dataset_id / DATA

    def _read(self, folder: Path) -> DatasetRef | None:
        if folder.name.startswith("."):
            return None
        data = read_json(folder / "meta.json")
        if data is None or not (folder / DATA).is_file():
            return None
        ref = DatasetRef.from_dict(data)
        path = str(folder / DATA)
        full = self.path(ref.full_path) if ref.full_path else None
        # all genes may have been removed meanwhile: then the selection is what there is
        return ref.replace(path=path, full_path=str(full) if full and full.is_file() else path)
