"""Hair and hats. What lies behind the head is drawn before the body, what lies before it after the face."""

from __future__ import annotations

import math
import random

from core.avatars.drawing.canvas import Canvas, Colour, Point, luminance, mix, shade
from core.avatars.drawing.figure import GREYING, Figure

SIDES = (-1, 1)
_HATS: tuple[Colour, ...] = ((196, 76, 66), (66, 98, 158), (96, 98, 110), (222, 172, 68), (86, 136, 110))


def _at(f: Figure, points: list[Point]) -> list[Point]:
    """Points given in half widths and half heights of the face, in the canvas's units."""
    return [(f.cx + x * f.w, f.cy + y * f.h) for x, y in points]


def _both(points: list[Point]) -> list[Point]:
    """A right half, from top to bottom, completed by its mirror image."""
    return points + [(-x, y) for x, y in reversed(points) if x]


def draw_back_hair(canvas: Canvas, f: Figure, covered: bool) -> None:
    """Hair behind head and shoulders; `covered`: a hat or helmet sits on the crown."""
    style = f.avatar.hair
    behind = shade(f.hair, -0.10)
    if style == "long":
        canvas.blob(
            _at(f, _both([(0, -1.12), (0.8, -0.95), (1.18, -0.35), (1.22, 0.5), (1.34, 1.35), (1.15, 1.72)])), behind
        )
    elif style == "bob":
        canvas.blob(
            _at(f, _both([(0, -1.12), (0.8, -0.96), (1.2, -0.3), (1.27, 0.4), (1.16, 0.86), (0.6, 0.9)])), behind
        )
    elif style == "locs":
        canvas.blob(_at(f, _both([(0, -1.1), (0.8, -0.95), (1.14, -0.3), (1.14, 0.4), (0.9, 0.7)])), behind)
        for side in SIDES:
            for i in range(4):
                x = f.cx + side * f.w * (0.82 + 0.13 * i)
                canvas.stroke(
                    [(x, f.cy - 0.5 * f.h), (x + side * 0.8, f.cy + (1.28 - 0.09 * i) * f.h)],
                    f.hair if i % 2 else behind,
                    3.0,
                )
    elif style == "curly":
        for i in range(15):
            angle = math.pi * (0.90 + 1.20 * i / 14)
            x, y = f.cx + 1.10 * f.w * math.cos(angle), f.cy - 0.22 * f.h + 0.92 * f.h * math.sin(angle)
            if not covered or y > f.cy - 0.55 * f.h:
                canvas.ellipse(x, y, 6.0, 6.0, behind)
    elif style == "bun" and not covered:
        canvas.ellipse(f.cx, f.cy - 1.22 * f.h, 7.2, 6.6, f.hair)
        canvas.stroke(
            [(f.cx - 3.6, f.cy - 1.26 * f.h), (f.cx, f.cy - 1.36 * f.h), (f.cx + 3.6, f.cy - 1.26 * f.h)], behind, 0.8
        )


# Right half of the outer contour and the whole hairline of each style, in half widths and heights of the face.
_TOP: dict[str, list[Point]] = {
    "buzz": [(0, -1.03), (0.55, -0.93), (0.92, -0.58), (1.02, -0.2)],
    "short": [(0, -1.14), (0.6, -1.04), (1.02, -0.66), (1.08, -0.12)],
    "bob": [(0, -1.13), (0.62, -1.02), (1.04, -0.62), (1.16, 0.0), (1.2, 0.7), (1.0, 0.8), (1.0, 0.2)],
    "long": [(0, -1.13), (0.62, -1.02), (1.04, -0.62), (1.15, 0.0), (1.2, 0.9), (1.16, 1.5), (0.98, 1.4), (1.0, 0.3)],
    "bun": [(0, -1.09), (0.58, -0.99), (0.98, -0.62), (1.04, -0.12)],
    "locs": [(0, -1.12), (0.6, -1.02), (1.03, -0.62), (1.08, -0.1)],
    "curly": [(0, -1.10), (0.6, -1.0), (1.03, -0.62), (1.06, -0.1)],
}
_HAIRLINES: dict[str, tuple[list[Point], ...]] = {
    "buzz": ([(0.88, -0.3), (0.74, -0.6), (0.3, -0.68), (-0.3, -0.68), (-0.74, -0.6), (-0.88, -0.3)],),
    "short": (
        [(0.9, -0.28), (0.78, -0.56), (0.2, -0.60), (-0.42, -0.72), (-0.76, -0.52), (-0.9, -0.28)],
        [(0.9, -0.28), (0.76, -0.60), (0.3, -0.70), (-0.3, -0.70), (-0.76, -0.60), (-0.9, -0.28)],
    ),
    "bob": (
        [(0.86, -0.1), (0.84, -0.44), (0.5, -0.52), (-0.5, -0.52), (-0.84, -0.44), (-0.86, -0.1)],
        [(0.86, -0.1), (0.78, -0.46), (0.1, -0.62), (-0.4, -0.84), (-0.76, -0.46), (-0.86, -0.1)],
    ),
    "long": (
        [(0.86, -0.1), (0.74, -0.5), (0.3, -0.74), (0.0, -0.92), (-0.3, -0.74), (-0.74, -0.5), (-0.86, -0.1)],
        [(0.86, -0.1), (0.80, -0.46), (0.2, -0.58), (-0.36, -0.84), (-0.76, -0.46), (-0.86, -0.1)],
    ),
    "bun": ([(0.9, -0.26), (0.76, -0.6), (0.3, -0.76), (-0.3, -0.76), (-0.76, -0.6), (-0.9, -0.26)],),
    "locs": ([(0.9, -0.2), (0.76, -0.56), (0.3, -0.70), (-0.3, -0.70), (-0.76, -0.56), (-0.9, -0.2)],),
    "curly": ([(0.88, -0.24), (0.74, -0.54), (0.3, -0.64), (-0.3, -0.64), (-0.74, -0.54), (-0.88, -0.24)],),
}


def draw_front_hair(canvas: Canvas, f: Figure, rng: random.Random, covered: bool) -> None:
    """Hair on and before the head, with the gray that comes with age."""
    style = "short" if covered and f.avatar.hair == "swept" else f.avatar.hair
    side = rng.choice(SIDES)
    if style == "bald":
        _draw_bald_head(canvas, f)
    elif style == "swept":
        _draw_swept(canvas, f, side)
    else:
        line = rng.choice(_HAIRLINES[style])
        colour = mix(f.skin, f.hair, 0.72) if style == "buzz" else f.hair
        outline = _both(_TOP[style])
        right = len(_TOP[style])  # the hairline joins the two lower ends of the contour
        points = [*outline[:right], *line, *outline[right:]]
        canvas.blob(_at(f, [(side * x, y) for x, y in points]), colour)
        _draw_texture(canvas, f, style)
    if f.avatar.age == "middle-aged":
        _draw_greying(canvas, f)


def _draw_bald_head(canvas: Canvas, f: Figure) -> None:
    """A shine on the crown, and cropped hair at the sides except for the young."""
    canvas.stroke(_at(f, [(-0.52, -0.66), (-0.34, -0.80), (-0.12, -0.86)]), shade(f.skin, 0.32), 1.6)
    if f.avatar.age == "young":
        return
    for side in SIDES:
        points = [(1.04, -0.46), (1.1, -0.1), (1.06, 0.1), (0.93, 0.06), (0.9, -0.2), (0.92, -0.46)]
        canvas.blob(_at(f, [(side * x, y) for x, y in points]), f.hair)


def _draw_swept(canvas: Canvas, f: Figure, side: int) -> None:
    """Short sides and a full top swept to one side."""
    top = [(-0.92, -0.2), (-1.06, -0.3), (-1.06, -0.72), (-0.7, -1.1), (-0.1, -1.24), (0.5, -1.26), (0.98, -1.0)]
    rest = [(1.08, -0.6), (1.06, -0.2), (0.92, -0.2), (0.84, -0.52), (0.4, -0.60), (-0.2, -0.68), (-0.74, -0.6)]
    canvas.blob(_at(f, [(side * x, y) for x, y in top + rest]), f.hair)
    for rise in (0.0, 0.13):
        wave = [(-0.45, -0.82 - rise), (0.05, -0.92 - rise), (0.55, -0.88 - rise)]
        canvas.stroke(_at(f, [(side * x, y) for x, y in wave]), _strand(f), 0.7)


def _strand(f: Figure) -> Colour:
    """Colour of single strands: visible on the hair, whatever the hair."""
    return shade(f.hair, 0.16) if luminance(f.hair) < 0.25 else shade(f.hair, -0.14)


def _draw_texture(canvas: Canvas, f: Figure, style: str) -> None:
    """Curls, locs or strands on top of the shape."""
    if style == "curly":
        for i in range(9):
            angle = math.pi * (1.08 + 0.84 * i / 8)
            x, y = f.cx + 0.88 * f.w * math.cos(angle), f.cy - 0.26 * f.h + 0.72 * f.h * math.sin(angle)
            canvas.ellipse(x, y, 4.6, 4.4, f.hair)
            canvas.stroke([(x - 2.0, y - 0.6), (x, y - 2.0), (x + 2.0, y - 0.6)], _strand(f), 0.6)
    elif style == "locs":
        for i in range(7):
            x = -0.78 + 0.26 * i
            canvas.stroke(_at(f, [(x * 0.8, -1.02 + 0.16 * x * x), (x, -0.66 + 0.22 * x * x)]), _strand(f), 0.8)
    elif style in ("bob", "long"):
        for side in SIDES:
            end = 0.62 if style == "bob" else 1.2
            canvas.stroke(_at(f, [(side * 1.0, -0.4), (side * 1.09, 0.1), (side * 1.1, end)]), _strand(f), 0.7)


def _draw_greying(canvas: Canvas, f: Figure) -> None:
    """Gray temples that run into the hair: the mark of the middle-aged."""
    gray = mix(f.hair, GREYING if luminance(f.hair) < 0.55 else (214, 212, 206), 0.85)
    reach = 0.50 if f.avatar.hair in ("bob", "long", "locs") else 0.06
    for side in SIDES:
        points = [(0.80, -0.70), (1.0, -0.62), (1.09, -0.3), (1.11, reach), (1.0, reach - 0.08), (0.90, -0.26)]
        canvas.blob(_at(f, [(side * x, y) for x, y in points]), gray)
        strand = [(side * 0.93, -0.58), (side * 1.03, -0.28), (side * 1.05, reach - 0.1)]
        canvas.stroke(_at(f, strand), mix(gray, f.hair, 0.4), 0.6)


def draw_hat(canvas: Canvas, f: Figure, rng: random.Random) -> None:
    """A knitted hat or a cap that leaves temples, brows and eyes free."""
    if not f.avatar.hat:
        return
    colour = rng.choice(_HATS)
    crown = _both([(0, -1.30), (0.72, -1.14), (1.08, -0.72), (1.1, -0.5)])
    canvas.blob(_at(f, crown), colour)
    if rng.random() < 0.5:
        canvas.rectangle(
            f.cx - 1.13 * f.w, f.cy - 0.68 * f.h, f.cx + 1.13 * f.w, f.cy - 0.44 * f.h, shade(colour, -0.16), 2.4
        )
        canvas.ellipse(f.cx, f.cy - 1.33 * f.h, 3.6, 3.4, shade(colour, 0.3))
    else:
        side = rng.choice(SIDES)
        brim = [(-1.08, -0.52), (0.2, -0.60), (1.2, -0.56), (1.62, -0.44), (1.1, -0.42), (-1.0, -0.44)]
        canvas.blob(_at(f, [(side * x, y) for x, y in brim]), shade(colour, -0.2))
