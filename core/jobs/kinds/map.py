"""A map of neurons or items in two dimensions."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from core.config import InputError, own_folder
from core.jobs.kind import KINDS, JobKind, Made, Work


@dataclass(frozen=True)
class MapOrder:
    """A folder of maps, in which `core.projection.prepare` has laid the points."""

    map: str
    """Its name, the beginning of the digest of its points."""
    what: str = "neurons"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{24}", self.map):
            raise InputError(f"a map was called {self.map!r:.60}; expected 24 hexadecimal digits")


@KINDS.register("map")
class Map(JobKind):
    """Takes up to some minutes; a try that was cut off is begun anew."""

    title, action, Order = "Map", "map", MapOrder
    priority = 30
    resumable = False

    def subject(self, order: MapOrder) -> str:
        return f"{order.what} ({order.map[:8]})"

    def place(self, order: MapOrder) -> Path:
        return own_folder() / "maps" / order.map

    def check(self, order: MapOrder) -> None:
        if not (self.place(order) / "state.json").is_file():
            raise InputError("the points of this map are not there; open the map again")

    def run(self, order: MapOrder, work: Work) -> Made:
        from core import projection

        folder = self.place(order)
        os.environ.setdefault("NUMBA_NUM_THREADS", "1")  # the layout is computed in a fixed order anyway
        if projection.read_map(folder) is None:
            work.progress(0, 1, "placing the points")
            projection.compute(folder)
        return Made(f"map {order.map[:8]}", folder)
