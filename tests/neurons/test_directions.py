"""A direction of one's own: planted ones are found, nothing is left of one that is taken out, and counts add up."""

import numpy as np
import pytest

from core.config import InputError
from core.interventions.subspaces import without
from core.neurons import mean_direction, probe_direction, projected
from core.statistics import auc, probe_weights
from core.units import unit

N, D = 400, 16
KINDS = [mean_direction, probe_direction]


def planted(seed: int, strength: float = 2.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of noise of which the first half is moved along one direction: rows, who is moved, the direction."""
    rng = np.random.default_rng(seed)
    v, positive = unit(rng.normal(size=D)), np.arange(N) < N // 2
    return rng.normal(size=(N, D)) + strength * np.outer(positive, v), positive, v


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_a_planted_direction_is_found_and_separates_other_rows(make, seed: int) -> None:
    x, positive, v = planted(seed)
    found = make(x, positive)
    assert np.linalg.norm(found) == pytest.approx(1.0)
    assert found @ v > 0.9
    rng = np.random.default_rng(100 + seed)
    other = rng.normal(size=(N, D)) + 2 * np.outer(positive, v)
    assert auc(unit(other) @ found, positive) > 0.85
    assert make(x, ~positive) == pytest.approx(-found, abs=1e-5), "the others' direction is the opposite one"


@pytest.mark.parametrize("make", KINDS)
def test_a_direction_does_not_depend_on_lengths_or_order_and_turns_with_the_space(make) -> None:
    x, positive, _ = planted(5)
    rng = np.random.default_rng(6)
    found, order = make(x, positive), rng.permutation(N)
    assert make(x * rng.uniform(0.1, 9, (N, 1)), positive) == pytest.approx(found, abs=1e-6)
    assert make(x[order], positive[order]) == pytest.approx(found, abs=1e-5)
    if make is mean_direction:
        turn = np.linalg.qr(rng.normal(size=(D, D)))[0]
        assert make(x @ turn, positive) == pytest.approx(found @ turn, abs=1e-9)


@pytest.mark.parametrize("make", KINDS)
def test_nothing_lies_along_a_direction_that_is_taken_out(make) -> None:
    x, positive, _ = planted(7)
    v = make(x, positive)
    left = without(x, v[:, None])
    assert np.abs(left @ v).max() < 1e-12
    if make is mean_direction:
        means = [unit(x)[kind].mean(axis=0) for kind in (positive, ~positive)]
        assert np.linalg.norm(without(means[0] - means[1], v[:, None])) < 1e-12


def test_the_probe_has_the_gradient_of_its_objective_at_zero() -> None:
    x, positive, _ = planted(8, 1.0)
    x[:, 3] = 0.25
    w = probe_weights(x, positive)
    assert w[3] == 0.0, "a column that does not vary says nothing"
    kept = np.arange(D) != 3
    z, v = (x - x.mean(axis=0))[:, kept] / x.std(axis=0)[kept], (w * x.std(axis=0))[kept]
    side = np.where(positive, 1.0, -1.0)
    scores = z @ v
    ends = -20.0, 20.0
    for _ in range(80):  # the intercept by halving
        b = sum(ends) / 2
        pull = (side / (1 + np.exp(side * (scores + b)))).sum()
        ends = (b, ends[1]) if pull > 0 else (ends[0], b)
    gradient = v - z.T @ (side / (1 + np.exp(side * (scores + b))))
    assert np.abs(gradient).max() < 1e-3


def test_items_along_a_direction_are_in_order_and_groups_add_up() -> None:
    x, positive, v = planted(9)
    labels = np.where(positive, "a", "b").astype(object)
    labels[::10] = None
    rows = np.arange(N) * 3 + 1
    found = projected(x, 5 * v, rows, labels, "a", 12)
    cosines = dict(zip(rows.tolist(), (x @ v / np.linalg.norm(x, axis=1)).tolist(), strict=True))
    ordered = sorted(cosines, key=lambda row: -cosines[row])
    assert found.top.rows.tolist() == ordered[:12] and found.low.rows.tolist() == ordered[::-1][:12]
    assert found.middle.rows.tolist() == ordered[(N - 12) // 2 : (N - 12) // 2 + 12]
    assert found.top.values == pytest.approx([cosines[row] for row in ordered[:12]])
    assert found.n == N and found.auc.n == sum(label is not None for label in labels)
    every = np.array([cosines[row] for row in rows.tolist()])
    pairs = every[labels == "a"][:, None] > every[labels == "b"][None]
    assert found.auc.estimate == pytest.approx(pairs.mean())
    assert found.auc.lo < found.auc.estimate < found.auc.hi
    for group, shares in found.shares.items():
        assert shares.sum() == pytest.approx(1.0)
        mean, of_group = found.means[group], every[labels == group]
        assert (mean.estimate, mean.n) == (pytest.approx(of_group.mean()), len(of_group))
        assert mean.lo < mean.estimate < mean.hi


def test_what_is_no_direction_is_refused_in_one_line() -> None:
    x, _, v = planted(1)
    for make in KINDS:
        with pytest.raises(InputError, match="rows of the group and rows of others"):
            make(x, np.ones(N, dtype=bool))
    with pytest.raises(InputError, match="there is no direction"):
        mean_direction(np.ones((4, D)), np.array([True, True, False, False]))
    labels = np.array(["a"] * N, dtype=object)
    for wrong in (v[:-1], 0 * v):
        with pytest.raises(InputError, match="expected 16, not all of them 0"):
            projected(x, wrong, np.arange(N), labels, "a")
    with pytest.raises(InputError, match="two groups"):
        probe_weights(x, np.zeros(N, dtype=bool))
    assert projected(x, v, np.arange(N), labels, "b").auc.estimate is None
