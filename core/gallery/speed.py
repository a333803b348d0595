"""Ways to embed pictures faster that change the numbers a little, which a gallery therefore says of itself."""

from dataclasses import dataclass, fields
from typing import Any

from core.config import TOWER_PRECISIONS, TowerPrecision, one_of

GAP = 2
"""Pictures are not decoded smaller than this many times what the model reads, where they may be reduced at all: the
model's pixels then differ from those of the whole picture by less than 1 of 255 (root mean square)."""


@dataclass(frozen=True)
class Speed:
    """How pictures may be embedded faster at the price of slightly different numbers; by default not at all.

    What is chosen is written into the gallery's manifest and its notes.
    """

    precision: TowerPrecision = "float32"
    """What the model multiplies in."""
    compiled: bool = False
    """Whether torch.compile translates the model first: for long builds on a GPU."""
    reduced: bool = False
    """Whether JPEG files are decoded at a half, a quarter or an eighth of their size where that is still GAP times what
    the model reads: for photographs of several million pixels."""

    def __post_init__(self) -> None:
        one_of(self.precision, TOWER_PRECISIONS, "precision")

    @property
    def chosen(self) -> dict[str, Any]:
        """What differs from the default, by name."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) != field.default}

    def notes(self) -> list[str]:
        """What people should know of it."""
        in_words = {
            "precision": f"embedded in {self.precision} (autocast): values differ from float32 by about 1 %",
            "compiled": "embedded by a compiled model: values differ from the model's own in the last digits",
            "reduced": f"large JPEG files were decoded at a reduced size, at least {GAP} times what the model reads",
        }
        return [in_words[name] for name in self.chosen]


EXACT = Speed()
"""The model's own numbers."""
