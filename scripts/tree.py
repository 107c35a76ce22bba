"""The annotated tree in README.md: one line a file, in the words of its docstring's first line.

python scripts/tree.py            # rewrites it
python scripts/tree.py --check    # exit code 1 where it lists other files than there are
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
README = PROJECT / "README.md"
BEGIN, END = "<!-- tree -->\n", "<!-- /tree -->\n"
WIDTH = 118

# what has no docstring, and folders whose files are many and alike
WORDS = {
    ".streamlit/config.toml": "address, safety and the look of the dashboard",
    "Makefile": "`make help` lists what it does",
    "requirements.txt": "what the dashboard needs, pinned; requirements-dev.txt: what tests need besides",
    "scripts/install.sh": "makes .venv, quick when nothing changed",
    "tests": "mirrors backend/ and pages/",
    "tests/browser": "a real Chromium against a real server",
    "tests/benchmarks": "what `make bench` measures",
    "pages/assets": "wordmark and icon",
}
ORDER = ("app.py", "pages", "backend", "tests", "scripts", ".streamlit", "Makefile", "requirements.txt")


def first_sentence(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    sentence = paragraph.split(". ")[0].rstrip(".")
    return sentence.removeprefix("scVI Studio: ")


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
            lines += [(f"  {part}/", WORDS[f"tests/{part}"]) for part in ("browser", "benchmarks")]
        elif path.is_dir():
            public = path / "__init__.py"
            lines.append((f"{name}/", first_sentence(public) if public.exists() else ""))
            if name == ".streamlit":
                lines.append(("  config.toml", WORDS[".streamlit/config.toml"]))
            else:
                lines += entries(path, 1)
        elif path.suffix == ".py":
            lines.append((name, first_sentence(path)))
        else:
            lines.append((name, WORDS[name]))
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


def names(text: str) -> set[str]:
    return {line.split()[0] for line in text.splitlines() if line.strip("` ")}


def main(arguments: list[str]) -> int:
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    present, after = rest.split(END)
    wanted = tree()
    if "--check" in arguments:
        stale = names(present) ^ names(wanted)
        if stale:
            print(
                f"Wrong in README.md's tree: {', '.join(sorted(stale))}. `make format` mends it.",
                file=sys.stderr,
            )
        return int(bool(stale))
    README.write_text(f"{before}{BEGIN}{wanted}{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
