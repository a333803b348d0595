"""Numbers recorded from the original implementations of the methods: inputs and outputs, no code."""

from pathlib import Path

import numpy as np

ORACLES = Path(__file__).resolve().parent / "oracles"


def oracle(name: str) -> dict[str, np.ndarray]:
    """The arrays of one recording, by its name or its path among the recordings."""
    with np.load(ORACLES / f"{name.removesuffix('.npz')}.npz", allow_pickle=False) as loaded:
        return {array: loaded[array] for array in loaded.files}


def case_of(data: dict[str, np.ndarray], case: str) -> dict[str, np.ndarray]:
    """The arrays of one case of a recording, without its prefix."""
    return {name.removeprefix(f"{case}_"): array for name, array in data.items() if name.startswith(f"{case}_")}
