"""What a piece of an edit is: a map of rows with its arrays, written once in NumPy and once in torch."""

from abc import ABC
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from core.config import InputError
from core.registry import Registry

if TYPE_CHECKING:
    import torch

Tensors = Mapping[str, "torch.Tensor"]
Arrays = Mapping[str, np.ndarray]


class Piece(ABC):
    """A map of rows (n, d) to rows (n, d) that needs nothing but its own arrays; never changed.

    `rule` is what the card prints and `edit apply` runs: it uses NumPy and its arguments alone, and calls nothing else.
    `in_torch` is the same for models. A row's result does not depend on the rows beside it.
    """

    name: ClassVar[str]
    formula: ClassVar[str]
    """In ASCII, with the arrays' names."""
    shapes: ClassVar[Mapping[str, tuple[str, ...]]]
    """Names of the axes of every array; d is the rows' width, other letters only have to agree."""
    whole: ClassVar[tuple[str, ...]] = ()
    """Arrays of whole numbers: places of columns or neurons, below the last axis named `F` or `d`."""
    settings_of: ClassVar[tuple[str, ...]] = ()
    rule: ClassVar[Callable[..., np.ndarray]]
    """(x (n, d) float32, a, **settings) -> (n, d)."""
    in_torch: ClassVar[Callable[..., Any]]

    def __init__(self, arrays: Arrays, settings: Mapping[str, Any] | None = None) -> None:
        self.arrays: dict[str, np.ndarray] = {
            name: np.ascontiguousarray(array, np.int64 if name in self.whole else np.float32)
            for name, array in arrays.items()
        }
        self.settings = dict(settings or {})
        self._check()

    @property
    def d(self) -> int:
        """Columns of the rows that it reads."""
        return self._sizes()["d"]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return type(self).rule(x, self.arrays, **self.settings)

    def _sizes(self) -> dict[str, int]:
        """Length of every named axis; InputError where two arrays disagree."""
        sizes: dict[str, int] = {}
        for name, axes in self.shapes.items():
            shape = self.arrays[name].shape
            if len(shape) != len(axes):
                raise InputError(
                    f"the array {name} of an edit's piece {self.name!r} has shape {shape}; expected {axes}"
                )
            for axis, length in zip(axes, shape, strict=True):
                if sizes.setdefault(axis, length) != length:
                    raise InputError(
                        f"the array {name} of an edit's piece {self.name!r} has shape {shape}; the others say "
                        f"{axis} = {sizes[axis]}"
                    )
        return sizes

    def _check(self) -> None:
        if set(self.arrays) != set(self.shapes) or set(self.settings) != set(self.settings_of):
            raise InputError(
                f"an edit's piece {self.name!r} holds {', '.join([*self.arrays, *self.settings])}; expected "
                f"{', '.join([*self.shapes, *self.settings_of])}"
            )
        sizes = self._sizes()
        for name, array in self.arrays.items():
            if not np.isfinite(array).all():
                raise InputError(f"the array {name} of an edit's piece {self.name!r} holds NaN or infinity")
            limit = sizes.get("F", sizes["d"])
            if name in self.whole and array.size and not (array.min() >= 0 and array.max() < limit):
                raise InputError(f"the array {name} of an edit's piece {self.name!r} names places beyond {limit}")
        if "k" in self.settings and not (isinstance(self.settings["k"], int) and 0 <= self.settings["k"] <= sizes["F"]):
            raise InputError(
                f"an edit's piece {self.name!r} has k = {self.settings['k']!r}; expected 0 to {sizes['F']}"
            )


PIECES: Registry[type[Piece]] = Registry("piece of an edit", "core.portable.pieces")
