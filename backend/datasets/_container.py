"""Is this file one of ours? Looks at the outside of a file: h5ad, 10x .h5, or what else it seems to be.

    check_container(path) -> "h5ad" | "10x"

Anything else is refused with ``BadFile``: what the file looks like and what to do with it.
Reads a few bytes and the names inside; never the data, and nothing is unpickled.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import h5py

from ..errors import BadFile
from ..storage import is_elsewhere, open_brought
from ..words import sentence_case
from ._folder import FROM_MTX, WANTED, check_folder

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
FROM_R = (
    "In R, convert the object first, for example with the package zellkonverter: "
    'writeH5AD(as.SingleCellExperiment(object), "data.h5ad").'
)


def check_container(path: str | Path) -> str:
    """Say which of the two readable formats a file has.

    Returns
    -------
    ``"h5ad"`` or ``"10x"``.

    Raises
    ------
    BadFile
        With a sentence that says what the file looks like instead and what to do.
    """
    path = Path(path)
    if path.is_dir():
        check_folder(path)
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise BadFile(f"The file cannot be read: {error.strerror or error}.") from None
    if not head:
        raise BadFile("The file is empty. Copy or download it again.")
    if not _is_hdf5(path, head):
        raise BadFile(_describe_foreign(head))
    try:
        with open_brought(path) as h5:
            kind = _kind_of_hdf5(h5)
            _refuse_without_a_part(h5, kind)
            return kind
    except BadFile:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, SystemError) as error:
        raise broken_file(error) from None


def broken_file(error: Exception) -> BadFile:
    """What HDF5 complained about, as a sentence."""
    text = str(error)
    if "truncated file" in text or "addr overflow" in text or "end of file" in text.lower():
        return BadFile(
            "The file is incomplete: its end is missing, as after a broken download or copy. "
            "Copy or download it again."
        )
    if "already open for" in text or "consistency flags" in text:
        return BadFile(
            "Another program is writing to this file, or one that did was ended before it closed the file. Close it "
            "there; if nothing writes to it, save it anew, or clear its mark with h5clear -s."
        )
    if "lock file" in text:
        return BadFile("Another program is writing to this file. Close it there and try again.")
    if "plugin" in text.lower() or ("filter" in text.lower() and "registered" in text.lower()):
        return BadFile(
            "The file is compressed in a way that needs an HDF5 plugin. Read it where it was made and "
            'save it with adata.write_h5ad("data.h5ad", compression="gzip").'
        )
    return BadFile(
        "The file is damaged: parts of it cannot be read. Copy or download it again; if that does not help, "
        "save it anew where it was made."
    )


def _is_hdf5(path: Path, head: bytes) -> bool:
    if head.startswith(HDF5_SIGNATURE):
        return True
    # HDF5 allows a user block in front.
    return any(head[at:].startswith(HDF5_SIGNATURE) for at in (512, 1024, 2048))


def _describe_foreign(head: bytes) -> str:
    """A sentence on a file that is not HDF5, from its first bytes."""
    if head.startswith(b"\x1f\x8b"):
        return _describe_gzip(head)
    if head.startswith(b"PK\x03\x04") and b"[Content_Types].xml" in head:
        return f"This is an Office document, such as an Excel workbook. {WANTED}"
    if head.startswith(b"PK\x03\x04"):
        return f"This is a zip archive. Unpack it and bring the file inside. {WANTED}"
    if head.startswith((b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!")):
        return f"This is a compressed archive. Unpack it and bring the file inside. {WANTED}"
    if head[257:262] == b"ustar":
        return f"This is a tar archive. Unpack it and bring the file inside. {WANTED}"
    if _looks_like_r(head):
        return f"This is a file of R (.rds or .RData). {FROM_R}"
    if head.startswith(b"\x93NUMPY"):
        return f"This is a NumPy array without cell and gene names. {WANTED}"
    if head.startswith((b"PAR1", b"ARROW1")):
        return f"This is a table file (Parquet or Arrow). {WANTED}"
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return f"This is a Python pickle, which is never opened here because it can run programs. {WANTED}"
    if head.startswith(b"\x89HDF") or head.startswith(b"HDF"):
        return "The first bytes of this HDF5 file are damaged. Copy or download it again in binary mode."
    if b"\x00" not in head:
        return _describe_text(head)
    return f"This is not an HDF5 file. {WANTED}"


def _describe_gzip(head: bytes) -> str:
    try:
        inner = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, 2048)
    except (zlib.error, gzip.BadGzipFile):
        inner = b""
    if inner.startswith(HDF5_SIGNATURE):
        return (
            "This file is compressed with gzip. Unpack it first (gunzip, or a double click) "
            "and bring the result."
        )
    if _looks_like_r(inner):
        return f"This is a file of R (.rds or .RData). {FROM_R}"
    if inner[257:262] == b"ustar":
        return f"This is a compressed tar archive. Unpack it and bring the file inside. {WANTED}"
    if inner and b"\x00" not in inner:
        return _describe_text(inner)
    return f"This file is compressed with gzip. Unpack it first. {WANTED}"


def _describe_text(head: bytes) -> str:
    text = head.decode("utf-8", errors="replace").lstrip("\ufeff \r\n\t")
    if text.startswith("%%MatrixMarket"):
        return f"This is one part of a Matrix Market set (matrix.mtx, barcodes.tsv, genes.tsv). {FROM_MTX}"
    if text[:200].lower().startswith(("<!doctype", "<html", "<?xml")):
        return (
            "This is a web page, not data: the address probably leads to a page about the file, or to a "
            "login. Use the address of the download itself."
        )
    if text.startswith("{") or text.startswith("["):
        return f"This is a JSON text, not data. {WANTED}"
    if text.startswith("version https://git-lfs"):
        return "This is a Git LFS pointer, not the data. Fetch the file with git lfs pull."
    first = text.splitlines()[0] if text else ""
    if any(mark in first for mark in (",", "\t", ";")):
        return (
            "This is a text table (CSV or TSV). In Python, "
            'scanpy.read_text("table.csv", delimiter=",").write_h5ad("data.h5ad") makes an .h5ad of it '
            "(cells in rows; otherwise add .T before .write_h5ad)."
        )
    return f"This is a text file. {WANTED}"


def _looks_like_r(head: bytes) -> bool:
    return head.startswith(
        (b"RDX2\n", b"RDX3\n", b"RDA2\n", b"RDA3\n", b"X\n\x00\x00\x00", b"A\n2\n", b"A\n3\n")
    )


def _kind_of_hdf5(h5: h5py.File) -> str:
    names = set(h5)
    if isinstance(matrix := part_of(h5, "matrix"), h5py.Group):
        inside = set(matrix)
        if {"data", "indices", "indptr", "shape", "barcodes"} <= inside:
            if "features" in inside:
                return "10x"
            raise BadFile(
                "This 10x file has no list of genes (matrix/features). Write it anew with Cell Ranger."
            )
    if {"obs", "var"} <= names and not {"row_attrs", "mod"} & names:
        return "h5ad"
    if "mod" in names:
        return _refuse(
            "This is a MuData file (.h5mu) with several modalities.",
            'In Python, mudata.read("file.h5mu").mod["rna"].write_h5ad("data.h5ad") takes out the RNA.',
        )
    if {"matrix", "row_attrs", "col_attrs"} <= names:
        return _refuse(
            "This is a loom file.",
            'In Python, scanpy.read_loom("file.loom").write_h5ad("data.h5ad") converts it.',
        )
    if {"assays", "cell.names"} <= names:
        return _refuse(
            "This is a Seurat file (.h5Seurat).",
            'In R, SeuratDisk::Convert("file.h5Seurat", dest = "h5ad") does it.',
        )
    if legacy_genomes(h5):
        return "10x"
    if {"barcode_idx", "umi"} & names or "molecule_info" in names:
        return _refuse(
            "This is a 10x molecule_info file: single molecules, not cells.",
            "Bring filtered_feature_bc_matrix.h5 from the same folder.",
        )
    if {"X", "layers"} & names:
        return _refuse(
            "This HDF5 file has a matrix but no cell and gene tables (obs and var).",
            'Save it with adata.write_h5ad("data.h5ad").',
        )
    return _refuse("This is an HDF5 file, but neither an .h5ad nor a 10x .h5.", WANTED)


def _refuse_without_a_part(h5: h5py.File, kind: str) -> None:
    """Raise ``BadFile`` where a part without which nothing can be read is a link that leads nowhere, or outside."""
    if kind == "h5ad":
        needed = {"obs": "the table of cells (obs)", "var": "the table of genes (var)"}
        if not {"layers", "raw", "raw.X"} & set(h5):
            needed["X"] = "its only matrix (X)"
    else:
        groups = ["matrix"] if "matrix" in h5 else legacy_genomes(h5)
        lists = {"barcodes": "cells", "features/id": "genes", "genes": "genes"}
        needed = {
            f"{group}/{name}": f"the list of {what}" for group in groups for name, what in lists.items()
        }
        needed |= {f"{group}/{name}": f"its matrix ({name})" for group in groups for name in _CSC}
    for name, what in needed.items():
        if is_elsewhere(h5, name):
            raise BadFile(f"{sentence_case(what)} of this file is kept in another file. {IN_ONE_PIECE}")
        if _leads_nowhere(h5, name):
            raise BadFile(f"{sentence_case(what)} of this file is a link that leads nowhere. {IN_ONE_PIECE}")


_CSC = ("data", "indices", "indptr", "shape")
IN_ONE_PIECE = (
    "In Python, where all its files are, open it with adata = anndata.read_h5ad(...) and save it in one piece with "
    'adata.write_h5ad("data.h5ad").'
)


def _leads_nowhere(h5: h5py.File, name: str) -> bool:
    within, _, last = name.rpartition("/")
    group = part_of(h5, within or "/")
    return isinstance(group, h5py.Group) and last in set(group) and part_of(group, last) is None


def part_of(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """What ``group`` has under ``name``; None where a link leads nowhere or the part is damaged."""
    try:
        return group.get(name)
    except (OSError, KeyError, ValueError, RuntimeError, TypeError):
        return None


def _refuse(what: str, remedy: str) -> str:
    raise BadFile(f"{what} {remedy}")


def legacy_genomes(h5: h5py.File) -> list[str]:
    """Names of the genome groups of a 10x file from before Cell Ranger 3."""
    needed = {"data", "indices", "indptr", "shape", "barcodes", "genes"}
    groups = {name: part_of(h5, name) for name in h5}
    return [name for name, node in groups.items() if isinstance(node, h5py.Group) and needed <= set(node)]
