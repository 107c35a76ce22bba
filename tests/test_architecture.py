"""The house rules of who may import whom, read from the source."""

from __future__ import annotations

import ast
import importlib
import re
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
BACKEND = PROJECT / "backend"

BASE = {"types", "errors", "settings", "words"}
# Each room and what it may import besides itself. Left of the arrow is further from the user.
ALLOWED: dict[str, set[str]] = {
    "types": set(),
    "errors": {"types"},
    "settings": {"errors"},
    "words": {"types"},
    "storage": BASE,
    "columns": {"types"},
    "jobs": BASE | {"storage"},
    "charts": {"types", "words"},
    "registry": BASE | {"storage"},
    "quality": {"errors", "types"},
    "datasets": BASE | {"columns", "jobs", "quality", "storage"},
    "devices": BASE,
    "kernels": set(),
    "network": {"kernels"},
    "workers": BASE | {"jobs", "training"},
    "training": BASE | {"datasets", "devices", "kernels", "network", "storage"},
    "bench": BASE | {"datasets", "kernels", "network", "training"},
    "runs": BASE | {"jobs", "columns", "storage", "datasets", "devices", "workers", "registry", "training"},
    "groups": BASE | {"storage", "registry", "runs", "training"},
    "checks": BASE | {"devices", "jobs", "registry", "training"},
    "analysis": BASE | {"devices", "columns", "jobs", "datasets", "storage"},
    "comparison": BASE | {"analysis", "registry"},
    "exports": BASE | {"jobs", "charts", "columns", "quality", "registry", "storage", "training"},
    "services": BASE
    | {
        "storage",
        "jobs",
        "datasets",
        "devices",
        "workers",
        "registry",
        "training",
        "runs",
        "groups",
        "checks",
        "analysis",
        "comparison",
        "exports",
    },
    "cli": BASE | {"services", "storage", "bench", "devices", "training", "datasets", "quality"},
    "__main__": BASE | {"cli"},
}
FOR_PAGES = BASE | {"services", "charts", "columns", "quality", "storage"}


def room_of(module: str) -> str:
    """``backend.runs._log`` -> ``runs``."""
    return module.split(".")[1]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module a file imports, wherever in the file; ``from a import b`` counts as ``a`` and ``a.b``."""
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inside = BACKEND in path.parents
            module = node.module or ""
            ours = module.split(".")[0] in ("backend", "pages")
            assert not (inside and ours), (
                f"{path}: the backend is imported under two names, so from .. import"
            )
            assert inside or node.level == 0, f"{path}: imports are written out in full"
            if node.level:
                module = ".".join((*path.relative_to(PROJECT).parts[: -node.level], *filter(None, [module])))
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def module_name(path: Path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def rooms_used(path: Path) -> set[str]:
    names = {name for name in imports(path) if name.startswith("backend.")}
    return {room_of(name) for name in names if (BACKEND / name.split(".")[1]).exists() or exists(name)}


def exists(name: str) -> bool:
    return (BACKEND / f"{name.split('.')[1]}.py").exists()


BACKEND_FILES = [path for path in sources(BACKEND) if path != BACKEND / "__init__.py"]
PAGE_FILES = [PROJECT / "app.py", *sources(PROJECT / "pages")]


@pytest.mark.parametrize("path", BACKEND_FILES, ids=module_name)
def test_a_room_imports_only_rooms_below_it(path: Path) -> None:
    room = room_of(module_name(path))
    assert room in ALLOWED, f"{room} is a new room: say in ALLOWED what it may import"
    assert rooms_used(path) - {room} <= ALLOWED[room]


@pytest.mark.parametrize("path", BACKEND_FILES, ids=module_name)
def test_the_backend_knows_nothing_of_pages(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports(path)}
    assert not roots & {"streamlit", "pages", "app", "tests"}


def rooms_that_are_packages() -> list[str]:
    return sorted(path.parent.name for path in BACKEND.glob("*/__init__.py"))


@pytest.mark.parametrize("path", [*BACKEND_FILES, *PAGE_FILES], ids=module_name)
def test_nobody_reaches_behind_the_door_of_a_room(path: Path) -> None:
    own = room_of(module_name(path)) if BACKEND in path.parents else ""
    packages = set(rooms_that_are_packages())
    behind = {
        name
        for name in imports(path)
        if name.startswith("backend.") and name.count(".") >= 2 and name.split(".")[2].startswith("_")
        if name.split(".")[1] in packages and name.split(".")[1] != own
    }
    assert not behind


@pytest.mark.parametrize("room", rooms_that_are_packages())
def test_a_room_has_one_door(room: str) -> None:
    """Everything public is named in ``__all__`` of the package; its other files are private."""
    public_files = {path.name for path in (BACKEND / room).glob("*.py") if not path.name.startswith("_")}
    assert not public_files or room == "cli"  # whose files are its commands
    module = importlib.import_module(f"backend.{room}")
    assert module.__doc__
    assert module.__all__
    assert all(hasattr(module, name) for name in module.__all__)


@pytest.mark.parametrize("path", PAGE_FILES, ids=module_name)
def test_pages_talk_to_the_services(path: Path) -> None:
    assert rooms_used(path) <= FOR_PAGES


def test_the_database_is_opened_by_the_registry_alone() -> None:
    users = {module_name(path) for path in BACKEND_FILES if "sqlite3" in imports(path)}
    assert {room_of(name) for name in users} == {"registry"}


def test_the_environment_is_read_by_the_settings_alone() -> None:
    allowed = {"backend.settings"}
    readers = set()
    for path in BACKEND_FILES:
        text = path.read_text(encoding="utf-8")
        if "os.getenv" in text or 'os.environ.get("SCVI' in text or 'environ["SCVI' in text:
            readers.add(module_name(path))
    assert readers <= allowed


@pytest.mark.parametrize("path", [*BACKEND_FILES, *PAGE_FILES], ids=module_name)
def test_a_file_holds_one_idea(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 500


@pytest.mark.parametrize("path", [*BACKEND_FILES, *PAGE_FILES], ids=module_name)
def test_a_module_opens_with_what_it_is(path: Path) -> None:
    text = ast.get_docstring(tree_of(path))
    assert text, "a module says what it does, what it refuses and how to call it"
    assert text.count("\n") < 10


def test_the_rule_has_no_circle() -> None:
    list(TopologicalSorter({room: below - {room} for room, below in ALLOWED.items()}).static_order())


def test_no_files_import_each_other_in_a_circle() -> None:
    names = {module_name(path): path for path in [*BACKEND_FILES, *PAGE_FILES]}
    inside = {name: (imports(path) & set(names)) - {name} for name, path in names.items()}
    doors = {f"backend.{room}" for room in rooms_that_are_packages()}
    list(TopologicalSorter({name: used - doors for name, used in inside.items()}).static_order())


def test_a_file_name_tells_what_it_is_for() -> None:
    """Three files of one name, and one of them is opened for another."""
    named = Counter(path.name for path in [*BACKEND_FILES, *PAGE_FILES])
    often = {name for name, times in named.items() if times > 2} - {"__init__.py", "page.py"}
    assert not often


# --- tests come in through the door as well ---

# Private files of a room that tests of the same room may open, each for a reason; tests of other rooms never.
INNER: dict[str, set[str]] = {
    # formulas and kernels, compared with a reference or by hand: no door is as exact
    "analysis": {
        "_differential",
        "_markers",
        "_trust",
        "_cells",
    },  # the last two: blocks made small enough to be several
    # formulas and kernels, compared with a reference or by hand: no door is as exact
    "comparison": {"_agreement"},
    "kernels": {"_compiled", "_numba", "_reference", "_torch", "_triton"},
    "groups": {"_grid", "_progress"},
    "network": {"_network"},  # a limit made small
    "runs": {"_session"},  # what numbers add up to
    # parts of training that a whole run would show only by its loss, and limits made small
    "training": {
        "_checkpoint",
        "_clock",
        "_course",
        "_engines",
        "_estimates",
        "_exactness",
        "_frame_files",
        "_frames",
        "_minibatches",
        "_model",
        "_pace",
        "_precision",
        "_recalibration",
        "_resuming",
        "_space",
        "_watch",
    },
    # readers of what people bring: each odd file is one call, where the library would start a process for it
    "datasets": {
        "_addresses",
        "_adviser",
        "_container",
        "_download",
        "_folder",
        "_inspect",
        "_library",
        "_matrices",
        "_proxy",
        "_public",
        "_scan",
        "_seurat",
        "_simulate",
        "_sources",
        "_species",
        "_tables",
        "_verdict",
    },
    # machines that are not here, and how fast they are, are made up
    "bench": {"_engines", "_roofline"},
    "devices": {"_accelerators", "_machine"},
    # the other side of a worker process, in a thread of the test
    "workers": {"_conditions", "_serving"},
    # a script of every setting, without a run to export
    "exports": {"_recipe", "_recipe_code"},
    # steps of the schema and plans of queries, on a bare connection
    "registry": {"_metrics", "_migrations"},
}
# Files that open a private file of another room.
REACHES: dict[str, set[str]] = {
    # time parts of an analysis apart, in the process that does them
    "tests/benchmarks/labels.py": {"analysis._clusters", "analysis._graph", "training._process"},
    "tests/benchmarks/after_training.py": {"analysis._differential", "training._model"},
    "tests/benchmarks/map.py": {"analysis._work"},
    # judge a latent space as Explore does, without a run of a workspace; count processor seconds
    "tests/benchmarks/presets.py": {
        "analysis._clusters",
        "analysis._graph",
        "analysis._mixing",
        "analysis._resolution",
        "training._clock",
    },
    # takes its minibatches from a model's cells, as a run does
    "tests/network/test_step.py": {"training._minibatches"},
    # breaks the arithmetic, to see that the check of a device finds it
    "tests/training/test_device_check.py": {"kernels._numba"},
    # counts the threads that enter a kernel
    "tests/training/test_threads.py": {"kernels._numba", "kernels._rows"},
    # reads which parameters a notice is given as **
    "tests/words/test_notices.py": {"datasets._seurat"},
}
TEST_FILES = sources(PROJECT / "tests")
PRIVATE = re.compile(r"backend\.([a-z]\w*\._[a-z]\w*)")


@cache
def private_files_used(path: Path) -> frozenset[str]:
    """``room._file`` for each that a test imports, patches or starts by its name."""
    tree = tree_of(path)
    written = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    names = imports(path) | {text for text in written if " " not in text}
    return frozenset(found[1] for found in map(PRIVATE.match, names) if found)


@pytest.mark.parametrize("path", TEST_FILES, ids=module_name)
def test_tests_do_not_reach_behind_the_door_of_a_room(path: Path) -> None:
    place = path.relative_to(PROJECT)
    own = {f"{place.parts[1]}.{name}" for name in INNER.get(place.parts[1], ())}
    assert private_files_used(path) <= own | REACHES.get(place.as_posix(), set())


def test_no_exception_outlives_its_reason() -> None:
    used = {path: private_files_used(path) for path in TEST_FILES}
    for room, names in INNER.items():
        inside = set().union(*(used[path] for path in used if path.parent.name == room))
        assert {f"{room}.{name}" for name in names} <= inside
    for place, reached in REACHES.items():
        assert reached <= used[PROJECT / place]


def bare(node: ast.expr | None, name: str) -> bool:
    """Whether an annotation is ``name`` itself, or one with None, and no container of it."""
    match node:
        case ast.Name(found) | ast.Attribute(ast.Name("np"), found):
            return found == name
        case ast.BinOp(left, _, right):
            return bare(left, name) or bare(right, name)
    return False


def annotations(tree: ast.Module) -> list[ast.expr]:
    found: list[ast.expr | None] = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            given = node.args
            found += [one.annotation for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
            found.append(node.returns)
        elif isinstance(node, ast.AnnAssign):
            found.append(node.annotation)
    return [one for one in found if one is not None]


@pytest.mark.parametrize("path", sources(BACKEND), ids=lambda path: str(path.relative_to(PROJECT)))
def test_a_type_says_something_or_why_it_cannot(path: Path) -> None:
    """``Any`` has its reason on the line, or for the file in a comment that names it; an array says of what."""
    text = path.read_text(encoding="utf-8")
    lines, tree = text.splitlines(), tree_of(path)
    has_reason = re.search(r"(?m)^#.*``Any``", text) or "``Any``" in (ast.get_docstring(tree) or "")
    for annotation in annotations(tree):
        line = lines[annotation.lineno - 1]
        assert not bare(annotation, "ndarray"), f"{annotation.lineno}: an array of what? {line.strip()}"
        if not has_reason:
            assert not bare(annotation, "Any") or "#" in line, f"{annotation.lineno}: why? {line.strip()}"
