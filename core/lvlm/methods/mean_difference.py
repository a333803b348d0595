"""Mean-difference projection of the read tokens: no SAE, labels of the probe half only."""

from __future__ import annotations

import torch

from core.lvlm import doors
from core.lvlm.token_method import METHODS, Evidence, ProbeTokens, TokenEdit, TokenMethod, on_tokens

RANK = 1e-6
"""Singular values below this share of the largest one are no direction."""


@METHODS.register("mean-difference")
class MeanDifference(TokenMethod):
    """x'_t = x_t - V V^T x_t, V a basis of the differences of the groups' mean tokens, for each place."""

    title = "Mean difference"
    plain = (
        "It averages what is read of each group's pictures, among pictures with known groups, and deletes the "
        "direction in which these averages differ from everything that is read. It needs no neurons."
    )
    formula = r"x'_t = x_t\,(I - V V^\top), \qquad V = \mathrm{span}\{\bar x_g - \bar x\}"
    paper = "a plain baseline"

    def fit(self, evidence: Evidence, edit: TokenEdit) -> doors.Edit:
        bases = {name: basis(one, edit.tokens) for name, one in evidence.require_probe().items()}

        def change(x: torch.Tensor, name: str) -> torch.Tensor:
            V = bases[name].to(x.device)
            return on_tokens(x, edit.tokens, lambda rows: rows - (rows @ V) @ V.T)

        return change


def group_means(probe: ProbeTokens, tokens: tuple[int, ...] | None) -> torch.Tensor:
    """Mean chosen token of each group's pictures (C, width), float64."""
    return torch.stack(
        [
            ProbeTokens(probe.x[probe.labels == g], probe.groups, probe.labels).chosen(tokens).double().mean(0)
            for g in range(len(probe.groups))
        ]
    )


def basis(probe: ProbeTokens, tokens: tuple[int, ...] | None) -> torch.Tensor:
    """Orthonormal V (width, r) of the span of the group means around their own mean."""
    means = group_means(probe, tokens)
    _, s, rows = torch.linalg.svd(means - means.mean(0), full_matrices=False)
    return rows[s > RANK * s[0]].T.float() if s[0] > 0 else rows[:0].T.float()
