"""Data & models: choose what is loaded, make a gallery, train an SAE, judge SAEs; all of it with its digest."""

import streamlit as st

from core import access
from core.ui.data import choosing, making, prompt_editor, quality, training
from core.ui.parts import frame, grids
from core.ui.parts.heading import heading
from core.ui.parts.switches import switch
from core.ui.session.choices import DATA_VIEW
from core.ui.session.state import get_state

# view -> its name, and the action for which it is there
VIEWS = {
    "choose": ("Choose", "open"),
    "gallery": ("Make a gallery", "build"),
    "sae": ("Train an SAE", "train"),
    "quality": ("Quality of SAEs", "look"),
    "prompts": ("Prompt sets", "look"),
}

frame.through_app()
state = get_state()
st.html(grids.STYLE)
heading("Data & models", "Choose, build and import galleries, models and SAEs; train an SAE; judge SAEs")
views = {view: title for view, (title, action) in VIEWS.items() if access.may(action)}
view = switch(state, "Show", DATA_VIEW, views)
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
