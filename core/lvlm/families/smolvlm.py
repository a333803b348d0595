"""SmolVLM: as Idefics3."""

from core.lvlm.family import LVLMS, LastStateFamily


@LVLMS.register("smolvlm")
class SmolVLM(LastStateFamily):
    """Tiles are rows of the vision model's batch."""

    model_types = ("smolvlm",)
    title = "SmolVLM"
    tower = "model.vision_model"
    reads = "`last_hidden_state`, after the final norm; then the connector"
