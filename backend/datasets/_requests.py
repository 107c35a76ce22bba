"""What can be asked of the library as a job: its id, which names the work, its title, and what is to be done.

The same work has the same id in every process, so that it is never done twice at once.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from urllib.parse import unquote

from ..errors import BadInput
from ..jobs import Work
from ..types import DesignChoice, PrepareSpec, SourceRef, first_problem
from . import _prepared
from ._addresses import check_link
from ._public import public_set
from ._simulate import SimulationSpec

AREA = "data"


def inspect(source: SourceRef) -> Work:
    request = {"do": "inspect", "source_id": source.source_id}
    return Work(
        AREA, f"inspect-{source.source_id}", "inspect", f"Checking {source.name}", request, source.source_id
    )


def prepare(source_id: str, name: str, spec: PrepareSpec) -> Work:
    if problem := first_problem(spec):
        raise BadInput(problem)
    dataset_id = _prepared.dataset_id(source_id, spec)
    genes = f" ({spec.n_top_genes:,} genes)" if spec.n_top_genes else ""
    request = {"do": "prepare", "source_id": source_id, "spec": spec.to_dict()}
    return Work(AREA, f"prepare-{dataset_id}", "prepare", f"Preparing {name}{genes}", request, dataset_id)


def quality(source: SourceRef, spec: PrepareSpec) -> Work:
    """Measure the cells of the matrix that ``spec`` names."""
    return _on_cells(source, spec, "quality", f"Measuring the cells of {source.name}", quality_name(spec))


def doublets(source: SourceRef, spec: PrepareSpec) -> Work:
    """Score doublets within the samples that ``spec`` names."""
    return _on_cells(source, spec, "doublets", f"Scoring doublets in {source.name}", doublets_name(spec))


def design(source: SourceRef, choice: DesignChoice) -> Work:
    """Cross the columns that ``choice`` names."""
    request = {"do": "design", "source_id": source.source_id, "choice": choice.to_dict()}
    name = design_name(choice)
    title = f"Checking the design of {source.name}"
    job_id = f"{source.source_id}-{name}"
    return Work(AREA, job_id, "design", title, {**request, "name": name}, source.source_id)


def design_name(choice: DesignChoice) -> str:
    return f"design-{_key(choice.to_dict())}"


def quality_name(spec: PrepareSpec) -> str:
    """Of the folder of what was measured: once for each way to read the counts."""
    return f"quality-{_key(spec.counts, spec.round_counts)}"


def doublets_name(spec: PrepareSpec) -> str:
    return f"doublets-{_key(spec.counts, spec.round_counts, spec.qc_sample_key)}"


def _on_cells(source: SourceRef, spec: PrepareSpec, kind: str, title: str, name: str) -> Work:
    if problem := first_problem(spec):
        raise BadInput(problem)
    request = {"do": kind, "source_id": source.source_id, "spec": spec.to_dict(), "name": name}
    return Work(AREA, f"{source.source_id}-{name}", kind, title, request, source.source_id)


def ready(source: SourceRef) -> Work:
    """Prepare and inspect a source whose X is known to hold counts."""
    request = {"do": "ready", "source_id": source.source_id}
    return Work(AREA, f"ready-{source.source_id}", "prepare", f"Preparing {source.name}", request)


def open_file(path: Path) -> Work:
    status = path.stat()
    key = _key("open", str(path), status.st_size, status.st_mtime_ns)
    return Work(AREA, f"open-{key}", "open", f"Opening {path.name}", {"do": "open", "path": str(path)})


def fetch(url: str) -> Work:
    """Raises ``BadInput`` for what is no link."""
    link = check_link(url)
    # without the query, which may hold an access key
    shown = f"{link.scheme}://{link.host_header}{link.target.split('?')[0]}"
    name = unquote(shown.rsplit("/", 1)[-1]) or link.host
    request = {"do": "fetch", "url": url.strip(), "shown": shown}
    return Work(AREA, f"fetch-{_key('fetch', url.strip())}", "fetch", f"Downloading {name}", request)


def public(key: str) -> Work:
    """Raises ``NotFound`` for a key that is not on the list."""
    chosen = public_set(key)
    source_id = _key("public", key)
    request = {"do": "public", "key": key, "source_id": source_id}
    return Work(AREA, f"fetch-{source_id}", "fetch", f"Downloading {chosen.title}", request, source_id)


def simulate(spec: SimulationSpec) -> Work:
    """Raises ``BadInput`` for numbers that make no data set."""
    spec.check()
    title = f"Simulating {spec.n_obs:,} cells x {spec.n_vars:,} genes"
    source_id = _key("simulated", 1, spec.to_dict())  # raise the number when the same spec gives other cells
    request = {"do": "simulate", "spec": spec.to_dict(), "source_id": source_id}
    return Work(AREA, f"simulate-{source_id}", "simulate", title, request, source_id)


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
