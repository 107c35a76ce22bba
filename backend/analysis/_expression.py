"""What the model expects of every gene in every cell, in a form that is small: any gene is then one dot product.

The decoder's last layer is linear and followed by a softmax over genes, so its input (``hidden``, cells x n_hidden),
its ``weight`` and ``bias``, and the softmax's denominator (``log_total``, one number a cell) say all. Each cell is
decoded from the mean of its place in the latent space, with its own batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..jobs import OnProgress
from ._kind import Context, Facts, Kind, Options
from ._results import AnalysisResult

if TYPE_CHECKING:
    import torch
    from scvi.data import AnnDataManager

_CELLS = 1024  # decoded at once


def _decoded(context: Context, options: Options, progress: OnProgress) -> Facts:
    import torch
    from scvi import REGISTRY_KEYS

    progress(None, "loading the model")
    model, latent = context.model, context.latent
    module = model.module.eval()
    head = module.decoder.px_scale_decoder[0]  # Linear, then Softmax
    device = head.weight.device
    tables = model.adata_manager
    batch = np.asarray(tables.get_from_registry(REGISTRY_KEYS.BATCH_KEY)).reshape(len(latent), 1)
    categorical = _column(tables, REGISTRY_KEYS.CAT_COVS_KEY)
    continuous = _column(tables, REGISTRY_KEYS.CONT_COVS_KEY)
    n_obs = len(latent)
    hidden = np.lib.format.open_memmap(
        context.folder / "hidden.npy", "w+", np.float32, (n_obs, head.in_features)
    )
    log_total = np.empty(n_obs, np.float32)
    with torch.inference_mode():
        for begin in range(0, n_obs, _CELLS):
            part = slice(begin, min(n_obs, begin + _CELLS))
            progress(begin / n_obs, "asking the model about every cell")
            z = torch.from_numpy(np.array(latent[part])).to(device)
            if continuous is not None:
                z = torch.cat([z, _tensor(continuous[part], device, torch.float32)], dim=-1)
            others = (
                []
                if categorical is None
                else [_tensor(codes[:, None], device, torch.long) for codes in categorical[part].T]
            )
            batches = _tensor(batch[part], device, torch.long)
            inner = module.decoder.px_decoder(z, batches, *others)
            hidden[part] = inner.cpu().numpy()
            log_total[part] = torch.logsumexp(head(inner), dim=1).cpu().numpy()
    hidden.flush()
    context.save("log_total", log_total)
    context.save("weight", head.weight.detach().cpu().numpy().astype(np.float32))
    context.save("bias", head.bias.detach().cpu().numpy().astype(np.float32))
    return {"n_genes": int(head.out_features)}


def expected(result: AnalysisResult, gene: int) -> npt.NDArray[np.float32]:
    """Counts of gene number ``gene`` that the model expects among 10,000 of a cell; cells, float32."""
    logit = result.array("hidden") @ np.asarray(result.array("weight")[gene])
    counts: npt.NDArray[np.float32] = 1e4 * np.exp(
        logit + float(result.array("bias")[gene]) - result.array("log_total")
    )
    return counts


def _column(tables: AnnDataManager, key: str) -> npt.NDArray[Any] | None:
    """Cells x columns, or None where the model has none."""
    if key not in tables.data_registry:
        return None
    values = np.asarray(tables.get_from_registry(key))
    return values.reshape(len(values), -1)


def _tensor(values: npt.NDArray[Any], device: torch.device, kind: torch.dtype) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.array(values)).to(device=device, dtype=kind)


DECODED = Kind("decoded", "Expression by the model", _decoded)
