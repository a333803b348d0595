"""Training an SAE: seeded, streaming from memory-mapped embeddings, resumable to the bit."""

from typing import TYPE_CHECKING

from core.rooms import on_demand

if TYPE_CHECKING:
    from core.training.gallery_runs import train_on_gallery
    from core.training.loop import Look, OnLook, OnStep, train_sae
    from core.training.rows import Batches, RowSampler
    from core.training.steps import CurvePoint, Trainer
    from core.training.team import Team
    from core.training.workplace import STATE, Interrupted, TrainingStopped, forget, interrupted, training_place
else:
    __getattr__ = on_demand(__name__)

__all__ = [
    "STATE",
    "Batches",
    "CurvePoint",
    "Interrupted",
    "Look",
    "OnLook",
    "OnStep",
    "RowSampler",
    "Team",
    "Trainer",
    "TrainingStopped",
    "forget",
    "interrupted",
    "train_on_gallery",
    "train_sae",
    "training_place",
]
