"""The Train page's form: what is pressed is what is trained, and it says beforehand what that means."""

from __future__ import annotations

import math

import pytest
from streamlit.testing.v1 import AppTest

from backend.errors import BadInput
from backend.training import preset
from backend.types import (
    DeviceCheck,
    Estimate,
    Finding,
    Job,
    JobState,
    Notice,
    PrecisionEffect,
    Problem,
    Remedy,
    RunSpec,
    RunStatus,
    Speed,
    notice,
)
from pages.train import train_form
from pages.train.advanced import ADVANCED
from tests.pages.scene import CUDA, DEMO, Scene, dataset, texts

pytestmark = pytest.mark.usefixtures("run_as_title")

SUBMIT = "train_submit"


def submit(app: AppTest) -> AppTest:
    return app.button(key=SUBMIT).click().run()


def spec_of(scene: Scene) -> RunSpec:
    (run,) = scene.runs.list()
    return run.spec


def unfold(app: AppTest) -> AppTest:
    """Open the advanced settings."""
    app.session_state[ADVANCED] = True
    return app.run()


def choose(app: AppTest, field: str, value: object) -> AppTest:
    key = f"train_{field}"
    for kind in ("selectbox", "number_input", "slider", "toggle", "multiselect", "radio", "button_group"):
        for widget in app.get(kind):
            if widget.key == key:
                return widget.set_value(value).run()
    assert not app.session_state[ADVANCED], f"no control for {field}"
    return choose(unfold(app), field, value)


def test_untouched_form_trains_with_what_it_shows(scene: Scene) -> None:
    submit(scene.open("train"))
    assert spec_of(scene) == RunSpec(
        dataset_id="demo-ready",
        dataset_name="Blood cells (PBMC)",
        accelerator="cpu",
        batch_key="sample",
    ).replace(**preset("recommended", 700))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_size", 512),
        ("max_epochs", 7),
        ("gene_likelihood", "nb"),
        ("n_latent", 20),
        ("n_hidden", 64),
        ("n_layers", 2),
        ("dropout_rate", 0.2),
        ("train_size", 0.8),
        ("seed", 5),
        ("check_val_every_n_epoch", 3),
        ("early_stopping", True),
        ("n_epochs_kl_warmup", 10),
        ("precision", "bf16-mixed"),
        ("batch_key", "cell_type"),
        ("batch_key", None),
    ],
)
def test_control_reaches_the_run(scene: Scene, field: str, value: object) -> None:
    submit(choose(scene.open("train"), field, value))
    assert getattr(spec_of(scene), field) == value


def test_submitting_shows_the_run(scene: Scene) -> None:
    app = submit(scene.open("train"))
    (run,) = scene.runs.list()
    assert [title.value for title in app.title] == [f"Run {run.run_id}"]
    assert app.query_params["run"] == run.run_id


def engines_offered(app: AppTest) -> list[str]:
    return [option for box in app.button_group if box.key == "train_engine" for option in box.options]


def test_engine_is_asked_for_only_where_there_is_a_choice(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_form, "available_engines", lambda: ("stock",))
    assert engines_offered(scene.open("train")) == []
    monkeypatch.setattr(train_form, "available_engines", lambda: ("fused", "stock"))
    assert engines_offered(scene.open("train")) == ["Fused (fast)", "scvi-tools (reference)"]


def test_fused_is_the_usual_engine_and_stock_one_click_away(scene: Scene) -> None:
    submit(scene.open("train"))
    assert spec_of(scene).engine == "fused"
    app = scene.open("train")
    submit(app.button_group(key="train_engine").set_value("stock").run())
    assert scene.runs.list()[0].spec.engine == "stock"


def found(size: int | None) -> DeviceCheck:
    speeds = (Speed("stock", 128, 100.0), Speed("fused", 128, 400.0), Speed("fused", 512, 900.0))
    return DeviceCheck("cpu", "it", 0.0, 9.0, (Finding("fused", "nb", True),), speeds, 10_000, 0.08, size)


def test_what_the_self_check_found_fastest_is_one_click_away(scene: Scene) -> None:
    scene.datasets.ready[0] = dataset(n_obs=9_000)
    scene.checks.known["cpu"] = found(512)
    app = scene.open("train")
    assert "Fastest in the self-check: 512, 2.2 times the cells per second of 128." in texts(app)
    app.button(key="train_recommended").click().run()
    assert not [button for button in app.button if button.key == "train_recommended"]
    submit(app)
    assert (spec_of(scene).batch_size, spec_of(scene).lr) == (512, 0.02)  # the preset's


def test_a_device_that_trained_faster_in_its_check_is_one_click_away(scene: Scene) -> None:
    scene.devices.found[2] = CUDA.replace(available=True, reason="", remedy="")
    scene.checks.known["cpu"] = found(512)
    faster = Speed("fused", 512, 9000.0)
    scene.checks.known["cuda"] = found(512).replace(accelerator="cuda", speeds=(faster,))
    app = scene.open("train", accelerator="cpu")
    assert "passed its self-check and trained 10 times as fast as the CPU." in texts(app)
    app.button(key="train_recommended_device").click().run()
    assert "trained 10 times" not in texts(app)
    submit(app)
    assert spec_of(scene).accelerator == "cuda"


@pytest.mark.parametrize(
    ("cells", "size", "engine"), [(700, 512, "fused"), (50_000, None, "fused"), (50_000, 512, "stock")]
)
def test_a_size_that_does_not_suit_is_not_recommended(
    scene: Scene, cells: int, size: int | None, engine: str
) -> None:
    scene.datasets.ready[0] = dataset(n_obs=cells)
    scene.checks.known["cpu"] = found(size)
    assert "self-check" not in texts(scene.open("train", engine=engine))


def test_bfloat16_comes_with_what_it_changes(scene: Scene) -> None:
    app = choose(scene.open("train"), "precision", "bf16-mixed")
    assert "Not measured yet for these settings" in texts(app)
    app.button(key="train_measure_precision").click().run()
    (asked,) = scene.checks.asked
    assert isinstance(asked, RunSpec)
    assert (asked.dataset_id, asked.precision) == ("demo-ready", "bf16-mixed")
    (bar,) = app.get("progress")
    assert bar.proto.text.endswith("timing both")
    scene.checks.states.clear()
    scene.checks.effect = PrecisionEffect(0.0, 2e-5, 1.8e-3, 0.61, 128)
    app = scene.open("train", precision="bf16-mixed")
    assert {m.label: m.value for m in app.metric if m.label in ("Loss", "Gradients", "Speed")} == {
        "Loss": "+0.0020 %",
        "Gradients": "0.18 %",
        "Speed": "0.61 ×",
    }
    assert "Not recommended here: bfloat16 is slower than float32" in texts(app)
    scene.checks.effect = scene.checks.effect.replace(speed=1.8)
    assert "bfloat16 trains 1.8 times as fast here" in texts(scene.open("train", precision="bf16-mixed"))


def test_bfloat16_is_not_offered_where_the_device_is_not_made_for_it(scene: Scene) -> None:
    scene.checks.obstacle = "This processor has no instructions for it."
    app = unfold(scene.open("train", precision="bf16-mixed"))
    assert app.selectbox(key="train_precision").options == ["float32"]
    assert "This processor has no instructions for it" in texts(app)
    submit(app)
    assert spec_of(scene).precision == "32-true"


def test_engine_of_an_older_run_that_is_gone_becomes_the_usual_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_form, "available_engines", lambda: ("stock",))
    run = scene.runs.add(RunStatus.FINISHED, spec=RunSpec("demo-ready", engine="fused"))
    submit(scene.open("train", like=run.run_id))
    assert scene.runs.list()[0].spec.engine == "stock"


def test_advanced_settings_are_kept_when_folded_again(scene: Scene) -> None:
    app = choose(scene.open("train"), "n_latent", 21)
    app.session_state[ADVANCED] = False
    assert "train_n_latent" not in [box.key for box in app.run().number_input]
    submit(choose(app, "batch_size", 256))
    assert (spec_of(scene).n_latent, spec_of(scene).batch_size) == (21, 256)


def test_covariates_reach_the_run(scene: Scene) -> None:
    app = choose(scene.open("train"), "categorical_covariate_keys", ["cell_type"])
    submit(choose(app, "continuous_covariate_keys", ["percent_mito"]))
    spec = spec_of(scene)
    assert spec.categorical_covariate_keys == ("cell_type",)
    assert spec.continuous_covariate_keys == ("percent_mito",)


def test_column_is_not_batch_key_and_covariate_at_once(scene: Scene) -> None:
    app = choose(scene.open("train"), "categorical_covariate_keys", ["cell_type"])
    submit(choose(app, "batch_key", "cell_type"))
    assert spec_of(scene).categorical_covariate_keys == ()


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("linear", 0.001 * 1024 / 128), ("sqrt", 0.001 * math.sqrt(1024 / 128)), ("fixed", 0.001)],
)
def test_learning_rate_follows_the_minibatch_size(scene: Scene, rule: str, expected: float) -> None:
    scene.datasets.ready[0] = dataset(n_obs=50_000)
    app = choose(choose(scene.open("train"), "lr_rule", rule), "batch_size", 1024)
    assert app.number_input(key="train_lr").value == pytest.approx(expected, rel=1e-5)
    assert f"Learning rate **{expected:.4g}**" in texts(app), "said to those who never unfold the rest"
    submit(app)
    assert spec_of(scene).lr == pytest.approx(expected, rel=1e-5)
    assert spec_of(scene).lr_rule == rule


def test_typed_learning_rate_is_kept_whatever_the_minibatch_size(scene: Scene) -> None:
    app = choose(scene.open("train"), "lr", 0.004)
    assert app.selectbox(key="train_lr_rule").value == "manual"
    submit(choose(app, "batch_size", 2048))
    assert (spec_of(scene).lr, spec_of(scene).lr_rule) == (0.004, "manual")


def test_typed_number_of_epochs_leaves_the_presets(scene: Scene) -> None:
    app = choose(scene.open("train"), "max_epochs", 77)
    assert app.session_state["train_preset"] == "own"


def test_adviser_reason_is_shown_with_the_batch_key(scene: Scene) -> None:
    assert "Two values that look like two experiments" in texts(unfold(scene.open("train")))


def test_unsuitable_batch_key_is_warned_about(scene: Scene) -> None:
    app = choose(scene.open("train"), "batch_key", "cell_type")
    assert any("These are labels of cells" in warning.value for warning in app.warning)


def test_missing_devices_say_why_and_what_to_install(scene: Scene) -> None:
    said = texts(scene.open("train")).replace("\\", "")
    assert "NVIDIA GPU (CUDA)" in said
    assert "Install the NVIDIA driver" in said
    assert "This is not an Apple computer." in said


def test_every_control_explains_itself(scene: Scene) -> None:
    app = unfold(scene.open("train"))
    controls = [
        widget
        for kind in ("selectbox", "number_input", "slider", "toggle", "multiselect", "radio")
        for widget in app.get(kind)
        if widget.proto.label_visibility.value == 0
    ]
    assert len(controls) >= 15
    for control in controls:
        assert control.proto.help.endswith("."), control.label


def test_another_data_set_brings_its_own_batch_key(scene: Scene) -> None:
    scene.datasets.ready.append(dataset("other", source_id="waiting", name="Lung", obs_columns=("donor",)))
    app = choose(choose(scene.open("train"), "n_latent", 33), "dataset_id", "other")
    submit(app)
    spec = spec_of(scene)
    assert (spec.dataset_id, spec.dataset_name, spec.batch_key, spec.n_latent) == ("other", "Lung", None, 33)


def test_the_learning_rate_follows_the_minibatch_that_exists(scene: Scene) -> None:
    submit(scene.open("train", batch_size="65536", lr_rule="linear"))
    assert spec_of(scene).lr == 0.00492188  # of the 630 cells to train on


def test_link_with_a_data_set_opens_it(scene: Scene) -> None:
    scene.datasets.ready.append(dataset("other", name="Lung"))
    assert scene.open("train", dataset="other").selectbox(key="train_dataset_id").value == "other"


def test_link_to_a_removed_data_set_says_so(scene: Scene) -> None:
    app = scene.open("train", dataset="gone")
    assert any("was not found" in warning.value for warning in app.warning)
    assert app.selectbox(key="train_dataset_id").value == "demo-ready"


def test_reload_keeps_what_was_chosen(scene: Scene) -> None:
    app = choose(choose(scene.open("train"), "n_latent", 17), "batch_size", 256)
    reloaded = AppTest.from_file(str(app._script_path), default_timeout=30)
    for name, value in app.query_params.items():
        reloaded.query_params[name] = value
    reloaded.run().switch_page("train/page.py").run()
    assert unfold(reloaded).number_input(key="train_n_latent").value == 17
    assert reloaded.session_state["train_batch_size"] == 256


def test_settings_of_a_run_can_be_used_again(scene: Scene) -> None:
    spec = RunSpec(
        "demo-ready", batch_size=100, max_epochs=9, n_latent=22, lr=0.003, lr_rule="manual", seed=4
    )
    run = scene.runs.add(RunStatus.FINISHED, spec=spec)
    app = scene.open("train", like=run.run_id)
    submit(app)
    again = scene.runs.list()[0].spec
    assert again.replace(dataset_name="", accelerator="auto") == spec


def test_settings_of_a_deleted_run_are_not_asked_for_twice(scene: Scene) -> None:
    app = scene.open("train", like="gone")
    assert any("was not found" in warning.value for warning in app.warning)
    assert not app.exception


def test_settings_of_a_run_whose_data_set_is_gone_move_to_another(scene: Scene) -> None:
    run = scene.runs.add(RunStatus.FINISHED, spec=RunSpec("gone", n_latent=22, batch_key="donor"))
    submit(scene.open("train", like=run.run_id))
    spec = scene.runs.list()[0].spec
    assert (spec.dataset_id, spec.n_latent, spec.batch_key) == ("demo-ready", 22, "sample")


def test_estimate_is_shown_before_starting(scene: Scene) -> None:
    scene.runs.estimate_now = Estimate(3.0, 75.0, 2 * 1024**3, 4 * 1024**3, "earlier run")
    app = scene.open("train")
    assert {metric.label: metric.value for metric in app.metric} == {
        "Time": "≈ 1 min 15 s",
        "Memory": "≈ 2 GiB",
    }
    assert "From the speed of earlier runs" in texts(app)


def test_start_up_is_said_beside_the_training(scene: Scene) -> None:
    scene.runs.estimate_now = Estimate(1.6, 8.0, 2 * 1024**3, 4 * 1024**3, "earlier run", seconds_around=6.0)
    app = scene.open("train")
    assert app.metric[0].value == "≈ 14 s"
    assert "About 8 s of training, 14 s in all. From the speed of earlier runs" in texts(app)


def test_an_estimate_of_a_moment_is_short_enough_for_its_place(scene: Scene) -> None:
    scene.runs.estimate_now = Estimate(0.01, 0.3, 2 * 1024**3, 4 * 1024**3, "calibration")
    assert scene.open("train").metric[0].value == "under 1 s"


def test_run_that_will_not_fit_is_warned_about(scene: Scene) -> None:
    scene.runs.estimate_now = Estimate(3.0, 75.0, 9 * 1024**3, 4 * 1024**3, "calibration")
    (warning,) = scene.open("train").warning
    assert "9 GiB" in warning.value
    assert "4 GiB" in warning.value


def test_measuring_is_said_and_does_not_block_the_button(scene: Scene) -> None:
    scene.runs.estimate_now = Estimate(None, None, 1, 2, "measuring")
    app = scene.open("train")
    assert "Measuring the speed of this computer" in texts(app)
    assert not app.button(key=SUBMIT).disabled


def test_second_click_gives_the_same_run(scene: Scene) -> None:
    app = scene.open("train")
    app.button(key=SUBMIT).click()
    app.run()
    for name in list(app.query_params):
        del app.query_params[name]
    app.run()
    submit(app)
    assert len(scene.runs.list()) == 1


def test_button_says_that_the_run_will_wait(scene: Scene) -> None:
    scene.runs.add(RunStatus.RUNNING, name="Lung")
    app = scene.open("train")
    assert app.button(key=SUBMIT).label == "Add to queue"
    assert "Lung is training. This run starts after it." in texts(app)


def test_refusal_is_a_sentence_on_the_page(scene: Scene) -> None:
    scene.runs.refusal = BadInput("Early stopping needs validation cells.")
    app = submit(scene.open("train"))
    assert [error.value for error in app.error] == ["Early stopping needs validation cells\\."]


def test_source_that_waits_can_be_prepared_here_and_is_then_chosen(scene: Scene) -> None:
    app = scene.open("train").button(key="train_prepare_waiting").click().run()
    assert app.selectbox(key="train_dataset_id").value == "waiting-ready"


def unfinished(state: JobState, **fields: object) -> Job:
    return Job("job", "prepare", "Preparing lung", state, 0.0, **fields)  # type: ignore[arg-type]


def with_job(scene: Scene, job: Job) -> AppTest:
    scene.datasets.prepare_jobs["job"] = job
    scene.datasets.prepare = lambda source_id, spec: job  # type: ignore[method-assign]
    return scene.open("train").button(key="train_prepare_waiting").click().run()


def test_preparing_shows_progress_and_cannot_be_started_twice(scene: Scene) -> None:
    app = with_job(scene, unfinished(JobState.WORKING, progress=0.4, phase="reading block 3"))
    (progress,) = app.get("progress")
    assert (progress.proto.value, progress.proto.text) == (40, "Preparing lung: reading block 3")
    assert "train_prepare_waiting" not in [button.key for button in app.button]


def test_failed_preparation_says_why_and_can_be_tried_again(scene: Scene) -> None:
    problem = Problem("no_space", "error", "The disk is full.")
    app = with_job(scene, unfinished(JobState.FAILED, problem=problem))
    assert [error.value for error in app.error] == ["The disk is full\\."]
    app.button(key="train_prepare_close_waiting").click().run()
    assert not app.error
    assert app.button(key="train_prepare_waiting").label == "Prepare"


def test_name_of_a_file_is_shown_as_text(scene: Scene) -> None:
    assert "lung\\_\\*atlas\\*\\.h5ad" in texts(scene.open("train"))


def test_without_data_the_page_leads_to_it(scene: Scene) -> None:
    scene.datasets.ready.clear()
    scene.datasets.brought = [DEMO]
    app = scene.open("train")
    assert "No data set is ready yet" in texts(app)
    assert "Go to Data" in [link.proto.label for link in app.get("page_link")]


def test_page_goes_on_once_the_built_in_data_is_ready(scene: Scene) -> None:
    ready = scene.datasets.ready
    scene.datasets.ready = []
    app = scene.open("train")
    scene.datasets.ready = ready
    app.run()
    assert app.button(key=SUBMIT).label == "Train"


@pytest.mark.parametrize("source", ["measuring", "unknown"])
def test_estimate_appears_once_it_is_known(scene: Scene, source: str) -> None:
    scene.runs.estimate_now = Estimate(None, None, 1, 2, source)
    app = scene.open("train")
    assert app.metric[0].value == "…"
    scene.runs.estimate_now = Estimate(1.0, 25.0, 1, 2, "calibration")
    app.run()
    assert app.metric[0].value == "≈ 25 s"


def test_simulated_data_are_called_so(scene: Scene) -> None:
    scene.datasets.ready = [dataset(simulated=True)]
    assert "Simulated" in texts(scene.open("train"))


def test_large_minibatch_for_few_cells_is_explained(scene: Scene) -> None:
    assert "only 1 optimiser step per epoch" in texts(choose(scene.open("train"), "batch_size", 1024))


def test_a_covariate_that_cannot_be_used_is_refused_before_the_button_with_a_way_out(scene: Scene) -> None:
    without = Remedy("Train without it", "resubmit", {"continuous_covariate_keys": []})
    elsewhere = Remedy("Fill", "prepare", {"fill_missing": ["percent_mito"]})
    scene.runs.column_refusal = BadInput(
        "3 cells have no value in percent_mito.", remedies=(without, elsewhere)
    )
    app = choose(scene.open("train"), "continuous_covariate_keys", ["percent_mito"])
    assert [error.value for error in app.error] == ["3 cells have no value in percent\\_mito\\."]
    assert app.button(key=SUBMIT).disabled
    app.button(key="column-remedy-0").click().run()
    assert spec_of(scene).continuous_covariate_keys == ()
    assert [title.value for title in app.title] == ["Run run-1"]


@pytest.mark.parametrize(
    ("caution", "words"),
    [
        (notice("large_covariate", severity="warning", column="a", largest=1e8), "a reaches 100,000,000"),
        (
            notice("averages_lag", severity="warning", steps=25, momentum=0.01),
            "With 25 optimiser steps in all",
        ),
    ],
)
def test_cautions_stand_above_the_button(scene: Scene, caution: Notice, words: str) -> None:
    scene.runs.cautions_now = (caution,)
    app = scene.open("train")
    assert any(words in warning.value.replace("\\", "") for warning in app.warning)
    assert not app.button(key=SUBMIT).disabled
