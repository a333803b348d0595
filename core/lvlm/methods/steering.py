"""A steering vector: tokens are moved against the difference of the groups' means, the same for everybody."""

from __future__ import annotations

import torch

from core.lvlm import doors
from core.lvlm.methods.mean_difference import group_means
from core.lvlm.token_method import METHODS, Evidence, TokenEdit, TokenMethod, on_tokens


@METHODS.register("steering")
class Steering(TokenMethod):
    """x'_t = x_t + c (m - m_g*), m the mean of the groups' mean tokens, g* the group that is first in the alphabet.

    c is the edit's strength. Everybody is moved alike, so that a gap is only smaller where the answer saturates:
    the plainest form of activation steering, and one that says what it costs.
    """

    title = "Steering vector"
    plain = (
        "It adds one and the same push to everything that is read, from the first group's average towards the middle "
        "of all groups. It is the usual way of steering a model, and it moves all groups alike."
    )
    formula = r"x'_t = x_t + c\,(\bar x - \bar x_{g^*})"
    paper = "activation steering; a plain baseline"

    def fit(self, evidence: Evidence, edit: TokenEdit) -> doors.Edit:
        pushes = {}
        for name, one in evidence.require_probe().items():
            means = group_means(one, edit.tokens)
            pushes[name] = (edit.edit.strength * (means.mean(0) - means[0])).float()

        def change(x: torch.Tensor, name: str) -> torch.Tensor:
            return on_tokens(x, edit.tokens, lambda rows: rows + pushes[name].to(rows.device))

        return change
