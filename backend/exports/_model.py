"""The model, as a folder in a zip that plain ``scvi.model.SCVI.load`` opens, and the spec it was trained by."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

from ..words import count
from ._export import Export, Run

_README = """\
A model trained by scVI Studio: {name}
Data set: {dataset}, {n_obs} cells x {n_vars} genes. It is a plain scvi-tools model (scvi-tools {version}).
With the h5ad of the same run (download "data") as data.h5ad, beside this folder:

    import anndata, scvi
    adata = anndata.read_h5ad("data.h5ad")
{counts}    model = scvi.model.SCVI.load("{folder}", adata=adata)

model.pt is a pickle: load models only from people you trust.
"""
_COUNTS_IN_RAW = """\
    if adata.uns["scvi_studio"]["counts_in"] == "raw/X":  # X is as in the file that was brought
        adata = adata.raw.to_adata()
        scvi.model.SCVI.prepare_query_anndata(adata, "{folder}")  # the genes it was trained on, in its order
"""


def _write_model(run: Run, path: Path) -> None:
    record, folder = run.record, run.model
    inside = re.sub(r"[^A-Za-z0-9]+", "-", record.spec.dataset_name).strip("-")[:40].lower() or "dataset"
    inside = f"scvi-model-{inside}-{record.run_id}"
    readme = _README.format(
        name=record.name,
        dataset=record.spec.dataset_name,
        n_obs=count(record.n_obs),
        n_vars=count(record.n_vars),
        version=record.environment.get("scvi-tools", "1.4"),
        folder=inside,
        counts=_COUNTS_IN_RAW.format(folder=inside) if run.trained_on.prepare.counts == "raw/X" else "",
    )
    # Weights hardly shrink; storing them is quick and reads back the same.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{inside}/README.txt", readme)
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{inside}/{file.relative_to(folder)}")


def _write_spec(run: Run, path: Path) -> None:
    path.write_text(json.dumps(run.about(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


MODEL = Export("model.zip", _write_model, made_from=lambda run: [run.model / "model.pt"])
SPEC = Export("spec.json", _write_spec)
