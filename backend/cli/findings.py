"""What inspecting a file found, for a terminal and for scripts: the same findings as the Data page shows.

findings = findings_on(report, batch_key)       # the report's problems, and the adviser's word on the batch key
tell(findings, progress.say)                    # a line each
as_json(findings)                               # code, severity, text, params and remedies
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..types import DatasetReport, Problem
from ..words import count, one_line

_WORDS = {"error": "error", "warning": "warning", "info": "note"}
_NOT_SAID = ("gene_selection",)  # advice on taste, which --n-top-genes has in its help


def findings_on(report: DatasetReport, batch_key: str | None) -> tuple[Problem, ...]:
    """The worst first."""
    found = [*(one for one in report.problems if one.code not in _NOT_SAID), *_on_batch(report, batch_key)]
    return tuple(sorted(found, key=lambda one: list(_WORDS).index(one.severity)))


def tell(findings: Sequence[Problem], say: Callable[[str], None]) -> None:
    for one in findings:
        say(f"{_WORDS[one.severity]}: {one_line(one.message, 2_000)}")


def as_json(findings: Sequence[Problem]) -> list[dict[str, Any]]:
    return [
        {
            "code": one.code,
            "severity": one.severity,
            "text": one.message,
            "params": one.params,
            "remedies": [{"label": remedy.label, "changes": remedy.changes} for remedy in one.remedies],
        }
        for one in findings
    ]


def _on_batch(report: DatasetReport, batch_key: str | None) -> list[Problem]:
    """The adviser's verdict on the chosen column, and the column it would choose."""
    found = []
    chosen = next((one for one in report.columns if one.column == batch_key), None)
    if chosen is not None:
        severity = "warning" if chosen.verdict == "unsuitable" else "info"
        suited = {"unsuitable": "is not suitable", "possible": "is possible"}.get(
            chosen.verdict, "is a good choice"
        )
        text = f"As batch key, {chosen.column} {suited}. {chosen.reason}"
        params: dict[str, Any] = {"column": chosen.column, "verdict": chosen.verdict, "reason": chosen.reason}
        params |= {"n_levels": chosen.n_levels, "n_missing": chosen.n_missing}
        found.append(Problem(f"batch_key_{chosen.verdict}", severity, text, params=params))
    best = next((one for one in report.columns if one.column == report.batch_key), None)
    if best is not None and best.column != batch_key:
        found.append(
            Problem(
                "batch_key_advice",
                "info",
                f"Recommended batch key: {best.column} ({count(best.n_levels)} levels). {best.reason} "
                f"Choose it with --batch-key {best.column}.",
                params={"column": best.column, "n_levels": best.n_levels, "reason": best.reason},
            )
        )
    return found
