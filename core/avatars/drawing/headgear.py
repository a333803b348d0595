"""Headgear of the attires: worn above the brows, so that the face stays readable."""

from __future__ import annotations

from core.avatars.drawing.canvas import Canvas, Colour, Point, shade
from core.avatars.drawing.figure import Figure


def _at(f: Figure, points: list[Point]) -> list[Point]:
    """Points in half widths and half heights of the face; the right half is completed by its mirror image."""
    whole = points + [(-x, y) for x, y in reversed(points) if x]
    return [(f.cx + x * f.w, f.cy + y * f.h) for x, y in whole]


def _crown(canvas: Canvas, f: Figure, colour: Colour, height: float, bottom: float = -0.5) -> None:
    """A round crown from ear to ear."""
    canvas.blob(_at(f, [(0, -height), (0.74, 0.12 - height), (1.1, -0.74), (1.12, bottom)]), colour)


def hard_hat(canvas: Canvas, f: Figure) -> None:
    """A yellow safety helmet."""
    yellow = (250, 202, 52)
    _crown(canvas, f, yellow, 1.34)
    canvas.rectangle(
        f.cx - 1.28 * f.w, f.cy - 0.64 * f.h, f.cx + 1.28 * f.w, f.cy - 0.47 * f.h, shade(yellow, -0.12), 2
    )
    canvas.rectangle(f.cx - 2.4, f.cy - 1.36 * f.h, f.cx + 2.4, f.cy - 0.64 * f.h, shade(yellow, -0.07), 2)


def fire_helmet(canvas: Canvas, f: Figure) -> None:
    """A red helmet with a badge."""
    red = (198, 52, 48)
    _crown(canvas, f, red, 1.36)
    canvas.rectangle(f.cx - 1.34 * f.w, f.cy - 0.63 * f.h, f.cx + 1.34 * f.w, f.cy - 0.47 * f.h, shade(red, -0.22), 2)
    canvas.polygon(_at(f, [(0.2, -1.08), (0.2, -0.8), (0.001, -0.68)]), (246, 206, 80))


def chef_hat(canvas: Canvas, f: Figure) -> None:
    """A white toque."""
    canvas.rectangle(f.cx - 0.94 * f.w, f.cy - 1.20 * f.h, f.cx + 0.94 * f.w, f.cy - 0.5 * f.h, (240, 240, 243), 1.5)
    for x in (-0.62, 0.62, 0.0):
        canvas.ellipse(f.cx + x * f.w, f.cy - 1.28 * f.h, 9.0, 7.6, (251, 251, 252))
    canvas.stroke(
        [(f.cx - 0.92 * f.w, f.cy - 0.54 * f.h), (f.cx + 0.92 * f.w, f.cy - 0.54 * f.h)], (208, 208, 216), 1.0
    )


def baker_cap(canvas: Canvas, f: Figure) -> None:
    """A flat white cap."""
    canvas.blob(_at(f, [(0, -1.2), (0.7, -1.12), (1.06, -0.86), (1.0, -0.52)]), (243, 241, 234))
    canvas.rectangle(f.cx - 1.03 * f.w, f.cy - 0.68 * f.h, f.cx + 1.03 * f.w, f.cy - 0.5 * f.h, (214, 208, 196), 1.5)


def straw_hat(canvas: Canvas, f: Figure) -> None:
    """A straw hat with a wide brim."""
    straw = (226, 190, 112)
    canvas.blob(_at(f, [(0, -1.36), (0.6, -1.28), (0.86, -0.9), (0.88, -0.52)]), straw)
    canvas.rectangle(f.cx - 0.9 * f.w, f.cy - 0.76 * f.h, f.cx + 0.9 * f.w, f.cy - 0.58 * f.h, (156, 78, 56), 0.8)
    canvas.ellipse(f.cx, f.cy - 0.55 * f.h, 1.72 * f.w, 3.0, shade(straw, -0.08))


def peaked_cap(canvas: Canvas, f: Figure) -> None:
    """A pilot's cap with a badge."""
    navy = (36, 48, 84)
    canvas.blob(_at(f, [(0, -1.34), (0.8, -1.28), (1.28, -1.06), (1.04, -0.7)]), navy)
    canvas.rectangle(f.cx - 1.04 * f.w, f.cy - 0.82 * f.h, f.cx + 1.04 * f.w, f.cy - 0.58 * f.h, (22, 26, 48), 1.5)
    canvas.blob(_at(f, [(0, -0.6), (0.5, -0.6), (0.94, -0.56), (0.5, -0.45), (0.001, -0.43)]), (14, 14, 22))
    canvas.ellipse(f.cx, f.cy - 0.92 * f.h, 3.0, 2.3, (240, 200, 84))


def _beret(canvas: Canvas, f: Figure, colour: Colour) -> None:
    """A beret drawn to one side."""
    points = [
        (-1.02, -0.56),
        (-1.12, -0.86),
        (-0.5, -1.2),
        (0.4, -1.3),
        (1.2, -1.14),
        (1.42, -0.8),
        (1.04, -0.56),
        (0, -0.66),
    ]
    canvas.blob([(f.cx + x * f.w, f.cy + y * f.h) for x, y in points], colour)
    canvas.stroke(
        [(f.cx + x * f.w, f.cy + y * f.h) for x, y in ((-1.0, -0.54), (0, -0.64), (1.02, -0.54))],
        shade(colour, -0.3),
        1.8,
    )


def beret_green(canvas: Canvas, f: Figure) -> None:
    """A soldier's beret with a badge."""
    _beret(canvas, f, (70, 86, 56))
    canvas.ellipse(f.cx - 0.5 * f.w, f.cy - 0.86 * f.h, 2.0, 2.2, (236, 198, 90))


def beret_red(canvas: Canvas, f: Figure) -> None:
    """An artist's beret."""
    _beret(canvas, f, (182, 56, 62))
