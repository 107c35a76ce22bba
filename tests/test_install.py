"""``scripts/install.sh`` says at once what cannot work, before gigabytes arrive."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "install.sh"


def installed_on(folder: Path, machine: str, version: str) -> subprocess.CompletedProcess[str]:
    """``install.sh`` on a Mac, in a folder where ``.venv`` is made already."""
    programs = {
        "path/uname": f'[ "$1" = -m ] && echo {machine} || echo Darwin',
        "path/sw_vers": f"echo {version}",
        ".venv/bin/python": "exit 0",
    }
    for name, script in programs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    (folder / "scripts").mkdir()
    copy = shutil.copy(SCRIPT, folder / "scripts")
    environment = {**os.environ, "PATH": f"{folder / 'path'}:{os.environ['PATH']}"}
    return subprocess.run([copy], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("machine", "version", "sentence"),
    [
        ("x86_64", "15.1", "needs a Mac with Apple silicon"),
        ("arm64", "13.6.1", "needs macOS 14 or newer, as PyTorch does. This is macOS 13.6.1."),
    ],
    ids=["Intel", "old macOS"],
)
def test_a_mac_that_pytorch_is_not_built_for_is_told(
    tmp_path: Path, machine: str, version: str, sentence: str
) -> None:
    done = installed_on(tmp_path, machine, version)
    assert done.returncode == 1
    assert sentence in done.stderr


def test_a_mac_that_it_is_built_for_goes_on(tmp_path: Path) -> None:
    done = installed_on(tmp_path, "arm64", "14.0")
    assert (done.returncode, done.stderr) == (0, "")
