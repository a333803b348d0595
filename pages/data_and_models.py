"""Data & models: choose what is loaded, make a gallery, train an SAE, judge SAEs; all of it with its digest."""

import streamlit as st

from core.ui.data import choosing, making, prompt_editor, quality, training
from core.ui.parts import frame, grids
from core.ui.parts.heading import heading
from core.ui.parts.switches import switch
from core.ui.session.choices import DATA_VIEW
from core.ui.session.state import get_state

VIEWS = {
    "choose": "Choose",
    "gallery": "Make a gallery",
    "sae": "Train an SAE",
    "quality": "Quality of SAEs",
    "prompts": "Prompt sets",
}

frame.through_app()
state = get_state()
st.html(grids.STYLE)
heading("Data & models", "Choose, build and import galleries, models and SAEs; train an SAE; judge SAEs")
view = switch(state, "Show", DATA_VIEW, VIEWS)
if view == "gallery":
    with frame.guard():
        making.new_gallery()
elif view == "sae":
    with frame.guard():
        training.new_sae()
elif view == "quality":
    with frame.guard():
        quality.compare()
elif view == "prompts":
    with frame.guard():
        prompt_editor.editor()
else:
    choosing.choose()
    choosing.describe()
