"""Which neurons to switch: why a prompt leans, how an edit is chosen, and the smallest that evens it."""

from core.edits.choosing import ChosenEdits, EditChoice, choose_edits
from core.edits.direction_out import DirectionOut, direction_out
from core.edits.probe_set import ProbeSet, probe_set
from core.edits.smallest import PathPoint, SmallestEdit, smallest_edit
from core.edits.why import Confirmed, NeuronPull, WhyResult, confirm, find_smallest, why

__all__ = [
    "ChosenEdits",
    "Confirmed",
    "DirectionOut",
    "EditChoice",
    "NeuronPull",
    "PathPoint",
    "ProbeSet",
    "SmallestEdit",
    "WhyResult",
    "choose_edits",
    "confirm",
    "direction_out",
    "find_smallest",
    "probe_set",
    "smallest_edit",
    "why",
]
