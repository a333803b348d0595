"""Codes and labels in the forms that the sums over them need."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeGuard, Union

import numpy as np
import scipy.sparse as sparse

from core.config import InputError
from core.tables import numbered

if TYPE_CHECKING:
    from core.gallery import Codes

AnyCodes = Union[np.ndarray, sparse.csr_matrix, sparse.csc_matrix, "Codes"]
"""Codes z (n, F): dense, sparse in either order, or a gallery's stored pair of both."""

UNLABELLED = -1


def _is_sparse(codes: AnyCodes) -> TypeGuard[sparse.spmatrix]:
    return sparse.issparse(codes)


def by_row(codes: AnyCodes) -> sparse.csr_matrix:
    """The codes item by item; nothing is copied where they are stored that way."""
    if isinstance(codes, np.ndarray):
        return sparse.csr_matrix(codes)
    return codes.asformat("csr") if _is_sparse(codes) else codes.csr


def by_neuron(codes: AnyCodes) -> sparse.csc_matrix:
    """The codes neuron by neuron; nothing is copied where they are stored that way."""
    if isinstance(codes, np.ndarray):
        return sparse.csc_matrix(codes)
    return codes.asformat("csc") if _is_sparse(codes) else codes.csc


def column(codes: AnyCodes, neuron: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows on which a neuron is active, ascending, and its values there; InputError for a neuron that is not there."""
    csc = by_neuron(codes)
    if not 0 <= neuron < csc.shape[1]:
        raise InputError(f"neuron {neuron} was asked for; this SAE has neurons 0 to {csc.shape[1] - 1}")
    here = slice(csc.indptr[neuron], csc.indptr[neuron + 1])
    rows, values = np.asarray(csc.indices[here], dtype=np.int64), np.asarray(csc.data[here])
    active = values != 0
    rows, values = rows[active], values[active]
    order = np.argsort(rows, kind="stable")
    return rows[order], values[order]


def number_groups(labels: Sequence | np.ndarray, n: int) -> tuple[list[str], np.ndarray]:
    """Names of the groups in their natural order, and each row's group number, -1 where it is unknown (None, NaN).

    InputError where there is not one label a row, or no known label at all.
    """
    labels = np.asarray(labels)
    if labels.shape != (n,):
        raise InputError(f"{labels.shape} labels were given for {n} rows; expected one label a row")
    names, numbers = numbered(labels)
    if not names:
        raise InputError("no row has a known label; choose another attribute or other rows")
    return names, numbers
