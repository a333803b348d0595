"""Sparse codes of a gallery, one folder an SAE, memory-mapped by rows and by neurons."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sparse

from core.config import InputError
from core.store import atomic_folder, file_digest, read_json, write_json

PARTS = ("data", "indices", "indptr")
NAME_LENGTH = 16
"""Characters of the SAE's digest that name the folder; codes.json holds the whole digest, which is compared."""


@dataclass(frozen=True)
class Codes:
    """Codes z (n, d_sae) of one SAE twice: `csr` is read item by item, `csc` neuron by neuron. Read-only."""

    csr: sparse.csr_matrix
    csc: sparse.csc_matrix


def codes_folder(gallery: Path, sae_digest: str) -> Path:
    return gallery / "codes" / sae_digest[:NAME_LENGTH]


def write_codes(gallery: Path, sae_digest: str, csr: sparse.csr_matrix) -> None:
    """Write the codes of one SAE into a gallery's folder, whole or not at all; older ones are replaced."""
    csr = sparse.csr_matrix(csr, dtype=np.float32)
    csr.sum_duplicates()
    csr.eliminate_zeros()
    folder = codes_folder(gallery, sae_digest)
    with atomic_folder(folder, replace=True) as partial:
        digests = {}
        for form, matrix in (("csr", csr), ("csc", csr.tocsc())):
            for part in PARTS:
                path = partial / f"{form}_{part}.npy"
                np.save(path, getattr(matrix, part))
                digests[path.name] = file_digest(path)
        write_json(partial / "codes.json", {"sae": sae_digest, "shape": list(csr.shape), "files": digests})


def open_codes(gallery: Path, sae_digest: str, n: int) -> Codes | None:
    """The codes of one SAE without reading them; None where there are none for exactly this SAE and n items."""
    folder = codes_folder(gallery, sae_digest)
    if not (folder / "codes.json").is_file():
        return None
    about = _about(folder)
    if about["sae"] != sae_digest or about["shape"][0] != n:
        return None
    shape = tuple(about["shape"])
    return Codes(_map(folder, "csr", sparse.csr_matrix, shape), _map(folder, "csc", sparse.csc_matrix, shape))


def _about(folder: Path) -> dict[str, Any]:
    """codes.json of one SAE: its digest, the shape (n, d_sae) and the digests of the arrays."""
    about = read_json(folder / "codes.json")
    whole = isinstance(about, dict) and {"sae", "shape", "files"} <= set(about) and isinstance(about["files"], dict)
    if not whole or not isinstance(about["shape"], list) or len(about["shape"]) != 2:
        raise InputError(f"{folder} holds a broken codes.json; remove that folder and encode again")
    return about


def _map(folder: Path, form: str, make: type, shape: tuple[int, int]) -> sparse.spmatrix:
    try:
        parts = [np.asarray(np.load(folder / f"{form}_{part}.npy", mmap_mode="r")) for part in PARTS]
        matrix = make(tuple(parts), shape=shape, copy=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} holds broken codes ({error}); remove that folder and encode again") from None
    # Said here, so that scipy neither reads everything to find out nor tries to sort the read-only arrays.
    matrix.has_sorted_indices = True
    matrix.has_canonical_format = True
    return matrix


def check_codes(gallery: Path) -> list[str]:
    """One line for every codes file whose bytes are not those that were written."""
    wrong = []
    for folder in sorted(path.parent for path in (gallery / "codes").glob("[!.]*/codes.json")):
        for name, digest in _about(folder)["files"].items():
            path = folder / name
            if not path.is_file():
                wrong.append(f"{path.relative_to(gallery)} is missing")
            elif file_digest(path) != digest:
                wrong.append(f"{path.relative_to(gallery)} was changed after it was written")
    return wrong
