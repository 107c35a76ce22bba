"""``make mutants``: change the code in one place at a time and see whether the room's own tests notice.

    python -m tests.mutants --number 60              # a sample over all rooms of the backend
    python -m tests.mutants --room registry --seed 3
    python -m tests.mutants --quick                  # without testing each room first

Works on a copy of the tree. The places come from Cosmic Ray's operators: a comparison, a condition, a number, a truth
value or an arithmetic sign becomes another. A room is first tested as it is: where its tests fail without any change,
they would notice everything, so that its share says nothing, and the sample ends. Ends with 1 where fewer than 85 %
were noticed.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.ast import get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

PROJECT = Path(__file__).resolve().parents[1]
ENOUGH = 0.85
ELSEWHERE = {"network": ("tests/network", "tests/training/test_fused_run.py")}
QUICK = 600  # seconds, where it is not known how long a room's tests take
PATIENCE, LEAST = (
    5,
    120,
)  # times as long as without a change, and seconds: tests that hang so long have noticed
KINDS = (
    "ReplaceComparison",
    "AddNot",
    "ReplaceTrue",
    "ReplaceFalse",
    "ReplaceAnd",
    "ReplaceOr",
    "ReplaceBreak",
)
KINDS += (
    "ReplaceContinue",
    "NumberReplacer",
    "Delete_",
    "Add_Sub",
    "Sub_Add",
    "Mul_Div",
)  # not of `/`, which joins paths
UNTOLD = ("_Is", "Is_", "IsNot_")  # `==` for `is` is the same for what it is used on


@dataclass(frozen=True)
class Mutant:
    path: str
    operator: str
    occurrence: int
    line: int

    @property
    def room(self) -> str:
        return room_of(self.path)

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.operator.removeprefix('core/')}"


def operators() -> list[str]:
    return [
        name
        for name in operator_names()
        if any(kind in name for kind in KINDS)
        and not any(name.endswith(end) or end in name for end in UNTOLD)
    ]


def mutants_of(path: str, names: list[str]) -> list[Mutant]:
    source = (PROJECT / path).read_text(encoding="utf-8")
    lines, tree = source.splitlines(), get_ast(source)
    found = []
    for name in names:
        places = [
            (node, start)
            for node in _nodes(tree)
            for start, _ in get_operator(name)().mutation_positions(node)
        ]
        found += [
            Mutant(path, name, n, start[0])
            for n, (node, start) in enumerate(places)
            if node.parent is None or node.parent.type != "parameters"  # the `*` before names is no product
            if not lines[start[0] - 1]
            .lstrip()
            .startswith("@dataclass")  # frozen and slots: nothing that runs
        ]
    return found


def _nodes(node):  # type: ignore[no-untyped-def]  # in Cosmic Ray's order
    yield node
    for child in getattr(node, "children", ()):
        yield from _nodes(child)


def room_of(path: str) -> str:
    """Of ``backend/runs/_queue.py`` "runs", of ``backend/settings.py`` "settings"."""
    return Path(path).parts[1].removesuffix(".py")


def tests_of(room: str) -> list[str]:
    """The folder, or the file, of the room's name, or what ``ELSEWHERE`` says: a room without is a mistake."""
    named = ELSEWHERE.get(room, (f"tests/{room}", f"tests/test_{room}.py"))
    found = [name for name in named if (PROJECT / name).exists()]
    assert found, f"backend/{room} has no tests/{room} and no tests/test_{room}.py"
    return found


def failure(tests: list[str], tree: Path, seconds: float | None = None) -> str:
    """The first of these tests that fails; the name of them all where they do not end in time, or break otherwise."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return " ".join(tests)
    if not done.returncode:
        return ""
    named = re.search(r"(?m)^FAILED (.+?)(?: - .*)?$", done.stdout)
    return named[1] if named else " ".join(tests)


def noticed(mutant: Mutant, tree: Path, seconds: float) -> str:
    """By which test."""
    path = tree / mutant.path
    before = path.read_text(encoding="utf-8")
    changed = mutate_code(before, get_operator(mutant.operator)(), mutant.occurrence)
    assert changed is not None, f"{mutant}: nothing to change"
    path.write_text(changed, encoding="utf-8")
    try:
        return failure(tests_of(mutant.room), tree, seconds)
    finally:
        path.write_text(before, encoding="utf-8")


def sample(files: list[str], number: int, seed: int) -> list[Mutant]:
    """Spread evenly over the rooms, at random within each."""
    names, chance = operators(), random.Random(seed)
    rooms: dict[str, list[Mutant]] = {}
    for path in files:
        for mutant in mutants_of(path, names):
            rooms.setdefault(mutant.room, []).append(mutant)
    for found in rooms.values():
        chance.shuffle(found)
    chosen: list[Mutant] = []
    while len(chosen) < number and any(rooms.values()):
        chosen += [found.pop() for found in rooms.values() if found]
    return chosen[:number]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--room", default="")
    parser.add_argument("--number", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="do not test each room first: repeat without the change only the test that noticed it",
    )
    args = parser.parse_args()
    listed = subprocess.run(
        ["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    tracked = listed.splitlines()
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for name in tracked:
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, tree / name)
        files = [
            name
            for name in tracked
            if name.startswith("backend/") and name.endswith(".py") and "__" not in name
            if args.room in ("", room_of(name))
        ]
        survived = []
        chosen = sorted(sample(files, args.number, args.seed), key=lambda mutant: mutant.room)
        patience: dict[str, float] = {}
        for mutant in chosen:
            if mutant.room not in patience and not args.quick:
                began = time.monotonic()
                if failed := failure(tests_of(mutant.room), tree):
                    print(f"{failed} fails without any change: mend that first")
                    return 2
                patience[mutant.room] = max(LEAST, PATIENCE * (time.monotonic() - began))
            caught = noticed(mutant, tree, patience.get(mutant.room, QUICK))
            if args.quick and caught and "::" in caught and failure([caught], tree):
                print(f"{caught} fails without any change: mend that first")
                return 2
            survived += [] if caught else [mutant]
            print(f"{'noticed ' if caught else 'SURVIVED'} {mutant}", flush=True)
    share = 1 - len(survived) / max(1, len(chosen))
    print(f"{len(chosen) - len(survived)} of {len(chosen)} noticed by the room's own tests ({share:.0%})")
    return 0 if share >= ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
