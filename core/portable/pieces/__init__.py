"""The fixed maps of rows that edits are made of, one a file."""

from core.portable.pieces.base import PIECES, Piece

__all__ = ["PIECES", "Piece"]
