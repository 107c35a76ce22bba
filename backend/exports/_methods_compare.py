"""A text snippet on a comparison for a methods section, from what was executed, with its references."""

from __future__ import annotations

from collections.abc import Sequence

from ..types import Comparison, RunRecord
from ..words import METRICS, counted, loss_value, plural
from ._import import machine_of
from ._names import one_line
from ._references import Citations


def comparison_text(comparison: Comparison, records: Sequence[RunRecord]) -> str:
    citations = Citations()
    sentences = [
        *_what(records, citations),
        *_differences(comparison),
        *_how(comparison, records),
        *(finding.message for finding in comparison.findings if finding.severity != "note"),
    ]
    return " ".join(sentences) + "\n\nReferences\n" + "\n".join(citations.listed()) + "\n"


def _what(records: Sequence[RunRecord], citations: Citations) -> list[str]:
    data = dict.fromkeys(
        f"“{one_line(record.spec.dataset_name, 80)}” ({counted(record.n_obs, 'cell')}, "
        f"{counted(record.n_vars, 'gene')})"
        for record in records
    )
    versions = dict.fromkeys(record.environment.get("scvi-tools", "") for record in records)
    number = " and ".join(filter(None, versions))
    return [
        f"{counted(len(records), 'model')} of scVI {citations.cite('scvi')} {plural(len(records), 'was', 'were')} "
        f"trained on {' and '.join(data)} with scvi-tools {number}{' ' if number else ''}"
        f"{citations.cite('scvi-tools')}."
    ]


def _differences(comparison: Comparison) -> list[str]:
    if not comparison.differences:
        return ["All settings were the same."] if len(comparison.runs) > 1 else []
    told = [
        f"{one.label}: {', '.join(dict.fromkeys(one_line(value, 60) for value in one.values))}"
        for one in comparison.differences
    ]
    return [f"They differed in {'; '.join(told)}, and were otherwise set up alike."]


def _how(comparison: Comparison, records: Sequence[RunRecord]) -> list[str]:
    sentences = []
    epochs = sorted({record.epoch for record in records})
    seeds = sorted({record.spec.seed for record in records})
    span = f"{epochs[0]}" if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}"
    sentences.append(
        f"Each was trained for {span} epoch{'' if span == '1' else 's'}; random seed"
        f"{' ' if len(seeds) == 1 else 's '}{', '.join(map(str, seeds))}."
    )
    machines = dict.fromkeys(machine_of(record) for record in records)
    sentences.append(
        f"Training ran on {' and on '.join(machines)}, one run after the other on each machine. Times are wall-clock "
        "times of training including validation, without preparation; the first epoch, which also warms up, is left "
        "out of times per epoch."
    )
    what = METRICS[comparison.metric].words
    sentences.append(f"Runs were compared by their lowest {what}.")
    if comparison.target is not None:
        chosen = "" if comparison.target_chosen else ", the lowest that every run reached"
        sentences.append(
            f"The time to a {what} of {loss_value(comparison.target)}{chosen}, was noted as well."
        )
    return sentences
