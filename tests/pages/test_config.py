"""The configuration people run with: closed to the network, and a theme that everybody can read."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path
from typing import Any

import pytest
from streamlit import config as streamlit_config

PATH = Path(__file__).parents[2] / ".streamlit" / "config.toml"
CONFIG: dict[str, Any] = tomllib.loads(PATH.read_text())
THEMES = ("light", "dark")
WHITE = "#FFFFFF"
BODY, PARTS = 4.5, 3.0  # WCAG 2 AA: text, and parts of a control or chart

Triple = tuple[float, float, float]


def rgb(colour: str) -> Triple:
    """Linear light, 0..1, of a ``#RRGGBB`` colour."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return _linear(red), _linear(green), _linear(blue)


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def luminance(colour: str) -> float:
    red, green, blue = rgb(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def faded(text: str, page: str, share: float) -> str:
    """``text`` drawn on ``page`` with the opacity ``share``, as Streamlit draws captions (0.6)."""
    pairs = ((int(text[i : i + 2], 16), int(page[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(share * over + (1 - share) * under):02X}" for over, under in pairs)


def lab(colour: Triple) -> Triple:
    red, green, blue = colour
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    fx, fy, fz = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


# Machado, Oliveira and Fernandes 2009, severity 1, on linear light.
SIGHT = {
    "full colour": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red cones": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "no green cones": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}


def as_seen(colour: str, sight: str) -> Triple:
    linear = rgb(colour)
    seen = [min(1.0, max(0.0, sum(m * v for m, v in zip(row, linear, strict=True)))) for row in SIGHT[sight]]
    return lab((seen[0], seen[1], seen[2]))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("server.address", "127.0.0.1"),
        ("server.port", 8501),
        ("server.headless", True),
        ("server.enableCORS", True),
        ("server.enableXsrfProtection", True),
        ("server.fileWatcherType", "none"),
        ("browser.gatherUsageStats", False),
        ("client.toolbarMode", "viewer"),
        ("client.showErrorDetails", "none"),
        ("runner.postScriptGC", False),
    ],
)
def test_hardened_option_is_set(option: str, value: object) -> None:
    section, name = option.split(".")
    assert CONFIG[section][name] == value


def test_only_this_computer_may_connect() -> None:
    assert set(CONFIG["server"]["allowedHosts"]) == {"127.0.0.1", "localhost"}


def test_files_do_not_arrive_through_memory() -> None:
    assert CONFIG["server"]["maxUploadSize"] <= 1


def test_streamlit_knows_every_option() -> None:
    known = set(streamlit_config._config_options_template)
    for section in ("server", "browser", "client", "runner"):
        assert {f"{section}.{name}" for name in CONFIG[section]} <= known
    theme = CONFIG["theme"]
    shared = {name for name in theme if name not in THEMES}
    assert {f"theme.{name}" for name in shared} <= known
    for mode in THEMES:
        own = {f"theme.{mode}.{name}" for name in theme[mode] if name != "sidebar"}
        sidebar = {f"theme.{mode}.sidebar.{name}" for name in theme[mode]["sidebar"]}
        assert own | sidebar <= known


@pytest.mark.parametrize("mode", THEMES)
def test_text_can_be_read(mode: str) -> None:
    theme = CONFIG["theme"][mode]
    for surface in (
        theme["backgroundColor"],
        theme["secondaryBackgroundColor"],
        theme["sidebar"]["backgroundColor"],
    ):
        for role in ("textColor", "linkColor", "grayColor"):
            assert contrast(theme[role], surface) >= BODY, f"{role} on {surface}"
    assert contrast(theme["codeTextColor"], theme["codeBackgroundColor"]) >= BODY


@pytest.mark.parametrize("mode", THEMES)
def test_captions_can_be_read(mode: str) -> None:
    theme = CONFIG["theme"][mode]
    page = theme["backgroundColor"]
    assert contrast(faded(theme["textColor"], page, 0.6), page) >= BODY


@pytest.mark.parametrize("mode", THEMES)
def test_primary_button_has_readable_lettering_and_stands_out(mode: str) -> None:
    theme = CONFIG["theme"][mode]
    assert contrast(theme["primaryColor"], WHITE) >= BODY
    assert contrast(theme["primaryColor"], theme["backgroundColor"]) >= PARTS


@pytest.mark.parametrize("mode", THEMES)
def test_lines_of_a_chart_stand_out_from_the_page(mode: str) -> None:
    theme = CONFIG["theme"][mode]
    for colour in theme["chartCategoricalColors"]:
        assert contrast(colour, theme["backgroundColor"]) >= PARTS, colour


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("mode", THEMES)
def test_lines_of_a_chart_differ_for_every_eye(mode: str, sight: str) -> None:
    colours = CONFIG["theme"][mode]["chartCategoricalColors"]
    for one, other in itertools.combinations(colours[:4], 2):
        distance = (
            sum((a - b) ** 2 for a, b in zip(as_seen(one, sight), as_seen(other, sight), strict=True)) ** 0.5
        )
        assert distance >= 10, f"{one} and {other} look alike with {sight}: {distance:.1f}"


@pytest.mark.parametrize("mode", THEMES)
@pytest.mark.parametrize("scale", ["chartSequentialColors", "chartDivergingColors"])
def test_colour_scales_have_the_ten_steps_streamlit_asks_for(mode: str, scale: str) -> None:
    assert len(CONFIG["theme"][mode][scale]) == 10


def test_headings_are_readable_on_a_projector() -> None:
    sizes = [float(size.removesuffix("rem")) for size in CONFIG["theme"]["headingFontSizes"]]
    assert sizes[0] >= 2.25
    assert sizes == sorted(sizes, reverse=True)


def test_fonts_come_from_this_server() -> None:
    assert "http" not in PATH.read_text()
