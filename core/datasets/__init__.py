"""Data sets: pictures, captions and attribute tables as people have them, read into one table of items."""

from core.datasets.base import DATASETS, DataSet, ItemTable, items_of, offered

__all__ = ["DATASETS", "DataSet", "ItemTable", "items_of", "offered"]
