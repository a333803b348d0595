"""Training an SAE: seeded, streaming from memory-mapped embeddings, resumable to the bit."""

from core.training.gallery_runs import train_on_gallery
from core.training.loop import CurvePoint, Look, OnLook, OnStep, Trainer, train_sae
from core.training.rows import Batches, RowSampler
from core.training.workplace import STATE, Interrupted, TrainingStopped, forget, interrupted, training_place

__all__ = [
    "STATE",
    "Batches",
    "CurvePoint",
    "Interrupted",
    "Look",
    "OnLook",
    "OnStep",
    "RowSampler",
    "Trainer",
    "TrainingStopped",
    "forget",
    "interrupted",
    "train_on_gallery",
    "train_sae",
    "training_place",
]
