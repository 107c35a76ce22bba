"""A setting that differs changes the exported script, unless it declares why there is no line for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backend.exports._recipe import Course, Recipe, Session
from backend.exports._recipe_code import parts
from backend.types import DatasetRef, PrepareSpec, RunRecord, RunSpec, RunStatus, settings_of

RUN, PREPARED = settings_of(RunSpec), settings_of(PrepareSpec)
OTHER: dict[str, Any] = {
    "batch_key": "donor",
    "categorical_covariate_keys": ("lane",),
    "continuous_covariate_keys": ("age",),
    "dataset_id": "d2",
    "dataset_name": "Lung",
    "hvg_batch_key": "donor",
    "train_size": 0.5,
    "counts": "layers/counts",
    "fill_missing": ("donor",),
    "n_top_genes": 2,
    "qc_sample_key": "donor",
}


def script(spec: RunSpec, prepare: PrepareSpec) -> str:
    """As ``gather`` would have it for runs that were trained so."""
    n_train = int(10 * spec.train_size)
    dataset = DatasetRef(spec.dataset_id, "s", "Cells", "", 10, 3, 20, prepare)
    if spec.dataset_id == "d2":
        dataset = dataset.replace(nnz=21)
    record = RunRecord(
        "r", spec, RunStatus.FINISHED, "Run", 0.0, epoch=spec.max_epochs, device=spec.accelerator
    )
    record = record.replace(environment={"engine": "stock"})
    steps = -(-n_train // spec.batch_size)
    recipe = Recipe(
        record=record,
        dataset=dataset,
        course=Course(n_train, 10 - n_train, steps, 0, (Session(1, spec.max_epochs),)),
        input_name="cells.h5ad",
        container="h5ad",
        genes=("A", "B") if prepare.n_top_genes else (),
        gene_positions=(),
        lost_cells=False,
        split=None,
        expected={},
        first_cell=(0.0,),
        threads=None,
    )
    return "\n".join(part.code for part in parts(recipe, notebook=False))


def other(one: Any) -> Any:
    if one.name in OTHER:
        return OTHER[one.name]
    if one.choices:
        return [value for value in one.choices if value != one.default][-1]
    return (
        not one.default
        if one.kind is bool
        else (one.default or 0) + one.kind(1) * (0.5 if one.kind is float else 1)
    )


START = RunSpec("d1", accelerator="cpu", lr_schedule="linear")


@pytest.mark.parametrize("name", RUN)
def test_a_setting_of_a_run_is_in_the_script(name: str) -> None:
    one = RUN[name]
    changed = script(START.replace(**{name: other(one)}), PrepareSpec()) != script(START, PrepareSpec())
    assert changed == bool(one.script), one.unscripted


@pytest.mark.parametrize("name", PREPARED)
def test_a_choice_of_preparing_is_in_the_script(name: str) -> None:
    one = PREPARED[name]
    changed = script(START, PrepareSpec().replace(**{name: other(one)})) != script(START, PrepareSpec())
    assert changed == bool(one.script), one.unscripted


def test_every_argument_is_written_where_it_is_taken() -> None:
    code = script(START.replace(precision="bf16-mixed"), PrepareSpec())
    for name, one in RUN.items():
        if one.script in ("setup_anndata", "SCVI", "train"):
            taken = code.partition({"train": "model.train("}.get(one.script, f"{one.script}("))[2].partition(
                "\n)"
            )[0]
            assert f"    {name}=" in taken
    assert "plan_kwargs={'lr': 0.001, 'n_epochs_kl_warmup': 400}" in code
    assert np.all([one.unscripted.strip() for one in RUN.values() if not one.script])
