"""Write docs/ARCHITECTURE.md: the annotated tree, a line a file in the words of its docstring, and who may import whom.

python scripts/architecture.py            # writes it
python scripts/architecture.py --check    # exit code 1 where it is not what the code says
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))
DOCUMENT = PROJECT / "docs" / "ARCHITECTURE.md"
WIDTH = 118

# what has no docstring, and folders whose files are many and alike
WORDS = {
    ".streamlit/config.toml": "address, safety and the look of the dashboard",
    "Makefile": "`make help` lists what it does",
    "requirements.txt": "what the dashboard needs, pinned; requirements-dev.txt: what tests need besides",
    "pyproject.toml": "the package and the tools' settings",
    "scripts/install.sh": "makes .venv, quick when nothing changed",
    "tests": "mirrors backend/ and pages/",
    "tests/browser": "a real Chromium against a real server",
    "tests/benchmarks": "what `make bench` measures",
    "tests/chaos": "what `make chaos` tries",
    "pages": "the dashboard: a folder a page, page.py from top to bottom, its sections and their JavaScript beside it",
    "pages/assets": "wordmark and icon",
    "pages/compare": "devices, minibatch sizes and runs against each other",
    "pages/compare/duel": "two contestants in a race",
    "pages/compare/side": "any runs side by side",
    "pages/compare/sweep": "a grid of settings",
    "pages/data": "load, inspect and prepare a data set",
    "pages/device": "what this computer can train on",
    "pages/explore": "the cells of a trained model",
    "pages/run": "one run, live or finished",
    "pages/runs": "every run",
    "pages/server": "the HTTP side: routes, access, uploads, lifespan, log",
    "pages/shared": "what two or more pages show",
    "pages/start": "the first page",
    "pages/train": "the form of settings",
}
ORDER = (
    "app.py",
    "pages",
    "backend",
    "tests",
    "scripts",
    ".streamlit",
    "Makefile",
    "pyproject.toml",
    "requirements.txt",
)
HEAD = """# Architecture

Written by `scripts/architecture.py` (`make format`); a test holds it against the code.

A file arrives, `datasets` finds its raw counts and writes a prepared copy. A page turns its form into a `RunSpec`;
`runs` queues it and hands a `TrainJob` to a worker, which trains and tells events; `runs` alone writes them to the
`registry`, where every page, tab and process reads them. `analysis` and `exports` work from what the run left in its
folder. What is said to people is made in `words`.
"""
RULE = """
## Who may import whom

Each room may use those named behind it, and never one that is not (`tests/test_architecture.py`). A room's door is its
`__init__.py`; its other files are private. Pages use `services`, `charts`, `words` and the vocabulary alone. Nothing in
`backend` imports Streamlit. `backend` imports itself relatively, since installed it is `scvi_studio.backend`.
"""


def first_sentence(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return paragraph.split(". ")[0].rstrip(".").removeprefix("scVI Studio: ")


def entries(folder: Path, depth: int) -> list[tuple[str, str]]:
    """Name with indentation, and words, of everything in ``folder``: files first, then folders."""
    lines: list[tuple[str, str]] = []
    for path in sorted(folder.iterdir(), key=lambda path: (path.is_dir(), path.name)):
        known = str(path.relative_to(PROJECT))
        indent = "  " * depth
        if path.name.startswith(".") or path.name in ("__pycache__", "__init__.py"):
            continue
        if path.is_dir():
            public = path / "__init__.py"
            words = first_sentence(public) if public.exists() else WORDS.get(known, "")
            inside = entries(path, depth + 1)
            if words or inside:
                lines.append((f"{indent}{path.name}/", words))
                lines += inside
        elif path.suffix == ".py":
            lines.append((f"{indent}{path.name}", first_sentence(path)))
        elif known in WORDS:
            lines.append((f"{indent}{path.name}", WORDS[known]))
    return lines


def tree() -> str:
    lines: list[tuple[str, str]] = []
    for name in ORDER:
        path = PROJECT / name
        if name == "tests":
            lines.append(("tests/", WORDS[name]))
            lines += [(f"  {part}/", WORDS[f"tests/{part}"]) for part in ("browser", "benchmarks", "chaos")]
        elif name == ".streamlit":
            lines.append((".streamlit/config.toml", WORDS[".streamlit/config.toml"]))
        elif path.is_dir():
            public = path / "__init__.py"
            lines.append((f"{name}/", first_sentence(public) if public.exists() else WORDS.get(name, "")))
            lines += entries(path, 1)
        else:
            lines.append((name, first_sentence(path) if path.suffix == ".py" else WORDS[name]))
    widest = max(len(name) for name, _ in lines) + 2
    shown = [f"{name.ljust(widest)}{words}".rstrip() for name, words in lines]
    return "```\n" + "\n".join(shorten(line, widest + 20) for line in shown) + "\n```\n"


def shorten(line: str, least: int) -> str:
    """``line`` up to WIDTH characters: without its last clauses where that is enough, else cut at a word."""
    if len(line) <= WIDTH:
        return line
    head = line[: WIDTH - 1]
    for end in ("; ", ": ", ", "):
        if head.rfind(end) > least:
            return head[: head.rfind(end)]
    return head[:-1].rsplit(" ", 1)[0] + " …"


def rule() -> str:
    from tests.test_architecture import ALLOWED, BASE

    lines = []
    for room, below in ALLOWED.items():
        said = [f"`{name}`" for name in sorted(below - BASE if below >= BASE else below)]
        if below >= BASE:
            said.append("the vocabulary")
        lines.append(f"| `{room}` | {', '.join(said) or 'nothing of ours'} |")
    vocabulary = f"The vocabulary is {', '.join(f'`{name}`' for name in sorted(BASE))}."
    return f"{RULE}\n{vocabulary}\n\n| room | may import |\n| --- | --- |\n" + "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    wanted = f"{HEAD}\n{tree()}{rule()}"
    if "--check" in arguments:
        stale = not DOCUMENT.exists() or DOCUMENT.read_text(encoding="utf-8") != wanted
        if stale:
            print("docs/ARCHITECTURE.md is not what the code says. `make format` writes it.", file=sys.stderr)
        return int(stale)
    DOCUMENT.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
