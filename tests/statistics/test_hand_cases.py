"""Small cases by hand: which group changed most, what an exchange could show, what is added before a draw."""

import numpy as np
import pytest

from core.statistics import Exchange, accuracy_gap, exchange_p, lean_of, lean_of_clusters, metric_change
from core.statistics.effect import _most_changed
from core.statistics.exchange import _compositions
from core.statistics.gaps import _drawn, _Family, _squeezed, _stretched
from core.statistics.inversion import _chances
from core.statistics.lists import _resampled
from core.statistics.mean_leans import _shuffled
from core.statistics.omnibus import omnibus_p


def test_the_group_that_changed_most_is_told_in_standard_errors() -> None:
    """Of 12 rows that leave and 12 that enter (3, 9, 12) are of the groups: half of each is expected to enter, with
    the variance s (1 - s) 12 12 / 23, s = 1/8, 3/8, 1/2. The departures 1.5, 1.5 and -3 are 1.81, 1.24 and 2.40
    standard errors; over the variances the first group's would be the largest.
    """
    exchange = Exchange((0, 3, 9), (3, 6, 3), (0, 0, 0))
    share = np.array([1, 3, 4]) / 8
    spread = np.sqrt(share * (1 - share) * 144 / 23)
    departure = np.abs(np.array([3, 6, 3]) - 12 * share)
    np.testing.assert_allclose(departure / spread, [1.812, 1.238, 2.398], atol=1e-3)
    assert _most_changed(exchange) == 2 and (departure / spread**2).argmax() == 0


def test_a_group_of_one_exchanged_row_is_a_group() -> None:
    """Three groups are tested by draws, which can tell no smaller p than one in so many."""
    for leaves, several in (((9, 2, 1), True), ((9, 3, 0), False)):
        exchange = Exchange(leaves, (0, 12, 0), (5, 5, 5))
        together = [x + y for x, y in zip(leaves, exchange.enters, strict=True)]
        p, drawn = omnibus_p(together, exchange.enters, 40, both=True)
        found = exchange_p(exchange, 40)
        assert found[0] == p and drawn > 2 / 2_704_156
        assert found[1] == pytest.approx(drawn if several else 2 / 2_704_156)  # C(24, 12)


class Seen:
    """A metric that keeps the counts that it is given."""

    def __init__(self) -> None:
        self.given: list[np.ndarray] = []

    def from_counts(self, counts: np.ndarray, target: np.ndarray) -> np.ndarray:
        self.given.append(np.asarray(counts))
        return np.asarray(counts)[..., 0]


def test_half_a_row_of_everything_is_added_before_a_composition_is_drawn() -> None:
    """20 of 24 rows stay, none of group 0; 4 leave and enter, all of group 0 and none of it: mean shares of a drawn
    list before, of stay (1/2) / 21, of what leaves (9/2) / 5, of what enters (1/2) / 5, and of what stays 20.5 / 25.
    """
    seen = Seen()
    metric_change(seen, Exchange((4, 0), (0, 4), (0, 20)), [0.5, 0.5], draws=40_000)
    old, new = (counts[:, 0].mean() / 24 for counts in seen.given if counts.ndim == 2)
    kept = 20.5 / 25
    assert old == pytest.approx(kept * 0.5 / 21 + (1 - kept) * 4.5 / 5, rel=0.01)
    assert new == pytest.approx(kept * 0.5 / 21 + (1 - kept) * 0.5 / 5, rel=0.02)


def test_the_corrected_gap_is_the_one_that_half_of_all_samples_exceed() -> None:
    right, n = np.array([20, 28, 31]), np.array([40, 40, 40])
    rates, contrasts = right / n, np.array([[1, -1, 0], [1, 0, -1], [0, 1, -1]])
    contrasts = np.concatenate([contrasts, -contrasts])
    family = _Family(rates, n, contrasts, _squeezed(rates, n), _stretched(rates, n))
    _, middle, _ = family.ends(4000, 0)
    found = accuracy_gap(right, n, 4000)
    assert found.corrected == pytest.approx(middle) and middle < np.ptp(rates)
    uniforms = np.random.default_rng(1).random((3, 40_000))
    drawn = _drawn(family.nearer(middle), n, uniforms)
    gaps, seen = np.ptp(drawn, axis=0), np.ptp(rates)
    above, equal = (gaps > seen + 1e-9).mean(), (np.abs(gaps - seen) < 1e-9).mean()
    assert above - 0.02 < 0.5 < above + equal + 0.02 and equal < 0.2


def test_a_departure_of_clusters_is_in_their_own_standard_errors() -> None:
    """Four times the variance is twice the standard error."""
    plain = lean_of([60, 40], [12, 8])
    whole = lean_of([60, 40], [4, 16])
    for lean in (plain, whole):
        found = lean_of_clusters(lean, 0.2, [0.2, 0.2], 0.001, 4.0)
        for rows, clusters in zip(lean.groups, found.groups, strict=True):
            assert clusters.departure == pytest.approx(rows.departure / 2)


def test_what_is_remembered_cannot_be_written_to() -> None:
    """Equal questions get the same arrays: whoever wrote to them would change other people's numbers."""
    exchange = Exchange((1, 2), (2, 1), (5, 5))
    made = [_resampled(3, 4, 0), _chances(2, 3, 4, 0), *_shuffled((3, 2), 2, 0), *_compositions(exchange, 4, 0)]
    assert not any(array.flags.writeable for array in made)
