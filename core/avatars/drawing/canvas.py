"""A small vector canvas over Pillow: shapes in a 100 x 100 space, drawn large and reduced, so that edges are smooth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

SUPERSAMPLING = 3
_STEPS = 8  # straight pieces between two points of a curve


def shade(colour: Colour, amount: float) -> Colour:
    """The colour made darker (`amount` from -1 to 0) or lighter (0 to 1)."""
    return mix(colour, (0, 0, 0) if amount < 0 else (255, 255, 255), abs(amount))


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the second colour in the first."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return (red, green, blue)


def luminance(colour: Colour) -> float:
    """Mean of the three channels, 0 (black) to 1 (white)."""
    return sum(colour) / 765


def _basis() -> np.ndarray:
    """Catmull-Rom weights of the four neighbouring points, shape (_STEPS, 4)."""
    t = np.linspace(0, 1, _STEPS, endpoint=False)
    return 0.5 * np.stack([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2], 1)


_BASIS = _basis()


def _curve(points: Sequence[Point], closed: bool) -> np.ndarray:
    """A smooth curve through the points, shape (n, 2)."""
    xy = np.asarray(points, dtype=float)
    padded = np.concatenate([xy[-1:], xy, xy[:2]]) if closed else np.concatenate([xy[:1], xy, xy[-1:]])
    pieces = np.stack([padded[i : len(padded) - 3 + i] for i in range(4)], 1)  # (segments, 4, 2)
    path = np.einsum("ts,psd->ptd", _BASIS, pieces).reshape(-1, 2)
    return path if closed else np.concatenate([path, xy[-1:]])


class Canvas:
    """A square picture of `size` pixels on which shapes are placed in units of a hundredth of its side."""

    def __init__(self, size: int, background: Colour) -> None:
        self.unit = size * SUPERSAMPLING / 100
        self.image = Image.new("RGB", (size * SUPERSAMPLING,) * 2, background)
        self._draw = ImageDraw.Draw(self.image)

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        """A filled ellipse around (x, y)."""
        u = self.unit
        self._draw.ellipse([(x - rx) * u, (y - ry) * u, (x + rx) * u, (y + ry) * u], fill=fill)

    def ring(self, x: float, y: float, rx: float, ry: float, colour: Colour, width: float) -> None:
        """The outline of an ellipse; `width` grows inwards."""
        u = self.unit
        box = [(x - rx) * u, (y - ry) * u, (x + rx) * u, (y + ry) * u]
        self._draw.ellipse(box, outline=colour, width=max(1, round(width * u)))

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, fill: Colour, radius: float = 0) -> None:
        """A filled rectangle with rounded corners."""
        u = self.unit
        self._draw.rounded_rectangle([x0 * u, y0 * u, x1 * u, y1 * u], radius * u, fill=fill)

    def frame(
        self, x0: float, y0: float, x1: float, y1: float, colour: Colour, width: float, radius: float = 0
    ) -> None:
        """The outline of a rectangle with rounded corners.

        Many parameters: four corners and how the line is drawn.
        """
        u = self.unit
        width = max(1, round(width * u))
        self._draw.rounded_rectangle([x0 * u, y0 * u, x1 * u, y1 * u], radius * u, outline=colour, width=width)

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        """A filled polygon with straight sides."""
        self._draw.polygon([(x * self.unit, y * self.unit) for x, y in points], fill=fill)

    def blob(self, points: Sequence[Point], fill: Colour) -> None:
        """A filled shape with a smooth outline through the points."""
        self._draw.polygon([tuple(p) for p in _curve(points, closed=True) * self.unit], fill=fill)

    def stroke(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        """A smooth line through the points with round ends."""
        path = [tuple(p) for p in _curve(points, closed=False) * self.unit]
        thick = max(1, round(width * self.unit))
        self._draw.line(path, fill=colour, width=thick, joint="curve")
        radius = thick / 2 - 0.5
        if radius > 0.5:
            for x, y in (path[0], path[-1]):
                self._draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)

    def finish(self) -> Image.Image:
        """The picture at its final size."""
        return self.image.reduce(SUPERSAMPLING)
