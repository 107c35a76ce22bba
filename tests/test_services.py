"""The parts wired together: quick to start, one server a workspace, gone within two seconds."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from backend import services
from backend.errors import NotAllowed, WorkspaceLocked
from backend.services import build_services
from backend.settings import Settings

PROJECT = Path(__file__).parents[1]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "workspace")


def test_building_touches_no_disk(settings: Settings) -> None:
    build_services(settings)
    assert not settings.workspace.exists()


def test_a_second_server_is_told_who_has_the_workspace(settings: Settings) -> None:
    first = build_services(settings)
    first.start(warm_up=False)
    try:
        with pytest.raises(WorkspaceLocked, match=rf"process {os.getpid()}, since .*SCVI_STUDIO_WORKSPACE"):
            build_services(settings).start(warm_up=False)
        command = build_services(settings)
        command.start(server=False)  # a command beside the server is fine
        command.close()
        assert first.lock.held_by_someone
    finally:
        first.close()
    again = build_services(settings)
    again.start(warm_up=False)
    again.close()


def test_a_refused_server_leaves_the_first_one_alone(settings: Settings) -> None:
    first = build_services(settings)
    first.start(warm_up=False)
    with pytest.raises(WorkspaceLocked):
        build_services(settings).start(warm_up=False)
    assert first.runs.list() == []
    assert first.executor.alive
    first.close()


def test_a_workspace_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(NotAllowed, match=r"cannot be written.*SCVI_STUDIO_WORKSPACE"):
        build_services(Settings(tmp_path / "file" / "workspace")).start(warm_up=False)


def test_the_installed_services_are_the_current_ones(settings: Settings) -> None:
    before = services.install(None)
    with pytest.raises(AssertionError, match="install"):
        services.current()
    built = build_services(settings)
    assert services.install(built) is None
    assert services.current() is built
    assert services.install(before) is built


def test_starting_is_quick_because_torch_comes_later(tmp_path: Path) -> None:
    """In a process of its own, as the server starts."""
    program = """
import sys, time
from backend.services import build_services
from backend.settings import Settings
services = build_services(Settings.from_env())
services.start(warm_up=False)
assert not {"torch", "scvi", "lightning", "streamlit"} & set(sys.modules), "imported at the start"
services.datasets.demo()
services.close()
"""
    environment = {**os.environ, "SCVI_STUDIO_WORKSPACE": str(tmp_path / "workspace")}
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", program], cwd=PROJECT, env=environment, check=True, timeout=60)
    assert time.monotonic() - began < 20  # about 1 s; machines that test are slow


@pytest.mark.parametrize(
    ("how", "warmed"), [({}, True), ({"warm_up": False}, False), ({"server": False}, False)]
)
def test_a_server_loads_what_training_needs_before_it_is_asked_to(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, how: dict[str, bool], warmed: bool
) -> None:
    built = build_services(settings)
    loaded, passed = threading.Event(), threading.Event()
    monkeypatch.setattr(built.runs, "warm_up", loaded.set)
    built.start(**how)
    try:
        built.executor.submit(passed.set)  # what was submitted before has been done by then
        assert passed.wait(30)
        assert loaded.is_set() is warmed
    finally:
        built.close()


@pytest.mark.parametrize("own", [None, "elsewhere"])
def test_compiled_code_is_kept_in_the_workspace_unless_the_user_has_a_place(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, own: str | None
) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    if own:
        monkeypatch.setenv("NUMBA_CACHE_DIR", own)
    started = build_services(settings)
    started.start(server=False)
    started.close()
    assert os.environ["NUMBA_CACHE_DIR"] == (own or str(settings.cache_dir / "numba"))


def test_torch_gets_the_threads_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    for threads in (3, None):
        build_services(Settings(tmp_path, threads=threads)).runs.warm_up()
    assert asked == [3]


def test_workers_share_the_threads_of_one_training(tmp_path: Path) -> None:
    shared = build_services(Settings(tmp_path, workers=3, threads=6))
    assert [place.name for place in shared.runs.workers()] == ["worker 1", "worker 2", "worker 3"]
    assert shared.settings.threads == 2
    alone = build_services(Settings(tmp_path, workers=1, threads=6))
    assert [place.threads for place in alone.runs.workers()] == [6]
    here = build_services(Settings(tmp_path, threads=6))
    assert [place.name for place in here.runs.workers()] == [""]


def test_several_cards_have_a_worker_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "cuda_cards", lambda: ("0", "1"))
    places = build_services(Settings(tmp_path)).runs.workers()
    assert [(place.device, "cpu" in place.accelerators) for place in places] == [
        ("CUDA card 0", True),
        ("CUDA card 1", False),
    ]
