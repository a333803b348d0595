"""Cells as a file has them, before anybody says what they mean; every kind of file ends in the same grid."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.tables.left_out import LeftOut


@dataclass
class Grid:
    """Names of the columns and their cells, column by column; None is a cell that is not there."""

    names: list[str]
    columns: list[Sequence[str | None]]
    notes: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    """Line of the file on which each row begins, from 1; empty where a file has no lines."""

    @property
    def n(self) -> int:
        return len(self.columns[0]) if self.columns else 0
