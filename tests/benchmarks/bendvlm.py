"""`bendvlm`: step 2 of BendVLM in closed form beside scipy's SLSQP on the same constraints."""

import statistics
import time
from typing import Any

import numpy as np
from scipy.optimize import minimize

from core.interventions.bend import equalised, prototypes
from core.units import unit

D, GROUPS, ROWS, NEIGHBOURS = 512, 2, 4000, 100
CALLS = 20
"""Calls of the closed form that are timed together: one takes as long as a clock needs to be read a hundred times."""


def run(runs: int = 5, seed: int = 0) -> dict[str, Any]:
    """Median milliseconds of both, alternating, each query new; prototypes are given to both."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=D)
    references, labels = unit(rng.normal(size=(ROWS, D)) + mean), rng.integers(0, GROUPS, ROWS)
    references = unit(references + 0.02 * rng.normal(size=(GROUPS, D))[labels])
    ours, other, cosines = [], [], []
    for at in range(runs + 1):
        e0 = unit(rng.normal(size=(1, D)) + mean)
        anchors = prototypes(e0, references, labels, NEIGHBOURS)
        start = time.perf_counter()
        slow = slsqp(e0[0], anchors)
        middle = time.perf_counter()
        for _ in range(CALLS):
            fast = equalised(e0, anchors)[0]
        end = time.perf_counter()
        cosines.append(float(fast @ unit(slow)))
        if at:
            ours.append(1000 * (end - middle) / CALLS)
            other.append(1000 * (middle - start))
    medians = {"ours": statistics.median(ours), "other": statistics.median(other)}
    return {
        "ratio": round(medians["other"] / medians["ours"]),
        "ours": {"median_ms": round(medians["ours"], 4)},
        "other": {"name": "scipy SLSQP", "median_ms": round(medians["other"], 1)},
        "runs": runs,
        "calls": CALLS,
        "smallest_cosine": min(cosines),
        "d": D,
        "groups": GROUPS,
    }


def slsqp(e0: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Maximise e.e0 subject to |e|^2 = 1 and e.p_c = e.p_0, from e0 on, as the published code does it."""
    constraints = [{"type": "eq", "fun": lambda e: e @ e - 1}]
    for anchor in anchors[1:] - anchors[0]:
        constraints.append({"type": "eq", "fun": lambda e, v=anchor: e @ v})
    found = minimize(lambda e: -(e @ e0), e0, method="SLSQP", constraints=constraints)
    return found.x
