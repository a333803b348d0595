"""The blended form: rows mixed with what the whole SAE makes of them after switching."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from core.portable.pieces.base import PIECES, Arrays, Piece, Tensors

if TYPE_CHECKING:
    from torch import Tensor


@PIECES.register("blend")
class Blend(Piece):
    """x' = alpha (z' W_dec + b_dec) + (1 - alpha) x, z' = (1 - s) z + s gamma with s = 0 for neurons left alone.

    z = pre where pre > threshold and, with k > 0, among the row's k largest; else 0.
    """

    name = "blend"
    formula = "x' = alpha (((1 - s) z + s gamma) W_dec + b_dec) + (1 - alpha) x, z by the SAE's rule"
    shapes: ClassVar = {
        "W_enc": ("d", "F"),
        "b_enc": ("F",),
        "threshold": ("F",),
        "W_dec": ("F", "d"),
        "b_dec": ("d",),
        "strength": ("F",),
        "gamma": ("F",),
    }
    settings_of = ("alpha", "k")

    @staticmethod
    def rule(x: np.ndarray, a: Arrays, alpha: float, k: int) -> np.ndarray:
        pre = (x - a["b_dec"]) @ a["W_enc"] + a["b_enc"]
        on = pre > a["threshold"]
        if k:
            on &= pre >= np.partition(pre, -k, axis=1)[:, [-k]]
        z = np.where(on, pre, 0)
        z += a["strength"] * (a["gamma"] - z)
        return alpha * (z @ a["W_dec"] + a["b_dec"]) + (1 - alpha) * x

    @staticmethod
    def in_torch(x: "Tensor", a: Tensors, alpha: float, k: int) -> "Tensor":
        pre = (x - a["b_dec"]) @ a["W_enc"] + a["b_enc"]
        on = pre > a["threshold"]
        if k:
            on = on & (pre >= pre.topk(k, dim=1).values[:, -1:])
        z = pre * on
        z = z + a["strength"] * (a["gamma"] - z)
        return alpha * (z @ a["W_dec"] + a["b_dec"]) + (1 - alpha) * x
