"""What follows from a comparison: the recommended setting, and sentences that claim no more than the runs can carry.

Runs that differ in their seed alone are one setting. What can be concluded at all is decided by ``_fairness``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev

from ..types import ComparedRun, ComparedSetting, FairPlayFinding
from ..words import METRICS, duration, factor, finding_sentence, listed, loss_value, percent
from ._fairness import EPOCH_TIME, FINAL_LOSS, TARGET, TOTAL_TIME

TOLERANCE = 0.005  # of the loss: what counts as equally good where the noise is not known
ALIKE = 1.05  # less than this many times as fast counts as equally fast
_CLOSE = 0.02  # of the loss: a lead over the next that one seed each does not settle
_ABOUT = {FINAL_LOSS: "loss", TARGET: "loss", TOTAL_TIME: "time", EPOCH_TIME: "time"}


def front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """For each (seconds, loss): is no other both as fast and as good, and better in one of the two?"""
    return [
        not any(other[0] <= point[0] and other[1] <= point[1] and other != point for other in points)
        for point in points
    ]


def settings_of(
    runs: Sequence[ComparedRun], keys: Sequence[object], labels: Sequence[str]
) -> list[ComparedSetting]:
    """One a setting, in the order of the runs; those without time or loss are left out.

    ``labels``: of each run, without its seed.
    """
    gathered: dict[object, list[ComparedRun]] = {}
    names: dict[object, str] = {}
    for run, key, label in zip(runs, keys, labels, strict=True):
        if run.last is not None and run.total_seconds > 0:
            gathered.setdefault(key, []).append(run)
            names.setdefault(key, label)
    made = [_setting(members, names[key]) for key, members in gathered.items()]
    on_front = front([(setting.seconds, setting.loss) for setting in made])
    return [setting.replace(on_front=on) for setting, on in zip(made, on_front, strict=True)]


def _setting(members: list[ComparedRun], label: str) -> ComparedSetting:
    seconds = Spread.of([run.total_seconds for run in members])
    by_seed: dict[int, list[float]] = {}  # a run that was repeated says nothing of the noise between seeds
    for run in members:
        if run.last is not None:
            by_seed.setdefault(run.seed, []).append(run.last)
    loss = Spread.of([mean(losses) for losses in by_seed.values()])
    steady = [run.steady_seconds for run in members if run.steady_seconds is not None]
    return ComparedSetting(
        label=label if len(members) > 1 else members[0].label,
        run_ids=tuple(run.run_id for run in members),
        seeds=tuple(run.seed for run in members),
        seconds=seconds.mean,
        seconds_sd=seconds.sd,
        loss=loss.mean,
        loss_sd=loss.sd,
        steady_seconds=mean(steady) if steady else None,
    )


@dataclass(frozen=True, slots=True)
class Spread:
    """A loss over seeds, or a time over runs."""

    mean: float
    sd: float | None  # None: one
    n: int

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        return Spread(mean(values), stdev(values) if len(values) > 1 else None, len(values))

    def within_noise(self, other: Spread) -> bool | None:
        """Is the difference of the means less than two of its standard errors? None: too few seeds."""
        if self.sd is None or other.sd is None:
            return None
        return abs(self.mean - other.mean) <= 2 * sqrt(self.sd**2 / self.n + other.sd**2 / other.n)


def as_fast(one: Spread, other: Spread) -> bool:
    """Whether two times cannot be told apart."""
    return max(one.mean, other.mean) < ALIKE * min(one.mean, other.mean) or bool(one.within_noise(other))


@dataclass(frozen=True, slots=True)
class Choice:
    """The recommended setting and the one with the best final loss."""

    recommended: ComparedSetting | None  # None: several are as good and as fast
    best: ComparedSetting
    within_noise: bool | None = None  # their losses; None: too few seeds to tell
    tied: tuple[ComparedSetting, ...] = ()
    lead: float | None = None  # of the best over the next that is not as good, in parts of the loss


def choose(settings: Sequence[ComparedSetting]) -> Choice:
    """The fastest whose loss is as good as the best one's; none where another is as good and as fast."""
    best = min(settings, key=lambda setting: setting.loss)
    as_good = [setting for setting in settings if _as_good(setting, best)]
    fastest = min(as_good, key=lambda setting: setting.seconds)
    tied = tuple(s for s in as_good if s is fastest or as_fast(_seconds(s), _seconds(fastest)))
    if len(tied) > 1:
        return Choice(None, best, tied=tied)
    leads = [(s.loss - best.loss) / abs(best.loss) for s in settings if s not in as_good and best.loss]
    return Choice(fastest, best, _loss(fastest).within_noise(_loss(best)), lead=min(leads) if leads else None)


def _as_good(setting: ComparedSetting, best: ComparedSetting) -> bool:
    noise = _loss(setting).within_noise(_loss(best))
    return setting.loss - best.loss <= TOLERANCE * abs(best.loss) if noise is None else noise


def _loss(setting: ComparedSetting) -> Spread:
    return Spread(setting.loss, setting.loss_sd, len(set(setting.seeds)))


def _seconds(setting: ComparedSetting) -> Spread:
    return Spread(setting.seconds, setting.seconds_sd, len(setting.run_ids))


_ONE_SEED = "With one seed each, so small a difference cannot be told from noise."

# --- sentences --------------------------------------------------------------------------------------


def verdict(
    runs: Sequence[ComparedRun],
    findings: Sequence[FairPlayFinding],
    choice: Choice | None,
    comparable: Sequence[str],
    *,
    metric: str,
    target: float | None,
    reference: str,
    projected_epochs: int,
    falling: float = 0.0,
) -> tuple[str, ...]:
    """At most five sentences: what is recommended and why, what it saves, speed, time to the target, and a caveat.

    ``falling``: part of the loss by which it still fell an epoch, where that forbids a recommendation.
    Where something cannot be concluded, why comes first, and nothing is said of it.
    """
    if len(runs) < 2:
        return ()
    sentences = [_unfair(findings)]
    if choice is not None:
        sentences.append(recommendation(choice, metric) if choice.recommended else _tie(choice, metric))
        sentences.append(_projection(runs, choice.recommended, reference, projected_epochs))
    if falling:
        sentences.append(_unfinished(falling, metric))
    timed = [run for run in runs if run.steady_seconds]
    if len(timed) >= 2 and EPOCH_TIME in comparable:
        sentences.append(_speed(timed, reference))
    if target is not None and TARGET in comparable:
        sentences.append(_target(runs, target, metric))
    sentences.append(_caveat(findings, comparable))
    return tuple(sentence for sentence in sentences if sentence)


def _unfinished(falling: float, metric: str) -> str:
    return (
        f"No setting is recommended: the {METRICS[metric].words} was still falling at the end, by up to "
        f"{percent(falling)} per epoch, so it says which setting learns fastest at first, not which ends best. Train "
        "longer."
    )


def _unfair(findings: Sequence[FairPlayFinding]) -> str:
    first = next((finding for finding in findings if finding.severity == "unfair"), None)
    return f"Not a fair comparison: {_lower(finding_sentence(first))}" if first else ""


def _caveat(findings: Sequence[FairPlayFinding], comparable: Sequence[str]) -> str:
    """The first caution about what can be concluded."""
    concluded = {_ABOUT[conclusion] for conclusion in comparable}
    first = next(
        (one for one in findings if one.severity == "caution" and concluded & set(one.affects)), None
    )
    return f"A caveat: {_lower(finding_sentence(first))}" if first else ""


def _lower(sentence: str) -> str:
    return sentence if sentence[:2].isupper() else sentence[0].lower() + sentence[1:]


def _speed(timed: Sequence[ComparedRun], reference: str) -> str:
    fastest = min(timed, key=lambda run: run.steady_seconds or 0.0)
    other = next((run for run in timed if run.run_id == reference), max(timed, key=_steady))
    if fastest is other:
        other = max(timed, key=_steady)
    ratio = _steady(other) / _steady(fastest)
    if ratio < ALIKE:
        return f"They are about equally fast: {duration(_steady(fastest))} per epoch."
    return (
        f"{fastest.label} is {factor(ratio)} times as fast as {other.label}: "
        f"{duration(_steady(fastest))} per epoch, against {duration(_steady(other))}."
    )


def _steady(run: ComparedRun) -> float:
    return run.steady_seconds or 0.0


def _target(runs: Sequence[ComparedRun], target: float, metric: str) -> str:
    there = sorted((run for run in runs if run.time_to_target is not None), key=_arrival)
    missed = [run for run in runs if run.time_to_target is None and run.best is not None]
    what = f"a {METRICS[metric].words} of {loss_value(target)}"
    if not there:
        return f"No run reached {what}." if missed else ""
    first, last = there[0], there[-1]
    text = f"{first.label} reached {what} after {duration(_arrival(first))}"
    if last is not first:
        text += f", {last.label} after {duration(_arrival(last))}"
    if missed:
        text += f"; {listed([run.label for run in missed])} never did"
    return text + "."


def _arrival(run: ComparedRun) -> float:
    return run.time_to_target or 0.0


def _tie(choice: Choice, metric: str) -> str:
    names = listed([setting.label for setting in choice.tied])
    return f"No clear winner: the final {METRICS[metric].words} and the training time of {names} cannot be told apart."


def recommendation(choice: Choice, metric: str) -> str:
    assert choice.recommended is not None
    return f"Recommended: {choice.recommended.label}. {why(choice, metric)}"


def why(choice: Choice, metric: str) -> str:
    recommended, best = choice.recommended, choice.best
    assert recommended is not None
    what = f"final {METRICS[metric].words}"
    value = _with_sd(best)
    if recommended.run_ids == best.run_ids:
        text = f"It has the best {what}, {value}, and none that is as good is faster."
        unsure = best.loss_sd is None and choice.lead is not None and choice.lead < _CLOSE
        return f"{text} {_ONE_SEED}" if unsure else text
    part = (recommended.loss - best.loss) / abs(best.loss) if best.loss else 0.0
    if part < 5e-5:
        return f"Its {what} is as good as that of {best.label}, {value}, in less time."
    gap = percent(part)
    text = f"Its {what}, {_with_sd(recommended)}, is {gap} above the best ({best.label}, {value})"
    if choice.within_noise:
        return text + ", which is within the noise between seeds, and it takes less time."
    return text + (
        f", within the {percent(TOLERANCE)} that counts as equal here, and it takes less time. {_ONE_SEED}"
    )


def _with_sd(setting: ComparedSetting) -> str:
    if setting.loss_sd is None:
        return loss_value(setting.loss)
    return f"{loss_value(setting.loss)} ± {setting.loss_sd:.2g} (SD of {len(set(setting.seeds))} seeds)"


def _projection(
    runs: Sequence[ComparedRun], recommended: ComparedSetting | None, reference: str, epochs: int
) -> str:
    if recommended is None:
        return ""
    mine = [r.projected_seconds for r in runs if r.run_id in recommended.run_ids and r.projected_seconds]
    other = next((r for r in runs if r.run_id == reference and r.projected_seconds), None)
    if not mine:
        return ""
    text = f"Training for {epochs} epochs would take about {duration(sum(mine) / len(mine))} with {recommended.label}"
    if other is not None and other.run_id not in recommended.run_ids and other.projected_seconds:
        text += f", and about {duration(other.projected_seconds)} with {other.label}"
    return text + "."
