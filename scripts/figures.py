"""Draw the README's performance pictures from ``docs/bench.json``.

A list of what ``python -m backend bench --json`` measured: with the pinned versions first, then with newer ones.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

DOCS = Path(__file__).resolve().parents[1] / "docs"
STOCK, FUSED, GREY = "#8a94a6", "#0f766e", "#d4d8df"
PUBLISHED = 415 / 77.7  # five epochs: 6 min 55 s on the CPU against the best time with the GPU
PHASES = {
    "row gather": "#ffffff",
    "encoder, forward": "#94d2bd",
    "matmul, forward": "#0a9396",
    "likelihood kernel": "#ee9b00",
    "matmul, backward": "#005f73",
    "encoder, backward": "#94d2bd",
    "optimizer": "#9b7fb8",
    "everything else": GREY,
}


def main(path: Path) -> None:
    mpl.rcParams |= {
        "font.family": "sans-serif",
        "font.size": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "svg.fonttype": "path",
        "svg.hashsalt": "figures",
    }
    measured = json.loads(path.read_text(encoding="utf-8"))[0]
    engines([row for row in measured["rows"] if row["data"].startswith("simulate")])
    if measured["roofline"]:
        roofline(measured["roofline"])


def engines(rows: list[dict[str, Any]]) -> None:
    """For each number of genes: stock at 128, then fused at each minibatch size."""
    figure, axes = plt.subplots(figsize=(8, 4))
    genes = sorted({row["n_vars"] for row in rows})
    shown = [row for row in rows if row["engine"] == "fused" or row["batch_size"] == 128]
    for place, n_vars in enumerate(genes):
        own = [row for row in shown if row["n_vars"] == n_vars]
        for i, row in enumerate(own):
            at, ratio = place + 0.26 * (i - (len(own) - 1) / 2), row["speed_up"]
            axes.bar(at, ratio, width=0.24, color=STOCK if row["engine"] == "stock" else FUSED)
            axes.annotate(f"{ratio:.1f}", (at, ratio), (0, 3), textcoords="offset points", ha="center")
            axes.annotate(
                f"{row['engine']}\n{row['batch_size']:,}",
                (at, 0),
                (0, -4),
                textcoords="offset points",
                ha="center",
                va="top",
                size=9,
            )
    axes.axhline(PUBLISHED, color="#b45309", lw=1.2, ls="--")
    axes.annotate(
        f"published: a GPU (MPS)\nagainst its CPU, {PUBLISHED:.1f}",
        (0.4, PUBLISHED),
        (0, 4),
        textcoords="offset points",
        color="#b45309",
        size=9,
    )
    axes.set_xticks(range(len(genes)), [f"{n_vars:,} genes" for n_vars in genes])
    axes.tick_params("x", length=0, pad=30)
    axes.set_xlim(-0.5, len(genes) - 0.5)
    axes.set_ylabel("times as fast as stock at 128")
    _save(figure, "engines.svg")


def roofline(measured: dict[str, Any]) -> None:
    figure, axes = plt.subplots(figsize=(8, 3.9))
    rows = measured["phases"]
    for place, row in enumerate(rows):
        took, alone = row["milliseconds"], row["alone_milliseconds"]
        axes.barh(place, took, color=PHASES[row["phase"]], height=0.7, edgecolor="#8a94a6", lw=0.5)
        label = f"{took:.0f} ms" + (", meanwhile" if row["overlapped"] else f", {row['share']:.0%}")
        if row["amount"]:
            bound = measured["matmul_bound" if row["unit"] == "GFLOP" else "copy_bound"]
            rate = row["amount"] / took * 1e3
            reached = f"{rate / bound:.0%} of the machine's best" if rate < bound else "out of the cache"
            label += f" · {rate:,.0f} {row['unit']}/s, {reached}"
        if alone:
            axes.plot([alone, alone], [place - 0.35, place + 0.35], color="black", lw=1.5)
        axes.annotate(
            label, (max(took, alone or 0), place), (6, 0), textcoords="offset points", va="center", size=9
        )
    axes.set_yticks(range(len(rows)), [row["phase"] for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 2.5 * max(row["milliseconds"] for row in rows))
    axes.set_xlabel(
        f"ms in one step of {measured['batch_size']:,} cells × {measured['n_vars']:,} genes; "
        "black line: the same work alone"
    )
    _save(figure, "roofline.svg")


def _save(figure: Any, name: str) -> None:
    figure.tight_layout()
    figure.savefig(DOCS / name, facecolor="white", metadata={"Date": None})
    print(DOCS / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "bench.json")
