"""Names of columns that have a part to play."""

RESERVED = ("id", "file", "text", "half")
"""Columns that every gallery has; all other columns of a table are attributes."""

WORDS = ("text", "caption", "prompt")
"""Columns kept word for word: a caption that says "None" or "1.0" says that."""

NAMES = ("id", "file")
"""Columns that name an item: no mark means "missing" in them but an empty cell."""
