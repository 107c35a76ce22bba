"""What follows from a comparison, in sentences a person reads. Claims no more than the runs can carry."""

from __future__ import annotations

from collections.abc import Sequence

from ..types import ComparedRun, ComparedSetting, FairPlayFinding
from ..words import METRICS, duration, factor, listed, loss_value, percent
from ._settings import TOLERANCE, Choice

ALIKE = 1.05  # less than this many times as fast counts as equally fast


def verdict(
    runs: Sequence[ComparedRun],
    findings: Sequence[FairPlayFinding],
    choice: Choice | None,
    *,
    metric: str,
    target: float | None,
    reference: str,
    projected_epochs: int,
) -> tuple[str, ...]:
    """At most five sentences: what is recommended and why, what it saves, speed, time to the target, and a caveat.

    Where the comparison is not fair, that comes first.
    """
    if len(runs) < 2:
        return ()
    sentences = [_unfair(findings)]
    if choice is not None:
        sentences.append(recommendation(choice, metric))
        sentences.append(_projection(runs, choice.recommended, reference, projected_epochs))
    timed = [run for run in runs if run.steady_seconds]
    different_work = any(f.code in ("data", "genes", "train_size") for f in findings)
    if len(timed) >= 2 and not different_work:
        sentences.append(_speed(timed, reference))
    if target is not None:
        sentences.append(_target(runs, target, metric))
    sentences.append(_caveat(findings))
    return tuple(sentence for sentence in sentences if sentence)


def _unfair(findings: Sequence[FairPlayFinding]) -> str:
    first = next((finding for finding in findings if finding.severity == "unfair"), None)
    return f"Not a fair comparison: {_lower(first.message)}" if first else ""


def _caveat(findings: Sequence[FairPlayFinding]) -> str:
    """The first caution, where nothing worse has been said already."""
    first = next((finding for finding in findings if finding.severity != "note"), None)
    return f"A caveat: {_lower(first.message)}" if first and first.severity == "caution" else ""


def _lower(sentence: str) -> str:
    return sentence if sentence[:2].isupper() else sentence[0].lower() + sentence[1:]


def _speed(timed: Sequence[ComparedRun], reference: str) -> str:
    fastest = min(timed, key=lambda run: run.steady_seconds or 0.0)
    other = next((run for run in timed if run.run_id == reference), max(timed, key=_steady))
    if fastest is other:
        other = max(timed, key=_steady)
    ratio = _steady(other) / _steady(fastest)
    if ratio < ALIKE:
        return f"They are about equally fast: {duration(_steady(fastest))} an epoch."
    return (
        f"{fastest.label} is {factor(ratio)} times as fast as {other.label}: "
        f"{duration(_steady(fastest))} an epoch, against {duration(_steady(other))}."
    )


def _steady(run: ComparedRun) -> float:
    return run.steady_seconds or 0.0


def _target(runs: Sequence[ComparedRun], target: float, metric: str) -> str:
    there = sorted((run for run in runs if run.time_to_target is not None), key=_arrival)
    missed = [run for run in runs if run.time_to_target is None and run.best is not None]
    what = f"a {METRICS[metric].words} of {loss_value(target)}"
    if not there:
        return f"None reached {what}."
    first, last = there[0], there[-1]
    text = f"{first.label} reached {what} after {duration(_arrival(first))}"
    if last is not first:
        text += f", {last.label} after {duration(_arrival(last))}"
    if missed:
        text += f"; {listed([run.label for run in missed])} never did"
    return text + "."


def _arrival(run: ComparedRun) -> float:
    return run.time_to_target or 0.0


def recommendation(choice: Choice, metric: str) -> str:
    return f"Recommended: {choice.recommended.label}. {why(choice, metric)}"


def why(choice: Choice, metric: str) -> str:
    recommended, best = choice.recommended, choice.best
    what = f"final {METRICS[metric].words}"
    value = _with_sd(best)
    if recommended.run_ids == best.run_ids:
        return f"It has the lowest {what}, {value}, and no other is as good and faster."
    part = (recommended.loss - best.loss) / abs(best.loss) if best.loss else 0.0
    if part < 5e-5:
        return f"Its {what} is as low as that of {best.label}, {value}, in less time."
    gap = percent(part)
    text = f"Its {what}, {_with_sd(recommended)}, is {gap} above the lowest ({best.label}, {value})"
    if choice.within_noise:
        return text + ", which is within the noise between seeds, and it takes less time."
    return text + (
        f", within the {percent(TOLERANCE)} that counts as equal here, and it takes less time. "
        "One seed each cannot tell noise from a difference."
    )


def _with_sd(setting: ComparedSetting) -> str:
    if setting.loss_sd is None:
        return loss_value(setting.loss)
    return f"{loss_value(setting.loss)} ± {setting.loss_sd:.2g} (SD of {len(setting.run_ids)} seeds)"


def _projection(
    runs: Sequence[ComparedRun], recommended: ComparedSetting, reference: str, epochs: int
) -> str:
    mine = [r.projected_seconds for r in runs if r.run_id in recommended.run_ids and r.projected_seconds]
    other = next((r for r in runs if r.run_id == reference and r.projected_seconds), None)
    if not mine:
        return ""
    text = f"A useful model ({epochs} epochs) would take it about {duration(sum(mine) / len(mine))}"
    if other is not None and other.run_id not in recommended.run_ids and other.projected_seconds:
        text += f", and {other.label} about {duration(other.projected_seconds)}"
    return text + "."
