"""One accent colour per kind of device, the same in every chart.

Okabe and Ito's blue, vermilion and bluish green, told apart with any colour vision; the theme in
``.streamlit/config.toml`` starts its chart colours with the same three.
"""

from __future__ import annotations

ACCENTS = {"cpu": "#0072B2", "mps": "#C8500A", "cuda": "#00805C"}
ACCENTS_DARK = {"cpu": "#56B4E9", "mps": "#F08A4B", "cuda": "#3CC49A"}
WARM_UP = "#8A969C"  # grey on both pages: not a speed of the device


def accent(device: str, *, dark: bool = False) -> str:
    """The colour of ``device`` ("cpu", "mps:0", "cuda:1" ...); an unknown one is drawn as the CPU."""
    palette = ACCENTS_DARK if dark else ACCENTS
    return palette.get(device.split(":")[0], palette["cpu"])


def page(dark: bool) -> str:
    """The page behind a chart, for rings and labels that must stand clear of lines."""
    return "#0E171C" if dark else "#FFFFFF"


def shade(colour: str, step: int, *, dark: bool = False) -> str:
    """Variant ``step`` of an accent, for several runs of one device: 0 is the accent itself.

    Variants move away from the background's opposite, in turn towards the text and towards the page.
    """
    if step == 0:
        return colour
    away, towards = ((255, 255, 255), (14, 23, 28)) if dark else ((0, 0, 0), (255, 255, 255))
    target = away if step % 2 else towards
    amount = min(0.6, 0.28 * ((step + 1) // 2)) if step % 2 else min(0.5, 0.3 * (step // 2))
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    mixed = (round(c + (t - c) * amount) for c, t in zip(rgb, target, strict=True))
    return "#" + "".join(f"{c:02X}" for c in mixed)
