"""Head, face and what is worn in the face. Order matters: beard below mouth, glasses below lashes."""

from __future__ import annotations

import random

from core.avatars.drawing.canvas import Canvas, Colour, Point, luminance, mix, shade
from core.avatars.drawing.figure import GREYING, Figure

SIDES = (-1, 1)
_GOLD: Colour = (236, 196, 84)
# Rims are chosen to stand out from the skin they are worn on.
_RIMS: dict[str, tuple[Colour, ...]] = {
    "light": ((34, 34, 42), (122, 70, 38), (156, 38, 50)),
    "medium": ((34, 34, 42), (150, 34, 46), (36, 62, 124)),
    "dark": ((240, 240, 242), (232, 192, 80), (150, 198, 236)),
}


def draw_neck(canvas: Canvas, f: Figure) -> None:
    """Neck with the shadow of the chin."""
    y0, y1 = f.cy + 0.5 * f.h, f.collar + 4
    canvas.rectangle(f.cx - f.neck, y0, f.cx + f.neck, y1, f.skin, 2)
    shadow = [(f.cx - f.neck, y0), (f.cx + f.neck, y0), (f.cx + f.neck, f.cy + f.h), (f.cx, f.cy + f.h + 4.5)]
    canvas.polygon([*shadow, (f.cx - f.neck, f.cy + f.h)], f.fold)


def face_outline(f: Figure) -> list[Point]:
    """Points around the head, from the left temple over the crown; an older face has heavier cheeks."""
    cheek = {"young": 0.97, "middle-aged": 0.93, "older": 0.95}[f.avatar.age]
    chin = f.jaw * (0.50 if f.avatar.age == "young" else 0.56)
    right = [
        (0.0, -1.0),
        (0.52, -0.89),
        (0.88, -0.55),
        (1.0, -0.08),
        (cheek, 0.34),
        (f.jaw, 0.68),
        (chin, 0.92),
        (0.0, 1.0),
    ]
    left = [(-x, y) for x, y in right[-2:0:-1]]
    return [(f.cx + x * f.w, f.cy + y * f.h) for x, y in right + left]


def draw_head(canvas: Canvas, f: Figure) -> None:
    """Ears, earrings, the head itself and the blush of the young."""
    for side in SIDES:
        x = f.cx + side * (f.w - 0.2)
        canvas.ellipse(x, f.cy + 1.5, 3.4, 5.0, shade(f.skin, -0.06))
        canvas.ellipse(x + side * 0.4, f.cy + 1.5, 1.6, 2.8, f.fold)
        if f.avatar.earrings:
            canvas.ellipse(x + side * 0.6, f.cy + 7.6, 1.5, 1.5, _GOLD)
    canvas.blob(face_outline(f), f.skin)
    if f.avatar.age == "young" or f.avatar.smile:
        blush = mix(f.skin, (226, 92, 84), 0.22 if luminance(f.skin) > 0.45 else 0.13)
        for side in SIDES:
            canvas.ellipse(f.cx + side * 0.62 * f.w, f.cy + 0.32 * f.h, 4.2, 3.0, blush)


def draw_age(canvas: Canvas, f: Figure) -> None:
    """Folds of the middle-aged and wrinkles of the older; the young have none."""
    if f.avatar.age == "young":
        return
    older = f.avatar.age == "older"
    colour = f.line if older else mix(f.fold, f.line, 0.55)
    width = 1.05 if older else 0.95
    for side in SIDES:
        x = f.cx + side * 0.36 * f.w
        fold = [(x, f.cy + 0.30 * f.h), (x + side * 2.6, f.cy + 0.42 * f.h), (x + side * 3.4, f.cy + 0.56 * f.h)]
        canvas.stroke(fold, colour, width)
        bag_y, eye_x = f.eye_y + 5.2, f.cx + side * f.eye_x
        canvas.stroke([(eye_x - 3.0, bag_y - 0.4), (eye_x, bag_y + 0.9), (eye_x + 3.0, bag_y - 0.4)], colour, 0.8)
        if older:
            _draw_wrinkles_of_one_side(canvas, f, side)
    _draw_forehead_lines(canvas, f, 3 if older else 1, colour)


def _draw_wrinkles_of_one_side(canvas: Canvas, f: Figure, side: int) -> None:
    """Crow's feet and the fold beside the chin."""
    x, y = f.cx + side * (f.eye_x + 5.2), f.eye_y
    for rise in (-2.2, 0.1, 2.4):
        canvas.stroke([(x, y + 0.35 * rise), (x + side * 2.9, y + rise)], f.line, 0.75)
    chin_x = f.cx + side * 0.42 * f.w
    canvas.stroke([(chin_x, f.cy + 0.68 * f.h), (chin_x + side * 0.7, f.cy + 0.80 * f.h)], f.line, 0.9)


def _draw_forehead_lines(canvas: Canvas, f: Figure, count: int, colour: Colour) -> None:
    """Lines across the forehead, above the brows and below most hairlines."""
    for i in range(count):
        y, half = f.eye_y - 0.43 * f.h - 2.6 * i, (0.40 - 0.06 * i) * f.w
        canvas.stroke(
            [(f.cx - half, y + 0.5), (f.cx - half / 3, y), (f.cx + half / 3, y), (f.cx + half, y + 0.5)], colour, 0.85
        )


def draw_beard(canvas: Canvas, f: Figure) -> None:
    """Full beard or stubble along the jaw, open around the mouth; a moustache is drawn with the mouth."""
    kind = f.avatar.beard
    if kind not in ("beard", "stubble"):
        return
    hair = mix(f.hair, GREYING, 0.45) if f.avatar.age == "middle-aged" else f.hair
    colour = hair if kind == "beard" else mix(f.skin, hair, 0.42)
    drop = 1.05 if kind == "beard" else 0.995
    outer = [(0.99, 0.02), (0.97, 0.36), (f.jaw + 0.03, 0.71), (0.57 * f.jaw, 0.95 * drop), (0.0, drop)]
    half = [(f.cx + x * f.w, f.cy + y * f.h) for x, y in outer]
    other = [(2 * f.cx - x, y) for x, y in half[-2::-1]]
    top = [(f.cx + x * f.w, f.cy + y * f.h) for x, y in ((-0.86, 0.02), (-0.68, 0.32), (-0.40, 0.40), (0.0, 0.40))]
    back = [(2 * f.cx - x, y) for x, y in top[-2::-1]]
    canvas.blob([*half, *other, *top, *back], colour)
    canvas.ellipse(f.cx, f.mouth_y + 0.4, 0.40 * f.w, 0.150 * f.h, f.skin)


def draw_mouth(canvas: Canvas, f: Figure) -> None:
    """A wide open laugh with teeth, or a straight closed mouth; then the moustache, which never hides either."""
    rosy = mix(f.skin, (178, 62, 74), 0.62 if luminance(f.skin) > 0.45 else 0.42)
    lip = rosy if f.avatar.lipstick else f.line
    if f.avatar.smile:
        _draw_laugh(canvas, f, lip)
    else:
        y = f.mouth_y
        if f.avatar.lipstick:
            canvas.blob(
                [
                    (f.cx - 5.2, y),
                    (f.cx - 1.6, y - 1.5),
                    (f.cx, y - 1.0),
                    (f.cx + 1.6, y - 1.5),
                    (f.cx + 5.2, y),
                    (f.cx + 2.0, y + 1.9),
                    (f.cx - 2.0, y + 1.9),
                ],
                rosy,
            )
            canvas.stroke([(f.cx - 4.6, y + 0.1), (f.cx + 4.6, y + 0.1)], shade(rosy, -0.35), 0.7)
        else:
            canvas.stroke([(f.cx - 5.0, y), (f.cx + 5.0, y)], f.line, 1.35)
    if f.avatar.beard in ("beard", "moustache"):
        _draw_moustache(canvas, f)


def _draw_laugh(canvas: Canvas, f: Figure, lip: Colour) -> None:
    """Open mouth: lips, dark inside, tongue, upper teeth, and the lifted corners."""
    y, half = f.mouth_y - 1.6, 0.44 * f.w

    def mouth(grow: float, depth: float) -> list[Point]:
        return [
            (f.cx - half - grow, y - 0.9 - grow),
            (f.cx, y - grow * 0.8),
            (f.cx + half + grow, y - 0.9 - grow),
            (f.cx + 0.72 * half, y + 0.62 * depth + grow),
            (f.cx, y + depth + grow),
            (f.cx - 0.72 * half, y + 0.62 * depth + grow),
        ]

    canvas.blob(mouth(1.25 if f.avatar.lipstick else 0.8, 7.0), lip)
    canvas.blob(mouth(0.0, 6.8), (116, 40, 44))
    canvas.ellipse(f.cx, y + 5.2, 0.40 * half, 1.5, (206, 104, 104))
    teeth = [(f.cx - half + 0.5, y - 0.7), (f.cx, y), (f.cx + half - 0.5, y - 0.7), (f.cx + 0.72 * half, y + 2.9)]
    canvas.blob([*teeth, (f.cx, y + 3.9), (f.cx - 0.72 * half, y + 2.9)], (252, 251, 247))
    for side in SIDES:
        x = f.cx + side * (half + 1.3)
        canvas.stroke([(x - side * 0.5, y - 2.7), (x + side * 0.8, y - 1.0), (x + side * 0.3, y + 1.0)], f.line, 0.85)


def _draw_moustache(canvas: Canvas, f: Figure) -> None:
    """Two wings between nose and mouth."""
    hair = mix(f.hair, GREYING, 0.45) if f.avatar.age == "middle-aged" else f.hair
    y = f.mouth_y - (3.4 if f.avatar.smile else 2.6)
    for side in SIDES:
        canvas.blob(
            [
                (f.cx - side * 0.4, y - 2.2),
                (f.cx + side * 4.4, y - 1.7),
                (f.cx + side * 8.2, y + 1.3),
                (f.cx + side * 4.4, y + 0.7),
                (f.cx - side * 0.4, y + 0.5),
            ],
            hair,
        )


def draw_nose(canvas: Canvas, f: Figure) -> None:
    """One line down the side and the tip of the nose."""
    x, y = f.cx, f.cy + 0.30 * f.h
    canvas.stroke(
        [(x - 0.6, y - 6.2), (x - 2.6, y - 0.6), (x - 1.2, y + 0.6), (x + 1.9, y + 0.4)], mix(f.fold, f.line, 0.5), 1.15
    )


def draw_glasses(canvas: Canvas, f: Figure, rng: random.Random) -> None:
    """Thick round or square rims, wide enough that eyes and lashes lie inside them."""
    if not f.avatar.glasses:
        return
    rim, round_rims = rng.choice(_RIMS[f.avatar.skin]), rng.random() < 0.5
    y, r = f.eye_y, min(0.93 * f.eye_x, 8.9)
    for side in SIDES:
        x = f.cx + side * f.eye_x
        if round_rims:
            canvas.ring(x, y + 0.2, r, 0.86 * r, rim, 1.55)
        else:
            canvas.frame(x - r, y - 0.72 * r, x + r, y + 0.76 * r, rim, 1.55, 2.0)
        canvas.stroke([(x + side * r, y - 1.2), (f.cx + side * (f.w + 0.4), y - 1.8)], rim, 1.2)
    gap = f.eye_x - r + 0.6
    canvas.stroke([(f.cx - gap, y - 0.6), (f.cx, y - 1.4), (f.cx + gap, y - 0.6)], rim, 1.4)


def draw_eyes(canvas: Canvas, f: Figure) -> None:
    """Eyes, lids, lashes and brows; larger in the young, narrower in a laugh."""
    size = {"young": 1.13, "middle-aged": 0.98, "older": 0.86}[f.avatar.age]
    white = (252, 252, 250) if luminance(f.skin) > 0.28 else (240, 236, 230)
    lid = (30, 22, 24) if luminance(f.skin) > 0.28 else (16, 11, 11)
    for side in SIDES:
        x, y, rx, ry = f.cx + side * f.eye_x, f.eye_y, 3.9 * size, 3.0 * size
        canvas.ellipse(x, y, rx, ry, white)
        canvas.ellipse(x, y + 0.1, 2.35 * size, 2.5 * size, f.eye)
        canvas.ellipse(x, y + 0.1, 1.25 * size, 1.35 * size, (16, 14, 16))
        canvas.ellipse(x + 0.9, y - 0.9, 0.62, 0.62, (255, 255, 255))
        _draw_lids(canvas, f, side, (x, y), (rx, ry), lid)
        _draw_brow(canvas, f, side)


def _draw_lids(canvas: Canvas, f: Figure, side: int, at: Point, radius: Point, lid: Colour) -> None:
    """Upper lid with or without lashes; a laugh lifts the lower one."""
    (x, y), (rx, ry) = at, radius
    arc = [
        (x - rx, y - 0.15 * ry),
        (x - 0.55 * rx, y - 0.9 * ry),
        (x + 0.55 * rx, y - 0.9 * ry),
        (x + rx, y - 0.15 * ry),
    ]
    canvas.stroke(arc, lid, 1.35 if f.lashes else 0.8)
    if f.lashes:
        for along, out in ((0.72, 1.7), (1.0, 2.3)):
            root = (x + side * along * rx, y - (0.72 if along < 1 else 0.2) * ry)
            canvas.stroke([root, (root[0] + side * out, root[1] - 1.5)], lid, 0.9)
    if f.avatar.smile:
        canvas.blob(
            [(x - rx - 0.2, y + 0.75 * ry), (x, y + 0.45 * ry), (x + rx + 0.2, y + 0.75 * ry), (x, y + ry + 0.9)],
            f.skin,
        )
        canvas.stroke([(x - 0.8 * rx, y + 0.72 * ry), (x, y + 0.47 * ry), (x + 0.8 * rx, y + 0.72 * ry)], f.fold, 0.7)


def _draw_brow(canvas: Canvas, f: Figure, side: int) -> None:
    """A brow, arched with thin brows and straight with strong ones."""
    x, y = f.cx + side * f.eye_x, f.eye_y - 0.31 * f.h
    arch = 1.5 if f.brow_width < 1.7 else 0.6
    canvas.stroke(
        [(x - side * 4.2, y + 0.2), (x + side * 0.4, y - arch + 0.2), (x + side * 4.9, y + 1.6)], f.brow, f.brow_width
    )
