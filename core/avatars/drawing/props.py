"""Things worn on the body or held beside it, each a function of the canvas and the figure."""

from __future__ import annotations

from core.avatars.drawing.canvas import Canvas, shade
from core.avatars.drawing.figure import Figure

SIDES = (-1, 1)
_STEEL = (176, 184, 196)
_WOOD = (172, 122, 72)


def stethoscope(canvas: Canvas, f: Figure) -> None:
    """Around the neck, its disc on the chest."""
    x, top, tube = f.cx, f.collar, (58, 62, 74)
    canvas.stroke([(x - f.neck - 1, top), (x - 9, top + 8), (x - 3, top + 13)], tube, 1.5)
    canvas.stroke([(x + f.neck + 1, top), (x + 11, top + 8), (x + 11, top + 13)], tube, 1.5)
    canvas.ellipse(x + 11, top + 15, 3.2, 3.2, tube)
    canvas.ellipse(x + 11, top + 15, 1.8, 1.8, _STEEL)


def cross_badge(canvas: Canvas, f: Figure) -> None:
    """A white cross on a pocket, and a watch."""
    x, y = f.cx + 16, f.collar + 12
    canvas.rectangle(x - 5.4, y - 4.6, x + 5.4, y + 6, (58, 138, 148), 1.2)
    canvas.rectangle(x - 1.2, y - 3.4, x + 1.2, y + 4.4, (250, 250, 250))
    canvas.rectangle(x - 3.6, y - 0.9, x + 3.6, y + 1.6, (250, 250, 250))


def headset(canvas: Canvas, f: Figure) -> None:
    """A telephone headset."""
    dark = (62, 62, 74)
    arc = [(-1.06, 0.0), (-0.98, -0.62), (-0.6, -1.06), (0, -1.2), (0.6, -1.06), (0.98, -0.62), (1.06, 0.0)]
    canvas.stroke([(f.cx + a * f.w, f.cy + b * f.h) for a, b in arc], dark, 1.7)
    for side in SIDES:
        x = f.cx + side * 1.06 * f.w
        canvas.rectangle(x - 2.4, f.cy - 4, x + 2.4, f.cy + 5.6, dark, 2)
    canvas.stroke(
        [(f.cx - 1.06 * f.w, f.cy + 5), (f.cx - 0.92 * f.w, f.mouth_y + 2), (f.cx - 0.62 * f.w, f.mouth_y + 3)],
        dark,
        1.1,
    )


def jabot(canvas: Canvas, f: Figure) -> None:
    """The white bands of a judge's robe, with red edges."""
    x, top = f.cx, f.collar
    for side in SIDES:
        canvas.stroke([(x + side * 21, top + 3), (x + side * 19, 102)], (132, 46, 54), 2.6)
        canvas.polygon(
            [(x, top - 2), (x + side * 4.6, top - 2), (x + side * 7, top + 15), (x, top + 15)], (247, 247, 247)
        )
    canvas.stroke([(x, top - 1), (x, top + 14)], (206, 206, 212), 0.8)


def spray_bottle(canvas: Canvas, f: Figure) -> None:
    """A blue spray bottle."""
    canvas.rectangle(84, 76, 95, 98, (128, 204, 238), 2.4)
    canvas.rectangle(86.6, 68, 92, 77, (64, 116, 194), 1)
    canvas.rectangle(81, 66.4, 92, 71, (64, 116, 194), 1)


def double_buttons(canvas: Canvas, f: Figure) -> None:
    """Two rows of buttons of a chef's jacket."""
    for side in SIDES:
        for i in range(3):
            canvas.ellipse(f.cx + side * 5.6, f.collar + 10 + 5 * i, 1.3, 1.3, (70, 70, 80))


def open_book(canvas: Canvas, f: Figure) -> None:
    """An open book."""
    canvas.polygon([(4, 78), (17, 81), (30, 78), (30, 97), (17, 100), (4, 97)], (84, 64, 146))
    for page in ([(6, 79), (16.4, 81.6), (16.4, 97.4), (6, 95)], [(28, 79), (17.6, 81.6), (17.6, 97.4), (28, 95)]):
        canvas.polygon(page, (247, 243, 230))


def dungarees(canvas: Canvas, f: Figure) -> None:
    """Blue dungarees."""
    blue, top = (66, 98, 156), f.collar
    canvas.rectangle(f.cx - 14, top + 10, f.cx + 14, 104, blue, 2)
    for side in SIDES:
        canvas.stroke([(f.cx + side * 12, top + 12), (f.cx + side * (f.neck + 6), top + 0.5)], blue, 4.4)
        canvas.ellipse(f.cx + side * 11.6, top + 12.4, 1.5, 1.5, (240, 202, 96))


def epaulettes(canvas: Canvas, f: Figure) -> None:
    """Golden stripes on the shoulders."""
    for side in SIDES:
        for i in range(3):
            x = f.cx + side * (21 + 2.7 * i)
            canvas.stroke([(x, f.collar + 3.6 + i), (x, f.collar + 8.4 + i)], (238, 200, 88), 1.3)


def camouflage(canvas: Canvas, f: Figure) -> None:
    """Patches of a field uniform."""
    for x, y, colour in (
        (-24, 14, (74, 86, 54)),
        (-10, 16, (132, 128, 88)),
        (8, 13, (74, 86, 54)),
        (22, 12, (132, 128, 88)),
        (-17, 8, (132, 128, 88)),
        (17, 20, (66, 74, 50)),
    ):
        canvas.ellipse(f.cx + x, f.collar + y, 5.4, 3.0, colour)


def wrench(canvas: Canvas, f: Figure) -> None:
    """A wrench, and a name patch."""
    canvas.stroke([(89, 98), (89, 76)], _STEEL, 3.4)
    canvas.ring(89, 72, 5.2, 5.2, _STEEL, 2.6)
    canvas.rectangle(f.cx - 20, f.collar + 10, f.cx - 9, f.collar + 14.6, (236, 160, 70), 1)


def hammer(canvas: Canvas, f: Figure) -> None:
    """A hammer."""
    canvas.stroke([(89, 99), (89, 70)], _WOOD, 2.8)
    canvas.rectangle(81.5, 66, 97, 72, (104, 110, 122), 1.6)


def hood(canvas: Canvas, f: Figure) -> None:
    """The hood and strings of a hooded jumper."""
    x, top = f.cx, f.collar
    for side in SIDES:
        canvas.blob(
            [
                (x + side * (f.neck + 0.6), top - 4),
                (x + side * (f.neck + 8), top - 1),
                (x + side * (f.neck + 4), top + 6),
                (x + side * 2, top + 5.4),
            ],
            (108, 118, 138),
        )
        canvas.stroke([(x + side * 4.4, top + 5), (x + side * 4.8, top + 14)], (226, 228, 234), 0.9)


def laptop(canvas: Canvas, f: Figure) -> None:
    """The back of a laptop computer."""
    canvas.rectangle(70, 80, 98, 98, (196, 202, 212), 1.8)
    canvas.ellipse(84, 89, 2.2, 2.2, (240, 242, 246))


def fire_stripes(canvas: Canvas, f: Figure) -> None:
    """Bright bands of a firefighter's jacket."""
    y = f.collar + 13
    canvas.rectangle(f.cx - 33, y, f.cx + 33, y + 3.6, (232, 226, 92))
    canvas.rectangle(f.cx - 33, y + 1.2, f.cx + 33, y + 2.4, (206, 210, 214))
    canvas.stroke([(f.cx, f.collar + 8), (f.cx, 102)], (206, 210, 214), 1.2)


def flask(canvas: Canvas, f: Figure) -> None:
    """A flask with a green liquid."""
    canvas.polygon([(85.4, 70), (90.6, 70), (90.6, 79), (97, 97), (79, 97), (85.4, 79)], (222, 236, 242))
    canvas.polygon([(83.2, 85), (92.8, 85), (96.4, 96.2), (79.6, 96.2)], (104, 194, 122))
    canvas.rectangle(84.4, 68.4, 91.6, 70.6, (196, 212, 222), 0.8)


def book_stack(canvas: Canvas, f: Figure) -> None:
    """Three books on top of each other."""
    for y, inset, colour in ((92, 0, (70, 104, 156)), (86, 2, (214, 162, 72)), (80, 1, (94, 142, 104))):
        canvas.rectangle(4 + inset, y, 29 - inset, y + 5.6, colour, 0.9)
        canvas.rectangle(6 + inset, y + 1.6, 29 - inset, y + 4, (246, 242, 232))


def flowers(canvas: Canvas, f: Figure) -> None:
    """A small bunch of flowers."""
    for x, y, colour in ((9, 78, (232, 100, 112)), (17, 73, (246, 204, 92)), (25, 79, (204, 128, 206))):
        canvas.stroke([(17, 98), (x, y)], (84, 142, 82), 1.4)
        for dx, dy in ((-2.4, 0), (2.4, 0), (0, -2.4), (0, 2.4)):
            canvas.ellipse(x + dx, y + dy, 2.4, 2.4, colour)
        canvas.ellipse(x, y, 1.6, 1.6, shade(colour, 0.6))


def scissors(canvas: Canvas, f: Figure) -> None:
    """A pair of scissors."""
    for side in SIDES:
        canvas.stroke([(88 - side * 4.6, 68), (88 + side * 2.6, 88)], _STEEL, 2.0)
        canvas.ring(88 + side * 4.0, 93, 4.0, 4.4, (200, 66, 74), 1.7)


def pocket_square(canvas: Canvas, f: Figure) -> None:
    """A white handkerchief in the breast pocket."""
    x, y = f.cx + 18, f.collar + 12
    canvas.polygon([(x - 3.4, y), (x + 3.4, y), (x + 1.4, y - 4.2)], (244, 244, 244))


def broom(canvas: Canvas, f: Figure) -> None:
    """A broom held upright."""
    canvas.stroke([(90, 30), (88, 84)], _WOOD, 2.4)
    canvas.polygon([(82, 82), (95, 83), (97, 99), (78, 99)], (228, 204, 132))
    canvas.rectangle(82, 80, 95, 84, (160, 74, 62), 1)


def lanyard(canvas: Canvas, f: Figure) -> None:
    """A badge on an orange ribbon."""
    x, top = f.cx, f.collar
    for side in SIDES:
        canvas.stroke([(x + side * (f.neck + 1), top + 0.4), (x, top + 12)], (236, 104, 56), 1.5)
    canvas.rectangle(x - 5, top + 10.6, x + 5, top + 19.6, (250, 250, 250), 0.9)
    canvas.rectangle(x - 3.6, top + 12, x - 0.4, top + 16.4, (128, 158, 196))


def camera(canvas: Canvas, f: Figure) -> None:
    """A camera on a strap."""
    x, top = f.cx, f.collar
    for side in SIDES:
        canvas.stroke([(x + side * (f.neck + 2), top + 0.6), (x + side * 10, top + 9)], (32, 32, 36), 1.5)
    canvas.rectangle(x - 12.6, top + 8, x + 12.6, top + 21, (44, 44, 52), 2)
    canvas.ellipse(x, top + 14.6, 5.6, 5.6, (160, 170, 186))
    canvas.ellipse(x, top + 14.6, 3.5, 3.5, (52, 74, 116))
    canvas.rectangle(x + 6.6, top + 6.2, x + 10.6, top + 8.6, (206, 66, 60), 0.8)


def bread(canvas: Canvas, f: Figure) -> None:
    """A loaf of bread."""
    canvas.ellipse(15, 91, 12, 7, (218, 154, 84))
    for x in (10, 15, 20):
        canvas.stroke([(x - 1.6, 88), (x + 1.6, 94)], (246, 210, 152), 1.3)


def palette(canvas: Canvas, f: Figure) -> None:
    """A painter's palette."""
    canvas.blob([(4, 88), (10, 79), (22, 78), (30, 86), (26, 92), (28, 98), (16, 100), (6, 96)], (214, 172, 118))
    for x, y, colour in (
        (11, 85, (206, 70, 66)),
        (18, 82.4, (240, 204, 84)),
        (24, 86, (84, 140, 206)),
        (12, 93, (96, 164, 104)),
    ):
        canvas.ellipse(x, y, 2.2, 2.0, colour)


def guitar(canvas: Canvas, f: Figure) -> None:
    """A guitar before the body, its neck rising to the right."""
    canvas.stroke([(50, 96), (97, 70)], (96, 62, 42), 3.0)
    canvas.ellipse(46, 98, 13, 9.4, (206, 138, 72))
    canvas.ellipse(57, 92, 8.6, 7.4, (206, 138, 72))
    canvas.ellipse(54, 94.4, 3.2, 3.0, (78, 48, 34))
