"""The report of one run as one HTML file: its numbers, curves and settings, whether to trust it, and its cells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..charts import (
    GOOD,
    UNKNOWN,
    Chart,
    Judgement,
    Trail,
    epoch_seconds_chart,
    judge_gap,
    judge_plateau,
    judge_predictive,
    judge_reencoding,
    loss_chart,
    parts_chart,
    speed_chart,
    steps_chart,
)
from ..types import ELBO, Curves, RunRecord
from ..words import METRICS, counted, percent, sentence
from ._export import Export, Result, Run
from ._methods import methods_text
from ._report_cells import cell_sections, mixing
from ._report_page import Figure, Section, Table, facts_tables, numbers, write_page

_LOSS = (
    "How badly the model explains the counts of a cell, on average; lower is better. scvi-tools logs the negative "
    "ELBO. Validation is measured on cells that training never sees."
)
_SMALL = 270


def _write(run: Run, path: Path) -> None:
    record, curves = run.record, run.curves
    about = [
        record.spec.dataset_name or record.spec.dataset_id,
        f"{counted(record.n_obs, 'cell')} × {counted(record.n_vars, 'gene')}",
    ]
    if record.device_name:
        about.append(record.device_name)
    if record.imported_from:
        about.append(f"trained elsewhere: {record.imported_from}")
    trust = _answers(run, curves) if len(curves["train_loss"]) else {}
    sections = [
        Section("In short", _found(run, trust), notes=_notes(record)),
        *cell_sections(run),
        *([_trust(run, trust)] if trust else []),
        Section(
            "Appendix: training", paragraphs=_course(record, curves), cards=numbers(record), appendix=True
        ),
        *_figures(Trail(record.name, record.device or "cpu", curves)),
        Section("Methods", ("Filled in from the run as it was executed.",), quote=methods_text(run)),
        Section("Settings as executed", tables=facts_tables(record, run.dataset)),
    ]
    write_page(path, record.name, " · ".join(about), sections)


REPORT = Export("report.html", _write)


def _course(record: RunRecord, curves: Curves) -> tuple[str, ...]:
    told = []
    training = "elbo_train" if curves.judged_by == ELBO else "train_loss"
    for name in (curves.judged_by, training):
        epochs, values = curves[name].finite()
        if len(values) > 1:
            verb = "fell" if values[-1] < values[0] else "rose"
            told.append(
                f"The {METRICS[name].words} {verb} from {values[0]:,.1f} in epoch {epochs[0]} to {values[-1]:,.1f} in "
                f"epoch {epochs[-1]}."
            )
    if record.note:
        told.append(f"Note: {record.note}")
    return tuple(told)


def _found(run: Run, trust: dict[str, Judgement]) -> tuple[str, ...]:
    """What was found and how far to trust it, as one paragraph."""
    record, found = run.record, run.found
    corrected = f", correcting for {record.spec.batch_key}" if record.spec.batch_key else ""
    said = [
        f"scVI was trained on {counted(record.n_obs, 'cell')} and {counted(record.n_vars, 'gene')}{corrected}, "
        f"for {counted(record.epoch, 'epoch')}."
    ]
    if found.clusters is not None:
        said.append(
            f"Its latent space falls into {counted(found.n_clusters, 'cluster')} at a resolution of "
            f"{found.cluster_options.get('resolution', 1.0):g}."
        )
    said += [*_labels(run.latest("known_labels")), *mixing(run)[:1]]
    if trust:
        good = sum(one.verdict == GOOD for one in trust.values())
        said.append(f"{good} of {counted(len(trust), 'check')} of the model came out good.")
        said += [
            f"{one.seen} {one.advice}".strip() for one in trust.values() if one.verdict not in (GOOD, UNKNOWN)
        ]
    return (" ".join(said),)


def _notes(record: RunRecord) -> tuple[tuple[str, str], ...]:
    notes = [("note", sentence(notice)) for notice in record.notices]
    if record.problem is not None:
        notes.insert(0, ("caution", record.problem.message))
    return tuple(notes)


def _both(
    draw: Callable[..., Chart], trail: Trail, name: str, height: int, caption: str, **options: str
) -> Figure:
    return Figure(
        name, draw(trail, dark=False, **options), draw(trail, dark=True, **options), height, caption
    )


def _figures(trail: Trail) -> list[Section]:
    if not len(trail.curves["train_loss"]):
        return []

    def loss(trail: Trail, dark: bool) -> Chart:
        return loss_chart([trail], dark=dark)

    return [
        Section("Loss", figures=(_both(loss, trail, "loss", 400, _LOSS),)),
        Section(
            "Details of the training",
            pairs=True,
            figures=(
                _both(steps_chart, trail, "minibatch-loss", _SMALL, "The loss of single minibatches."),
                _both(parts_chart, trail, "loss-parts", _SMALL, "What the loss is made of."),
                _both(epoch_seconds_chart, trail, "epoch-seconds", _SMALL, "How long each epoch took."),
                _both(speed_chart, trail, "speed", _SMALL, "Cells trained per second."),
            ),
        ),
    ]


# --- can it be trusted? ---


def _answers(run: Run, curves: Curves) -> dict[str, Judgement]:
    answers = {
        "Has training converged?": judge_plateau(curves),
        "Does the model generalise to held-out cells?": judge_gap(curves),
    }
    if (seen := run.latest("predictive")) is not None:
        answers["Does it make counts like the real ones?"] = judge_predictive(
            (seen.array("zeros_observed"), seen.array("zeros_simulated")),
            seen.array("mean_observed"),
            (seen.array("variance_observed"), seen.array("variance_simulated")),
        )
    if (seen := run.latest("reencode")) is not None:
        answers["Is the latent space reproducible?"] = judge_reencoding(
            seen.facts["largest"], float(seen.facts["spread"]), str(seen.facts["device"])
        )
    return answers


def _trust(run: Run, answers: dict[str, Judgement]) -> Section:
    rows = tuple(
        (question, said.verdict, f"{said.seen} {said.advice}".strip()) for question, said in answers.items()
    )
    return Section("Can it be trusted?", tables=(Table(("Question", "Verdict", "What was seen"), rows),))


def _labels(seen: Result | None) -> tuple[str, ...]:
    if seen is None:
        return ()
    facts, options = seen.facts, seen.options
    return (
        f"Held against the labels of the column “{options['label']}”: the "
        f"{counted(facts['n_clusters'], 'cluster')} at a resolution of {options['resolution']:g} agree with "
        f"them by an adjusted Rand index of {facts['ari']:.2f} (1 is the same, 0 is chance), and "
        f"{percent(facts['same_label'])} of a cell's 15 nearest neighbours have its "
        f"label ({percent(facts['chance_label'], 0)} by chance).",
    )
