"""The largest entries of x @ w + b, found from a product that is allowed to be inexact."""

from typing import NamedTuple

import torch
from torch import Tensor

from core.saes.sparse import Places, sampled_products

GROUPS_PER_ENTRY = 6
"""Column groups looked at for each entry wanted: more give a tighter bound, and take longer to search."""


class Kept(NamedTuple):
    """Entries of a matrix (B, F) that were kept: row by row, within a row by ascending column."""

    places: Places
    values: Tensor
    """(m,) all above 0."""


class Product(NamedTuple):
    """x @ w + b, roughly: every entry is at most `margin` of its row away from the exact one."""

    rough: Tensor
    """(B, F)."""
    margin: Tensor
    """(B, 1)."""


def largest_of_batch(x: Tensor, w: Tensor, b: Tensor, count: int) -> Kept:
    """The `count` largest positive entries of x @ w + b for x (B, d), w (d, F), b (F); fewer where fewer are positive.

    Every kept value is a full-precision dot product, and the choice is made among those.
    """
    product = rough_product(x, w, b)
    peaks = _peaks(product, count // len(x))
    bound = _kth_largest(peaks.flatten(), min(count, peaks.numel()), dim=0)
    places, values = _candidates(product, bound, x, w, b)
    if len(values) > count:
        largest = values.topk(count, sorted=False).indices.sort().values
        places, values = places.chosen(largest), values[largest]
    return Kept(places, values)


def largest_of_rows(x: Tensor, w: Tensor, b: Tensor, k: int) -> Kept:
    """The k largest positive entries of each row of x @ w + b; see `largest_of_batch`."""
    product = rough_product(x, w, b)
    bound = _kth_largest(_peaks(product, k), k, dim=1)[:, None]
    places, values = _candidates(product, bound, x, w, b)
    starts, lengths = places.row_starts(), places.row_lengths()
    width = int(lengths.max())
    if width > k:
        number = torch.arange(len(values), device=x.device) - starts[places.rows]
        table = values.new_zeros(len(x), width)
        table[places.rows, number] = values
        largest = table.topk(k, dim=1, sorted=False)
        chosen = (starts[:, None] + largest.indices)[largest.values > 0].sort().values
        places, values = places.chosen(chosen), values[chosen]
    return Kept(places, values)


def rough_product(x: Tensor, w: Tensor, b: Tensor) -> Product:
    """x @ w + b in the fastest arithmetic of the device, with a proven bound of its error.

    With u the unit roundoff, rounding the factors costs 2 u |x| |w| at most (Cauchy-Schwarz), rounding b u |b|, and
    rounding the result u (|x| |w| + |b|).
    """
    dtype = torch.bfloat16 if _multiplies_bfloat16(x) else x.dtype
    rough = torch.addmm(b.to(dtype), x.to(dtype), w.to(dtype))
    # in float32 and float64 it is the sum over d that rounds, here and in the dot product that it is compared with
    unit = torch.finfo(dtype).eps / 2 if dtype == torch.bfloat16 else torch.finfo(dtype).eps * x.shape[1]
    length = x.norm(dim=1, keepdim=True) * w.norm(dim=0).max()
    reduction = 2 if x.is_cuda else 0  # partial sums may be added in bfloat16 there
    return Product(rough, unit * 1.02 * ((3 + reduction) * length + 2 * b.abs().max()))


def _multiplies_bfloat16(x: Tensor) -> bool:
    """Whether a product of x is faster in bfloat16: where the processor has instructions for it."""
    if x.dtype != torch.float32:
        return False
    return torch.cuda.is_bf16_supported() if x.is_cuda else torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _peaks(product: Product, k: int) -> Tensor:
    """(B, groups) lower bounds of the exact largest entry of each of at least k groups of columns a row.

    The k-th largest peak cannot exceed the k-th largest entry, as k different entries reach it.
    """
    rows, n = product.rough.shape
    width = max(1, n // (GROUPS_PER_ENTRY * k))
    groups = n // width
    peaks = product.rough[:, : width * groups].unflatten(1, (width, groups)).amax(dim=1)
    return peaks.to(product.margin.dtype) - product.margin


def _kth_largest(values: Tensor, k: int, dim: int) -> Tensor:
    return values.kthvalue(values.shape[dim] - k + 1, dim=dim).values


def _candidates(product: Product, bound: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Places, Tensor]:
    """Every place whose exact entry may reach `bound`, and those entries where they are positive."""
    least = bound.clamp_min(0) - product.margin
    least = least - least.abs() * torch.finfo(product.rough.dtype).eps  # so that rounding cannot raise it
    rows, columns = (product.rough >= least.to(product.rough.dtype)).nonzero(as_tuple=True)
    places = Places(rows, columns, product.rough.shape)
    exact = sampled_products(x, w, places) + b[columns]
    positive = (exact > 0).nonzero().flatten()
    return (places, exact) if len(positive) == len(exact) else (places.chosen(positive), exact[positive])
