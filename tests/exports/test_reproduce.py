"""The exported script and notebook train again, with plain scvi-tools, to the numbers of the run."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import warnings
from pathlib import Path

import anndata
import numpy as np
import pytest

from backend.errors import Conflict
from backend.exports import _recipe_data
from backend.types import PrepareSpec, RunSpec, RunStatus
from tests.exports.conftest import Workshop, raw_file

BATCH = 'it\'s a "batch"'
CHOICES = PrepareSpec(
    counts="layers/counts",
    drop_empty_cells=True,
    min_cells_per_gene=2,
    make_names_unique=True,
    fill_missing=("donor",),
    n_top_genes=30,
    hvg_batch_key=BATCH,
)


def execute(code: str, monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> dict:
    """Run generated code here, which spares the seconds that importing torch takes."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["script.py", *arguments])
    names: dict = {"__name__": "__main__"}
    remove_unused = anndata.settings.remove_unused_categories
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(code, "script.py", "exec"), names)
    anndata.settings.remove_unused_categories = remove_unused
    return names


def test_the_script_ends_at_the_same_numbers_in_a_process_of_its_own(
    workshop: Workshop, tiny: RunSpec, tmp_path: Path
) -> None:
    source = raw_file(tmp_path / "input.h5ad")
    workshop.prepare(source, CHOICES)
    workshop.train(
        tiny.replace(
            batch_key=BATCH,
            categorical_covariate_keys=("donor",),
            continuous_covariate_keys=("stress",),
            gene_likelihood="nb",
            n_layers=2,
            check_val_every_n_epoch=2,
        ),
        name='"""\nimport os; os.remove("x") \\',
    )
    script = workshop.exporter.script("r1")
    text = script.read_text()
    ast.parse(text)
    assert str(tmp_path) not in text  # nobody's folders travel
    with (tmp_path / "threads.py").open("w") as file:  # as this process has it
        file.write(f"import torch; torch.set_num_threads(1)\n{text}")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "threads.py", str(source)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    again = anndata.read_h5ad(tmp_path / "reproduced.h5ad")
    np.testing.assert_array_equal(again.obsm["X_scvi"], workshop.latent())
    assert "coordinates: 0\n" in done.stdout
    for line in done.stdout.splitlines():
        if "loss:" in line:
            here, there = line.split(": ")[1].split(", in the run ")
            assert here == there
    assert done.stdout.count("loss:") == 2


def test_the_notebook_is_one_and_does_the_same_with_the_file_of_the_page(
    workshop: Workshop, tiny: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.prepare(raw_file(tmp_path / "input.h5ad"), CHOICES.replace(make_names_unique=False))
    workshop.train(tiny.replace(batch_key=BATCH))
    document = json.loads(workshop.exporter.notebook("r1").read_text())
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in document["cells"]}) == len(document["cells"])
    for cell in document["cells"]:
        assert cell["cell_type"] in ("code", "markdown")
        assert ("outputs" in cell) == (cell["cell_type"] == "code")
    code = ["".join(cell["source"]) for cell in document["cells"] if cell["cell_type"] == "code"]
    # the input may be what the run's page offers as well, where the counts are in X
    (tmp_path / "input.h5ad").unlink()
    workshop.exporter.h5ad("r1").rename(tmp_path / "input.h5ad")
    curve = code.pop()
    assert "plot" in curve
    names = execute("\n\n".join(code), monkeypatch, tmp_path)
    np.testing.assert_array_equal(names["latent"], workshop.latent())
    exec(curve.split("\n")[0], names)
    assert list(names["losses"].columns) == ["train_loss", "validation_loss"]


def test_a_run_stopped_within_an_epoch_is_repeated_to_the_minibatch(
    workshop: Workshop, tiny: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = raw_file(tmp_path / "input.h5ad")
    workshop.prepare(source, PrepareSpec(counts="layers/counts", drop_empty_cells=True))
    asked = iter(range(1000))
    record = workshop.train(tiny.replace(max_epochs=9), should_stop=lambda: next(asked) >= 7)
    assert (record.status, record.epoch) == (RunStatus.STOPPED, 1)
    code = workshop.exporter.script("r1").read_text()
    names = execute(code, monkeypatch, tmp_path, str(source))
    np.testing.assert_array_equal(names["latent"], workshop.latent())


def test_a_fused_run_is_repeated_to_rounding_and_says_so(
    workshop: Workshop, tiny: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = raw_file(tmp_path / "input.h5ad")
    workshop.prepare(source, PrepareSpec(counts="layers/counts", drop_empty_cells=True))
    workshop.train(tiny.replace(engine="fused"))
    code = workshop.exporter.script("r1").read_text()
    assert "five digits" in " ".join(code.split())
    names = execute(code, monkeypatch, tmp_path, str(source))
    np.testing.assert_allclose(names["latent"], workshop.latent(), atol=1e-3)
    points = {p.name: p.value for p in workshop.registry.epoch_points("r1")}
    assert names["validation_loss"] == pytest.approx(points["validation_loss"], rel=1e-5)


def test_a_changing_learning_rate_and_another_start_are_repeated(
    workshop: Workshop, tiny: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = raw_file(tmp_path / "input.h5ad")
    workshop.prepare(source, PrepareSpec(counts="layers/counts", drop_empty_cells=True))
    course = {"lr_schedule": "cosine", "lr_warmup": 0.3, "lr_end": 0.1, "lr": 0.01}
    workshop.train(tiny.replace(**course, norm_momentum=0.1, output_start="gene_means", max_epochs=3))
    code = workshop.exporter.script("r1").read_text()
    assert "one go" not in " ".join(code.split())
    names = execute(code, monkeypatch, tmp_path, str(source))
    np.testing.assert_array_equal(names["latent"], workshop.latent())
    # had it been made longer midway, one training could not give its numbers, and the script says so
    workshop.registry.update("r1", spec=workshop.registry.get("r1").spec.replace(max_epochs=4))
    assert "one go" in " ".join(workshop.exporter.script("r1").read_text().split())


def test_every_setting_of_a_run_is_in_the_script_or_known_to_leave_its_numbers_alone() -> None:
    """A new field of ``RunSpec`` belongs into the recipe."""
    folder = Path(_recipe_data.__file__).parent
    code = "".join((folder / name).read_text() for name in ("_recipe_code.py", "_recipe_course.py"))
    leaves_alone = {
        "dataset_id",
        "dataset_name",
        "engine",  # the script says what it means for the numbers
        "accelerator",  # the device as executed is taken
        "lr_rule",  # gave lr
        "early_stopping_patience",  # the epochs as executed are taken
        "train_size",  # the split as executed is taken
    }
    for field in RunSpec.__dataclass_fields__:
        assert field in leaves_alone or f"spec.{field}" in code or f'"{field}"' in code, field


def test_long_lists_come_packed_and_whole() -> None:
    names = [f"gene {n}" for n in range(_recipe_data.READABLE + 1)]
    scope: dict = {"np": np}
    exec(_recipe_data.genes(names, ()), scope)
    assert scope["GENES"] == names
    short = ["a b", "it's", 'the "x"', "\\"]
    exec(_recipe_data.genes(short, ()), scope)
    assert scope["GENES"] == short
    exec(_recipe_data.genes((), [0, 5, 70_000]), scope)
    assert scope["GENES"].tolist() == [0, 5, 70_000]


def test_repeated_gene_names_are_told_apart_by_position(
    workshop: Workshop, tiny: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = raw_file(tmp_path / "input.h5ad")
    cells = anndata.read_h5ad(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cells.var_names = [f"gene{n % 20}" for n in range(cells.n_vars)]
        cells.write_h5ad(source)
        choices = PrepareSpec(counts="layers/counts", drop_empty_cells=True, n_top_genes=25)
        workshop.prepare(source, choices)
    workshop.train(tiny.replace(max_epochs=1))
    names = execute(workshop.exporter.script("r1").read_text(), monkeypatch, tmp_path, str(source))
    np.testing.assert_array_equal(names["latent"], workshop.latent())


def test_without_the_split_there_is_a_sentence(workshop: Workshop, tiny: RunSpec, tmp_path: Path) -> None:
    workshop.prepare(raw_file(tmp_path / "i.h5ad"), PrepareSpec("layers/counts", drop_empty_cells=True))
    workshop.train(tiny.replace(max_epochs=1))
    (workshop.settings.runs_dir / "r1" / "split.npz").unlink()
    with pytest.raises(Conflict, match="which cells"):
        workshop.exporter.script("r1")
