"""Sums over a few places of a large matrix: what a sparse code needs of the products that contain it."""

import warnings
from typing import NamedTuple

import torch
from torch import Tensor

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")  # said to every user of the layout

NEAR = 1 << 20
"""Bytes of a table that stay near a processor while it reads them."""
COLUMNS_AT_ONCE = 64
"""Columns of a larger table that are added up at a time."""
OFTEN = 8
"""How often rows are read or written, on average, from where copying columns together costs less than it saves."""

ONES = 0x0101010101010101
"""A one in each of eight bytes."""
NUMBERS = 0x0001020304050607
"""Byte by byte from the lowest: times a single byte of one, its highest byte is the number of that byte."""


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
        """(rows + 1,) position of each row's first place, and behind the last one how many there are."""
        lengths = self.row_lengths()
        return torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])


class Kept(NamedTuple):
    """The entries of a matrix that count, and where they are."""

    places: Places
    values: Tensor
    """(m,) all above 0."""


def order_of(numbers: Tensor, n: int) -> Tensor:
    """(m,) which comes when by rising number, each of (m,) from 0 to n - 1; equal ones stay in their order.

    Narrow numbers are sorted by their digits, in less than half the time.
    """
    narrow = torch.int16 if n <= 1 << 15 else torch.int32 if n <= 1 << 31 else torch.int64
    return numbers.to(narrow).argsort(stable=True)


def places_of(mask: Tensor) -> Places:
    """Where a mask (rows, columns) is True. A sparse mask is searched eight at a time, in a third of the time."""
    n = mask.shape[1]
    if mask.numel() % 8:
        rows, columns = mask.nonzero(as_tuple=True)
        return Places(rows, columns, (len(mask), n))
    eights = mask.view(-1, 8).view(torch.int64).flatten()
    some = eights.nonzero().flatten()
    left, first = eights[some], 8 * some
    ends = (left * ONES >> 56).cumsum(0)  # the highest byte of the product is the sum of all bytes
    flat = ends.new_empty(int(ends[-1]) if len(ends) else 0)
    at = ends - (left * ONES >> 56)
    while len(left):
        lowest = left & -left
        flat[at] = first + (lowest * NUMBERS >> 56)
        left = left ^ lowest
        more = left.nonzero().flatten()
        left, first, at = left[more], first[more], at[more] + 1
    rows = flat // n
    return Places(rows, flat - rows * n, (len(mask), n))


def sampled_products(a: Tensor, b: Tensor, places: Places) -> Tensor:
    """(m,) entries of a @ b, a (rows, d), b (d, columns), at the places alone."""
    nowhere = torch.sparse_csr_tensor(
        places.row_starts(), places.columns, a.new_zeros(len(places.rows)), places.shape, check_invariants=False
    )
    return torch.sparse.sampled_addmm(nowhere, a, b, beta=0.0).values()


def weighted_sums(table: Tensor, which: Tensor, weights: Tensor, lengths: Tensor) -> Tensor:
    """(bags, d) sums of weights * table[which], the first lengths[0] of them, the next lengths[1], and so on.

    A large table whose rows are read often is gone through some columns at a time, in half the time.
    """
    starts, often = lengths.cumsum(0) - lengths, len(which) >= OFTEN * (len(table) + len(lengths))
    apart = often and table.nbytes > NEAR and not table.is_cuda
    sums = [
        torch.nn.functional.embedding_bag(which, columns.contiguous(), starts, mode="sum", per_sample_weights=weights)
        for columns in table.split(COLUMNS_AT_ONCE if apart else table.shape[1], dim=1)
    ]
    return torch.cat(sums, dim=1) if apart else sums[0]
