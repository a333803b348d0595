"""Whether a chosen SAE or model belongs to the gallery that is searched: a short reason where it does not.

The full comparison, field by field, is that of the fingerprints (core.config.Fingerprint.require_match).
"""

from typing import TYPE_CHECKING

from core.config import UNKNOWN, Fingerprint, InputError, Side
from core.ui.session.state import AppState

if TYPE_CHECKING:
    from core.gallery import Gallery
    from core.saes.checkpoint import SAEFile
    from core.ui.session.cache import SAECard


def reason(name: str, made_for: Fingerprint | None, d_in: int, theirs: Fingerprint, holder: str) -> str | None:
    """Why an SAE does not read the embeddings of `holder`, in one short sentence; None where it does.

    Parameters
    ----------
    made_for : what the SAE was trained on; None where it does not say, so that only `d_in` can be compared.
    theirs : fingerprint of the embeddings.
    holder : what they are called in the sentence, for example "this gallery".
    """
    if made_for is None:
        fits = d_in == theirs.d
        return None if fits else f"The SAE {name} reads d = {d_in}; {holder} has {theirs.model}, d = {theirs.d}."
    try:
        made_for.require_match(theirs, name, holder)
    except InputError:
        if made_for.model != theirs.model or made_for.d != theirs.d:
            mine, other = f"{made_for.model}, d = {made_for.d}", f"{theirs.model}, d = {theirs.d}"
            return f"The SAE {name} was made for another model ({mine}; {holder}: {other})."
        return f"The SAE {name} was made for other embeddings of {made_for.model} than those of {holder}."
    return None


def own_side(sae: "SAECard | SAEFile", gallery: "Gallery") -> str | None:
    """Why an SAE of the gallery's own side cannot read its items; None where it can."""
    attach = sae.fingerprint.attach if sae.fingerprint else "pooled"
    if not gallery.has(attach):
        return f"The SAE {sae.name} reads {attach} embeddings, which this gallery does not have."
    d_in = sae.d_in if hasattr(sae, "d_in") else sae.sae.config.d_in
    return reason(sae.name, sae.fingerprint, d_in, gallery.fingerprint(attach), "this gallery")


def other_side(card: "SAECard", gallery: "Gallery") -> str | None:
    """Why an SAE of the other side cannot belong to the gallery's model, as far as the names tell; None where it may.

    Loads no model: weights are compared where both are known, else the number of columns that both towers share.
    """
    made_for, theirs = card.fingerprint, gallery.fingerprint("pooled")
    if made_for is not None and UNKNOWN not in (made_for.weights, theirs.weights):
        same = made_for.weights == theirs.weights
    else:
        same = (made_for is not None and made_for.attach != "pooled") or card.d_in == theirs.d
    return None if same else f"The SAE {card.name} was made for another model."


def misfit(card: "SAECard", side: Side, gallery: "Gallery") -> str | None:
    """Why the SAE that is chosen for a side is not in use with a gallery; None where it is."""
    return own_side(card, gallery) if side == gallery.side else other_side(card, gallery)


def chosen_model(state: AppState, gallery: "Gallery") -> str | None:
    """What the chosen model cannot do with the gallery, by its name; None where it made the gallery."""
    chosen = f"{state.model}:{state.pretrained}" if state.pretrained else state.model
    made_by = gallery.fingerprint("pooled").model
    if made_by == chosen:
        return None
    return f"This gallery was made by {made_by}" + ("; its own prompts are used." if gallery.prompts else ".")
