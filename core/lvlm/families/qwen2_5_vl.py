"""Qwen2.5-VL: what enters the merger, in the order of attention windows."""

from core.lvlm.family import LVLMS, MergerFamily


@LVLMS.register("qwen2.5-vl")
class Qwen25VL(MergerFamily):
    """Rows of a picture's tokens stand in window order at this place, and are put back behind the merger."""

    model_types = ("qwen2_5_vl",)
    title = "Qwen2.5-VL"
    reads = "the input of `visual.merger`, after the last block, tokens in window order"
