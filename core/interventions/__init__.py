"""Debiasing methods, one file each, found by name through `INTERVENTIONS`."""

from core.interventions.base import INTERVENTIONS, Intervention, Material
from core.interventions.controls import matched_random_edits

__all__ = ["INTERVENTIONS", "Intervention", "Material", "matched_random_edits"]
