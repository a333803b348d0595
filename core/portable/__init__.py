"""An edit that travels: a file of a few arrays, and what runs it without the app."""

from core.portable.edit import SIDE_NAMES, PortableEdit, SideEdit, SideName
from core.portable.folder import read_edit, write_edit

__all__ = ["SIDE_NAMES", "PortableEdit", "SideEdit", "SideName", "read_edit", "write_edit"]
