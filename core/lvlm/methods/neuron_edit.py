"""Switching neurons of the read tokens: error-preserving or blended."""

from __future__ import annotations

from typing import Any

import torch

from core.config import Edit
from core.interventions.neuron_edit import check_neurons
from core.lvlm import doors
from core.lvlm.token_method import METHODS, Evidence, TokenEdit, TokenMethod, held, neuron_codes, on_tokens


@METHODS.register("neuron-edit")
class NeuronEdit(TokenMethod):
    """z'_j = (1 - s) z_j + s gamma for the edit's neurons, on every chosen token t:

        error-preserving: x'_t = x_t - sum_j (z_tj - z'_tj) W_dec_j
        blend:            x'_t = alpha (z'_t W_dec + b_dec) + (1 - alpha) x_t

    No neuron, s = 0 (error-preserving) or alpha = 0 (blend) gives back x itself. gamma applies also to tokens on which
    a neuron was off. Computed in float32 on the model's device, given back in the model's precision.
    """

    title = "Chosen neurons"
    plain = (
        "It switches off, or holds at a middle value, the few neurons that you choose in everything that the language "
        "model reads of the picture. No neuron chosen means nothing changes at all."
    )
    formula = r"x'_t = x_t - \sum_{j \in S} (z_{tj} - z'_{tj})\, W^{dec}_j"
    paper = "DeBiasLens, arXiv 2602.24014"
    needs_edit = True

    def fit(self, evidence: Evidence, edit: TokenEdit) -> doors.Edit:
        sae = evidence.require_sae()
        check_neurons(edit.edit, sae.config.d_sae)
        return switch(sae, held(edit, evidence), edit.tokens)


def switch(sae: Any, edit: Edit, tokens: tuple[int, ...] | None = None) -> doors.Edit:
    """The function of read tokens that an edit of an SAE's neurons is."""
    if edit.changes_nothing:
        return lambda x, name: x
    neurons = list(edit.neurons)
    strengths, gammas = (torch.tensor(own, device=sae.W_dec.device) for own in (edit.each_strength, edit.each_gamma))
    directions = sae.W_dec[neurons]

    def preserving(x: torch.Tensor) -> torch.Tensor:
        return x - (strengths * (neuron_codes(sae, x, neurons) - gammas)) @ directions

    def blended(x: torch.Tensor) -> torch.Tensor:
        z = sae.encode(x)
        if neurons:
            z = z.clone()
            z[..., neurons] = (1 - strengths) * z[..., neurons] + strengths * gammas
        return edit.alpha * sae.decode(z) + (1 - edit.alpha) * x

    change = preserving if edit.form == "error-preserving" else blended
    return lambda x, name: on_tokens(x, tokens, change)
