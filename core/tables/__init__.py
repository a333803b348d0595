"""Tables as people have them: one reader, one cleaning of what stands in cells, and nothing left out unsaid."""

from typing import TYPE_CHECKING

from core.rooms import on_demand

if TYPE_CHECKING:
    from core.tables.cleaning import clean_labels, clean_text, label_notes, mark_note
    from core.tables.columns import attribute_columns, require_filled, require_unique
    from core.tables.kinds import NO_REGROUP, Regroup, not_groups, parse_bins
    from core.tables.left_out import LeftOut, left_out_lines, left_out_of
    from core.tables.names import RESERVED
    from core.tables.order import natural, numbered
    from core.tables.read import READABLE, Table, as_written, read_table, table_of
else:
    __getattr__ = on_demand(__name__)

__all__ = [
    "NO_REGROUP",
    "READABLE",
    "RESERVED",
    "LeftOut",
    "Regroup",
    "Table",
    "as_written",
    "attribute_columns",
    "clean_labels",
    "clean_text",
    "label_notes",
    "left_out_lines",
    "left_out_of",
    "mark_note",
    "natural",
    "not_groups",
    "numbered",
    "parse_bins",
    "read_table",
    "require_filled",
    "require_unique",
    "table_of",
]
