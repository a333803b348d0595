"""LLaVA-NeXT: as LLaVA-1.5, once a tile."""

from typing import Any

from core.lvlm.family import LVLMS, TowerFamily


@LVLMS.register("llava-next")
class LlavaNext(TowerFamily):
    """Tiles are rows of the tower's batch, so that an edit sees every tile alike."""

    model_types = ("llava_next",)
    title = "LLaVA-NeXT"
    reads = 'hidden states by `vision_feature_layer`, before the final norm, of every tile; "default" drops CLS'
    questions_share_a_prefix = True

    def keeps_cls(self, model: Any) -> bool | None:
        return model.config.vision_feature_select_strategy == "full"
