"""What a set of neurons does to a query's score gap and to the embeddings, to second order, on the probe rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.config import NOTHING
from core.edits.probe_set import ProbeSet

LEAST_ROWS = 3
"""A neuron that fires on fewer probe rows says too little about anybody."""
MOST_ROWS, MOST_NEURONS = 8192, 2048
"""Probe rows and neurons that are looked at in full; of more rows so many evenly spaced ones, of more neurons those
that the attribution names first."""


@dataclass(frozen=True, eq=False)
class ScoreGap:
    """Candidate neurons of one or more queries with what a unit of strength on each of them costs and gives.

    An edit with strengths e (each neuron set to its probe mean) closes about `gains . e` of the query's score gap and
    moves the unit embeddings by about `e' drift e` = 2 (1 - mean cosine).
    """

    neurons: np.ndarray
    """Candidates (C,), most gain for their drift first."""
    means: np.ndarray
    """Mean code of each on the probe rows (C,): the value that a fully switched neuron takes."""
    drift: np.ndarray
    """(C, C): mean over rows of the product of the moves, without what only lengthens a row."""
    gains: np.ndarray
    """Share of the gap that each closes (C,), mean over the queries."""
    harm: np.ndarray
    """Share of the explicit queries' own gap that each closes (C,), mean over them; 0 without explicit queries."""


def score_gap_of(
    probe: ProbeSet,
    queries: Sequence[np.ndarray],
    groups: Sequence[int],
    explicit: Sequence[tuple[np.ndarray, int]] = (),
    most: int = 96,
) -> ScoreGap:
    """The candidates for an edit that serves all of the given queries.

    Parameters
    ----------
    groups : group that each query leans to; its gap is against all other known rows.
    explicit : queries that name a group, with the group: they should go on finding it.
    """
    alive = _worth_a_look(probe, queries, groups)
    rows = np.unique(np.linspace(0, probe.part.n - 1, min(probe.part.n, MOST_ROWS)).astype(np.int64))
    z = probe.material.require_codes().tocsr()[rows][:, alive].toarray().astype(np.float64)
    means = z.mean(axis=0)
    z -= means
    scale = 1.0 if probe.scale is None else probe.scale[rows]
    z *= (scale / probe.lengths[rows])[:, None]  # a unit of strength in units of the row's own length
    directions = probe.directions[alive]
    unit = np.asarray(probe.material.pooled[rows], np.float64) / probe.lengths[rows][:, None]
    inner = unit @ directions.T
    labels = probe.part.labels[rows]

    def closed(query: np.ndarray, group: int) -> np.ndarray:
        return _closed(z, inner, directions @ query, unit @ query, labels == group, (labels >= 0) & (labels != group))

    gains = np.mean([closed(q, g) for q, g in zip(queries, groups, strict=True)], axis=0)
    harms = [closed(q, g) for q, g in explicit]
    harm = np.mean(harms, axis=0) if harms else np.zeros(len(alive))
    own = (z**2).mean(axis=0) * (directions**2).sum(axis=1) - ((z * inner) ** 2).mean(axis=0)
    worth = np.where(gains > 0, gains / np.sqrt(np.maximum(own, 1e-300)), -np.inf)
    order = np.argsort(-worth, kind="stable")[: min(most, int((gains > 0).sum()))]
    z, inner, chosen = z[:, order], inner[:, order], directions[order]
    along = z * inner
    drift = (z.T @ z) / len(z) * (chosen @ chosen.T) - along.T @ along / len(z)
    return ScoreGap(alive[order], means[order], drift, gains[order], harm[order])


def _worth_a_look(probe: ProbeSet, queries: Sequence[np.ndarray], groups: Sequence[int]) -> np.ndarray:
    """Neurons that fire on some probe rows, rising; of too many those with the largest contributions."""
    fired = np.diff(probe.material.require_codes().tocsc().indptr)
    alive = np.flatnonzero(fired >= LEAST_ROWS)
    if len(alive) <= MOST_NEURONS:
        return alive
    named = sum(np.abs(probe.attribution(q, g).contributions) for q, g in zip(queries, groups, strict=True))
    return np.sort(alive[np.argsort(-named[alive], kind="stable")[:MOST_NEURONS]])


def _closed(
    z: np.ndarray, inner: np.ndarray, along: np.ndarray, cosine: np.ndarray, first: np.ndarray, rest: np.ndarray
) -> np.ndarray:
    """Share of the score gap (of mean cosines) that a unit of strength on each neuron closes (F,); 0 where there is no
    gap (none above NOTHING, which is what rounding makes of cosines that are the same).

    Switching neuron j moves a row's cosine by -z (q . W), and through the row's length by +z cos (x . W) / |x|.
    """
    moves = z * (along - cosine[:, None] * inner)
    gap = float(cosine[first].mean() - cosine[rest].mean())
    closed = moves[first].mean(axis=0) - moves[rest].mean(axis=0)
    return closed / gap if gap > NOTHING else np.zeros(len(closed))


def least_drift(
    gap: ScoreGap, price: float, size: int, keep: float = 0.0, start: np.ndarray | None = None
) -> np.ndarray:
    """Strengths e (C,) in [0, 1], at most `size` of them above 0, of the cheapest edit at a price for the gap.

    Lowers e' drift e / 2 - price (gains - keep harm) . e by forward selection: the neuron that lowers it most joins,
    the strengths of all that have joined are set anew, a neuron whose strength falls to 0 leaves. Then swaps: the one
    that is missed least makes room for the best one outside, as long as that helps.

    Parameters
    ----------
    price : of the whole gap, in units of drift; 0 gives no edit.
    keep : weight of the explicit queries' gap.
    start : strengths to begin with, for example those of a slightly lower price; None: no neuron.
    """
    worth, cost = price * (gap.gains - keep * gap.harm), gap.drift
    own = np.maximum(np.diag(cost), 1e-12)
    strengths = np.zeros(len(worth)) if start is None else start.copy()
    chosen = _settle(cost, worth, own, strengths, [int(j) for j in np.flatnonzero(strengths)])
    joined = set(chosen)
    while len(chosen) < min(size, len(worth)):
        # each joins once: one whose strength is settled to 0 at once would join and leave for ever
        gain = _gain(cost, worth, own, strengths, list(joined))
        best = int(np.argmax(gain))
        if gain[best] <= 1e-12:
            break
        joined.add(best)
        chosen = _settle(cost, worth, own, strengths, [*chosen, best])
    for _ in range(size):
        if not chosen or not _swapped(cost, worth, own, strengths, chosen):
            break
    return strengths


def _gain(cost: np.ndarray, worth: np.ndarray, own: np.ndarray, e: np.ndarray, chosen: list[int]) -> np.ndarray:
    """How far each neuron outside would lower the objective by its best strength."""
    slope = worth - cost @ e
    step = np.clip(slope / own, 0.0, 1.0)
    gain = step * slope - 0.5 * own * step**2
    gain[chosen] = -1.0
    return gain


def _settle(cost: np.ndarray, worth: np.ndarray, own: np.ndarray, e: np.ndarray, chosen: list[int]) -> list[int]:
    """Best strengths of the chosen neurons, in place, by coordinate descent; returns those above 0."""
    for _ in range(60):
        moved = 0.0
        for j in chosen:
            new = min(max(e[j] + (worth[j] - cost[j] @ e) / own[j], 0.0), 1.0)
            moved, e[j] = max(moved, abs(new - e[j])), new
        if moved < 1e-4:
            break
    kept = [j for j in chosen if e[j] > 1e-3]
    e[[j for j in chosen if e[j] <= 1e-3]] = 0.0
    return kept


def _swapped(cost: np.ndarray, worth: np.ndarray, own: np.ndarray, e: np.ndarray, chosen: list[int]) -> bool:
    """Exchange the neuron that is missed least for the best one outside, where that lowers the objective."""
    value = 0.5 * e @ cost @ e - worth @ e
    # without j: the objective rises by e_j (worth_j - cost_j . e) + own_j e_j^2 / 2
    missed = [e[j] * (worth[j] - cost[j] @ e) + 0.5 * own[j] * e[j] ** 2 for j in chosen]
    out = chosen[int(np.argmin(missed))]
    trial = e.copy()
    trial[out] = 0.0
    inside = [j for j in chosen if j != out]
    best = int(np.argmax(_gain(cost, worth, own, trial, [*inside, out])))
    inside = _settle(cost, worth, own, trial, [*inside, best])
    if 0.5 * trial @ cost @ trial - worth @ trial >= value - 1e-9:
        return False
    e[:], chosen[:] = trial, inside
    return True
