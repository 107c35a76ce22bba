"""What others start us with: commands and files that exist, and templates that can be read. No portal, no Docker."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from backend.cli.args import parse

PROJECT = Path(__file__).resolve().parent.parent
DOCKERFILE = (PROJECT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
ONDEMAND = PROJECT / "deploy" / "ondemand"


def test_the_image_copies_what_is_there_and_starts_what_exists() -> None:
    for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE):
        for name in line.split()[:-1]:
            assert (PROJECT / name).exists(), name
    words = re.findall(r'"([^"]+)"', DOCKERFILE.split("ENTRYPOINT")[1])
    args = parse(words[words.index("backend") + 1 :])
    assert (args.command, args.address, args.port) == ("run", "0.0.0.0", 8501)
    assert "USER studio" in DOCKERFILE


def test_the_app_of_open_ondemand_is_complete() -> None:
    names = {path.relative_to(ONDEMAND).as_posix() for path in ONDEMAND.rglob("*") if path.is_file()}
    assert {"form.yml", "manifest.yml", "submit.yml.erb", "view.html.erb", "template/script.sh.erb"} <= names
    asked = set(re.findall(r"^  - (\w+)$", (ONDEMAND / "form.yml").read_text(), re.MULTILINE))
    script = (ONDEMAND / "template" / "script.sh.erb").read_text()
    assert set(re.findall(r"context\.(\w+)", script)) <= asked
    command = script.rsplit("-m backend", 1)[1].split()
    words = [re.sub(r'["${}]', "", word) for word in command]
    assert parse(["1" if word == "port" else word for word in words]).base_path


@pytest.mark.parametrize("name", ["before.sh.erb", "script.sh.erb"])
def test_its_scripts_are_shell(name: str) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    text = re.sub(r"<%=.*?%>", "x", (ONDEMAND / "template" / name).read_text())
    subprocess.run([bash, "-n"], input=text, text=True, check=True)
