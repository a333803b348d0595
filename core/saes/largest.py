"""The largest entries of x @ w + b, found from a product that is allowed to be inexact."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from core.saes.shares import WHOLE, Share
from core.saes.sparse import Kept, Places, places_of, sampled_products

GROUPS_PER_ENTRY = 4
"""Column groups looked at for each entry wanted, at most: more give a tighter bound, and take longer to search."""

SAMPLED_ROWS = 64
"""Rows of a rough product that are also multiplied exactly, to see how rough it is."""

SAFETY = 1.5
"""Allowed error over the largest one seen in 100,000 samples or more; normal errors exceed it with p near 1e-11."""

WORTHWHILE = 1 << 21
"""Entries of a product from which a rough one saves more than checking it costs."""

AT_ONCE = 1 << 22
"""Entries of a product in one piece of memory: a processor's larger pieces are given back and cleared every time."""

HALVINGS = 9
"""Of the range in which a row's bound is sought: what is left of it lets few candidates more through."""


class Product(NamedTuple):
    """x @ w + b, roughly: every entry is at most `margin` of its row away from the exact one."""

    rough: tuple[Tensor, ...]
    """(.., F) blocks of rows, first to last."""
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
    bound = peaks.flatten().kthvalue(max(peaks.numel() - count, 0) + 1).values
    places, values = _candidates(product, bound, x, w, b)
    chosen = share.largest(values, count)
    return Kept(places, values) if len(chosen) == len(values) else Kept(places.chosen(chosen), values[chosen])


def largest_of_rows(x: Tensor, w: Tensor, b: Tensor, levels: Sequence[int]) -> tuple[Kept, Tensor]:
    """The levels[-1] largest positive entries of each row of x @ w + b, as `strongest_of_rows` gives them."""
    product, k = rough_product(x, w, b), levels[-1]
    bound = _reached_by(_peaks(product, k), k)
    return strongest_of_rows(Kept(*_candidates(product, bound, x, w, b)), levels)


def strongest_of_rows(kept: Kept, levels: Sequence[int]) -> tuple[Kept, Tensor]:
    """The levels[-1] largest kept entries of each row, and (m,) the level of each, rising within a row.

    An entry's level is the number of the first of `levels`, rising, that reaches its rank: 0 for the levels[0] largest
    of a row, 1 for those that follow up to levels[1]. Entries of a level stand by ascending column.
    """
    places, values = kept
    lengths = places.row_lengths()
    width = int(lengths.max())
    if width <= levels[0]:
        return kept, torch.zeros_like(places.rows)
    inside = torch.arange(width, device=values.device) < lengths[:, None]
    table = values.new_zeros(inside.shape).masked_scatter_(inside, values)
    ranked = table.topk(min(levels[-1], width), dim=1, sorted=len(levels) > 1)
    numbers = torch.where(ranked.values > 0, ranked.indices, width).to(torch.int32)
    level = torch.empty_like(ranked.indices)
    for which, (above, k) in enumerate(pairwise((0, *levels))):
        numbers[:, above:k] = numbers[:, above:k].sort(dim=1).values
        level[:, above:k] = which
    chosen, there = numbers + (lengths.cumsum(0) - lengths)[:, None], numbers < width
    chosen, level = (chosen.flatten(), level.flatten()) if there.all() else (chosen[there], level[there])
    return Kept(places.chosen(chosen), values[chosen]), level


def all_above(x: Tensor, w: Tensor, b: Tensor, least: Tensor) -> Kept:
    """The entries of x @ w + b above `least` () and above 0."""
    places, values = _candidates(rough_product(x, w, b), least, x, w, b)
    above = (values > least).nonzero().flatten()
    return Kept(places.chosen(above), values[above])


def rough_product(x: Tensor, w: Tensor, b: Tensor) -> Product:
    """x @ w + b in bfloat16 where that is faster, with the margin measured on evenly spaced rows.

    Errors grow with what an entry can be at most, so that the margin is a share of it: |x| max |w| + max |b|.
    """
    blocks = x.split(len(x) if x.is_cuda else max(1, AT_ONCE // w.shape[1]))
    if not _faster_in_bfloat16(x, w):
        return Product(tuple(torch.addmm(b, rows, w) for rows in blocks), x.new_zeros(len(x), 1))
    narrow_w, narrow_b = w.bfloat16(), b.bfloat16()
    rough = tuple(torch.addmm(narrow_b, rows.bfloat16(), narrow_w) for rows in blocks)
    most = x.norm(dim=1, keepdim=True) * w.norm(dim=0).max() + b.abs().max()
    every = -(-len(x) // SAMPLED_ROWS)
    seen, rows, scale = (
        torch.cat([part[::every] for part in parts]) for parts in (rough, blocks, most.split(len(blocks[0])))
    )
    errors = (seen - torch.addmm(b, rows, w)).abs() / scale
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
    n = product.rough[0].shape[1]
    groups = min(n, 1 << (GROUPS_PER_ENTRY * k).bit_length() - 1)  # a power of two fills the processor's registers
    width = n // groups
    # by their bits positive numbers stand in the same order; what is found of a group without any is not too high
    found = [_bits(rough)[:, : width * groups].unflatten(1, (width, groups)).amax(dim=1) for rough in product.rough]
    return torch.cat(found).view(product.rough[0].dtype).to(product.margin.dtype) - product.margin


def _bits(rough: Tensor) -> Tensor:
    """bfloat16 as whole numbers, which a processor compares several times as fast; anything else as it is."""
    return rough.view(torch.int16) if rough.dtype == torch.bfloat16 else rough


def _reached_by(peaks: Tensor, k: int) -> Tensor:
    """(B, 1) what at least k of a row's peaks (B, groups) reach: little less than the k-th largest of them, or 0 where
    that is not positive.

    Found by halving, in half the time.
    """
    least, most = peaks.amin(dim=1, keepdim=True).clamp_min(0), peaks.amax(dim=1, keepdim=True)
    step, reached = (most - least).clamp_min(0) / 2, torch.empty_like(peaks)
    for _ in range(HALVINGS):
        enough = torch.ge(peaks, least + step, out=reached).sum(dim=1, keepdim=True) >= k
        least, step = torch.where(enough, least + step, least), step / 2
    return least


def _candidates(product: Product, bound: Tensor, x: Tensor, w: Tensor, b: Tensor) -> tuple[Places, Tensor]:
    """Every place whose exact entry may reach `bound`, and those entries where they are positive.

    The rough product is used up: compared in its own type and in place, it takes a third of the time.
    """
    dtype, least = product.rough[0].dtype, bound.clamp_min(0) - product.margin
    if dtype != least.dtype:
        least = (least - least.abs() * torch.finfo(dtype).eps).to(dtype)  # so that rounding cannot raise it
    at_once = len(product.rough[0])
    reached = [
        places_of(_bits(rough.ge_(own)).bool()) for rough, own in zip(product.rough, least.split(at_once), strict=True)
    ]
    rows = torch.cat([places.rows + number * at_once for number, places in enumerate(reached)])
    places = Places(rows, torch.cat([places.columns for places in reached]), (len(x), w.shape[1]))
    exact = sampled_products(x, w, places) + b[places.columns]
    positive = (exact > 0).nonzero().flatten()
    return (places, exact) if len(positive) == len(exact) else (places.chosen(positive), exact[positive])
