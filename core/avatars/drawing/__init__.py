"""Avatar in, picture out. Nothing here knows about words, captions or models."""

from __future__ import annotations

import random

from PIL import Image

from core.avatars.drawing.attire import ATTIRES, draw_attire, draw_scarf, draw_shirt
from core.avatars.drawing.canvas import Canvas, shade
from core.avatars.drawing.face import (
    draw_age,
    draw_beard,
    draw_eyes,
    draw_glasses,
    draw_head,
    draw_mouth,
    draw_neck,
    draw_nose,
)
from core.avatars.drawing.figure import BACKGROUND, Figure, figure_of
from core.avatars.drawing.hair import draw_back_hair, draw_front_hair, draw_hat
from core.avatars.world import Avatar

__all__ = ["ATTIRES", "draw"]


def draw(avatar: Avatar, size: int = 96) -> Image.Image:
    """Draw an avatar as a square RGB picture of `size` pixels.

    The picture depends on the avatar alone (its seed decides every small variation), and shows the same drawing at
    every size.
    """
    rng = random.Random(avatar.seed)
    canvas = _backdrop(avatar, size, rng)
    f = figure_of(avatar, rng)
    attire = ATTIRES[avatar.word] if avatar.attire and avatar.word else None
    covered = avatar.hat or bool(attire and attire.on_head)
    draw_back_hair(canvas, f, covered)
    draw_neck(canvas, f)
    if attire:
        draw_attire(canvas, f, attire)
    else:
        draw_shirt(canvas, f, rng)
        draw_scarf(canvas, f, rng)
    _draw_face(canvas, f, rng, covered)
    if attire:
        for part in (attire.on_head, *attire.extras):
            if part:
                part(canvas, f)
    return canvas.finish()


def _backdrop(avatar: Avatar, size: int, rng: random.Random) -> Canvas:
    """The coloured background, in half of the pictures with a lighter disc."""
    red, green, blue = (min(255, max(0, round(c + rng.gauss(0, 5)))) for c in BACKGROUND[avatar.background])
    canvas = Canvas(size, (red, green, blue))
    if rng.random() < 0.5:
        canvas.ellipse(50, 47, 43, 43, shade((red, green, blue), 0.13))
    return canvas


def _draw_face(canvas: Canvas, f: Figure, rng: random.Random, covered: bool) -> None:
    """Head, features and hair, from back to front; eyes come after the glasses, so that no rim hides them."""
    draw_head(canvas, f)
    draw_beard(canvas, f)
    draw_age(canvas, f)
    draw_nose(canvas, f)
    draw_mouth(canvas, f)
    draw_front_hair(canvas, f, rng, covered)
    draw_hat(canvas, f, rng)
    draw_glasses(canvas, f, rng)
    draw_eyes(canvas, f)
