"""Can a model be trusted? What its numbers say, in words (good, look closer, a problem), and the pictures to it.

    judge_plateau(curves); judge_gap(curves); judge_predictive(...); judge_groups(...); judge_reencoding(...)
    observed_chart(...); excess_chart(...); gap_chart(...)

Each judgement says what was seen and what to do. Limits stand at the top, each with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..types import Curves, Series
from ..words import counted, number, percent
from ._colours import WARM_UP, accent
from ._figure import Chart, column, layout, nothing, plain

Values = npt.NDArray[np.floating[Any]]  # one for each cell, or for each gene
Codes = npt.NDArray[np.integer[Any]]  # the group of each cell
GOOD, LOOK, PROBLEM, UNKNOWN = "good", "look closer", "problem", "not known yet"

_WINDOW = 10  # epochs of the straight line through the end of a curve
LEVEL = 5e-4  # of the loss an epoch: ten epochs change it by half a percent
STEEP = 4e-3  # ten epochs would still bring four percent
RISEN = 0.004  # above its best while training falls: noise of a few hundred validation cells is about half of that
WIDE = 0.06  # of the loss between training and validation cells
SEEN = 0.05  # of the cells: genes that say something about zeros
ZEROS = (
    0.03,
    0.08,
)  # mean distance of a gene's fraction of zeros: three cells in a hundred, eight in a hundred
VARIANCE = (1.5, 3.0)  # typical ratio of simulated to observed variance
ODD, BAD = 1.0, 2.5  # median excess of a group of cells, in robust standard deviations
FEW = 10  # cells of a group that is judged
SAME, NEAR = 1e-4, 1e-2  # largest difference of a latent value, as part of the spread


@dataclass(frozen=True)
class Judgement:
    verdict: str
    seen: str  # one sentence
    advice: str = ""  # what to do; empty where there is nothing to do


def judge_plateau(curves: Curves, trained_on: str = "") -> Judgement:
    """Has training levelled off, and what would more epochs bring? Judged on how well counts are explained.

    ``trained_on`` names the computer of a run that was brought from another one and can only be read here.
    """
    name = next(
        (
            n
            for n in ("reconstruction_loss_validation", "reconstruction_loss_train", "train_loss")
            if len(curves[n])
        ),
        "",
    )
    epochs, values = curves[name].finite() if name else (np.array([]), np.array([]))
    if len(values) < 4:
        return Judgement(
            UNKNOWN,
            "There are too few epochs to tell whether training has converged.",
            "Train for more epochs.",
        )
    n = min(_WINDOW, max(3, len(values) // 2))
    slope = float(np.polyfit(epochs[-n:] - epochs[-1], values[-n:], 1)[0])
    rate = -slope / max(abs(float(values[-n:].mean())), 1e-12)
    what = "validation cells" if "validation" in name else "training cells"
    if rate > LEVEL:
        ten = number(float(f"{-10 * slope:.2g}"))  # a guess: two figures
        gain = f"{ten} nats per cell ({percent(10 * rate)})"
        bring = f"Ten more epochs would lower it by about {gain} at this rate, probably less."
        verdict = PROBLEM if rate > STEEP else LOOK
        seen = f"The loss on {what} was still falling by {percent(rate, 2)} per epoch at the end. {bring}"
        where = f"on {trained_on}, where it was trained" if trained_on else "on its page"
        return Judgement(verdict, seen, f"Extend the run {where}; training continues where it stopped.")
    if rate < -LEVEL:
        return Judgement(
            LOOK,
            f"The loss on {what} was rising by {percent(-rate, 2)} per epoch at the end.",
            "Training longer would not help. Try fewer epochs, early stopping or a lower learning rate.",
        )
    return Judgement(GOOD, f"The loss on {what} has levelled off: more epochs would change little.")


def judge_gap(curves: Curves) -> Judgement:
    """Does the model explain cells it has not seen as well as those it was trained on?"""
    _, train = curves["reconstruction_loss_train"].finite()
    epochs, validation = curves["reconstruction_loss_validation"].finite()
    if len(train) < 3 or len(validation) < 3:
        return Judgement(
            UNKNOWN,
            "There are no validation cells, or too few epochs to tell.",
            "Train with a training fraction below 100 % (advanced settings).",
        )
    gap = float(validation[-3:].mean() / train[-3:].mean() - 1)
    best = int(np.argmin(validation))
    risen = float(validation[-3:].mean() / validation[best] - 1)
    how = f"{percent(abs(gap), 1)} {'higher' if gap > 0 else 'lower'}"
    said = f"The reconstruction loss of validation cells is {how} than that of training cells"
    if (
        risen > RISEN
        and len(validation) - 1 - best >= 4
        and train[-1] < train[best if best < len(train) else -1]
    ):
        return Judgement(
            PROBLEM,
            f"{said}, and it has been rising since epoch {int(epochs[best])} while the training loss keeps falling: "
            "the model is overfitting.",
            f"Train for about {int(epochs[best])} epochs, or turn on early stopping.",
        )
    if gap > WIDE:
        return Judgement(
            LOOK,
            f"{said}. That is a large gap.",
            "With few cells this is common. More cells, fewer genes or more dropout narrow it.",
        )
    return Judgement(GOOD, f"{said}: the model generalises to cells it was not trained on.")


def judge_predictive(
    zeros: tuple[Values, Values], mean: Values, variance: tuple[Values, Values]
) -> Judgement:
    """Do counts simulated from the model look like the observed ones? Pairs are (observed, simulated), one a gene."""
    if not (np.asarray(mean) > 0).any():
        return Judgement(UNKNOWN, "None of the simulated cells has any counts, so nothing can be compared.")
    told = np.asarray(zeros[0]) <= 1 - SEEN  # the rest is nearly all zeros, with any model
    which = f"Of the genes detected in at least {percent(SEEN)} of cells, "
    if told.sum() < 10:
        told, which = np.asarray(mean) > 0, "Of all genes, "
    apart = np.asarray(zeros[1], float)[told] - np.asarray(zeros[0], float)[told]
    distance, lean = float(np.abs(apart).mean()), float(apart.mean())
    ratio = np.asarray(variance[1], float)[told] / np.maximum(np.asarray(variance[0], float)[told], 1e-12)
    typical = float(np.exp(np.median(np.abs(np.log(np.maximum(ratio, 1e-6))))))
    close = float((np.abs(apart) <= 0.05).mean())
    seen = (
        f"{which}{percent(close, 0)} have a fraction of zeros within 0.05 of the observed one; the variance of a gene "
        f"is typically off by a factor of {typical:.2g}."
    )
    if distance <= ZEROS[0] and typical <= VARIANCE[0]:
        return Judgement(GOOD, seen)
    side = "too many" if lean > 0 else "too few"
    advice = f"The model generates {side} zeros. " if distance > ZEROS[0] else ""
    advice += "Train longer, or try another gene likelihood (zinb, nb) and compare this plot."
    return Judgement(LOOK if distance <= ZEROS[1] and typical <= VARIANCE[1] else PROBLEM, seen, advice)


def judge_groups(excess: Values, codes: Codes, levels: Sequence[str]) -> tuple[Judgement, list[str]]:
    """Are there groups whose cells are explained worse than others with as many counts? With them, worst first."""
    middle = group_medians(excess, codes, levels)
    flagged = sorted((name for name, value in middle.items() if value > ODD), key=lambda name: -middle[name])
    bad = float((np.asarray(excess) > 5).mean())
    part = (
        f"{percent(bad)} of all cells have"
        if bad >= 0.0005
        else "Hardly any cell has"
        if bad
        else "No single cell has"
    )
    outliers = f"{part} a far higher reconstruction loss than cells with a similar number of counts"
    if not flagged:
        verdict = GOOD if bad < 0.02 else LOOK
        advice = (
            ""
            if verdict == GOOD
            else "Colour the UMAP by this loss: do these cells form a cluster, or are they doublets?"
        )
        return Judgement(verdict, f"No group stands out. {outliers}.", advice), []
    worst = max(middle.values())
    said = "One group stands out" if len(flagged) == 1 else f"{len(flagged)} groups stand out"
    return (
        Judgement(
            PROBLEM if worst > BAD else LOOK,
            f"{said}. {outliers}.",
            "Inspect these cells on the UMAP: rare cell types, damaged cells and doublets are often reconstructed "
            "worse. Interpret them with caution.",
        ),
        flagged,
    )


def group_medians(excess: Values, codes: Codes, levels: Sequence[str]) -> Mapping[str, float]:
    """Median excess of each group with enough cells."""
    excess, codes = np.asarray(excess), np.asarray(codes)
    found = {}
    for code, name in enumerate(levels):
        inside = excess[codes == code]
        if len(inside) >= FEW:
            found[name] = float(np.median(inside))
    return found


def judge_reencoding(largest: float | None, spread: float, device: str) -> Judgement:
    """Does the saved model give the saved latent space again, on the CPU?"""
    if largest is None:
        return Judgement(
            PROBLEM,
            "Re-encoding the cells gave values that are not numbers (NaN).",
            "Do not use this model. Train it again with a lower learning rate.",
        )
    part = largest / spread if spread > 0 else float("inf" if largest else 0)
    where = "on the CPU" if device.startswith("cpu") or not device else f"on {device.split(':')[0].upper()}"
    seen = (
        f"Re-encoded on the CPU, the cells differ from the saved latent space (computed {where}) by at most "
        f"{largest:.2g}, which is {part:.2g} of its spread."
    )
    if largest == 0:
        same = f"Re-encoded on the CPU, every cell is exactly where it was in the latent space (computed {where})."
        return Judgement(GOOD, same)
    if part <= SAME:
        return Judgement(GOOD, seen)
    if part <= NEAR:
        return Judgement(
            LOOK, seen, "Fine for UMAPs and clustering; the last digits differ between computers."
        )
    return Judgement(
        PROBLEM,
        seen,
        "The saved model and latent space do not match, or the device computes incorrectly. Check the device on the "
        "Devices page, and train again on the CPU.",
    )


_SHOWN = 2000  # genes
_GROUPS = 40


def observed_chart(
    genes: Sequence[str],
    observed: Values,
    simulated: Values,
    *,
    what: str,
    log: bool = False,
    dark: bool = False,
    revision: str = "",
) -> Chart:
    """A dot a gene: observed to the right, simulated upwards. On the line both agree."""
    observed, simulated = np.asarray(observed, float), np.asarray(simulated, float)
    at = np.flatnonzero((observed > 0) & (simulated > 0)) if log else np.arange(len(observed))
    if not len(at):
        return nothing("There is nothing to compare.", revision)
    if len(at) > _SHOWN:
        order = at[np.argsort(observed[at], kind="stable")]
        at = order[np.linspace(0, len(order) - 1, _SHOWN).astype(int)]
    low, high = (float(f(np.concatenate([observed[at], simulated[at]]))) for f in (np.min, np.max))
    axis = {"type": "log"} if log else {}
    return Chart(
        [
            {
                "type": "scatter",
                "mode": "markers",
                "name": "a gene",
                "x": column(observed[at], 4),
                "y": column(simulated[at], 4),
                "customdata": [plain(genes[i]) for i in at.tolist()],
                "marker": {"color": accent("cpu", dark=dark), "size": 5, "opacity": 0.45},
                "hovertemplate": "<b>%{customdata}</b><br>observed %{x:.3g}<br>simulated %{y:.3g}<extra></extra>",
            },
            {
                "type": "scatter",
                "mode": "lines",
                "name": "both agree",
                "x": [low, high],
                "y": [low, high],
                "line": {"color": WARM_UP, "width": 1.5, "dash": "dash"},
                "hoverinfo": "skip",
            },
        ],
        layout(
            x={"title": {"text": f"observed {what}"}, "showgrid": True, **axis},
            y={"title": {"text": f"simulated {what}"}, **axis},
            revision=revision,
            hovermode="closest",
        ),
        f"Simulated against observed {what} of {counted(len(observed), 'gene')}.",
    )


def excess_chart(
    excess: Values, codes: Codes, levels: Sequence[str], *, dark: bool = False, revision: str = ""
) -> Chart:
    """A bar a group from its first to its third quartile with the median, the worst explained first."""
    excess, codes = np.asarray(excess, float), np.asarray(codes)
    rows = []
    for code, name in enumerate(levels):
        inside = excess[codes == code]
        if len(inside):
            rows.append(
                (float(np.median(inside)), *np.quantile(inside, [0.25, 0.75]).tolist(), len(inside), name)
            )
    if not rows:
        return nothing("No cell has a value in this column.", revision)
    rows.sort(key=lambda row: -row[0])
    rows = rows[:_GROUPS]
    at = list(range(len(rows)))
    colour = accent("cpu", dark=dark)
    shown = [[plain(name), n] for *_, n, name in rows]
    hover = "<b>%{customdata[0]}</b>, %{customdata[1]:,} cells<br>median %{x:.2f}<extra></extra>"
    return Chart(
        [
            {
                "type": "bar",
                "orientation": "h",
                "name": "interquartile range",
                "y": at,
                "base": column((row[1] for row in rows), 4),
                "x": column((row[2] - row[1] for row in rows), 4),
                "marker": {"color": colour, "opacity": 0.35},
                "hoverinfo": "skip",
            },
            {
                "type": "scatter",
                "mode": "markers",
                "name": "median",
                "y": at,
                "x": column((row[0] for row in rows), 4),
                "customdata": shown,
                "marker": {"color": colour, "size": 9},
                "hovertemplate": hover,
            },
        ],
        layout(
            x={
                "title": {"text": "loss above similar cells (SD)"},
                "zeroline": True,
                "showgrid": True,
            },
            y={
                "tickvals": at,
                "ticktext": [plain(row[4], 30) for row in rows],
                "range": [len(rows) - 0.4, -0.6],
                "showgrid": False,
            },
            revision=revision,
            hovermode="closest",
        ),
        f"Excess reconstruction loss of {len(rows)} groups of cells; the highest is {rows[0][4]} with a median of "
        f"{rows[0][0]:.2f}.",
    )


def gap_chart(train: Series, validation: Series, *, dark: bool = False, revision: str = "") -> Chart:
    """Reconstruction loss of training and validation cells by epoch, the steep beginning left out."""
    data = []
    values = []
    for name, series, dash in (("training", train, "dot"), ("validation", validation, "solid")):
        epochs, found = series.finite()
        if not len(found):
            continue
        skip = len(found) // 10
        values.append(float(found[-1]))
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": f"{name} cells",
                "x": column(epochs[skip:], 9),
                "y": column(found[skip:]),
                "line": {"color": accent("cpu", dark=dark), "width": 2, "dash": dash},
                "hovertemplate": f"{name} %{{y:,.2f}}",
            }
        )
    if not data:
        return nothing("There are no losses to show.", revision)
    return Chart(
        data,
        layout(
            x={"title": {"text": "epoch"}},
            y={"title": {"text": "reconstruction loss (nats)"}},
            revision=revision,
        ),
        "Reconstruction loss of training and validation cells; at the end "
        + " and ".join(f"{value:,.2f}" for value in values)
        + ".",
    )
