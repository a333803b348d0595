"""Clamping as published: every token on which a neuron's raw activation is positive is moved to a value."""

from __future__ import annotations

import torch

from core.interventions.neuron_edit import check_neurons
from core.lvlm import doors
from core.lvlm.token_method import METHODS, Evidence, TokenEdit, TokenMethod, held, on_tokens


@METHODS.register("clamp")
class Clamp(TokenMethod):
    """a_tj = x_t . W_enc_j; where a_tj > 0: x'_t = x_t + (gamma - a_tj) W_dec_j / |W_dec_j|, neuron after neuron.

    The published reading (debiaSAE): no bias, no threshold, a decoder row of length 1. It fires on tokens on which the
    SAE does not, and does not reach gamma where W_enc_j . W_dec_j is not 1.
    """

    title = "Clamp (as published)"
    plain = (
        "It moves every part of the picture on which a chosen neuron stirs at all to one value of it. Unlike "
        "switching, it asks neither for the neuron's threshold nor for its bias."
    )
    formula = (
        r"x'_t = x_t + (\gamma - a_{tj})\, W^{dec}_j / \|W^{dec}_j\| \quad \text{where } "
        r"a_{tj} = x_t \cdot W^{enc}_j > 0"
    )
    paper = "debiaSAE, arXiv 2410.13146"
    needs_edit = True

    def fit(self, evidence: Evidence, edit: TokenEdit) -> doors.Edit:
        sae = evidence.require_sae()
        check_neurons(edit.edit, sae.config.d_sae)
        chosen = held(edit, evidence)

        def clamped(x: torch.Tensor) -> torch.Tensor:
            for j, gamma in zip(chosen.neurons, chosen.each_gamma, strict=True):
                a = x @ sae.W_enc[:, j]
                move = torch.where(a > 0, gamma - a, torch.zeros_like(a))
                x = x + move[..., None] * (sae.W_dec[j] / sae.W_dec[j].norm())
            return x

        return lambda x, name: on_tokens(x, edit.tokens, clamped)
