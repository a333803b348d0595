"""What to do with the groups of a table, from the texts that a job keeps of it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.tables import Regroup


def regroup_of(join: tuple[str, ...], bins: tuple[str, ...]) -> "Regroup":
    """Columns whose groups are joined by spelling, and COLUMN=18,30,50 for each column that is put into bins."""
    from core.tables import Regroup, parse_bins

    return Regroup(tuple(join), tuple(parse_bins(text) for text in bins))
