"""Pictures: deterministic, one for every combination of attributes, and every cue visible where it should be."""

import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from core.avatars import world
from core.avatars.drawing import draw
from core.avatars.pictures import pixels_of

AVATAR = world.Avatar(
    gender="Female",
    age="young",
    skin="medium",
    tone=5,
    hair="short",
    hair_colour="black",
    glasses=False,
    smile=False,
    background="blue",
    shirt="red",
    beard="none",
    scarf=False,
    hat=False,
    earrings=False,
    lipstick=False,
    word=None,
    attire=False,
    seed=11,
)


def pixels(avatar, size=96):
    return np.asarray(draw(avatar, size)).astype(int)


def test_drawing_is_deterministic_and_has_the_size_asked_for():
    for size in (64, 96, 160):
        assert pixels(AVATAR, size).shape == (size, size, 3)
        np.testing.assert_array_equal(pixels(AVATAR, size), pixels(AVATAR, size))


def test_seeds_vary_the_picture_and_sizes_show_the_same_one():
    assert (pixels(AVATAR) != pixels(replace(AVATAR, seed=12))).any()
    large = np.asarray(draw(AVATAR, 192).resize((96, 96))).astype(int)
    assert np.abs(large - pixels(AVATAR)).mean() < 4


@pytest.mark.parametrize("name", ["glasses", "smile", "scarf", "hat", "earrings", "lipstick"])
def test_every_yes_or_no_attribute_can_be_seen(name):
    for skin, tone in (("light", 1), ("medium", 5), ("dark", 10)):
        without = replace(AVATAR, skin=skin, tone=tone)
        changed = np.abs(pixels(without) - pixels(replace(without, **{name: True}))).sum(2) > 40
        assert changed.sum() > (6 if name in ("earrings", "lipstick") else 60), (name, skin)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("gender", world.GENDERS),
        ("age", world.AGES),
        ("hair", world.HAIR_STYLES),
        ("hair_colour", world.HAIR_COLOURS),
        ("beard", world.BEARDS),
        ("background", world.BACKGROUNDS),
        ("shirt", world.SHIRTS),
    ],
)
def test_every_value_draws_a_picture_of_its_own(name, values):
    pictures = [pixels(replace(AVATAR, **{name: value})) for value in values]
    for i, first in enumerate(pictures):
        for second in pictures[:i]:
            assert (np.abs(first - second).sum(2) > 40).sum() > 20


def test_all_looks_of_both_presentations_draw():
    rng = random.Random(0)
    for cell in world.CELLS:
        for hair in world.HAIR_STYLES:
            for beard in world.BEARDS:
                avatar = world.sample_avatar(rng, cell)
                assert draw(replace(avatar, hair=hair, beard=beard), 48).size == (48, 48)


@pytest.mark.parametrize("word", world.ATTIRED)
def test_every_attire_shows_and_leaves_the_eyes_free(word):
    dressed = pixels(replace(AVATAR, word=word, attire=True))
    changed = np.abs(dressed - pixels(AVATAR)).sum(2) > 40
    assert changed.sum() > 150
    assert changed[40:48, 32:64].mean() < 0.1, "the eyes' band must look the same with and without attire"


def test_tones_become_darker_step_by_step():
    faces = [pixels(replace(AVATAR, tone=tone))[52:56, 44:52].mean() for tone in range(1, 11)]
    assert all(a > b for a, b in pairwise(faces))


def test_a_beard_never_covers_the_mouth():
    for beard in world.BEARDS[1:]:
        shaved = replace(AVATAR, gender="Male", smile=True)
        teeth = (pixels(shaved) > 235).all(2)
        with_beard = (pixels(replace(shaved, beard=beard)) > 235).all(2)
        assert (teeth & with_beard).sum() > 0.8 * teeth.sum()


def test_many_pictures_at_once_are_the_pictures_one_by_one():
    avatars = world.plain_avatars(0, 20)
    expected = np.stack([np.asarray(draw(a, 32)) for a in avatars])
    np.testing.assert_array_equal(pixels_of(avatars, 32), expected)
    assert pixels_of([], 32).shape == (0, 32, 32, 3)
