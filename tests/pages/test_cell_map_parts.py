"""Choices of cells travel as bits; colours stay apart for colour-blind readers; bytes have their own address."""

from __future__ import annotations

import asyncio
import itertools
from urllib.parse import urlsplit

import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import Response

from backend.charts import CELL_SCALE, group_colours
from pages.server import send as _blobs
from pages.server.access import TOKEN
from pages.shared.cell_map import decode, encode

# How a display looks to an eye without one kind of cone (Machado, Oliveira, Fernandes 2009), linear RGB.
SEEN = {
    "all cones": np.eye(3),
    "no red cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eye", SEEN)
@pytest.mark.parametrize(
    ("palette", "page"), [(group_colours(), "#FFFFFF"), (group_colours(dark=True), "#0B1317")]
)
def test_a_dozen_colours_stay_apart_for_every_eye(palette: tuple[str, ...], page: str, eye: str) -> None:
    assert len(set(palette)) == 24, "and a second shade of each"
    seen = [lab(np.array(SEEN[eye]) @ linear(colour)) for colour in palette[:12]]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 15
    ground = lab(np.array(SEEN[eye]) @ linear(page))
    assert min(np.linalg.norm(colour - ground) for colour in seen) > 20


def test_the_scale_of_numbers_only_gets_lighter() -> None:
    lightness = [lab(linear(colour))[0] for colour in CELL_SCALE]
    assert lightness == sorted(lightness)


@pytest.mark.parametrize("n", [1, 8, 9, 1000])
def test_chosen_cells_come_back_as_they_were(n: int) -> None:
    cells = np.arange(0, n, 3)
    assert decode(encode(cells, n), n).tolist() == cells.tolist()  # type: ignore[union-attr]


@pytest.mark.parametrize("bits", ["", "no base64!", "AAAA", encode(np.array([], int), 100)])
def test_what_is_no_choice_is_none(bits: str) -> None:
    assert decode(bits, 100) is None


def asked(address: str) -> Response:
    parts = urlsplit(address)
    scope = {
        "type": "http",
        "method": "GET",
        "path": parts.path,
        "query_string": parts.query.encode(),
        "headers": [(b"host", b"127.0.0.1:8501")],
        "path_params": {"name": parts.path.split("/")[-1]},
    }
    return asyncio.run(_blobs.blob(Request(scope)))


def test_published_bytes_are_fetched_with_the_token_only() -> None:
    url = _blobs.publish(b"cells")
    assert asked(url).body == b"cells"
    assert _blobs.publish(b"cells") == url
    assert asked(url.replace(TOKEN, "guess")).status_code == 403
    assert asked(url.split("?")[0]).status_code == 403
    assert asked(f"/api/blob/other?token={TOKEN}").status_code == 404


def test_what_was_not_used_for_long_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_blobs, "_MOST", 25)
    monkeypatch.setattr(_blobs, "_blobs", type(_blobs._blobs)())
    first, second = _blobs.publish(b"a" * 10), _blobs.publish(b"b" * 10)
    _blobs.publish(b"a" * 10)  # used again
    _blobs.publish(b"c" * 10)
    assert asked(first).status_code == 200
    assert asked(second).status_code == 404
