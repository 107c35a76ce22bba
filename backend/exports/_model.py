"""The model's folder and a README as a zip."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from ..types import RunRecord

_README = """\
A model trained by scVI Studio: {name}
Data set: {dataset}, {n_obs} cells x {n_vars} genes. It is a plain scvi-tools model (scvi-tools {version}).
With the h5ad of the same run (download "data") as data.h5ad, beside this folder:

    import anndata, scvi
    adata = anndata.read_h5ad("data.h5ad")
    if adata.uns["scvi_studio"]["counts_in"] == "raw/X":  # as in the file that was brought
        adata = adata.raw.to_adata()
    scvi.model.SCVI.prepare_query_anndata(adata, "{folder}")  # the genes it was trained on, in its order
    model = scvi.model.SCVI.load("{folder}", adata=adata)

model.pt is a pickle: load models only from people you trust.
"""


def write_model(path: Path, folder: Path, record: RunRecord) -> None:
    inside = re.sub(r"[^A-Za-z0-9]+", "-", record.spec.dataset_name).strip("-")[:40].lower() or "dataset"
    inside = f"scvi-model-{inside}-{record.run_id}"
    readme = _README.format(
        name=record.name,
        dataset=record.spec.dataset_name,
        n_obs=f"{record.n_obs:,}",
        n_vars=f"{record.n_vars:,}",
        version=record.environment.get("scvi-tools", "1.4"),
        folder=inside,
    )
    # Weights hardly shrink; storing them is quick and reads back the same.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{inside}/README.txt", readme)
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{inside}/{file.relative_to(folder)}")
