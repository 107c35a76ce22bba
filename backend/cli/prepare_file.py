"""``python -m backend prepare FILE``: a data set ready to train on, here, in the dashboard and in other programs."""

from __future__ import annotations

import argparse
import json

from ..settings import Settings
from ..words import counted, sentence
from .args import add_common, add_data
from .bundle import opened
from .data import bring_data, findings_of
from .findings import as_json
from .terminal import Progress

HELP = "make a data set ready to train on: counts as CSR float32 in an .h5ad file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    add_common(parser, "print one JSON object about the prepared data, and nothing else, on stdout")


def run(settings: Settings, args: argparse.Namespace) -> int:
    with opened(settings) as services, Progress(quiet=args.json) as progress:
        dataset = bring_data(services.datasets, args, progress)
        findings = findings_of(services.datasets, dataset, args.batch_key)
    notices = [sentence(notice) for notice in dataset.notices]
    if args.json:
        answer = {
            "dataset_id": dataset.dataset_id,
            "path": dataset.path,
            "name": dataset.name,
            "n_obs": dataset.n_obs,
            "n_vars": dataset.n_vars,
            "obs_columns": dataset.obs_columns,
            "prepare": dataset.prepare.to_dict(),
            "notices": notices,
            "findings": as_json(findings),
        }
        print(json.dumps(answer))
        return 0
    print(f"{dataset.name}: {counted(dataset.n_obs, 'cell')}, {counted(dataset.n_vars, 'gene')}")
    print("\n".join([*notices, f"prepared {dataset.path}"]))
    return 0
