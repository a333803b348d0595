"""The closed form: what a row says in some directions is weighed against what it says besides."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from core.portable.pieces.base import PIECES, Arrays, Piece, Tensors

if TYPE_CHECKING:
    from torch import Tensor


@PIECES.register("weigh")
class Weigh(Piece):
    """u' = sqrt(1 - t^2) u_perp / o + t u_par / p of unit rows u; see core.interventions.closed_form for t.

    `least` is the length up to which a part has no direction: such rows stay.
    """

    name = "weigh"
    formula = (
        "u' = sqrt(1 - (q p)^2) u_perp / o + q u_par, q = (e - o sqrt(e^2 - 1)) / ((e p)^2 + o^2), e = 1 + 1/(1 + o)"
    )
    shapes: ClassVar = {"A": ("d", "r")}
    settings_of = ("least",)

    @staticmethod
    def rule(x: np.ndarray, a: Arrays, least: float) -> np.ndarray:
        u = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)
        inside = (u @ a["A"]) @ a["A"].T
        outside = u - inside
        p, o = (np.linalg.norm(part, axis=1, keepdims=True) for part in (inside, outside))
        e = 1 + 1 / (1 + o)
        q = (e - o * np.sqrt(np.maximum(e**2 - 1, 0))) / ((e * p) ** 2 + o**2 + 1e-30)
        across = np.sqrt(np.maximum(1 - (q * p) ** 2, 0)) / np.maximum(o, 1e-30)
        return np.where((p > least) & (o > least), across * outside + q * inside, u)

    @staticmethod
    def in_torch(x: "Tensor", a: Tensors, least: float) -> "Tensor":
        u = x / x.norm(dim=1, keepdim=True).clamp_min(1e-30)
        inside = (u @ a["A"]) @ a["A"].T
        outside = u - inside
        p, o = inside.norm(dim=1, keepdim=True), outside.norm(dim=1, keepdim=True)
        e = 1 + 1 / (1 + o)
        q = (e - o * (e**2 - 1).clamp_min(0).sqrt()) / ((e * p) ** 2 + o**2 + 1e-30)
        across = (1 - (q * p) ** 2).clamp_min(0).sqrt() / o.clamp_min(1e-30)
        moved = ((p > least) & (o > least)).to(x.dtype)
        return moved * (across * outside + q * inside) + (1 - moved) * u
