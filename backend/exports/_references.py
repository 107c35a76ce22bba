"""What a methods paragraph cites: a short form for the text, the whole for the list at its end."""

from __future__ import annotations

from dataclasses import dataclass, field

REFERENCES = {
    "scvi": (
        "Lopez et al., 2018",
        "Lopez R, Regier J, Cole MB, Jordan MI, Yosef N. Deep generative modeling for single-cell "
        "transcriptomics. Nature Methods 15, 1053-1058 (2018). doi:10.1038/s41592-018-0229-2",
    ),
    "scvi-tools": (
        "Gayoso et al., 2022",
        "Gayoso A, Lopez R, Xing G, et al. A Python library for probabilistic analysis of single-cell omics "
        "data. Nature Biotechnology 40, 163-166 (2022). doi:10.1038/s41587-021-01206-w",
    ),
    "adam": (
        "Kingma and Ba, 2015",
        "Kingma DP, Ba J. Adam: a method for stochastic optimization. International Conference on Learning "
        "Representations (2015). arXiv:1412.6980",
    ),
    "seurat_v3": (
        "Stuart et al., 2019",
        "Stuart T, Butler A, Hoffman P, et al. Comprehensive integration of single-cell data. Cell 177, "
        "1888-1902 (2019). doi:10.1016/j.cell.2019.05.031",
    ),
    "scanpy": (
        "Wolf et al., 2018",
        "Wolf FA, Angerer P, Theis FJ. SCANPY: large-scale single-cell gene expression data analysis. Genome "
        "Biology 19, 15 (2018). doi:10.1186/s13059-017-1382-0",
    ),
    "umap": (
        "McInnes et al., 2018",
        "McInnes L, Healy J, Melville J. UMAP: Uniform Manifold Approximation and Projection for dimension "
        "reduction. arXiv:1802.03426 (2018)",
    ),
    "leiden": (
        "Traag et al., 2019",
        "Traag VA, Waltman L, van Eck NJ. From Louvain to Leiden: guaranteeing well-connected communities. "
        "Scientific Reports 9, 5233 (2019). doi:10.1038/s41598-019-41695-z",
    ),
    "pbmc68k": (
        "Zheng et al., 2017",
        "Zheng GXY, Terry JM, Belgrader P, et al. Massively parallel digital transcriptional profiling of "
        "single cells. Nature Communications 8, 14049 (2017). doi:10.1038/ncomms14049",
    ),
}


@dataclass
class Citations:
    """Remembers what a text cited."""

    cited: list[str] = field(default_factory=list)

    def cite(self, *keys: str) -> str:
        """``(Lopez et al., 2018; Wolf et al., 2018)``."""
        self.cited += [key for key in keys if key not in self.cited]
        return f"({'; '.join(REFERENCES[key][0] for key in keys)})"

    def listed(self) -> list[str]:
        return sorted(REFERENCES[key][1] for key in self.cited)
