"""Switched neurons of an SAE whose neurons fire by thresholds: only their own encoder and decoder rows travel."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from core.portable.pieces.base import PIECES, Arrays, Piece, Tensors

if TYPE_CHECKING:
    from torch import Tensor


@PIECES.register("switch")
class Switch(Piece):
    """x' = x - sum_j s_j (z_j - gamma_j) W_dec_j with z = pre where pre > threshold, else 0."""

    name = "switch"
    formula = "x' = x - (s (z - gamma)) W_dec, z = pre where pre > threshold else 0, pre = (x - b_dec) W_enc + b_enc"
    shapes: ClassVar = {
        "W_enc": ("d", "m"),
        "b_enc": ("m",),
        "b_dec": ("d",),
        "threshold": ("m",),
        "W_dec": ("m", "d"),
        "strength": ("m",),
        "gamma": ("m",),
    }

    @staticmethod
    def rule(x: np.ndarray, a: Arrays) -> np.ndarray:
        pre = (x - a["b_dec"]) @ a["W_enc"] + a["b_enc"]
        z = np.where(pre > a["threshold"], pre, 0)
        return x - (a["strength"] * (z - a["gamma"])) @ a["W_dec"]

    @staticmethod
    def in_torch(x: "Tensor", a: Tensors) -> "Tensor":
        pre = (x - a["b_dec"]) @ a["W_enc"] + a["b_enc"]
        z = pre * (pre > a["threshold"])
        return x - (a["strength"] * (z - a["gamma"])) @ a["W_dec"]
