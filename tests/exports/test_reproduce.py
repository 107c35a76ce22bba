"""The exported script and notebook train again, with plain scvi-tools, to the numbers of the run."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import anndata
import numpy as np
import pytest

from backend.errors import Conflict
from backend.training import train_model
from backend.types import PrepareSpec, RunSpec, RunStatus, settings_of
from tests.exports.conftest import Workshop, execute, raw_file

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
    script = workshop.exporter.of_run("r1", "reproduce.py")
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
    np.testing.assert_array_equal(again.obsm["X_scVI"], workshop.latent())
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
    document = json.loads(workshop.exporter.of_run("r1", "reproduce.ipynb").read_text())
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in document["cells"]}) == len(document["cells"])
    for cell in document["cells"]:
        assert cell["cell_type"] in ("code", "markdown")
        assert ("outputs" in cell) == (cell["cell_type"] == "code")
    code = ["".join(cell["source"]) for cell in document["cells"] if cell["cell_type"] == "code"]
    # the input may be what the run's page offers as well, where the counts are in X
    (tmp_path / "input.h5ad").unlink()
    workshop.exporter.of_run("r1", "data.h5ad").rename(tmp_path / "input.h5ad")
    curve = code.pop()
    assert "plot" in curve
    names = execute("\n\n".join(code), monkeypatch, tmp_path)
    np.testing.assert_array_equal(names["latent"], workshop.latent())
    exec(curve.split("\n")[0], names)
    assert list(names["losses"].columns) == ["train_loss", "validation_loss"]


def steps(n: int) -> Callable[[], bool]:
    """Asks a training to stop after so many minibatches."""
    asked = iter(range(1, 10_000))
    return lambda: next(asked) >= n


WAYS: dict[str, tuple[dict[str, Any], list[dict[str, int]]]] = {
    # settings, and the sessions: epochs in all, or minibatches after which it is stopped
    "stopped within an epoch": ({}, [{"max_epochs": 9, "minibatches": 7}]),
    "stopped with a falling rate": (
        {"lr_schedule": "linear", "lr": 0.01},
        [{"max_epochs": 5, "minibatches": 10}],
    ),
    "extended": ({}, [{"max_epochs": 1}, {"max_epochs": 3}]),
    "extended with a falling rate": (
        {"lr_schedule": "cosine", "lr_warmup": 0.3, "lr_end": 0.1, "lr": 0.02},
        [{"max_epochs": 2}, {"max_epochs": 3}, {"max_epochs": 5}],
    ),
    "stopped, then extended with a falling rate": (
        {"lr_schedule": "linear", "lr": 0.02},
        [{"max_epochs": 6, "minibatches": 10}, {"max_epochs": 4}],
    ),
    "extended, then stopped in the first epoch": (
        {"lr_schedule": "linear", "lr_end": 0.2, "lr": 0.02},
        [{"max_epochs": 2}, {"max_epochs": 4, "minibatches": 2}],
    ),
    "extended after a rate that rose within its first epoch": (
        {"lr_warmup": 0.5, "lr": 0.02},
        [{"max_epochs": 1}, {"max_epochs": 4}],
    ),
    "extended twice, while the rate and the KL weight still rose": (
        {"lr_warmup": 0.9, "lr": 0.02, "n_epochs_kl_warmup": 3},
        [{"max_epochs": 2}, {"max_epochs": 3}, {"max_epochs": 9, "minibatches": 6}],
    ),
    "resumed with a falling rate": (
        {"lr_schedule": "cosine", "lr": 0.02},
        [{"max_epochs": 4, "minibatches": 10}, {"max_epochs": 4}],
    ),
    "recalibrated, stopped within an epoch": (
        {"norm_recalibration": True, "lr": 0.02},
        [{"max_epochs": 9, "minibatches": 7}],
    ),
    "recalibrated, validated now and then, extended": (
        {"norm_recalibration": True, "lr": 0.02, "check_val_every_n_epoch": 2},
        [{"max_epochs": 2}, {"max_epochs": 5}],
    ),
    "recalibrated, without validation": (
        {"norm_recalibration": True, "lr": 0.02, "train_size": 1.0},
        [{"max_epochs": 2}],
    ),
    "stopped early": (
        {"early_stopping": True, "early_stopping_patience": 1, "lr": 0.1},
        [{"max_epochs": 30}],
    ),
}


# with the fused engine on selected genes, with a batch and covariates
ENGINES: dict[str, tuple[PrepareSpec, dict[str, Any]]] = {
    "stock": (PrepareSpec(counts="layers/counts", drop_empty_cells=True), {}),
    "fused": (
        CHOICES,
        {
            "engine": "fused",
            "batch_key": BATCH,
            "categorical_covariate_keys": ("donor",),
            "continuous_covariate_keys": ("stress",),
        },
    ),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("way", WAYS)
def test_however_a_run_came_to_its_end_the_script_comes_to_the_same(
    way: str,
    engine: str,
    workshop: Workshop,
    tiny: RunSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = raw_file(tmp_path / "input.h5ad")
    choices, covariates = ENGINES[engine]
    workshop.prepare(source, choices)
    settings, sessions = WAYS[way]
    settings = settings | covariates
    for number, session in enumerate(sessions):
        spec = tiny.replace(**settings, max_epochs=session["max_epochs"])
        stop = steps(session.get("minibatches", 1_000))
        record = workshop.train(spec, resume=number > 0, should_stop=stop)
    assert (record.status is RunStatus.STOPPED) == ("minibatches" in sessions[-1])
    code = workshop.exporter.of_run("r1", "reproduce.py").read_text()
    promise = {"stock": "equal to the last digit", "fused": "to about five digits"}
    assert promise[engine] in " ".join(code.split())
    names = execute(code, monkeypatch, tmp_path, str(source))
    atol = {"stock": 0.0, "fused": 1e-3}[engine]
    np.testing.assert_allclose(names["latent"], workshop.latent(), rtol=0, atol=atol)
    points = {point.name: point.value for point in workshop.registry.epoch_points("r1")}
    for loss in points.keys() & {"train_loss", "validation_loss"}:
        assert names[loss] == pytest.approx(points[loss], rel=1e-5)
    if way == "stopped early":
        assert record.epoch < 30


@pytest.mark.parametrize("notebook", [False, True], ids=["script", "notebook"])
@pytest.mark.parametrize(
    ("settings", "epochs"),
    [
        ({}, (2,)),
        ({"precision": "bf16-mixed", "engine": "fused", "train_size": 1.0}, (2,)),
        (
            {"lr_schedule": "cosine", "lr_warmup": 0.3, "lr": 0.02, "norm_recalibration": True},
            (3,),
        ),
        (
            {"norm_momentum": 0.1, "output_start": "gene_means", "gene_likelihood": "nb", "lr": 0.02},
            (1, 3),
        ),
        ({"early_stopping": True, "early_stopping_patience": 1, "lr": 0.1, "engine": "fused"}, (30,)),
    ],
    ids=["stock", "bfloat16", "schedule", "extended", "early stopping"],
)
def test_the_fused_engine_repeats_a_run_where_the_reader_chooses_it(
    settings: dict[str, Any],
    epochs: tuple[int, ...],
    notebook: bool,
    workshop: Workshop,
    tiny: RunSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = raw_file(tmp_path / "input.h5ad")
    workshop.prepare(source, CHOICES)
    for n in epochs:
        workshop.train(
            tiny.replace(**{"batch_key": BATCH, "n_layers": 2, **settings, "max_epochs": n}),
            resume=n != epochs[0],
        )
    engine = types.SimpleNamespace(train=Mock(side_effect=train_model))
    monkeypatch.setitem(sys.modules, "scvi_studio", engine)
    if notebook:
        cells = json.loads(workshop.exporter.of_run("r1", "reproduce.ipynb").read_text())["cells"]
        code = "\n\n".join("".join(one["source"]) for one in cells[:-1] if one["cell_type"] == "code")
        assert "FUSED = True above" in str(cells)
        names = execute(code.replace("FUSED = False", "FUSED = True"), monkeypatch, tmp_path)
    else:
        code = workshop.exporter.of_run("r1", "reproduce.py").read_text()
        names = execute(code, monkeypatch, tmp_path, str(source), "--fused")
    engine.train.assert_called_once()
    np.testing.assert_allclose(names["latent"], workshop.latent(), rtol=0, atol=1e-3)
    points = {point.name: point.value for point in workshop.registry.epoch_points("r1")}
    for loss in points.keys() & {"train_loss", "validation_loss"}:
        assert names[loss] == pytest.approx(points[loss], rel=1e-5)


def test_what_one_call_of_the_fused_engine_cannot_repeat_is_left_to_scvi_tools(
    workshop: Workshop, tiny: RunSpec, tmp_path: Path
) -> None:
    workshop.prepare(raw_file(tmp_path / "i.h5ad"), PrepareSpec("layers/counts", drop_empty_cells=True))
    for n in (1, 3):
        workshop.train(tiny.replace(lr_schedule="linear", max_epochs=n), resume=n > 1)
    assert "--fused to" not in workshop.exporter.of_run("r1", "reproduce.py").read_text()
    workshop.train(tiny.replace(max_epochs=9), "r2", should_stop=steps(7))
    assert "--fused to" not in workshop.exporter.of_run("r2", "reproduce.py").read_text()


@pytest.mark.parametrize("extended", [False, True])
def test_a_fused_run_is_repeated_to_rounding_and_says_so(
    workshop: Workshop, tiny: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extended: bool
) -> None:
    source = raw_file(tmp_path / "input.h5ad")
    workshop.prepare(source, PrepareSpec(counts="layers/counts", drop_empty_cells=True))
    spec = (
        tiny.replace(engine="fused", lr_schedule="cosine", lr=0.01)
        if extended
        else tiny.replace(engine="fused")
    )
    workshop.train(spec)
    if extended:
        workshop.train(spec.replace(max_epochs=4), resume=True)
    code = workshop.exporter.of_run("r1", "reproduce.py").read_text()
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
    code = workshop.exporter.of_run("r1", "reproduce.py").read_text()
    names = execute(code, monkeypatch, tmp_path, str(source))
    np.testing.assert_array_equal(names["latent"], workshop.latent())


def test_rates_that_no_plan_explains_are_said_not_to_be_repeated(
    workshop: Workshop, tiny: RunSpec, tmp_path: Path
) -> None:
    workshop.prepare(raw_file(tmp_path / "i.h5ad"), PrepareSpec("layers/counts", drop_empty_cells=True))
    workshop.train(tiny.replace(lr_schedule="linear", max_epochs=1))
    workshop.registry.update("r1", spec=workshop.registry.get("r1").spec.replace(lr=0.5))
    text = " ".join(workshop.exporter.of_run("r1", "reproduce.py").read_text().split())
    assert "not the same numbers" in text


@pytest.mark.parametrize(
    ("field", "other", "says"),
    [
        ("n_hidden", 17, "n_hidden=17,"),
        ("n_latent", 7, "n_latent=7,"),
        ("n_layers", 2, "n_layers=2,"),
        ("dropout_rate", 0.25, "dropout_rate=0.25,"),
        ("dispersion", "gene-batch", "dispersion='gene-batch',"),
        ("gene_likelihood", "nb", "gene_likelihood='nb',"),
        ("batch_key", "donor", "batch_key='donor',"),
        ("categorical_covariate_keys", ("donor",), "categorical_covariate_keys=['donor'],"),
        ("continuous_covariate_keys", ("stress",), "continuous_covariate_keys=['stress'],"),
        ("seed", 9, "scvi.settings.seed = 9"),
        ("batch_size", 48, "batch_size=48,"),
        ("lr", 0.03, "'lr': 0.03"),
        ("n_epochs_kl_warmup", 11, "'n_epochs_kl_warmup': 11"),
        ("check_val_every_n_epoch", 3, "check_val_every_n_epoch=3,"),
        ("precision", "bf16-mixed", "precision='bf16-mixed',"),
        ("lr_schedule", "linear", "'linear', 0.0, 0.0)"),
        ("lr_warmup", 0.2, "'constant', 0.2, 0.0)"),
        ("lr_end", 0.3, "'linear', 0.0, 0.3)"),
        ("norm_momentum", 0.2, "layer.momentum = 0.2"),
        ("norm_recalibration", True, "callbacks=[RateSchedule(), Recalibration()],"),
        ("output_start", "gene_means", "px_scale_decoder[0].bias.copy_("),
        ("max_epochs", 3, "max_epochs=3,"),
        ("early_stopping", True, "the number of epochs is given instead of the rule"),
    ],
)
def test_every_setting_of_a_run_is_in_the_script(
    workshop: Workshop, tiny: RunSpec, tmp_path: Path, field: str, other: object, says: str
) -> None:
    workshop.prepare(raw_file(tmp_path / "i.h5ad"), PrepareSpec("layers/counts", drop_empty_cells=True))
    more: dict[str, Any] = {"lr_schedule": "linear"} if field in ("lr_end", "norm_recalibration") else {}
    epoch = 1 if field == "early_stopping" else 3
    workshop.pretend(tiny.replace(**{**more, field: other}), epoch=epoch)
    cells = np.random.RandomState(tiny.seed).permutation(119)
    np.savez(
        workshop.settings.runs_dir / "r1" / "split.npz",
        train=cells[:100],
        validation=cells[100:],
        test=cells[:0],
    )
    assert says in " ".join(
        workshop.exporter.of_run("r1", "reproduce.py").read_text().replace("\n#", "").split()
    )


def test_no_setting_is_forgotten_by_the_script() -> None:
    """A new field of ``RunSpec`` belongs into the recipe and into the test above."""
    (mark,) = [
        mark
        for mark in test_every_setting_of_a_run_is_in_the_script.pytestmark  # type: ignore[attr-defined]
        if mark.name == "parametrize"
    ]
    as_executed = {"dataset_id", "accelerator", "train_size"}  # the input file, the device, the split
    unscripted = {name for name, one in settings_of(RunSpec).items() if one.unscripted}
    leaves_alone = as_executed | unscripted
    assert {case[0] for case in mark.args[1]} | leaves_alone == set(settings_of(RunSpec))


@pytest.mark.parametrize("n_top_genes", [30, 310], ids=["readable", "packed"])
def test_names_of_genes_are_data_not_lines(
    workshop: Workshop, tiny: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_top_genes: int
) -> None:
    source = raw_file(tmp_path / "input.h5ad", n_vars=340)
    cells = anndata.read_h5ad(source)
    nasty = ["Gene\n7", "a b", "it's", 'the "x"', "\\", "tab\there", "\x85next", "é\u2028"]
    cells.var_names = [f"{nasty[n % 8]}{n}" for n in range(cells.n_vars)]
    cells.write_h5ad(source)
    workshop.prepare(
        source, PrepareSpec(counts="layers/counts", drop_empty_cells=True, n_top_genes=n_top_genes)
    )
    workshop.train(tiny.replace(max_epochs=1))
    names = execute(
        workshop.exporter.of_run("r1", "reproduce.py").read_text(), monkeypatch, tmp_path, str(source)
    )
    assert any("\n" in name for name in names["GENES"])
    np.testing.assert_array_equal(names["latent"], workshop.latent())


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
    names = execute(
        workshop.exporter.of_run("r1", "reproduce.py").read_text(), monkeypatch, tmp_path, str(source)
    )
    np.testing.assert_array_equal(names["latent"], workshop.latent())


def test_without_the_split_there_is_a_sentence(workshop: Workshop, tiny: RunSpec, tmp_path: Path) -> None:
    workshop.prepare(raw_file(tmp_path / "i.h5ad"), PrepareSpec("layers/counts", drop_empty_cells=True))
    workshop.train(tiny.replace(max_epochs=1))
    (workshop.settings.runs_dir / "r1" / "split.npz").unlink()
    with pytest.raises(Conflict, match="record of the cells"):
        workshop.exporter.of_run("r1", "reproduce.py")
