#!/usr/bin/env python3
"""Put the text-only fixture together again: a workspace that opens, with stand-ins for its binary files.

    python restore_workspace.py FIXTURE TARGET

Stand-ins have the shape, type and, where a stamp depends on it, size and time of what they stand for. Latent spaces
and maps are noise, clusters have the sizes that their meta.json tells, X of a prepared file is a random CSR matrix with
the number of values that it had. Models and checkpoints are bytes that nothing can open.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import sys
from pathlib import Path
from typing import Any

import numpy as np


def restore(fixture: Path, target: Path) -> dict[str, Any]:
    """Returns the manifest."""
    manifest = json.loads((fixture / "MANIFEST.json").read_text("utf-8"))
    for path in sorted(fixture.rglob("*")):
        inside = path.relative_to(fixture)
        if path.is_file() and inside.name not in ("MANIFEST.json", "registry.sql"):
            (target / inside).parent.mkdir(parents=True, exist_ok=True)
            (target / inside).write_text(path.read_text("utf-8").replace("@WORKSPACE@", str(target)), "utf-8")
    db = sqlite3.connect(target / "registry.sqlite3")
    db.executescript((fixture / "registry.sql").read_text("utf-8"))
    db.close()
    for name, what in sorted(
        manifest["binary"].items(), key=lambda item: item[0].endswith("*")
    ):  # cells.npy first
        stand_in(target / name, what)
    return manifest


def stand_in(path: Path, what: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    told = what if isinstance(what, dict) else {}
    if path.name == "*":
        cells = np.load(path.with_name("cells.npy"))
        for frame in json.loads(path.with_name("index.json").read_text())["frames"]:
            np.save(
                path.with_name(f"{frame['name']}.npy"), rng.integers(0, 65536, (len(cells), 2)).astype("<u2")
            )
    elif path.suffix == ".npy":
        np.save(path, array(path, told.get("array") or what, rng))
    elif path.suffix == ".npz":
        sizes = {name: parsed(words)[1][0] for name, words in told.items()}
        order, starts = rng.permutation(sum(sizes.values())), np.cumsum([0, *sizes.values()])
        np.savez(
            path, **{name: order[a : a + sizes[name]] for name, a in zip(sizes, starts[:-1], strict=True)}
        )
    elif path.suffix == ".h5ad":
        h5ad(path, told, rng)
    else:
        path.write_bytes(b"stand-in".ljust(told["bytes"], b"."))
    if "mtime_ns" in told:
        if path.suffix in (".h5ad", ".h5"):  # another content, of the same length
            size = path.stat().st_size
            if size < told["bytes"]:
                os.truncate(path, told["bytes"])
        os.utime(path, ns=(told["mtime_ns"], told["mtime_ns"]))


def parsed(words: str) -> tuple[np.dtype, tuple[int, ...]]:
    found = re.fullmatch(r"(\S+) \(([\d, ]*)\)", words)
    assert found, words
    return np.dtype(found[1]), tuple(int(number) for number in found[2].split(",") if number.strip())


def array(path: Path, words: str, rng: np.random.Generator) -> np.ndarray:
    dtype, shape = parsed(words)
    meta = path.with_name("meta.json")
    if path.name == "labels.npy" and meta.exists():
        sizes = json.loads(meta.read_text())["facts"]["sizes"]
        return np.repeat(np.arange(len(sizes)), sizes).astype(dtype)
    if path.name == "cells.npy":
        return np.arange(shape[0], dtype=dtype)
    return rng.normal(size=shape).astype(dtype) if dtype.kind == "f" else np.zeros(shape, dtype)


def h5ad(path: Path, told: dict[str, Any], rng: np.random.Generator) -> None:
    import anndata
    import pandas as pd
    from scipy import sparse

    n, genes = told["X"]
    flat = np.zeros(n * genes, np.float32)
    flat[np.arange(n) * genes] = 1  # no cell is empty
    others = np.setdiff1d(np.arange(n * genes), np.arange(n) * genes)
    flat[rng.permutation(others)[: max(0, told["nnz"] - n)]] = 2
    X = sparse.csr_matrix(flat.reshape(n, genes))
    X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
    obs = pd.DataFrame(index=[f"cell{i}" for i in range(n)])
    for name, words in (told["obs"] if isinstance(told["obs"], dict) else {}).items():
        levels = re.match(r"category, (\d+) levels", words)
        if levels:
            obs[name] = pd.Categorical([f"{name} {i % int(levels[1])}" for i in range(n)])
        else:
            obs[name] = rng.integers(1, 100, n).astype(words)
    adata = anndata.AnnData(X, obs=obs, var=pd.DataFrame(index=[f"gene{i}" for i in range(genes)]))
    for name, shape in told["obsm"].items():
        if shape[0] == n:
            adata.obsm[name] = np.zeros(shape, np.float32)
    if "prepared" in path.parts:
        adata.uns["scvi_studio"] = {"notices": json.dumps(told.get("notices", []))}
    adata.write_h5ad(path)


if __name__ == "__main__":
    restore(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute())
