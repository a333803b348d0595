"""Qwen3-VL: what enters the merger, and what enters each of the mergers of deeper layers' tokens."""

from typing import Any

from core.lvlm.doors import ReadPlace, module_at
from core.lvlm.family import LVLMS, MergerFamily


@LVLMS.register("qwen3-vl")
class Qwen3VL(MergerFamily):
    """An edit at the merger alone leaves what DeepStack carries around it: all places are edited."""

    model_types = ("qwen3_vl",)
    title = "Qwen3-VL"
    reads = "the inputs of `visual.merger` and of every `visual.deepstack_merger_list` entry"

    def places(self, model: Any) -> tuple[ReadPlace, ...]:
        deep = len(list(module_at(model, "model.visual.deepstack_merger_list").children()))
        carried = (ReadPlace(f"model.visual.deepstack_merger_list.{i}", "input") for i in range(deep))
        return (*super().places(model), *carried)
