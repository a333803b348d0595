"""Switched neurons of an SAE that keeps the k largest of each row: the whole encoder travels, to know which."""

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from core.portable.pieces.base import PIECES, Arrays, Piece, Tensors

if TYPE_CHECKING:
    from torch import Tensor


@PIECES.register("largest")
class Largest(Piece):
    """x' = x - sum_j s_j (z_j - gamma_j) W_dec_j over `neurons`, z_j = pre_j where it is positive and of the k largest.

    Of entries that equal the k-th exactly all are kept.
    """

    name = "largest"
    formula = "x' = x - (s (z - gamma)) W_dec, z = pre of the neurons where > 0 and among the row's k largest, else 0"
    shapes: ClassVar = {
        "W_enc": ("d", "F"),
        "b_enc": ("F",),
        "b_dec": ("d",),
        "neurons": ("m",),
        "W_dec": ("m", "d"),
        "strength": ("m",),
        "gamma": ("m",),
    }
    whole = ("neurons",)
    settings_of = ("k",)

    @staticmethod
    def rule(x: np.ndarray, a: Arrays, k: int) -> np.ndarray:
        pre = (x - a["b_dec"]) @ a["W_enc"] + a["b_enc"]
        least = np.partition(pre, -k, axis=1)[:, [-k]]
        pre = pre[:, a["neurons"]]
        z = np.where((pre >= least) & (pre > 0), pre, 0)
        return x - (a["strength"] * (z - a["gamma"])) @ a["W_dec"]

    @staticmethod
    def in_torch(x: "Tensor", a: Tensors, k: int) -> "Tensor":
        pre = (x - a["b_dec"]) @ a["W_enc"] + a["b_enc"]
        least = pre.topk(k, dim=1).values[:, -1:]
        pre = pre[:, a["neurons"]]
        z = pre * ((pre >= least) & (pre > 0))
        return x - (a["strength"] * (z - a["gamma"])) @ a["W_dec"]
