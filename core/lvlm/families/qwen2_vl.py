"""Qwen2-VL: what enters the merger behind the last block."""

from core.lvlm.family import LVLMS, MergerFamily


@LVLMS.register("qwen2-vl")
class Qwen2VL(MergerFamily):
    """Tokens come in groups of `spatial_merge_size` squared that the merger joins."""

    model_types = ("qwen2_vl",)
    title = "Qwen2-VL"
    reads = "the input of `visual.merger`, after the last block"
