"""Zero-shot classification: what a model still knows, overall and for the group it serves worst."""

from typing import TYPE_CHECKING

from core.rooms import on_demand

if TYPE_CHECKING:
    from core.zeroshot.accuracy import ZeroshotDifference, ZeroshotResult, difference, evaluate, paired_share_difference
    from core.zeroshot.prompts import Embed, PromptSet, class_embeddings, classify, classify_items
else:
    __getattr__ = on_demand(__name__)

__all__ = [
    "Embed",
    "PromptSet",
    "ZeroshotDifference",
    "ZeroshotResult",
    "class_embeddings",
    "classify",
    "classify_items",
    "difference",
    "evaluate",
    "paired_share_difference",
]
