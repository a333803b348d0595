"""The scene that a session's choices describe, opened from what sessions share."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import streamlit as st

from core.config import Side
from core.ui.session import cache
from core.ui.session.state import AppState

if TYPE_CHECKING:
    from core.gallery import Gallery
    from core.scene import Bench, Scene


def chosen_scene(state: AppState, sides: Iterable[Side] | None = None, texts: bool = True) -> "Scene":
    """The chosen gallery, its probe rows, SAEs and model.

    Parameters
    ----------
    sides : whose SAEs are needed; None: all that are chosen.
    texts : whether texts beyond the gallery's known prompts are embedded.
    """
    from core.scene import Scene

    gallery = cache.current_gallery(state)
    probe = cache.current_probe(state)
    wanted = state.saes if sides is None else sorted(set(sides))
    saes = {side: sae for side in wanted if (sae := cache.current_sae(side, state)) is not None}
    model = cache.current_backbone(state) if texts and not only_known_prompts(state, gallery) else None
    return Scene(gallery, saes, model, None if probe is gallery else probe, _bench(cache.stamp_of(gallery)))


def only_known_prompts(state: AppState, gallery: "Gallery") -> bool:
    """True where another model made the gallery than the chosen one, so that only the prompts it came with work."""
    chosen = f"{state.model}:{state.pretrained}" if state.pretrained else state.model
    return bool(gallery.prompts) and gallery.fingerprint("pooled").model != chosen


@st.cache_resource(max_entries=4, show_spinner=False)
def _bench(stamp: str) -> "Bench":
    """What repeats between two rankings, for all sessions: one a gallery as it lies on disk, codes included."""
    from core.scene import Bench

    return Bench()
