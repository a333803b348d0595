"""One small edit of every piece, and rows for them."""

from collections.abc import Mapping

import numpy as np

from core.config import Fingerprint
from core.portable import PortableEdit, SideEdit, SideName
from core.portable.pieces import PIECES, Piece

D, F, M, R = 24, 64, 5, 3
LENGTHS = {"d": D, "F": F, "m": M, "r": R}


def rows(n: int = 200, seed: int = 0, d: int = D) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(n, d)) * 2 + 0.5).astype(np.float32)


def piece(kind: str, seed: int = 1) -> Piece:
    """A random piece: orthonormal bases, small numbers, neurons that exist."""
    rng = np.random.default_rng(seed)
    known = PIECES.get(kind)
    arrays = {}
    for name, axes in known.shapes.items():
        shape = tuple(LENGTHS[axis] for axis in axes)
        if name in known.whole:
            arrays[name] = rng.choice(F, shape, replace=False)
        elif axes == ("d", "r"):
            arrays[name] = np.linalg.qr(rng.normal(size=shape))[0]
        else:
            arrays[name] = rng.normal(size=shape) / np.sqrt(D)
    if "keep" in arrays:
        arrays = {"keep": np.arange(D) >= 3, "place": np.arange(D) == 1}
    if "strength" in arrays:
        arrays["strength"] = rng.random(arrays["strength"].shape)
    settings = {"k": 6, "alpha": 0.6, "least": 1e-6}
    return known(arrays, {name: settings[name] for name in known.settings_of})


def fingerprint(d: int = D, side: str = "image", attach: str = "pooled") -> Fingerprint:
    return Fingerprint("small", "w" * 64, side, attach, d, "p" * 64, False, False)


def edit_of(*kinds: str, side: SideName = "items", about: Mapping | None = None) -> PortableEdit:
    method = {"name": "neuron-edit", "title": "Chosen neurons", "formula": "x", "paper": "a paper"}
    said = {"name": "small", "method": method, "measured": [], "limits": ["one model"], **(about or {})}
    return PortableEdit({side: SideEdit(tuple(map(piece, kinds)), fingerprint())}, said)
