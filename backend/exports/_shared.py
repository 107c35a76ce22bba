"""What several runs leave together: a bundle for another computer, a report, tables, a text."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadInput, Conflict
from ..types import Agreement, Comparison, RunRecord
from ._archive import Archive
from ._explored import latest
from ._shelf import built

if TYPE_CHECKING:
    from ._bundle import Packed

Chosen = str | Sequence[str]  # the id of a run or of a group, or several ids of runs


class SharedExports(Archive):
    def bundle(self, what: Chosen, *, with_model: bool = False) -> Path:
        """Runs as one file for another computer.

        Raises
        ------
        Conflict
            None of them has ended.
        """
        from ._bundle import write_bundle

        group, records = self.chosen(what)
        over = [record for record in records if record.status.is_over]
        if not over:
            raise Conflict("A bundle is made of runs that have ended, and none of these has yet.")
        packed = [self._packed(record) for record in over]
        name = f"bundle{'-with-model' if with_model else ''}.zip"
        return self._together(
            over,
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
        from ._import import import_bundle

        return import_bundle(Path(path), self._registry, self._settings.runs_dir, self._analyses)

    def comparison_html(self, what: Chosen, title: str = "") -> Path:
        """One HTML file about all of them: verdict, fair play, figures, tables, settings."""
        from ._report_compare import comparison_sections
        from ._report_page import page

        group, records = self.chosen(what)
        comparison = self._compared(records)
        sections = comparison_sections(
            comparison,
            records,
            {record.run_id: self._comparer.curves(record) for record in records},
            {record.run_id: self._dataset(record) for record in records},
            sweep=group is not None and group.kind == "sweep",
            methods=self._comparison_text(comparison, records),
            agreement=self._agreement(comparison),
        )
        named = (
            title or (group.name if group else "") or " against ".join(run.label for run in comparison.runs)
        )
        about = " · ".join(dict.fromkeys(record.spec.dataset_name for record in records))
        document = page(named, f"{len(records)} runs · {about}", sections, made_at())
        return self._together(records, "report.html", lambda part: part.write_text(document, "utf-8"))

    def comparison_methods(self, what: Chosen) -> str:
        """A text snippet for a methods section."""
        records = self.chosen(what)[1]
        return self._comparison_text(self._compared(records), records)

    def comparison_methods_txt(self, what: Chosen) -> Path:
        told = self.comparison_methods(what)
        records = self.chosen(what)[1]
        return self._together(records, "methods.txt", lambda part: part.write_text(told, "utf-8"))

    def comparison_history_csv(self, what: Chosen) -> Path:
        """Every epoch of all of them, one row an epoch of a run."""
        from ._history import write_histories

        records = self.chosen(what)[1]
        labels = {run.run_id: run.label for run in self._compared(records).runs}
        runs = [
            (record, labels[record.run_id], self._registry.epoch_points(record.run_id)) for record in records
        ]
        return self._together(records, "history.csv", lambda part: write_histories(part, runs))

    def comparison_summary_csv(self, what: Chosen) -> Path:
        """The table of all runs, one row each, numbers in full."""
        from ._history import write_summary

        records = self.chosen(what)[1]
        comparison = self._compared(records)
        return self._together(records, "summary.csv", lambda part: write_summary(part, comparison, records))

    # --- inside ---

    def _compared(self, records: Sequence[RunRecord]) -> Comparison:
        if not records:
            raise BadInput("There are no runs to compare. Choose some on the Runs page.")
        found: Comparison = self._comparer.compare([record.run_id for record in records])
        return found

    def _agreement(self, comparison: Comparison) -> Agreement | None:
        """Among the runs whose cells were looked at, by the columns asked for last; None where nobody asked."""
        ids = [run.run_id for run in comparison.runs]
        asked = (latest(self._analyses, self._run_dir(run_id), run_id, "agreement") for run_id in ids)
        newest = next((result for result in asked if result is not None), None)
        if newest is None:
            return None
        columns = {name: newest.options.get(name) for name in ("label", "batch")}
        looked = [run_id for run_id in ids if self._analyses.result(run_id, "agreement", **columns)]
        if len(looked) < 2:
            return None
        found: Agreement | None = self._comparer.agreement(looked, reference=comparison.reference, **columns)
        return found

    def _comparison_text(self, comparison: Comparison, records: Sequence[RunRecord]) -> str:
        from ._methods_compare import comparison_text

        return comparison_text(comparison, records)

    def _together(self, records: Sequence[RunRecord], name: str, build: Callable[[Path], Any]) -> Path:
        """A file of several runs, in a folder of their own; of one run, with its other files."""
        if len(records) == 1:
            return built(self._run_dir(records[0].run_id) / "exports" / "shared", name, build)
        key = hashlib.sha256(json.dumps([record.run_id for record in records]).encode()).hexdigest()[:16]
        return built(self._settings.cache_dir / "exports" / key, name, build)

    def _packed(self, record: RunRecord) -> Packed:
        from ._bundle import ANALYSES, Packed

        steps = self._registry.read_since(record.run_id, names=["train_loss_step"]).points
        found = self._found(record.run_id)
        folders = [file.parent for file in found.files if file.parent.name.split("-")[0] in ANALYSES]
        named = {"options": found.cluster_options, "names": list(found.names)} if found.names else None
        return Packed(
            record,
            self._dataset(record),
            self._registry.epoch_points(record.run_id),
            steps,
            self._run_dir(record.run_id),
            tuple(folders),
            named,
        )


def made_at() -> str:
    """The last line of a report."""
    return f"Made by scVI Studio on {time.strftime('%d %B %Y, %H:%M')}. This file works without a network."
