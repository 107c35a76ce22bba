"""From what the command line names to a prepared data set, through the same checks as the Data page."""

from __future__ import annotations

import argparse

from ..datasets import DatasetLibrary
from ..errors import BadInput, NoCounts
from ..types import DatasetRef, DatasetReport, Job, JobState, Problem
from .args import limits_of
from .findings import findings_on, tell
from .terminal import Progress


def inspected(datasets: DatasetLibrary, args: argparse.Namespace, progress: Progress) -> DatasetReport:
    """What is in the cells that ``args`` names. Raises ``BadInput`` for a batch key that is not there."""
    source_id = _source(datasets, args, progress)
    finish(datasets, datasets.inspect(source_id), progress)
    report = datasets.report(source_id)
    assert report is not None
    columns = [advice.column for advice in report.columns]
    if args.batch_key is not None and args.batch_key not in columns:
        there = f"Available columns: {', '.join(columns)}." if columns else "The file has no columns in obs."
        raise BadInput(f"There is no column {args.batch_key!r} to use as batch key. {there}")
    return report


def bring_data(datasets: DatasetLibrary, args: argparse.Namespace, progress: Progress) -> DatasetRef:
    report = inspected(datasets, args, progress)
    refuse_untrainable(report)
    tell(findings_on(report, args.batch_key), progress.say)
    choices = report.recommended
    if args.n_top_genes is not None:
        choices = choices.replace(n_top_genes=args.n_top_genes, hvg_batch_key=args.batch_key)
    if args.batch_key is not None and any(c.column == args.batch_key and c.n_missing for c in report.columns):
        choices = choices.replace(fill_missing=tuple({*choices.fill_missing, args.batch_key}))
    if "round_counts" in args:
        choices = choices.replace(round_counts=True)
    choices = choices.replace(**limits_of(args))
    check_samples(report, choices.qc_sample_key)
    done = finish(datasets, datasets.prepare(report.source_id, choices), progress)
    return datasets.dataset(done.result_id)


def check_samples(report: DatasetReport, column: str | None) -> None:
    """Raises ``BadInput`` for a column that is not there, before anything is measured."""
    there = [advice.column for advice in report.columns]
    if column is not None and column not in there:
        raise BadInput(
            f"There is no column {column!r} to tell samples apart by. Available columns: {', '.join(there) or 'none'}."
        )


def findings_of(datasets: DatasetLibrary, dataset: DatasetRef, batch_key: str | None) -> tuple[Problem, ...]:
    """What inspecting the file of a prepared data set found."""
    report = datasets.report(dataset.source_id)
    return findings_on(report, batch_key) if report else ()


def _source(datasets: DatasetLibrary, args: argparse.Namespace, progress: Progress) -> str:
    if args.demo:
        return datasets.demo().source_id
    if args.simulate:
        job = datasets.simulate(*args.simulate)
        return finish(datasets, job, progress).result_id
    progress.phase("opening the file")
    return datasets.import_file(args.file).source_id


def finish(datasets: DatasetLibrary, job: Job, progress: Progress) -> Job:
    """Wait for a job, showing how far it is; Ctrl-C cancels it. Raises the error of one that failed."""
    try:
        while True:
            progress.phase(job.phase or job.title, job.progress)
            job = datasets.wait(job.job_id, timeout=0.2)
            if job.state is JobState.CANCELED:
                raise BadInput(f"{job.title} was cancelled.")
            if job.state is JobState.DONE:
                return job
    except BaseException:
        if job.state in (JobState.WAITING, JobState.WORKING):
            datasets.cancel_job(job.job_id)
        raise


def refuse_untrainable(report: DatasetReport) -> None:
    if report.trainable:
        return
    errors = [one.message for one in report.problems if one.severity == "error" and not one.remedies]
    raise NoCounts(errors[0] if errors else "The file has no raw counts to train on.")
