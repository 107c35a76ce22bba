"""The design check in the browser: columns proposed, what is inseparable said, the crossed tables shown."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
from playwright.sync_api import Page, expect
from scipy import sparse

from tests.browser.reading import press
from tests.browser.server import Server
from tests.browser.test_data import upload


def test_a_donor_that_is_one_with_the_disease_is_said_before_anything_is_trained(
    server: Server, page: Page, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    donor = rng.integers(0, 6, 300)
    cells = ad.AnnData(sparse.csr_matrix(rng.poisson(0.5, (300, 200)).astype(np.float32)))
    cells.obs["donor"] = [f"D{one + 1}" for one in donor]
    cells.obs["disease"] = np.where(donor < 3, "healthy", "ill")
    cells.write_h5ad(tmp_path / "confounded.h5ad")
    upload(page, server, tmp_path / "confounded.h5ad")
    page.get_by_text("Is the design sound?", exact=True).click()
    press(page, "Check the design")
    expect(page.get_by_text("donor and disease are inseparable here")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Cells of donor and disease, Cramér's V 1.00")).to_be_visible()
