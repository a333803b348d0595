"""Everyday clothes, and the attire of the words that have one: clothes, headgear and props."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from core.avatars.drawing import headgear, props
from core.avatars.drawing.canvas import Canvas, Colour, shade
from core.avatars.drawing.figure import SHIRT, Figure

SIDES = (-1, 1)
Part = Callable[[Canvas, Figure], None]


def _torso(canvas: Canvas, f: Figure, colour: Colour) -> None:
    """Shoulders and chest."""
    s, top = f.shoulders, f.collar
    right = [(0.26 * s, top - 0.6), (0.62 * s, top + 2.4), (0.92 * s, top + 8.0), (1.0 * s, top + 20), (s, 106)]
    canvas.blob([(f.cx + x, y) for x, y in right] + [(f.cx - x, y) for x, y in reversed(right)], colour)


def draw_shirt(canvas: Canvas, f: Figure, rng: random.Random) -> None:
    """A plain shirt with a round, a pointed or a folded collar; the neck is drawn into its opening."""
    colour = SHIRT[f.avatar.shirt]
    red, green, blue = (min(255, max(0, round(c + rng.gauss(0, 6)))) for c in colour)
    colour = (red, green, blue)
    _torso(canvas, f, colour)
    _opening(canvas, f, rng.choice(("round", "v", "collar")), colour)


def _opening(canvas: Canvas, f: Figure, kind: str, colour: Colour) -> None:
    """The neckline, with skin in it."""
    n, top = f.neck, f.collar
    if kind == "round":
        canvas.ellipse(f.cx, top + 0.4, n + 2.6, 5.0, shade(colour, -0.14))
        canvas.ellipse(f.cx, top - 0.4, n + 1.4, 4.6, f.skin)
        return
    canvas.polygon([(f.cx - n - 0.8, top - 2), (f.cx + n + 0.8, top - 2), (f.cx, top + 9.5)], f.skin)
    if kind == "collar":
        for side in SIDES:
            points = [(n + 2.2, -2.6), (n - 1.2, -3.4), (0.4, 5.4), (6.0, 9.6), (n + 4.6, 3.0)]
            canvas.polygon([(f.cx + side * x, top + y) for x, y in points], shade(colour, 0.26))


def draw_scarf(canvas: Canvas, f: Figure, rng: random.Random) -> None:
    """A scarf around the neck with one end hanging."""
    if not f.avatar.scarf:
        return
    colour = rng.choice(((204, 70, 76), (76, 118, 184), (232, 184, 80), (118, 158, 100)))
    top, side = f.collar, rng.choice(SIDES)
    canvas.rectangle(f.cx - f.neck - 4, top - 4.6, f.cx + f.neck + 4, top + 3.6, colour, 4)
    left = f.cx + side * 6.5 - 3.6
    canvas.rectangle(left, top + 1, left + 7.2, top + 15, shade(colour, -0.12), 2)


def _lapels(canvas: Canvas, f: Figure, colour: Colour, inside: Colour) -> None:
    """The open front of a coat or jacket over a shirt."""
    n, top = f.neck, f.collar
    canvas.polygon([(f.cx - n - 1, top - 1.5), (f.cx + n + 1, top - 1.5), (f.cx, top + 17)], inside)
    canvas.polygon([(f.cx - 0.62 * n, top - 3), (f.cx + 0.62 * n, top - 3), (f.cx, top + 4.5)], f.skin)
    for side in SIDES:
        points = [(n + 2.0, -2.4), (0.6, 18.5), (10.5, 11.0), (n + 6.0, 5.0)]
        canvas.polygon([(f.cx + side * x, top + y) for x, y in points], shade(colour, -0.13))


def _apron(canvas: Canvas, f: Figure, colour: Colour) -> None:
    """An apron with straps."""
    top = f.collar
    canvas.rectangle(f.cx - 14, top + 8, f.cx + 14, 104, colour, 2)
    for side in SIDES:
        canvas.stroke([(f.cx + side * 12.6, top + 9), (f.cx + side * (f.neck + 1.6), top - 1)], colour, 2.4)


def _vest(canvas: Canvas, f: Figure, colour: Colour, stripe: Colour) -> None:
    """An open safety vest with one reflecting stripe."""
    top = f.collar
    for side in SIDES:
        points = [(f.neck + 3, -0.4), (24, 4.0), (26, 40), (4.5, 40)]
        canvas.polygon([(f.cx + side * x, top + y) for x, y in points], colour)
        canvas.polygon([(f.cx + side * x, top + y) for x, y in ((5.2, 12), (25, 12), (25.2, 15.6), (5, 15.6))], stripe)


def _tie(canvas: Canvas, f: Figure, colour: Colour) -> None:
    """A necktie."""
    x, top = f.cx, f.collar
    canvas.polygon(
        [(x - 2.2, top + 3), (x + 2.2, top + 3), (x + 1.4, top + 6), (x - 1.4, top + 6)], shade(colour, -0.15)
    )
    canvas.polygon(
        [(x - 1.5, top + 6), (x + 1.5, top + 6), (x + 2.8, top + 17), (x, top + 20), (x - 2.8, top + 17)], colour
    )


@dataclass(frozen=True)
class Attire:
    """Clothes of one word: a torso, what lies over it, and parts drawn after the hair (headgear, things held)."""

    torso: Colour
    over: Part | None = None
    opening: str = "v"
    extras: tuple[Part, ...] = ()
    on_head: Part | None = None


def _coat(colour: Colour, inside: Colour, *, tie: Colour | None = None) -> Part:
    def draw(canvas: Canvas, f: Figure) -> None:
        _lapels(canvas, f, colour, inside)
        if tie:
            _tie(canvas, f, tie)

    return draw


def _with_apron(colour: Colour) -> Part:
    return lambda canvas, f: _apron(canvas, f, colour)


def _with_vest(colour: Colour, stripe: Colour) -> Part:
    return lambda canvas, f: _vest(canvas, f, colour, stripe)


_WHITE, _NAVY, _DARK = (247, 247, 248), (36, 48, 84), (44, 46, 56)
ATTIRES: dict[str, Attire] = {
    "doctor": Attire(_WHITE, _coat(_WHITE, (128, 172, 206)), extras=(props.stethoscope,)),
    "nurse": Attire((74, 164, 172), extras=(props.cross_badge,)),
    "engineer": Attire((78, 98, 126), _with_vest((250, 200, 48), (232, 236, 236)), on_head=headgear.hard_hat),
    "secretary": Attire((238, 222, 206), opening="collar", extras=(props.headset,)),
    "judge": Attire((38, 36, 44), props.jabot),
    "cleaner": Attire((150, 190, 226), _with_apron((248, 216, 86)), extras=(props.spray_bottle,)),
    "chef": Attire((246, 246, 246), props.double_buttons, on_head=headgear.chef_hat),
    "teacher": Attire((126, 88, 62), _coat((126, 88, 62), (240, 236, 224)), extras=(props.open_book,)),
    "farmer": Attire((198, 74, 64), props.dungarees, on_head=headgear.straw_hat),
    "pilot": Attire(
        _NAVY, _coat(_NAVY, _WHITE, tie=(22, 24, 34)), extras=(props.epaulettes,), on_head=headgear.peaked_cap
    ),
    "soldier": Attire((98, 112, 74), props.camouflage, on_head=headgear.beret_green),
    "mechanic": Attire((60, 92, 150), opening="collar", extras=(props.wrench,)),
    "carpenter": Attire((222, 190, 140), _with_apron((150, 100, 58)), opening="round", extras=(props.hammer,)),
    "programmer": Attire((84, 92, 110), props.hood, opening="round", extras=(props.laptop,)),
    "firefighter": Attire((54, 56, 66), props.fire_stripes, on_head=headgear.fire_helmet),
    "scientist": Attire(_WHITE, _coat(_WHITE, (96, 128, 104)), extras=(props.flask,)),
    "librarian": Attire((142, 76, 92), opening="collar", extras=(props.book_stack,)),
    "florist": Attire((236, 226, 206), _with_apron((92, 142, 96)), opening="round", extras=(props.flowers,)),
    "hairdresser": Attire((240, 200, 206), _with_apron((58, 56, 64)), opening="round", extras=(props.scissors,)),
    "ceo": Attire((48, 52, 68), _coat((48, 52, 68), _WHITE, tie=(166, 44, 56)), extras=(props.pocket_square,)),
    "janitor": Attire((116, 122, 126), opening="collar", extras=(props.broom,)),
    "intern": Attire((128, 176, 224), opening="round", extras=(props.lanyard,)),
    "photographer": Attire((84, 84, 78), opening="round", extras=(props.camera,)),
    "baker": Attire(
        (240, 238, 232), _with_apron((170, 116, 70)), opening="round", extras=(props.bread,), on_head=headgear.baker_cap
    ),
    "artist": Attire((104, 118, 160), opening="round", extras=(props.palette,), on_head=headgear.beret_red),
    "musician": Attire((66, 60, 92), opening="v", extras=(props.guitar,)),
}


def draw_attire(canvas: Canvas, f: Figure, attire: Attire) -> None:
    """Torso, neckline and what is worn over it."""
    _torso(canvas, f, attire.torso)
    _opening(canvas, f, attire.opening, attire.torso)
    if attire.over:
        attire.over(canvas, f)
