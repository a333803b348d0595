"""LLaVA-OneVision: SigLIP's last hidden state before its final norm, once a tile, no CLS."""

from core.lvlm.family import LVLMS, TowerFamily


@LVLMS.register("llava-onevision")
class LlavaOnevision(TowerFamily):
    """The tower has no CLS token; "full" reads all of its patches."""

    model_types = ("llava_onevision",)
    title = "LLaVA-OneVision"
    reads = "hidden states by `vision_feature_layer`, before the final norm, of every tile"
    questions_share_a_prefix = True
