"""Idefics3: the vision model's last hidden state, then the connector."""

from core.lvlm.family import LVLMS, LastStateFamily


@LVLMS.register("idefics3")
class Idefics3(LastStateFamily):
    """Tiles are rows of the vision model's batch."""

    model_types = ("idefics3",)
    title = "Idefics3"
    tower = "model.vision_model"
    reads = "`last_hidden_state`, after the final norm; then the connector"
