"""The largest entries of x @ w + b, found from a product that is allowed to be inexact."""

from typing import NamedTuple

import torch
from torch import Tensor

from core.saes.shares import WHOLE, Share
from core.saes.sparse import Kept, Places, places_of, sampled_products

GROUPS_PER_ENTRY = 4
"""Column groups looked at for each entry wanted: more give a tighter bound, and take longer to search."""

SAMPLED_ROWS = 64
"""Rows of a rough product that are also multiplied exactly, to see how rough it is."""

SAFETY = 1.5
"""Allowed error over the largest one seen in 100,000 samples or more; normal errors exceed it with p near 1e-11."""

WORTHWHILE = 1 << 21
"""Entries of a product from which a rough one saves more than checking it costs."""


class Product(NamedTuple):
    """x @ w + b, roughly: every entry is at most `margin` of its row away from the exact one."""

    rough: Tensor
    """(B, F)."""
    margin: Tensor
    """(B, 1); 0 where the product is exact."""


def largest_of_batch(x: Tensor, w: Tensor, b: Tensor, count: int, share: Share = WHOLE) -> Kept:
    """The `count` largest positive entries of x @ w + b for x (B, d), w (d, F), b (F); fewer where fewer are positive.

    Where x is a share of the batch: those of them that are among the `count` largest of the whole batch.

    Every kept value is a full-precision dot product, and the choice is made among those. No entry within the margin of
    the rough product is missed; were one ever outside it, the code kept in its place would be as large but for that.
    """
    product = rough_product(x, w, b)
    peaks = _peaks(product, count // len(x))
    bound = _kth_largest(peaks.flatten(), min(count, peaks.numel()), dim=0)
    places, values = _candidates(product, bound, x, w, b)
    chosen = share.largest(values, count)
    return Kept(places, values) if len(chosen) == len(values) else Kept(places.chosen(chosen), values[chosen])


def largest_of_rows(x: Tensor, w: Tensor, b: Tensor, k: int) -> Kept:
    """The k largest positive entries of each row of x @ w + b; see `largest_of_batch`."""
    product = rough_product(x, w, b)
    bound = _kth_largest(_peaks(product, k), k, dim=1)[:, None]
    places, values = _candidates(product, bound, x, w, b)
    return strongest_of_rows(Kept(places, values), k)


def strongest_of_rows(kept: Kept, k: int) -> Kept:
    """The k largest kept entries of each row."""
    places, values = kept
    starts, width = places.row_starts(), int(places.row_lengths().max())
    if width <= k:
        return kept
    number = torch.arange(len(values), device=values.device) - starts[places.rows]
    table = values.new_zeros(places.shape[0], width)
    table[places.rows, number] = values
    largest = table.topk(k, dim=1, sorted=False)
    chosen = (starts[:-1, None] + largest.indices)[largest.values > 0].sort().values
    return Kept(places.chosen(chosen), values[chosen])


def all_above(x: Tensor, w: Tensor, b: Tensor, least: Tensor) -> Kept:
    """The entries of x @ w + b above `least` () and above 0."""
    places, values = _candidates(rough_product(x, w, b), least, x, w, b)
    above = (values > least).nonzero().flatten()
    return Kept(places.chosen(above), values[above])


def rough_product(x: Tensor, w: Tensor, b: Tensor) -> Product:
    """x @ w + b in bfloat16 where that is faster, with the margin measured on evenly spaced rows.

    Errors grow with what an entry can be at most, so that the margin is a share of it: |x| max |w| + max |b|.
    """
    if not _faster_in_bfloat16(x, w):
        return Product(torch.addmm(b, x, w), x.new_zeros(len(x), 1))
    rough = torch.addmm(b.bfloat16(), x.bfloat16(), w.bfloat16())
    sample = slice(None, None, -(-len(x) // SAMPLED_ROWS))
    most = x.norm(dim=1, keepdim=True) * w.norm(dim=0).max() + b.abs().max()
    errors = (rough[sample] - torch.addmm(b, x[sample], w)).abs() / most[sample]
    return Product(rough, SAFETY * errors.nan_to_num(0.0).max() * most)


def _faster_in_bfloat16(x: Tensor, w: Tensor) -> bool:
    """Whether the product is large, and the processor has instructions for bfloat16."""
    if x.dtype != torch.float32 or len(x) * w.shape[1] < WORTHWHILE:
        return False
    return torch.cuda.is_bf16_supported() if x.is_cuda else torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _peaks(product: Product, k: int) -> Tensor:
    """(B, groups) what the exact largest entry of each of at least k groups of columns of a row reaches at least.

    The k-th largest peak cannot exceed the k-th largest entry, as k different entries reach it.
    """
    n = product.rough.shape[1]
    width = max(1, n // (GROUPS_PER_ENTRY * k))
    groups = n // width
    peaks = product.rough[:, : width * groups].unflatten(1, (width, groups)).amax(dim=1)
    return peaks.to(product.margin.dtype) - product.margin


def _kth_largest(values: Tensor, k: int, dim: int) -> Tensor:
    return values.kthvalue(values.shape[dim] - k + 1, dim=dim).values


def _candidates(product: Product, bound: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Places, Tensor]:
    """Every place whose exact entry may reach `bound`, and those entries where they are positive."""
    least = bound.clamp_min(0) - product.margin
    if product.rough.dtype != least.dtype:
        least = least - least.abs() * torch.finfo(product.rough.dtype).eps  # so that rounding cannot raise it
    places = places_of(product.rough >= least.to(product.rough.dtype))
    exact = sampled_products(x, w, places) + b[places.columns]
    positive = (exact > 0).nonzero().flatten()
    return (places, exact) if len(positive) == len(exact) else (places.chosen(positive), exact[positive])
