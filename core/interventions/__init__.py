"""Debiasing methods, one file each, found by name through `INTERVENTIONS`."""

from core.interventions.base import (
    INTERVENTIONS,
    QUERY_ROLES,
    Evidence,
    Intervention,
    Material,
    Needs,
    References,
    Role,
    Texts,
    on_arrays,
)
from core.interventions.controls import matched_random_edits

__all__ = [
    "INTERVENTIONS",
    "QUERY_ROLES",
    "Evidence",
    "Intervention",
    "Material",
    "Needs",
    "References",
    "Role",
    "Texts",
    "matched_random_edits",
    "on_arrays",
]
