"""Which files a run, or several runs together, can be asked for by name, and who makes each.

path, name = run_file(services, run_id, "data.h5ad")          # the file and what to call it on arrival
path, name = shared_file(services, "id,id" or group_id, "report.html")
"""

from __future__ import annotations

import re
from pathlib import Path

from backend.errors import NotFound
from backend.services import Services

RUN_FILES = {  # name in the address: method of ``Exporter``
    "model.zip": "model_zip",
    "data.h5ad": "h5ad",
    "history.csv": "history_csv",
    "spec.json": "spec_json",
    "report.html": "report_html",
    "reproduce.py": "script",
    "reproduce.ipynb": "notebook",
    "methods.txt": "methods_txt",
}
BUNDLES = {"bundle.zip": False, "bundle-with-model.zip": True}
SHARED_FILES = {
    "report.html": "comparison_html",
    "summary.csv": "comparison_summary_csv",
    "history.csv": "comparison_history_csv",
    "methods.txt": "comparison_methods_txt",
}
MEDIA = {
    ".zip": "application/zip",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".py": "text/x-python; charset=utf-8",
    ".ipynb": "application/x-ipynb+json",
    ".html": "text/html; charset=utf-8",
}


def run_file(services: Services, run_id: str, what: str) -> tuple[Path, str]:
    record = services.registry.get(run_id)
    if what in BUNDLES:
        path = Path(services.exports.bundle([record.run_id], with_model=BUNDLES[what]))
    elif what == "log.txt":
        path = Path(services.runs.log_path(record.run_id))
    elif what in RUN_FILES:
        path = Path(getattr(services.exports, RUN_FILES[what])(record.run_id))
    else:
        known = ", ".join((*RUN_FILES, *BUNDLES, "log.txt"))
        raise NotFound(f"There is no {what!r} to download. Choose one of {known}.")
    if not path.is_file():
        raise NotFound("This run has no such file yet.")
    return path, f"{stem(record.name or record.run_id)}-{what}"


def shared_file(services: Services, ids: str, what: str) -> tuple[Path, str]:
    """``ids``: a group, or runs with commas between."""
    chosen = ids.split(",") if "," in ids else ids
    group, records = services.exports.chosen(chosen)
    if what in BUNDLES:
        path = services.exports.bundle(chosen, with_model=BUNDLES[what])
    elif what in SHARED_FILES:
        path = getattr(services.exports, SHARED_FILES[what])(chosen)
    else:
        raise NotFound(
            f"There is no {what!r} to download. Choose one of {', '.join((*SHARED_FILES, *BUNDLES))}."
        )
    return Path(path), f"{stem(group.name if group else f'{len(records)}-runs')}-{what}"


def stem(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-.")[:80] or "run"
