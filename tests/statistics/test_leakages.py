"""The probe's AUC: compared inside folds, and intervals that know that the probes are made of the same rows."""

import math
from importlib import import_module

import numpy as np
import pytest
from scipy.stats import norm

from core import statistics
from core.statistics.areas import area

# the package's `leakage` is the function of that name
module = import_module("core.statistics.leakages")


def balanced(rng: np.random.Generator, n: int, d: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two equal groups, apart by `shift` in the first column."""
    labels = np.arange(n) % 2
    x = rng.normal(size=(n, d))
    x[:, 0] += shift * labels
    return x, labels


def by_means(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, groups: list[int], _: object = None
) -> np.ndarray:
    """A probe that costs nothing: the direction between the means."""
    return np.stack([test @ (train[labels == g].mean(axis=0) - train[labels != g].mean(axis=0)) for g in groups], -1)


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_probe", by_means)


# -------------------------------------------------------------------------------------------------- the number


def test_scores_are_scikit_learns_cross_validated_ones():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    x = rng.normal(size=(90, 5)) * [1, 5, 0.1, 1, 0] + labels[:, None]
    exact = LogisticRegression(solver="newton-cholesky", tol=1e-10, max_iter=1000)
    probe, folds = make_pipeline(StandardScaler(), exact), StratifiedKFold(5, shuffle=True)
    folds.random_state = 4
    whole = [cross_val_predict(probe, x, labels == g, cv=list(folds.split(x, labels)), method="decision_function")
             for g in range(3)]  # fmt: skip
    np.testing.assert_allclose(statistics.probe_scores(x, labels, seed=4), np.stack(whole, axis=-1), atol=1e-5)
    # the AUC counts the pairs of a fold only
    right = pairs = 0.0
    for _, test in folds.split(x, labels):
        for g, column in enumerate(whole):
            scores, own = column[test], labels[test] == g
            apart = np.heaviside(scores[own][:, None] - scores[~own][None, :], 0.5)
            right, pairs = right + apart.sum(), pairs + apart.size
    assert statistics.leakage_estimate(x, labels, seed=4).estimate == pytest.approx(right / pairs)


@pytest.mark.parametrize(("n", "d", "groups", "shift"), [(600, 40, 2, 0.3), (600, 40, 3, 1.5), (120, 100, 2, 3.0)])
def test_the_auc_is_scikit_learns_to_the_third_digit(n: int, d: int, groups: int, shift: float) -> None:
    """Its default solver stops a little before the end; groups that are read well, badly and with few rows."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(n + groups)
    labels = np.arange(n) % groups
    x = rng.normal(size=(n, d)) + shift * rng.normal(size=(groups, d))[labels] / math.sqrt(d)
    mine = statistics.probe_scores(x, labels)
    for column, group in enumerate([1] if groups == 2 else range(groups)):
        for fit, asked in StratifiedKFold(5, shuffle=True, random_state=0).split(x, labels):
            scaler = StandardScaler().fit(x[fit])
            theirs = LogisticRegression(max_iter=1000).fit(scaler.transform(x[fit]), labels[fit] == group)
            expected = roc_auc_score(labels[asked] == group, theirs.decision_function(scaler.transform(x[asked])))
            assert roc_auc_score(labels[asked] == group, mine[asked, column]) == pytest.approx(expected, abs=3e-3)
    whole = statistics.leakage_estimate(x, labels).estimate
    assert whole == pytest.approx(_by_scikit_learn(x, labels), abs=1e-3)


def _by_scikit_learn(x: np.ndarray, labels: np.ndarray) -> float:
    """Mean over groups of the share of pairs of a fold that its default logistic regression puts in order."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.preprocessing import StandardScaler

    values = []
    for group in [1] if labels.max() == 1 else range(labels.max() + 1):
        right = pairs = 0.0
        for fit, asked in StratifiedKFold(5, shuffle=True, random_state=0).split(x, labels):
            scaler = StandardScaler().fit(x[fit])
            probe = LogisticRegression(max_iter=1000).fit(scaler.transform(x[fit]), labels[fit] == group)
            scores, own = probe.decision_function(scaler.transform(x[asked])), labels[asked] == group
            apart = np.heaviside(scores[own][:, None] - scores[~own][None, :], 0.5)
            right, pairs = right + apart.sum(), pairs + apart.size
        values.append(right / pairs)
    return float(np.mean(values))


def test_a_planted_direction_goes_when_it_is_projected_out():
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    x = rng.normal(size=(300, 6))
    centres = 3.0 * np.eye(6)[:3]
    before = x + centres[labels]
    after = before.copy()
    after[:, :3] = rng.normal(size=(300, 3))
    old, new, change = statistics.leakage(before, after, labels)
    assert old == statistics.leakage_estimate(before, labels) and new == statistics.leakage_estimate(after, labels)
    assert old.estimate > 0.95 and new.lo <= 0.5 <= new.hi
    assert change.estimate == pytest.approx(new.estimate - old.estimate) and change.hi < 0
    assert statistics.leakage(before, before, labels)[2].to_json() == {"estimate": 0.0, "lo": 0.0, "hi": 0.0, "n": 300}


def test_any_two_values_are_groups():
    x, labels = balanced(np.random.default_rng(1), 60, 3, 2.0)
    assert statistics.leakage_estimate(x, labels * 7 + 2) == statistics.leakage_estimate(x, labels)


def test_a_probe_that_cannot_be_made_says_why():
    x = np.zeros((10, 2))
    for labels, reason in ((np.zeros(10, dtype=int), "two groups"), (np.array([0] * 8 + [1] * 2), "folds")):
        assert reason in statistics.leakage(x, x, labels)[0].reason
        assert reason in statistics.leakage_estimate(x, labels).reason


# ---------------------------------------------------------------------------------------------------- intervals


def test_everything_ordered_right_has_a_width():
    x, labels = balanced(np.random.default_rng(2), 100, 3, 40.0)
    found = statistics.leakage_estimate(x, labels)
    rows = 50 / (2 - (1 - 3 / 80) ** 2)
    part = 3.8415 / (rows + 3.8415)  # 1 - Wilson's lower limit of all of them
    assert (found.estimate, found.hi) == (1.0, 1.0) and found.lo == pytest.approx(1 - math.hypot(part, part), abs=1e-4)
    nothing = statistics.leakage_estimate(np.zeros((100, 3)), labels)
    assert nothing.estimate == 0.5 and nothing.lo < 0.47 and nothing.hi > 0.53


def test_variance_of_noise_counts_every_pair_twice_and_that_of_a_known_direction_once():
    assert module._inflation(0.5, 20, 200, 200, 5) == 2.0 and module._inflation(0.3, 20, 200, 200, 5) == 2.0
    assert module._inflation(1.0, 20, 200, 200, 5) == pytest.approx(2 - (1 - 20 / 320) ** 2)
    assert module._inflation(0.9, 2, 5000, 5000, 5) == pytest.approx(1.0, abs=3e-3)
    values = [module._inflation(a, 20, 200, 200, 5) for a in np.linspace(0.5, 0.999, 30)]
    assert (np.diff(values) <= 0).all()
    # tau solves its equation
    tau = 1 - math.sqrt(2 - module._inflation(0.8, 20, 200, 100, 5))
    q2 = 2 * norm.ppf(0.8) ** 2 - 2 * (1 / 200 + 1 / 100)
    assert tau * q2 == pytest.approx(q2 * 20 / 240 + 20 * (1 / 200 + 1 / 100) * 1.25 * (1 - tau) ** 2)


@pytest.mark.parametrize(("shift", "groups"), [(0.0, 2), (0.0, 4), (1.0, 2)])
def test_width_and_coverage_over_audits(cheap, shift, groups):
    """400 audits; the truth of noise is .5, otherwise it is their mean. Without the probes' own spread: 83 %."""
    rng, n = np.random.default_rng(3), 160
    labels, found = np.arange(n) % groups, []
    for seed in range(400):
        x = rng.normal(size=(n, 12))
        x[:, 0] += shift * labels
        found.append(statistics.leakage_estimate(x, labels, seed))
    values = np.array([one.estimate for one in found])
    truth = values.mean() if shift else 0.5
    assert values.mean() == pytest.approx(truth, abs=0.008), "scores of different folds are not compared"
    assert 0.935 <= np.mean([one.lo <= truth <= one.hi for one in found]) <= 0.98
    assert np.mean([one.hi - one.lo for one in found]) / 2 / 1.96 / values.std() == pytest.approx(1.04, abs=0.08)


def test_logistic_probes_of_noise_do_not_exclude_a_half():
    """The real probe, 400 rows and 20 columns: 15 % of DeLong's intervals excluded it."""
    misses = 0
    for seed in range(80):
        x, labels = balanced(np.random.default_rng([5, seed]), 400, 20)
        found = statistics.leakage_estimate(x, labels, seed)
        misses += not found.lo <= 0.5 <= found.hi
    assert misses <= 8


def test_paired_difference_covers(cheap):
    rng, found = np.random.default_rng(6), []
    for seed in range(400):
        x, labels = balanced(rng, 160, 8, 1.5)
        after = x.copy()
        after[:, 0] = 0.4 * x[:, 0] + 0.7 * rng.normal(size=160)
        found.append(statistics.leakage(x, after, labels, seed)[2])
    truth = np.mean([one.estimate for one in found])
    assert 0.92 <= np.mean([one.lo <= truth <= one.hi for one in found]) <= 0.98
    assert truth < -0.05 and np.mean([one.hi < 0 for one in found]) > 0.5


# ----------------------------------------------------------------------------------------------------- held out


def test_two_groups_are_one_auc_and_its_parts_are_delongs():
    rng = np.random.default_rng(1)
    labels = (np.arange(200) < 80).astype(int)
    scores = rng.normal(size=(200, 1)) + labels[:, None]
    found = area(scores[:, 0], labels == 1)
    direct = statistics.auc_estimate(scores[:, 0], labels == 1)
    assert found.value == pytest.approx(direct.estimate)
    # DeLong's variance from the matrix of pairs
    pairs = scores[labels == 1] > scores[labels == 0].T
    assert (found.parts**2).sum() == pytest.approx(pairs.mean(axis=1).var() / 80 + pairs.mean(axis=0).var() / 120)
    assert 1.96 * math.sqrt((found.parts**2).sum()) == pytest.approx((direct.hi - direct.lo) / 2, rel=0.1)


def test_held_out_rows_of_two_groups_have_the_interval_of_an_auc():
    rng = np.random.default_rng(7)
    (x, labels), (other, asked) = balanced(rng, 120, 4, 1.0), balanced(rng, 90, 4, 1.0)
    from sklearn.linear_model import LogisticRegression

    mean, spread = x.mean(axis=0), x.std(axis=0)
    scores = LogisticRegression().fit((x - mean) / spread, labels).decision_function((other - mean) / spread)
    direct = statistics.auc_estimate(scores, asked == 1)
    assert statistics.held_out_leakage(x, labels, other, asked) == direct
    three = statistics.held_out_leakage(x, np.arange(120) % 3, other, np.arange(90) % 3)
    assert 0 < three.lo < three.estimate < three.hi < 1 and three.hi - three.lo < direct.hi - direct.lo
    assert "same groups" in statistics.held_out_leakage(x, labels, other, np.zeros(90, dtype=int)).reason


def test_held_out_intervals_of_several_groups_cover():
    """Scores of one probe a group for three groups; each has the AUC of two normals."""
    rng, labels, found = np.random.default_rng(8), np.arange(150) % 3, []
    for _ in range(600):
        scores = rng.normal(size=(150, 3)) + 1.2 * np.eye(3)[labels]
        found.append(module.mean_area(module._areas(scores, labels)))
    truth = norm.cdf(1.2 / math.sqrt(2))
    assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=0.005)
    assert 0.93 <= np.mean([one.lo <= truth <= one.hi for one in found]) <= 0.975


def test_a_group_needs_as_many_rows_as_there_are_folds() -> None:
    x = np.random.default_rng(0).normal(size=(25, 2))
    assert statistics.leakage_estimate(x, np.array([0] * 20 + [1] * 5)).estimate is not None
    assert "4 rows, fewer than the 5 folds" in statistics.leakage_estimate(x[:24], np.array([0] * 20 + [1] * 4)).reason
