"""InternVL as transformers has it: -1 is the state after the final norm, others are hidden states; CLS is dropped."""

from typing import Any

from core.lvlm.doors import ReadPlace
from core.lvlm.family import LVLMS, TowerFamily


@LVLMS.register("internvl")
class InternVL(TowerFamily):
    """Pixel shuffle follows the read tokens."""

    model_types = ("internvl",)
    title = "InternVL"
    reads = "`last_hidden_state` where `vision_feature_layer` is -1, else that hidden state; CLS is dropped"
    questions_share_a_prefix = True

    def places(self, model: Any) -> tuple[ReadPlace, ...]:
        if model.config.vision_feature_layer == -1:
            return (ReadPlace(self.tower, "last"),)
        return super().places(model)

    def keeps_cls(self, model: Any) -> bool | None:
        return model.config.vision_feature_select_strategy == "full"
