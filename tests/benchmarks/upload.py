"""How much more memory the server needs while a browser uploads a file of 1 GB."""

from __future__ import annotations

import time
from pathlib import Path

import h5py
import numpy as np

from tests.benchmarks._chromium import dashboard, tab, workspace
from tests.benchmarks._memory import PeakMemory, settled
from tests.benchmarks._report import Row
from tests.browser.reading import visit

REPEATS = 3
GENES = 20_000
BYTES = 10**9


def measure() -> list[Row]:
    extra, seconds = [], []
    with workspace() as folder:
        file = folder.with_name("large.h5ad")
        for repeat in range(REPEATS):
            write_counts(file, seed=repeat)
            # a server of its own each time: memory once taken is not taken again, and would hide the growth
            with dashboard(folder) as server, tab() as page:
                visit(page, f"{server.url}/data")
                picker = page.locator("input[type=file]").first
                picker.wait_for(state="attached")
                settled(server.pid)
                with PeakMemory(server.pid) as peak:
                    began = time.perf_counter()
                    with page.expect_response(
                        lambda answer: "/api/upload" in answer.url and answer.request.method == "POST",
                        timeout=600_000,
                    ) as received:
                        picker.set_input_files(file)
                    assert received.value.ok, received.value.text()
                    seconds.append(time.perf_counter() - began)
                extra.append(peak.extra / 1e6)
    return [
        Row("extra memory of the server", "MB", tuple(extra), goal=100, judged="max"),
        Row("time until it is accepted", "s", tuple(seconds)),
    ]


def write_counts(path: Path, *, seed: int) -> None:
    """An h5ad of 1 GB: whole numbers, dense and uncompressed, written in blocks."""
    rng = np.random.default_rng(seed)
    cells = BYTES // (4 * GENES)
    block = rng.poisson(0.3, (500, GENES)).astype(np.float32)
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        x = file.create_dataset("X", (cells, GENES), np.float32)
        x.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        for start in range(0, cells, len(block)):
            stop = min(start + len(block), cells)
            x[start:stop] = block[rng.permutation(len(block))[: stop - start]]
        for name, count, prefix in (("obs", cells, "cell"), ("var", GENES, "gene")):
            table = file.create_group(name)
            table.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0"})
            table.attrs["_index"] = "_index"
            table.attrs["column-order"] = np.array([], dtype=h5py.string_dtype())
            index = table.create_dataset(
                "_index", data=[f"{prefix}{number}" for number in range(count)], dtype=h5py.string_dtype()
            )
            index.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
