"""LLaVA-1.5 and its like: a hidden state before the tower's last norm, by default without CLS."""

from typing import Any

from core.lvlm.family import LVLMS, TowerFamily


@LVLMS.register("llava")
class Llava(TowerFamily):
    """`vision_feature_layer` (-2 in LLaVA-1.5: the output of the last block but one), "default" drops CLS."""

    model_types = ("llava",)
    title = "LLaVA-1.5"
    reads = 'hidden states by `vision_feature_layer`, before the final norm; "default" drops CLS, "full" keeps it'
    questions_share_a_prefix = True

    def keeps_cls(self, model: Any) -> bool | None:
        return model.config.vision_feature_select_strategy == "full"
