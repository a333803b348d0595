"""Why a query prefers a group: its gap of mean scores, split exactly over neurons and what no neuron explains."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse

from core.config import InputError
from core.neurons.matrices import AnyCodes, by_neuron
from core.statistics import Estimate, student


@dataclass(frozen=True, eq=False)
class Attribution:
    """The gap of one query between two sets of rows, neuron by neuron. gap = sum of contributions + rest.

    Positive numbers pull the query towards the first set, negative ones towards the second.
    """

    gap: float
    """mean score of the first set - mean score of the second."""
    contributions: np.ndarray
    """(F,) float64: (mean_A s z_j - mean_B s z_j) (q . W_j); 0 for a neuron that is silent in both."""
    errors: np.ndarray
    """Standard errors of the contributions (F,), rows taken as independent draws."""
    rest: float
    """What no neuron explains: the gap of the reconstruction error (and of the bias, where rows are scaled)."""
    rest_error: float
    gap_error: float
    n: tuple[int, int]
    """Rows of the two sets."""

    def order(self) -> np.ndarray:
        """Neurons by falling size of their contribution, whatever its sign; equal ones by number. Silent ones last."""
        return np.argsort(-np.abs(self.contributions), kind="stable")

    def towards(self, most: int | None = None) -> np.ndarray:
        """Neurons that pull towards the first set, strongest first."""
        order = np.argsort(-self.contributions, kind="stable")
        return order[: int((self.contributions > 0).sum())][:most]

    def estimate(self, neuron: int) -> Estimate:
        """One contribution with its 95 % interval."""
        return self._interval(float(self.contributions[neuron]), float(self.errors[neuron]))

    @property
    def gap_estimate(self) -> Estimate:
        return self._interval(self.gap, self.gap_error)

    @property
    def rest_estimate(self) -> Estimate:
        return self._interval(self.rest, self.rest_error)

    def _interval(self, value: float, error: float) -> Estimate:
        """Student's interval with the smaller set's degrees of freedom: never too narrow for unequal variances."""
        if min(self.n) < 2:
            return Estimate(value, n=sum(self.n))
        half = student(min(self.n)) * error
        return Estimate(value, value - half, value + half, sum(self.n))


class Rows:
    """A set of rows as an attribution sees it: what does not depend on the query.

    Parameters
    ----------
    codes : z (n, F).
    chosen : row numbers or a mask; InputError where it is empty.
    scale : factor of every row's codes (n,); None: 1.
    """

    def __init__(self, codes: AnyCodes, chosen: np.ndarray, scale: np.ndarray | None = None) -> None:
        csc = by_neuron(codes)
        self.rows = _rows(chosen, csc.shape[0])
        part = csc.tocsr()[self.rows].astype(np.float64)
        if scale is not None:
            part.data *= np.repeat(np.asarray(scale, dtype=np.float64)[self.rows], np.diff(part.indptr))
        self.codes: sparse.csr_matrix = part
        """Their codes in float64, each row times its factor."""
        n = len(self.rows)
        self.mean = np.asarray(part.sum(axis=0)).reshape(-1) / n
        """Mean code of every neuron (F,)."""
        square = np.asarray(part.multiply(part).sum(axis=0)).reshape(-1) / n
        self.variance = np.maximum(square - self.mean**2, 0.0) / max(n - 1, 1)
        """Variance of that mean (F,)."""


def attribute(
    codes: AnyCodes,
    along: np.ndarray,
    scores: np.ndarray,
    first: "np.ndarray | Rows",
    second: "np.ndarray | Rows",
    scale: np.ndarray | None = None,
) -> Attribution:
    """Split the gap of mean scores between two sets of rows over the neurons, exactly.

    With x_i = z_i W_dec + b_dec + err_i and score_i = q . x_i:

        mean_A score - mean_B score = sum_j (mean_A z_j - mean_B z_j) (q . W_j) + (mean_A - mean_B) (q . err)

    At the residual attach point score_i = q . readout(x_i) is linear in x_i up to the row's own 1 / sigma_i: give that
    as `scale` and q . U_j (decoder rows pushed through the readout) as `along`. The sum is still exact; as a forecast
    of what switching a neuron does it is first order, because switching also changes sigma.

    Parameters
    ----------
    codes : z (n, F).
    along : q . W_j of every neuron (F,), q of length 1.
    scores : score of every row (n,), un-normalised embeddings.
    first, second : the two sets as row numbers or masks; both need a row. A `Rows` of the same codes and scale is
        looked at once for many queries.
    scale : factor of every row's codes (n,); None: 1.

    Returns
    -------
    Attribution : in units of the score. Sums are taken in float64.
    """
    a, b = sets = [one if isinstance(one, Rows) else Rows(codes, one, scale) for one in (first, second)]
    along, scores = np.asarray(along, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    score_means = [float(scores[one.rows].mean()) for one in sets]
    score_errors = [_mean_variance(scores[one.rows]) for one in sets]
    rest_errors = [_mean_variance(scores[one.rows] - one.codes @ along) for one in sets]
    contributions = (a.mean - b.mean) * along
    gap = score_means[0] - score_means[1]
    return Attribution(
        gap=gap,
        contributions=contributions,
        errors=np.abs(along) * np.sqrt(a.variance + b.variance),
        rest=gap - float(contributions.sum()),
        rest_error=float(np.sqrt(sum(rest_errors))),
        gap_error=float(np.sqrt(sum(score_errors))),
        n=(len(a.rows), len(b.rows)),
    )


def mean_contributions(attributions: Sequence[Attribution]) -> np.ndarray:
    """Mean contribution of every neuron (F,) over several queries, each seen from its own first set.

    A neuron that pulls one query towards men and another towards women is positive for both where the first set is
    the group that each of them prefers.
    """
    return np.mean([attribution.contributions for attribution in attributions], axis=0)


def _mean_variance(values: np.ndarray) -> float:
    """Variance of the mean of independent draws; 0 where there is one."""
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else 0.0


def _rows(chosen: np.ndarray, n: int) -> np.ndarray:
    """Row numbers of a set; InputError where it is empty."""
    chosen = np.asarray(chosen)
    rows = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
    if not len(rows) or rows.min() < 0 or rows.max() >= n:
        raise InputError(f"a group of {len(rows)} rows was given to compare; expected rows between 0 and {n - 1}")
    return rows
