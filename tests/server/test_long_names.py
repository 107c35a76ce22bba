"""Names of 5,000 characters, wherever a name can be given: a sentence, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.datasets import DatasetLibrary
from backend.errors import StudioError
from backend.settings import Settings
from tests.browser.server import Server
from tests.pages import test_routes
from tests.server.test_gate import ask

LONG = "a" * 5000
routes = test_routes.server  # our own routes over real sockets, with a token that is known


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("long") / "workspace").start()
    yield server
    server.stop()


@pytest.mark.parametrize(
    "path",
    [
        *(f"/{LONG}", f"/train/{LONG}", "/" + "a/" * 2500, f"/train?run={LONG}", f"/static/{LONG}"),
        *(f"/media/{LONG}", f"/component/x/{LONG}", f"/_stcore/{LONG}", f"/api/assets/plotly-{LONG}.min.js"),
        *(f"/api/download/{LONG}/x", f"/api/download/x/{LONG}", f"/api/frames/x/{LONG}", f"/api/blob/{LONG}"),
        *("/%00", "/train/%00", "/%ff%fe", f"/api/upload?name={LONG}.h5ad"),
    ],
)
def test_a_long_address_is_answered(dashboard: Server, path: str) -> None:
    before = len(dashboard.log)
    status, _, body = ask(dashboard, path)
    assert status < 500
    assert "Traceback" not in body
    assert "Traceback" not in dashboard.log[before:]


def test_a_long_header_is_answered(dashboard: Server) -> None:
    status, _, body = ask(
        dashboard, "/api/upload?name=a.h5ad", "POST", b"x", Content_Disposition=f"attachment; filename={LONG}"
    )
    assert 400 <= status < 500
    assert "Traceback" not in body + dashboard.log


def test_an_upload_keeps_the_end_of_a_long_name(routes: test_routes.Server) -> None:
    status, answer = routes.upload(b"HDF", name=f"{LONG}.h5ad")
    assert status == 200
    name = str(answer["name"])
    assert len(name) <= 200
    assert name.endswith("aaa.h5ad")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (f"name={LONG}&size=1", 400),
        (f"name={LONG}.h5ad&size={'9' * 5000}", 200),  # no size that can be: as if unsaid
        (f"name={LONG}.h5ad&size={'9' * 15}", 413),
        ("name=%00%ff.h5ad&size=-1", 200),
    ],
)
def test_what_is_asked_before_an_upload_is_answered(
    routes: test_routes.Server, query: str, status: int
) -> None:
    got, _, body = routes.ask("GET", f"/api/upload?{query}")
    assert got == status
    assert status == 200 or json.loads(body)["error"].endswith(".")


@pytest.mark.parametrize(
    "path",
    [
        *(f"/api/download/{LONG}/model.zip", f"/api/download/x/{LONG}", f"/api/together/{LONG}/{LONG}"),
        f"/api/blob/{LONG}",
    ],
)
def test_a_long_name_of_a_result_is_not_found(routes: test_routes.Server, path: str) -> None:
    status, _, body = routes.ask("GET", path)
    assert 400 <= status < 500
    assert b"Traceback" not in body


@pytest.mark.parametrize(
    "url",
    [f"https://{LONG}.org/a.h5ad", f"https://example.org/{LONG}", f"https://{'a.' * 1500}org/x", LONG],
)
def test_a_long_link_is_a_sentence(tmp_path: Path, url: str) -> None:
    library = DatasetLibrary(Settings(tmp_path / "workspace"))
    library.start(resume=False)
    with pytest.raises(StudioError) as refused:
        library.wait(library.fetch_url(url).job_id, 20)
    assert "unexpected" not in str(refused.value)
    assert len(str(refused.value)) < 600
    library.close()


@pytest.mark.parametrize("path", [LONG, f"/{LONG}", f"sub/{LONG}.h5ad", "a/" * 2500, "\0", "../" * 1700])
def test_a_long_path_in_the_data_folder_is_a_sentence(tmp_path: Path, path: str) -> None:
    library = DatasetLibrary(Settings(tmp_path / "workspace"))
    library.start(resume=False)
    with pytest.raises(StudioError) as refused:
        library.open_local(path)
    assert len(str(refused.value)) < 600
    library.close()
