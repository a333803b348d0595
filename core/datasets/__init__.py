"""Data sets: pictures, captions and attribute tables as people have them, read into one table of items."""

from typing import TYPE_CHECKING

from core.rooms import on_demand

if TYPE_CHECKING:
    from core.datasets.base import DATASETS, DataSet, ItemTable, items_of, offered
else:
    __getattr__ = on_demand(__name__)

__all__ = ["DATASETS", "DataSet", "ItemTable", "items_of", "offered"]
