"""What the loss is made of: how well counts are reconstructed, and the KL part that shapes the latent."""

from __future__ import annotations

from typing import Any

from ._figure import SMALL_LIMIT, Chart, Trail, layout, line, nothing, number, time_unit, x_axis

_ROWS = (
    ("reconstruction_loss", "reconstruction loss", "y"),
    ("kl_local", "KL divergence", "y2"),
)


def parts_chart(trail: Trail, *, axis: str = "epoch", dark: bool = False, revision: str = "") -> Chart:
    """Reconstruction above, KL below, on one epoch (or time) axis; both in nats per cell."""
    names = [f"{stem}_{part}" for stem, _, _ in _ROWS for part in ("train", "validation")]
    present = [name for name in names if len(trail.curves[name])]
    if not present:
        return nothing("Reconstruction and KL appear here after the first epoch.", revision)
    unit, unit_name = time_unit(max(max(trail.curves[name].seconds) for name in present))
    last = max(trail.curves[name].order[-1] for name in present)
    colour = trail.colour(dark)
    data: list[dict[str, Any]] = []
    said = []
    for stem, title, y in _ROWS:
        for part, label in (("train", "training"), ("validation", "validation")):
            series = trail.curves[f"{stem}_{part}"]
            if not len(series):
                continue
            solid = part == "validation"
            data.append(
                line(
                    series,
                    axis,
                    unit,
                    limit=SMALL_LIMIT,
                    name=label,
                    legendgroup=part,
                    showlegend=y == "y",
                    xaxis="x",
                    yaxis=y,
                    opacity=1.0 if solid else 0.75,
                    line={
                        "color": colour,
                        "width": 2.25 if solid else 1.75,
                        "dash": "solid" if solid else "dot",
                    },
                    marker={"color": colour, "size": 5},
                    hovertemplate=f"{title} %{{y:,.2f}}",
                )
            )
            said.append(f"{label} {title} {number(series.value[-1])}")
    return Chart(
        data,
        layout(
            x={**x_axis(axis, unit_name, last=last), "anchor": "y2", "domain": [0, 1]},
            y={"title": {"text": "reconstr. (nats)"}, "domain": [0.54, 1]},
            yaxis2={
                "title": {"text": "KL (nats)"},
                "domain": [0, 0.44],
                "automargin": True,
                "zeroline": False,
                "showgrid": True,
                "rangemode": "tozero",
            },
            revision=revision,
        ),
        "Parts of the loss per cell: " + ", ".join(said) + ".",
    )
