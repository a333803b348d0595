"""What a method of the read tokens is: fitted once on probe pictures, then a pure function of tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import torch

from core.config import Edit, InputError
from core.interventions.base import NO_EDIT
from core.lvlm import doors
from core.registry import Registry

Hold = Literal["value", "probe mean"]


@dataclass(frozen=True)
class TokenEdit:
    """An edit of neurons, with what only read tokens have: which of them, and what a held neuron is held at."""

    edit: Edit = NO_EDIT
    tokens: tuple[int, ...] | None = None
    """Numbers of the tokens that are edited, in each picture; None: all that are read."""
    hold: Hold = "value"
    """"value": the edit's own gamma; "probe mean": each neuron's mean code over these tokens of the probe half."""

    @property
    def changes_nothing(self) -> bool:
        return self.edit.changes_nothing

    def to_json(self) -> dict[str, Any]:
        value = self.edit.to_json() | {"hold": self.hold}
        return value | ({"tokens": list(self.tokens)} if self.tokens is not None else {})


@dataclass(frozen=True, eq=False)
class ProbeTokens:
    """Read tokens of the probe half's pictures at one place, with their groups. Never changed."""

    x: torch.Tensor
    """(n, t, width), float32."""
    groups: tuple[str, ...]
    labels: torch.Tensor
    """Place of each picture's group in `groups`, int64 (n,)."""

    def chosen(self, tokens: Sequence[int] | None) -> torch.Tensor:
        """The rows (m, width) of the chosen tokens of all pictures."""
        return picked(self.x, tokens).flatten(0, -2)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a method may be fitted on."""

    sae: Any = None
    """SAE of the read tokens, frozen, on the model's device."""
    probe: Mapping[str, ProbeTokens] = field(default_factory=dict)
    """By the place's name."""

    def require_sae(self) -> Any:
        if self.sae is None:
            raise InputError("editing neurons of the read tokens needs an SAE of them; choose one")
        return self.sae

    def require_probe(self) -> Mapping[str, ProbeTokens]:
        if not self.probe:
            raise InputError(
                "this method is fitted on pictures of the probe half with known groups; give a gallery with them"
            )
        return self.probe


class TokenMethod(ABC):
    """A method that changes what the language model reads, or how it is asked.

    Nothing is kept between two calls; equal arguments give equal results.
    """

    title: ClassVar[str]
    plain: ClassVar[str]
    """What it does, in two sentences for people who know no mathematics."""
    formula: ClassVar[str]
    """LaTeX."""
    paper: ClassVar[str]
    needs_edit: ClassVar[bool] = False
    """True where somebody chooses neurons."""

    @abstractmethod
    def fit(self, evidence: Evidence, edit: TokenEdit) -> doors.Edit:
        """The function of read tokens; InputError naming what it lacks."""

    def asked(self, question: str) -> str:
        """The question as this method asks it."""
        return question


METHODS: Registry[type[TokenMethod]] = Registry("method of read tokens", "core.lvlm.methods")


def picked(x: torch.Tensor, tokens: Sequence[int] | None) -> torch.Tensor:
    """Some tokens of x (..., t, width); InputError where a number is not below t."""
    if tokens is None:
        return x
    if tokens and max(tokens) >= x.shape[-2]:
        raise InputError(
            f"token {max(tokens)} was given; {x.shape[-2]} tokens of a picture are read here, 0 to {x.shape[-2] - 1}"
        )
    return x[..., list(tokens), :]


def on_tokens(x: torch.Tensor, tokens: Sequence[int] | None, change: Any) -> torch.Tensor:
    """x (..., t, width) with `change` made of the chosen tokens, computed in float32; the others bit by bit."""
    if tokens is None:
        return change(x.float()).to(x.dtype)
    changed = x.clone()
    changed[..., list(tokens), :] = change(picked(x, tokens).float()).to(x.dtype)
    return changed


def held(edit: TokenEdit, evidence: Evidence) -> Edit:
    """The edit with each neuron's gamma as it is held."""
    if edit.hold == "value" or not edit.edit.neurons:
        return edit.edit
    sae, probe = evidence.require_sae(), evidence.require_probe()
    rows = torch.cat([one.chosen(edit.tokens) for one in probe.values()])
    z = neuron_codes(sae, rows, edit.edit.neurons)
    return replace(edit.edit, gammas=tuple(z.double().mean(0).tolist()))


def neuron_codes(sae: Any, x: torch.Tensor, neurons: Sequence[int]) -> torch.Tensor:
    """Codes (..., m) of some neurons for float32 rows x (..., width).

    Where the rule looks at each neuron alone, only these columns are computed.
    """
    chosen = list(neurons)
    if sae.rule is not None and sae.rule.name in ("relu", "threshold"):
        pre = (x - sae.b_dec) @ sae.W_enc[:, chosen] + sae.b_enc[chosen]
        threshold = getattr(sae, "threshold", None)
        if threshold is None:
            return pre.clamp_min(0)
        onset = (threshold[chosen] if threshold.ndim else threshold).clamp_min(0)
        return torch.where(pre > onset, pre, torch.zeros_like(pre))
    return sae.encode(x)[..., chosen]
