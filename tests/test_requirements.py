"""What the application imports is pinned in requirements.txt, and nothing else is."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

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
    roots = {name.split(".")[0] for name in found} - sys.stdlib_module_names - {"backend", "pages"}
    return {OTHER_NAMES.get(name, name) for name in roots}


def test_every_import_is_pinned_and_every_pin_is_imported() -> None:
    lines = (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all("==" in pin.partition(";")[0] for pin in pins)
    assert {pin.split("==")[0] for pin in pins} == imported()
