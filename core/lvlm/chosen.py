"""An edit that somebody names: an SAE, its neurons, strength and form, as a function of read tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.config import Edit, InputError
from core.gallery import Gallery
from core.lvlm import doors
from core.lvlm.audit import Probe, own_tokens, require_fits
from core.lvlm.model import Lvlm
from core.lvlm.pictures import chosen_rows, pictures_of, probe_of
from core.lvlm.token_method import METHODS, Evidence, TokenEdit

if TYPE_CHECKING:
    from core.saes.checkpoint import SAEFile

PROBE = 120


def named_edit(
    model: Lvlm,
    sae: SAEFile | None,
    edit: Edit,
    method: str = "neuron-edit",
    hold: str = "value",
    probe: Probe | None = None,
) -> doors.Edit:
    """The function of read tokens that a method with these neurons is.

    InputError for an SAE of other tokens, neurons without an SAE, a method that lacks what it is fitted on.
    """
    if sae is not None:
        require_fits(model, sae)
    elif edit.neurons:
        raise InputError("neurons were given without an SAE; name the SAE whose neurons are switched")
    own = TokenEdit(edit, own_tokens(model, sae), "probe mean" if hold == "probe mean" else "value")
    evidence = probe.evidence(sae.sae if sae else None) if probe else Evidence(sae.sae if sae else None)
    return METHODS.get(method)().fit(evidence, own)


def probe_for(model: Lvlm, gallery: Gallery, attribute: str, seed: int = 0) -> Probe:
    """Pictures of the probe half that belongs to a gallery, with their groups."""
    source = probe_of(gallery)
    rows = chosen_rows(source, attribute, PROBE, "probe", seed=seed)
    return Probe.of(model, pictures_of(source, rows), [str(one) for one in source.labels(attribute)[rows]])
