"""Does a retrieval prefer a group where rows come in clusters: several pictures of a person, frames of a film?

Rows of one cluster are retrieved together, so that a top 100 of five people is evidence of five, not of a hundred.
"""

from dataclasses import dataclass

import numpy as np
import scipy

DRAWS = 19_999
BLOCK = 20
"""Clusters that are enough to exchange labels among; sizes with fewer are put together with their neighbours."""
STRAY = 0.1
"""Share of the retrieved rows that may lie in clusters of a size with fewer than BLOCK others, mixed labels only."""
MOST, FEWEST_DRAWS = 4_000_000, 1_999
"""Retrieved clusters of mixed labels that are dealt new labels in all (a second), but never fewer draws."""
SLACK = 1e-9
"""Counts and statistics so near each other are equal."""


@dataclass(frozen=True, eq=False)
class _Counted:
    """Rows with a known group, counted by cluster."""

    held: np.ndarray
    """Searched rows of each group in each cluster (C, G)."""
    taken: np.ndarray
    """Retrieved rows of each group in each cluster (C, G)."""

    @property
    def sizes(self) -> np.ndarray:
        return self.held.sum(axis=1)

    @property
    def retrieved(self) -> np.ndarray:
        """Retrieved rows of each cluster (C,)."""
        return self.taken.sum(axis=1)

    @property
    def shares(self) -> np.ndarray:
        """Base share of each group (G,)."""
        return self.held.sum(axis=0) / self.held.sum()

    @property
    def departures(self) -> np.ndarray:
        """Retrieved rows of each group beyond those of a blind draw (G,)."""
        return self.taken.sum(axis=0) - self.taken.sum() * self.shares

    @property
    def blind(self) -> np.ndarray:
        """Variance of the retrieved rows of each group in a blind draw of single rows (G,): hypergeometric."""
        n, k, p = int(self.held.sum()), int(self.taken.sum()), self.shares
        return k * p * (1 - p) * (n - k) / max(n - 1, 1)


def cluster_p(
    groups: np.ndarray,
    clusters: np.ndarray,
    top: np.ndarray,
    n_groups: int,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[float, np.ndarray]:
    """Omnibus p (the retrieval does not look at the group) and the two-sided p of each group, by whole clusters.

    H0: who is retrieved does not depend on the labels; rows of a cluster may be retrieved together. With k_g
    retrieved and n_g searched rows of group g, K and N of all groups, the departure of a group is k_g - K n_g / N.
    Rows without a known group are left out.

    - Every cluster has one label (a person): labels are permuted among clusters of equal size. A cluster counts with
      its retrieved rows. Sizes of fewer than BLOCK clusters are put together with the next ones; a larger cluster then
      counts by how many more of its rows are retrieved than its size makes likely.
    - Labels are mixed and sizes are equal (a scene with everybody): clusters of equal size exchange their labels, and
      which row of a cluster carries which of them is drawn too. Rows of a cluster are taken as alike; where one person
      fills several rows of a film, the person is the cluster to give.
    - Labels are mixed and more than STRAY of the retrieved rows lie in clusters of a rare size: the departures are
      divided by the root of the design effect and compared with Student's t of K / `design_effect` - 1 degrees of
      freedom, the omnibus with Fisher's F.

    By permutation p = (1 + b) / (1 + draws), for a group twice the smaller tail, at most 1; the omnibus is that of
    G = 2 sum_g k_g ln(k_g N / (K n_g)), 0 ln 0 = 0, and with two groups the p of both. All are 1 where nothing or
    everything is retrieved, or where only one group is searched. Equal arguments give equal values.

    Parameters
    ----------
    groups : group number of every searched row (n,), -1 unknown.
    clusters : cluster number of every searched row (n,).
    top : retrieved rows (k,) as places in `groups`.
    n_groups : G; a group without a searched row has p 1.

    Returns
    -------
    (omnibus p in (0, 1], p of each group (G,) in (0, 1])
    """
    counted = _counted(groups, clusters, top, n_groups)
    present = int((counted.held.sum(axis=0) > 0).sum())
    if present < 2 or counted.taken.sum() in (0, counted.held.sum()):
        return 1.0, np.ones(n_groups)
    rng = np.random.default_rng(seed)
    if ((counted.held > 0).sum(axis=1) == 1).all():
        k, n = _labels_permuted(counted, draws, rng)
    elif _stray(counted) <= STRAY:
        k, n = _labels_dealt(counted, draws, rng)
    else:
        return _by_design_effect(counted, present)
    departures = k - counted.taken.sum() * n / counted.held.sum()
    above = (departures >= counted.departures - SLACK).sum(axis=0)
    below = (departures <= counted.departures + SLACK).sum(axis=0)
    by_group = np.minimum(2.0 * (1 + np.minimum(above, below)) / (1 + len(k)), 1.0)
    if present == 2:
        return float(by_group.min()), by_group
    observed = _g(counted.taken.sum(axis=0)[None], counted.held.sum(axis=0)[None])[0]
    return float((1 + (_g(k, n) >= observed - SLACK).sum()) / (1 + len(k))), by_group


def design_effect(
    retrieved_clusters: np.ndarray, retrieved_groups: np.ndarray, clusters: np.ndarray, groups: np.ndarray
) -> float:
    """How many times less the retrieved rows tell about groups than as many rows retrieved one by one; at least 1.

    max(1, sum_gc u_gc^2 / sum_g V_g), u_gc = k_gc - r_c p_g - (K / N) (n_gc - m_c p_g): with k_gc retrieved and n_gc
    searched rows of group g in cluster c (r_c and m_c of all groups, K and N in all) u_gc is what cluster c adds to the
    departure of group g from its base share p_g, and V_g = K p_g (1 - p_g) (N - K) / (N - 1) is the departure's
    variance in a blind draw of single rows. 1: clusters do not matter; m: clusters of m rows come as wholes and have
    one label each. Nothing is assumed of the rows inside a cluster. Divide counts by it: K / design_effect rows are
    left. It is itself uncertain where fewer than about 20 clusters are retrieved.

    Parameters
    ----------
    retrieved_clusters, retrieved_groups : cluster and group number of each retrieved row (k,); -1: unknown group, left
        out.
    clusters, groups : of every searched row (n,), the retrieved ones among them.

    Source: Kish 1965 (section 8.2); the linearised variance of a share of clusters, Cochran 1977 (section 6.8).
    """
    n_groups = int(np.max(groups, initial=0)) + 1
    return _design_effect(_tabled(groups, clusters, retrieved_groups, retrieved_clusters, n_groups))


# -- counting ---------------------------------------------------------------------------------------------------------


def _counted(groups: np.ndarray, clusters: np.ndarray, top: np.ndarray, n_groups: int) -> _Counted:
    groups, clusters, top = np.asarray(groups), np.asarray(clusters), np.asarray(top, dtype=np.int64)
    return _tabled(groups, clusters, groups[top], clusters[top], n_groups)


def _tabled(
    groups: np.ndarray, clusters: np.ndarray, of_retrieved: np.ndarray, retrieved: np.ndarray, n_groups: int
) -> _Counted:
    groups, clusters = np.asarray(groups), np.asarray(clusters)
    of_retrieved, retrieved = np.asarray(of_retrieved), np.asarray(retrieved)
    names, number = np.unique(clusters[groups >= 0], return_inverse=True)
    shape = (len(names), n_groups)

    def table(cluster: np.ndarray, group: np.ndarray) -> np.ndarray:
        return np.bincount(cluster * n_groups + group, minlength=shape[0] * n_groups).reshape(shape)

    known = of_retrieved >= 0
    place = np.searchsorted(names, retrieved[known])
    return _Counted(table(number, groups[groups >= 0]), table(place, of_retrieved[known]))


def _stray(counted: _Counted) -> float:
    """Share of the retrieved rows in clusters of a size that fewer than BLOCK clusters have."""
    frequent = np.bincount(counted.sizes)[counted.sizes] >= BLOCK
    return float(counted.retrieved[~frequent].sum() / counted.retrieved.sum())


def _g(k: np.ndarray, n: np.ndarray) -> np.ndarray:
    """G statistic (draws,) of retrieved and searched rows of each group (draws, G)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = k * n.sum(axis=1, keepdims=True) / (k.sum(axis=1, keepdims=True) * n)
        return 2 * np.where(k > 0, k * np.log(ratio), 0.0).sum(axis=1)


# -- permutations -----------------------------------------------------------------------------------------------------


def _labels_permuted(counted: _Counted, draws: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Retrieved and searched rows of each group (draws, G) where labels of whole clusters change places.

    Only the kinds of clusters (size, retrieved rows) matter: of each kind as many get a label as a draw without
    replacement gives it, which costs the same however many clusters there are.
    """
    label, n_groups = counted.held.argmax(axis=1), counted.held.shape[1]
    k, n = (np.zeros((draws, n_groups), dtype=np.int64) for _ in range(2))
    for block in _blocks(counted.sizes):
        kinds, of_kind = np.unique(
            np.stack([counted.sizes[block], counted.retrieved[block]], axis=1), axis=0, return_counts=True
        )
        left = np.tile(np.bincount(label[block], minlength=n_groups), (draws, 1))
        order = np.argsort(of_kind, kind="stable")  # what remains goes to the commonest kind without a draw
        for kind in order[:-1].tolist():
            dealt = _without_replacement(left, int(of_kind[kind]), rng)
            left -= dealt
            n += dealt * kinds[kind, 0]
            k += dealt * kinds[kind, 1]
        n += left * kinds[order[-1], 0]
        k += left * kinds[order[-1], 1]
    return k, n


def _blocks(sizes: np.ndarray) -> list[np.ndarray]:
    """Clusters in blocks of equal size; neighbouring sizes together until a block has BLOCK clusters."""
    blocks: list[np.ndarray] = []
    short: list[np.ndarray] = []
    for size in np.unique(sizes).tolist():
        short.append(np.flatnonzero(sizes == size))
        if sum(map(len, short)) >= BLOCK:
            blocks.append(np.concatenate(short))
            short = []
    if short:
        blocks = [*blocks[:-1], np.concatenate([*blocks[-1:], *short])]
    return blocks


def _without_replacement(left: np.ndarray, many: np.ndarray | int, rng: np.random.Generator) -> np.ndarray:
    """`many` (a number or (...,)) draws without replacement from the counts (..., G): counts drawn (..., G)."""
    drawn = np.zeros_like(left)
    pool, missing = left.sum(axis=-1), np.broadcast_to(many, left.shape[:-1])
    for g in range(left.shape[-1] - 1):
        pool = pool - left[..., g]
        drawn[..., g] = rng.hypergeometric(left[..., g], pool, missing)
        missing = missing - drawn[..., g]
    drawn[..., -1] = missing
    return drawn


def _labels_dealt(counted: _Counted, draws: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The same where clusters hold several labels: those of equal size exchange them, rows inside are shuffled."""
    retrieved, n_groups = counted.retrieved, counted.held.shape[1]
    hit = retrieved > 0
    draws = min(draws, max(FEWEST_DRAWS, MOST // int(hit.sum())))
    k = np.zeros((draws, n_groups), dtype=np.int64)
    for size in np.unique(counted.sizes[hit]).tolist():
        same_size = counted.sizes == size
        many = np.sort(retrieved[same_size & hit])
        makes, frequent = np.unique(counted.held[same_size], axis=0, return_counts=True)
        chosen = rng.multivariate_hypergeometric(frequent, len(many), size=draws, method="marginals")
        dealt = np.repeat(np.tile(np.arange(len(makes)), draws), chosen.ravel()).reshape(draws, len(many))
        rng.permuted(dealt, axis=1, out=dealt)
        for place, rows in enumerate(many.tolist()):
            k += _without_replacement(makes[dealt[:, place]], rows, rng)
    return k, np.tile(counted.held.sum(axis=0), (draws, 1))


# -- the design effect ------------------------------------------------------------------------------------------------


def _design_effect(counted: _Counted) -> float:
    blind = float(counted.blind.sum())
    if blind == 0:
        return 1.0
    share = counted.taken.sum() / counted.held.sum()
    excess = counted.taken - counted.retrieved[:, None] * counted.shares
    excess = excess - share * (counted.held - counted.sizes[:, None] * counted.shares)
    return max(1.0, float((excess**2).sum()) / blind)


def _by_design_effect(counted: _Counted, present: int) -> tuple[float, np.ndarray]:
    """The p values where no permutation is at hand."""
    effect, blind, departures = _design_effect(counted), counted.blind, counted.departures
    freedom = max(float(counted.taken.sum()) / effect - 1, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(blind > 0, departures / np.sqrt(blind * effect), 0.0)
        by_group = 2 * scipy.stats.t.sf(np.abs(z), freedom)
        if present == 2:
            return float(by_group.min()), by_group
        # Pearson's statistic of the top k, with the variance of a draw without replacement
        chi = np.where(blind > 0, departures**2 / blind * (1 - counted.shares), 0.0).sum()
    return float(scipy.stats.f.sf(chi / effect / (present - 1), present - 1, freedom)), by_group
