"""The measures of one avatar: every colour and length that the drawing needs, decided once from its attributes."""

from __future__ import annotations

import random
from dataclasses import dataclass

from core.avatars.drawing.canvas import Colour, luminance, mix, shade
from core.avatars.world import NEUTRAL, Avatar

# Ten warm tones after the steps of the Monk Skin Tone scale, 1 the lightest.
SKIN: dict[int, Colour] = {
    1: (253, 231, 214),
    2: (249, 219, 195),
    3: (243, 206, 176),
    4: (222, 174, 133),
    5: (206, 154, 112),
    6: (188, 135, 95),
    7: (141, 92, 62),
    8: (117, 75, 51),
    9: (95, 61, 43),
    10: (76, 50, 38),
}
BACKGROUND: dict[str, Colour] = {
    "red": (219, 105, 98),
    "blue": (106, 158, 222),
    "green": (123, 190, 126),
    "yellow": (244, 215, 116),
    "purple": (165, 129, 203),
    "orange": (243, 166, 94),
    "gray": (184, 187, 193),
    "teal": (84, 180, 178),
}
SHIRT: dict[str, Colour] = {
    "red": (194, 58, 56),
    "blue": (56, 92, 172),
    "green": (52, 132, 82),
    "black": (52, 52, 60),
    "white": (242, 242, 242),
    "pink": (232, 150, 178),
}
HAIR: dict[str, Colour] = {
    "black": (38, 32, 34),
    "brown": (104, 66, 40),
    "blond": (226, 186, 106),
    "red": (182, 86, 44),
    "gray": (168, 170, 176),
    "white": (236, 236, 234),
}
GREYING: Colour = (178, 178, 182)
_EYES: dict[str, tuple[Colour, ...]] = {
    "light": ((84, 56, 36), (62, 106, 146), (84, 122, 82), (112, 82, 46)),
    "medium": ((70, 45, 30), (92, 64, 36), (84, 100, 60)),
    "dark": ((52, 34, 26), (70, 44, 28)),
}


@dataclass(frozen=True)
class Figure:
    """Colours and lengths of one avatar; lengths in hundredths of the picture, (cx, cy) the middle of the face."""

    avatar: Avatar
    cx: float
    cy: float
    w: float
    """half the width of the face"""
    h: float
    """half the height of the face"""
    jaw: float
    """width of the jaw as a share of the face's width"""
    skin: Colour
    line: Colour
    """lines in the face: darker than the skin, whatever the skin"""
    fold: Colour
    """shadows and folds: between skin and line"""
    hair: Colour
    brow: Colour
    brow_width: float
    eye: Colour
    lashes: bool
    shoulders: float
    neck: float

    @property
    def eye_y(self) -> float:
        """Height of the eyes."""
        return self.cy - 0.03 * self.h

    @property
    def eye_x(self) -> float:
        """Distance of each eye from the middle."""
        return 0.46 * self.w

    @property
    def mouth_y(self) -> float:
        """Height of the mouth."""
        return self.cy + 0.55 * self.h

    @property
    def collar(self) -> float:
        """Height at which the clothes begin."""
        return self.cy + self.h + 8.5


def _hair_colour(avatar: Avatar, skin: Colour, rng: random.Random) -> Colour:
    """The hair's colour, set off from the skin where the two would flow together."""
    jitter = rng.gauss(0, 5)
    red, green, blue = (min(255, max(0, round(c + jitter))) for c in HAIR[avatar.hair_colour])
    hair = (red, green, blue)
    if abs(luminance(hair) - luminance(skin)) < 0.14:
        return shade(hair, -0.35) if luminance(skin) > 0.25 else mix(hair, (20, 16, 18), 0.65)
    return hair


def figure_of(avatar: Avatar, rng: random.Random) -> Figure:
    """Decide all measures of an avatar.

    The cues of presentation (brows, lashes, jaw) are drawn from overlapping distributions; the cues of age are
    the shape of the face here, and hair, brows and lines in `face` and `hair`.
    """
    male = {"Male": 1.0, NEUTRAL: 0.5, "Female": 0.0}[avatar.gender]
    scale = rng.gauss(1, 0.03)
    stretch = {"young": 0.0, "middle-aged": 0.6, "older": 1.0}[avatar.age]
    jitter = rng.gauss(0, 3)
    red, green, blue = (min(255, max(0, round(c + jitter))) for c in SKIN[avatar.tone])
    skin = (red, green, blue)
    hair = _hair_colour(avatar, skin, rng)
    brow = shade(hair, -0.22) if luminance(hair) > 0.3 and avatar.age != "older" else hair
    if avatar.age == "older" and luminance(skin) > 0.6:
        brow = (150, 152, 158)
    elif luminance(skin) < 0.28 and luminance(brow) < 0.2:
        brow = (18, 13, 13)
    return Figure(
        avatar=avatar,
        cx=50 + rng.gauss(0, 1.2),
        cy=45.5 + rng.gauss(0, 0.9),
        w=(19.8 + 0.8 * male) * scale - 0.7 * stretch + rng.gauss(0, 0.4),
        h=(23.6 + 0.4 * male) * scale + 1.6 * stretch + rng.gauss(0, 0.4),
        jaw=(0.73 + 0.11 * male) - 0.03 * (avatar.age == "young") + rng.gauss(0, 0.03),
        skin=skin,
        line=shade(skin, -0.42 if luminance(skin) > 0.28 else -0.55),
        fold=shade(skin, -0.17 if luminance(skin) > 0.28 else -0.30),
        hair=hair,
        brow=brow,
        brow_width=max(0.9, (1.25 + 1.05 * male) + rng.gauss(0, 0.2)),
        eye=rng.choice(_EYES[avatar.skin]),
        lashes=rng.random() < {"Male": 0.05, NEUTRAL: 0.0, "Female": 0.9}[avatar.gender],
        shoulders=(34 + 3.5 * male) * scale + rng.gauss(0, 1.8),
        neck=(8.0 + 1.6 * male) * scale,
    )
