"""What the application imports is pinned in requirements.txt, within what the package says it works with."""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parent.parent
OTHER_NAMES = {  # imported under another name than installed
    "scvi": "scvi-tools",
    "skmisc": "scikit-misc",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
}


def imported() -> set[str]:
    found: set[str] = set()
    for path in [
        PROJECT / "app.py",
        *(PROJECT / "backend").rglob("*.py"),
        *(PROJECT / "pages").rglob("*.py"),
    ]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module or "")
    own = {"backend", "pages", "triton"}  # triton comes with the torch that needs it
    roots = {name.split(".")[0] for name in found} - sys.stdlib_module_names - own
    return {OTHER_NAMES.get(name, name) for name in roots}


def pins() -> list[Requirement]:
    lines = (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_every_import_is_pinned_and_every_pin_is_imported() -> None:
    assert all([part.operator for part in pin.specifier] == ["=="] for pin in pins())
    assert {pin.name for pin in pins()} == imported()


def test_the_package_accepts_what_is_pinned() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    accepted = {one.name: one.specifier for one in map(Requirement, project["dependencies"])}
    assert set(accepted) == imported()
    for pin in pins():
        [version] = [part.version for part in pin.specifier]
        assert accepted[pin.name].contains(version), pin
