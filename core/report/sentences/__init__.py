"""Findings in plain sentences, generated from the numbers and from nothing else."""

from core.report.sentences.prompt import ITEMS, about_distance, about_effect, about_lean, remarks, tested
from core.report.sentences.summary import first_lines, other_notes, summary

__all__ = [
    "ITEMS",
    "about_distance",
    "about_effect",
    "about_lean",
    "first_lines",
    "other_notes",
    "remarks",
    "summary",
    "tested",
]
