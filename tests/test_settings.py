"""The environment becomes settings once, and every folder of a workspace follows from them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backend.errors import BadInput
from backend.settings import Settings


def test_nothing_set_gives_what_the_readme_says() -> None:
    settings = Settings.from_env({})
    assert settings.max_upload_bytes == 20e9
    assert settings.threads is None
    assert settings.checkpoint_seconds == 30
    assert settings.data_dirs == ()
    assert settings.workspace == Path(__file__).parents[1] / "workspace"


def test_each_variable_changes_its_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("data", "cells"):
        (tmp_path / name).mkdir()
    settings = Settings.from_env(
        {
            "SCVI_STUDIO_WORKSPACE": "~/work",
            "SCVI_STUDIO_DATA_DIRS": os.pathsep.join([str(tmp_path / "data"), "", "~/cells"]),
            "SCVI_STUDIO_MAX_UPLOAD_GB": "0.5",
            "SCVI_STUDIO_THREADS": " 3 ",
            "SCVI_STUDIO_CHECKPOINT_SECONDS": "7.5",
            "SCVI_STUDIO_WORKERS": "2",
        }
    )
    assert settings.workers == 2
    assert settings.workspace == tmp_path / "work"
    assert settings.data_dirs == settings.allowed_dirs == (tmp_path / "data", tmp_path / "cells")
    assert (settings.max_upload_bytes, settings.threads, settings.checkpoint_seconds) == (5e8, 3, 7.5)


@pytest.mark.parametrize("name", ["MAX_UPLOAD_GB", "THREADS", "CHECKPOINT_SECONDS", "WORKERS"])
@pytest.mark.parametrize("text", ["many", "-1", "nan"])
def test_a_value_that_is_no_amount_is_refused_by_the_name_of_its_variable(name: str, text: str) -> None:
    with pytest.raises(BadInput, match=f"SCVI_STUDIO_{name}.*'{text}'"):
        Settings.from_env({f"SCVI_STUDIO_{name}": text})


def test_everything_lies_within_the_workspace(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    assert settings.allowed_dirs == (tmp_path / "data",)
    names = [name for name in dir(Settings) if name.endswith(("_dir", "_path"))]
    places = {getattr(settings, name) for name in names}
    assert len(places) == len(names) == 7
    assert {place.parent for place in places} == {tmp_path}


def test_another_process_is_sent_to_the_same_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELSEWHERE", "kept")
    environment = Settings(tmp_path / "w").environment()
    assert environment["ELSEWHERE"] == "kept"
    assert Settings.from_env(environment).workspace == tmp_path / "w"
