"""The largest entries of a product are those that sorting all of it finds, rough products or not."""

import pytest
import torch

from core.saes import largest, sparse
from core.saes.largest import all_above, largest_of_batch, largest_of_rows, strongest_of_rows
from core.saes.sparse import Kept, Places, places_of, sampled_products, weighted_sums

SHAPES = [(1, 4, 5), (7, 6, 24), (16, 12, 83), (64, 32, 512)]


def factors(rows: int, d: int, n: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    """Rows of very unequal length, columns that fire together, and a bias."""
    generator = torch.Generator().manual_seed(rows)
    x = torch.randn(rows, d, generator=generator, dtype=torch.float64) * (
        1 + 9 * torch.rand(rows, 1, generator=generator)
    )
    w = torch.randn(d, n, generator=generator, dtype=torch.float64) + x[0, :, None] / x[0].norm()
    b = torch.randn(n, generator=generator, dtype=torch.float64)
    return x.to(dtype), w.to(dtype), b.to(dtype)


def dense(kept: Kept) -> torch.Tensor:
    table = kept.values.new_zeros(kept.places.shape)
    table[kept.places.rows, kept.places.columns] = kept.values
    return table


def by_sorting(pre: torch.Tensor, count: int) -> torch.Tensor:
    """The `count` largest positive entries of each row of pre (or of its one flat row), 0 elsewhere."""
    order = pre.sort(dim=-1, descending=True).indices[..., :count]
    return torch.zeros_like(pre).scatter(-1, order, pre.gather(-1, order)).relu()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("k", [1, 3, 5])
def test_exactly_what_sorting_everything_finds(shape, k):
    x, w, b = factors(*shape)
    pre = x @ w + b
    torch.testing.assert_close(dense(largest_of_rows(x, w, b, (k,))[0]), by_sorting(pre, k))
    batch = largest_of_batch(x, w, b, k * len(x))
    torch.testing.assert_close(dense(batch).flatten(), by_sorting(pre.flatten(), k * len(x)))
    flat = batch.places.rows * shape[2] + batch.places.columns
    assert torch.equal(flat, flat.sort().values) and (batch.values > 0).all(), "row by row, by ascending column"
    for least in (-1.0, 0.0, 2.0):
        above = dense(all_above(x, w, b, torch.tensor(least)))
        torch.testing.assert_close(above, pre * (pre > max(least, 0)))


@pytest.mark.parametrize("rows", [1, 5])
def test_nothing_positive_keeps_nothing(rows):
    x, w, b = torch.ones(rows, 4), -torch.ones(4, 24), torch.zeros(24)
    for kept in (
        largest_of_rows(x, w, b, (3,))[0],
        largest_of_batch(x, w, b, 3 * rows),
        all_above(x, w, b, torch.tensor(0.0)),
    ):
        assert len(kept.values) == 0 and kept.places.row_starts().tolist() == [0] * (rows + 1)


def test_a_rough_product_changes_no_choice_and_no_value(monkeypatch):
    x, w, b = factors(200, 64, 512, torch.float32)
    monkeypatch.setattr(largest, "WORTHWHILE", 1)
    if not largest._faster_in_bfloat16(x, w):
        pytest.skip("this processor has no instructions for bfloat16")
    product = largest.rough_product(x, w, b)
    exact = (x.double() @ w.double() + b.double()).float()
    errors = (torch.cat(product.rough) - exact).abs()
    assert (errors > 1e-3).any() and (errors <= product.margin).all()
    rough = largest_of_rows(x, w, b, (9,))[0], largest_of_batch(x, w, b, 9 * 200), all_above(x, w, b, torch.tensor(1.0))
    monkeypatch.setattr(largest, "WORTHWHILE", 1 << 60)
    plain = largest_of_rows(x, w, b, (9,))[0], largest_of_batch(x, w, b, 9 * 200), all_above(x, w, b, torch.tensor(1.0))
    for one, other in zip(rough, plain, strict=True):
        assert torch.equal(dense(one), dense(other))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_how_many_rows_are_multiplied_at_once_changes_no_choice(monkeypatch, dtype):
    x, w, b = factors(50, 64, 512, dtype)
    monkeypatch.setattr(largest, "WORTHWHILE", 1)
    found = []
    for at_once in (1 << 22, 7 * 512, 1):
        monkeypatch.setattr(largest, "AT_ONCE", at_once)
        assert len(largest.rough_product(x, w, b).rough) == -(-50 // max(1, min(at_once // 512, 50)))
        found.append((dense(largest_of_rows(x, w, b, (9,))[0]), dense(largest_of_batch(x, w, b, 450))))
    for by_rows, by_batch in found[1:]:
        assert torch.equal(by_rows, found[0][0]) and torch.equal(by_batch, found[0][1])


@pytest.mark.parametrize("k", [1, 5, 16])
def test_a_bound_is_reached_by_k_peaks_and_by_few_more(k):
    peaks = torch.randn(200, 64, generator=torch.Generator().manual_seed(k), dtype=torch.float64)
    peaks[:20] -= 10
    bound = largest._reached_by(peaks, k)
    highest = peaks.topk(k, dim=1).values[:, -1:]
    positive = highest > 0
    assert (bound <= highest)[positive].all() and (bound <= 0)[~positive].all()
    step = (peaks.amax(dim=1, keepdim=True) - peaks.amin(dim=1, keepdim=True).clamp_min(0)) / 2**largest.HALVINGS
    assert (bound + step >= highest - 1e-9)[positive].all()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 1.0])
def test_places_are_where_the_mask_is_true(share):
    mask = torch.rand(40, 64, generator=torch.Generator().manual_seed(0)) < share
    places = places_of(mask)
    assert torch.equal(torch.stack(places[:2], dim=1), mask.nonzero())


def test_some_columns_at_a_time_give_the_same_bits(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(50, 200, generator=generator)
    which, weights = torch.randint(0, 50, (4000,), generator=generator), torch.rand(4000, generator=generator)
    lengths = torch.bincount(torch.randint(0, 60, (4000,), generator=generator), minlength=61)
    whole = weighted_sums(table, which, weights, lengths)
    monkeypatch.setattr(sparse, "NEAR", 0)
    assert torch.equal(weighted_sums(table, which, weights, lengths), whole)


def test_sums_over_places_are_those_over_everything():
    mask = torch.rand(9, 24, generator=torch.Generator().manual_seed(0)) < 0.2
    places = places_of(mask)
    assert torch.equal(torch.stack(places[:2], dim=1), mask.nonzero())
    odd = mask[:, :23]
    assert torch.equal(torch.stack(places_of(odd)[:2], dim=1), odd.nonzero())
    a, b = torch.randn(9, 5, dtype=torch.float64), torch.randn(5, 24, dtype=torch.float64)
    values = sampled_products(a, b, places)
    torch.testing.assert_close(values, (a @ b)[mask])
    sums = weighted_sums(b.T.contiguous(), places.columns, values, places.row_lengths())
    torch.testing.assert_close(sums, (a @ b * mask) @ b.T)


def test_the_strongest_of_each_row_by_hand():
    kept = Kept(
        Places(torch.tensor([0, 0, 0, 2]), torch.tensor([1, 3, 4, 0]), (3, 5)), torch.tensor([2.0, 5.0, 3.0, 1.0])
    )
    few, levels = strongest_of_rows(kept, (2,))
    assert few.places.rows.tolist() == [0, 0, 2] and few.places.columns.tolist() == [3, 4, 0]
    assert few.values.tolist() == [5, 3, 1] and levels.tolist() == [0, 0, 0]
    everything, levels = strongest_of_rows(kept, (3,))
    assert everything is kept and levels.tolist() == [0, 0, 0, 0]
    nested, levels = strongest_of_rows(kept, (1, 3))
    assert nested.places.rows.tolist() == [0, 0, 0, 2] and nested.places.columns.tolist() == [3, 1, 4, 0]
    assert nested.values.tolist() == [5, 2, 3, 1] and levels.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("levels", [(1, 2), (1, 3, 5), (2, 5), (4, 5)])
def test_a_level_is_the_first_whose_number_reaches_the_rank(shape, levels):
    x, w, b = factors(*shape)
    kept, level = largest_of_rows(x, w, b, levels)
    rank = by_rank(x @ w + b)[kept.places.rows, kept.places.columns]
    assert torch.equal(level, torch.bucketize(rank, torch.tensor(levels)))
    whole, _ = largest_of_rows(x, w, b, levels[-1:])
    assert torch.equal(dense(kept), dense(whole))
    place = (kept.places.rows * len(levels) + level) * shape[2] + kept.places.columns
    assert torch.equal(place, place.sort().values), "row by row, level by level, by ascending column"


def by_rank(pre: torch.Tensor) -> torch.Tensor:
    """The rank of each entry in its row, from 1, the largest first."""
    return pre.argsort(dim=1, descending=True).argsort(dim=1) + 1
