"""The documents say what is true: commands, pictures, settings, and which files are where."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
README = (PROJECT / "README.md").read_text(encoding="utf-8")


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`?make ([a-z]+)\b", README)) - {"it", "this"}
    assert named <= targets


def test_every_picture_and_file_linked_exists() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (PROJECT / link).exists()] == []


def test_every_setting_read_from_the_environment_is_explained() -> None:
    settings = (PROJECT / "backend" / "settings.py").read_text()
    names = set(re.findall(r'"(SCVI_STUDIO_\w+)"', settings))
    assert names
    assert names <= set(re.findall(r"SCVI_STUDIO_\w+", README))


def test_the_architecture_is_what_the_code_says() -> None:
    check = [sys.executable, "scripts/architecture.py", "--check"]
    done = subprocess.run(check, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_files_that_a_contributor_is_sent_to_exist() -> None:
    text = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:backend|pages|tests|docs)[\w./-]*|README\.md|pyproject\.toml)`", text)
    assert len(paths) > 20
    assert [path for path in paths if not (PROJECT / path).exists()] == []


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len(README.encode()) < 12_000
