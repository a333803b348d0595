"""Sums over a few places of a large matrix: what a sparse code needs of the products that contain it."""

import warnings
from typing import NamedTuple

import torch
from torch import Tensor


class Places(NamedTuple):
    """Places (row, column) in a matrix of `shape`, row by row, within a row by ascending column."""

    rows: Tensor
    """(m,) int64."""
    columns: Tensor
    """(m,) int64."""
    shape: tuple[int, int]

    def chosen(self, which: Tensor) -> "Places":
        """Some of the places, by ascending position."""
        return Places(self.rows[which], self.columns[which], self.shape)

    def row_lengths(self) -> Tensor:
        """(rows,) number of places in each row."""
        return torch.bincount(self.rows, minlength=self.shape[0])

    def row_starts(self) -> Tensor:
        """(rows,) position of each row's first place."""
        lengths = self.row_lengths()
        return lengths.cumsum(0) - lengths


def sampled_products(a: Tensor, b: Tensor, places: Places) -> Tensor:
    """(m,) entries of a @ b, a (rows, d), b (d, columns), at the places alone."""
    ends = places.row_lengths().cumsum(0)
    starts = torch.cat([ends.new_zeros(1), ends])
    with warnings.catch_warnings():  # said once a process: that the layout is young, and that it is not checked
        warnings.filterwarnings("ignore", message="Sparse")
        nowhere = torch.sparse_csr_tensor(starts, places.columns, a.new_zeros(len(places.rows)), places.shape)
    return torch.sparse.sampled_addmm(nowhere, a, b, beta=0.0).values()


def weighted_sums(table: Tensor, which: Tensor, weights: Tensor, lengths: Tensor) -> Tensor:
    """(bags, d) sums of weights * table[which], the first lengths[0] of them, the next lengths[1], and so on."""
    starts = lengths.cumsum(0) - lengths
    return torch.nn.functional.embedding_bag(which, table, starts, mode="sum", per_sample_weights=weights)
