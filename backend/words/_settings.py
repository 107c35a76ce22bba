"""The settings of a run as rows of a table: labels and values as the settings themselves declare them."""

from __future__ import annotations

from ..types import Effect, RunSpec, Section, settings_of

_TABLES = {
    Section.COVARIATES: "Data",
    Section.MODEL: "Model",
    Section.TRAINING: "Training",
    Section.OPTIMISATION: "Training",
    Section.NOT_IN_FORM: "Model",
}


def setting_rows(spec: RunSpec) -> dict[str, dict[str, str]]:
    """Three tables, Data, Model and Training: label and value of every setting but data set, device and engine."""
    rows: dict[str, dict[str, str]] = {"Data": {}, "Model": {}, "Training": {}}
    for name, one in settings_of(RunSpec).items():
        if one.section in _TABLES and one.effect is not Effect.NAME:
            rows[_TABLES[one.section]][one.label] = one.said(getattr(spec, name))
    return rows
