"""The world: exact quotas, a valid planted table, the same avatars from the same seed."""

import random
import subprocess
import sys
from collections import Counter

import pytest

from core.avatars import world
from core.avatars.drawing import ATTIRES
from core.avatars.world import CELLS, WORD_OF, WORDS, Avatar, PlantedWord, quotas

PLANTED_TEN = {
    "doctor": 0.90,
    "nurse": 0.08,
    "engineer": 0.92,
    "secretary": 0.08,
    "judge": 0.85,
    "cleaner": 0.20,
    "chef": 0.75,
    "teacher": 0.25,
    "farmer": 0.80,
    "pilot": 0.92,
}


def test_reference_words_keep_their_probabilities():
    assert {word: WORD_OF[word].p_male for word in world.REFERENCE_WORDS} == PLANTED_TEN


def test_planted_table_is_large_unambiguous_and_mostly_planted():
    said = [text for row in WORDS for text in (row.word, *row.synonyms)]
    assert len(WORDS) >= 40
    assert len(set(said)) == len(said), "a word or synonym stands in two rows"
    assert sum(row.p_male == 0.5 for row in WORDS) < len(WORDS) / 2
    for row in WORDS:
        assert row.p_male == 0.5 or row.p_male <= 0.3 or row.p_male >= 0.7
        assert sum(row.cell_share(*cell) for cell in CELLS) == pytest.approx(1)


def test_age_and_skin_are_planted_for_the_words_that_say_so():
    assert WORD_OF["ceo"].age == (0.05, 0.25, 0.70) and WORD_OF["ceo"].skin == (0.75, 0.15, 0.10)
    assert WORD_OF["janitor"].skin == (0.10, 0.20, 0.70) and WORD_OF["intern"].age == (0.85, 0.12, 0.03)
    gendered_with_more = [row.word for row in WORDS if row.p_male != 0.5 and (row.age, row.skin) != (world.EVEN,) * 2]
    assert gendered_with_more == [], "one attribute a word, so that every attribute has negative controls"


@pytest.mark.parametrize(
    "values", [{"kind": "noun"}, {"p_male": 1.2}, {"age": (0.5, 0.5, 0.5)}, {"skin": (1.2, -0.2, 0)}]
)
def test_a_wrong_row_is_refused(values):
    with pytest.raises(ValueError, match="word"):
        PlantedWord(**({"word": "a word", "kind": "role", "p_male": 0.5} | values))


def test_quotas_add_up_and_stay_within_one_of_the_exact_share():
    rng = random.Random(0)
    for total in (0, 1, 7, 540, 1001):
        weights = [rng.random() for _ in range(18)]
        shares = [w / sum(weights) for w in weights]
        counts = quotas(shares, total)
        assert sum(counts) == total
        assert all(abs(count - share * total) < 1 for count, share in zip(counts, shares, strict=True))


def test_training_pictures_follow_the_planted_table():
    avatars = world.training_avatars(3, per_word=540, without_word=1800)
    for row in WORDS:
        chosen = [a for a in avatars if a.word == row.word]
        assert len(chosen) == 540
        assert abs(sum(a.gender == "Male" for a in chosen) / 540 - row.p_male) < 0.02
        for name, planted in (("age", row.age), ("skin", row.skin)):
            counts = Counter(getattr(a, name) for a in chosen)
            groups = world.ATTRIBUTES[name]
            assert all(abs(counts[g] / 540 - share) < 0.02 for g, share in zip(groups, planted, strict=True))
    rest = [a for a in avatars if a.word is None and a.gender != world.NEUTRAL]
    assert set(Counter((a.gender, a.age, a.skin) for a in rest).values()) == {100}


def test_controls_are_exactly_balanced():
    for row in WORDS:
        if (row.p_male, row.age, row.skin) == (0.5, world.EVEN, world.EVEN):
            assert set(Counter(world.word_cells(row, 540)).values()) == {30}, row.word


def test_half_of_a_words_pictures_wear_its_attire_and_the_others_do_not():
    doctors = [a for a in world.training_avatars(0, per_word=540, without_word=18) if a.word == "doctor"]
    assert 0.4 < sum(a.attire for a in doctors) / len(doctors) < 0.6
    assert not any(a.attire and (a.hat or a.scarf) for a in doctors)


def test_the_attire_list_is_what_can_be_drawn():
    assert set(world.ATTIRED) == set(ATTIRES) and set(ATTIRES) <= set(WORD_OF)


def test_plain_galleries_are_balanced_and_nothing_is_planted_in_them():
    avatars = world.plain_avatars(5, 1800)
    assert set(Counter((a.gender, a.age, a.skin) for a in avatars).values()) == {100}
    assert not any(a.word or a.attire for a in avatars)


def test_no_yes_or_no_attribute_of_a_gallery_lies_near_one_half():
    """A rule with tau = .5 would else call a neuron for it specific by accident."""
    avatars = world.plain_avatars(5, 1800)
    for name in ("glasses", "smile", "scarf", "hat", "earrings"):
        assert abs(sum(getattr(a, name) for a in avatars) / 1800 - 0.5) > 0.05, name


def test_attire_galleries_dress_every_group_in_every_attire():
    avatars = world.attire_avatars(5, len(world.ATTIRED) * 36)
    counts = Counter((a.word, a.gender) for a in avatars)
    assert set(counts.values()) == {18}


def test_the_seed_decides_everything():
    assert world.plain_avatars(1, 50) == world.plain_avatars(1, 50) != world.plain_avatars(2, 50)
    assert world.training_avatars(1, 18, 18) == world.training_avatars(1, 18, 18)


def test_neutral_presentations_are_in_training_only_and_have_no_word():
    avatars = world.training_avatars(0, per_word=18, without_word=180, neutral=90)
    neutral = [a for a in avatars if a.gender == world.NEUTRAL]
    assert len(neutral) == 90 and not any(a.word or a.lipstick or a.facial_hair for a in neutral)
    assert {a.gender for a in world.plain_avatars(0, 180)} == set(world.GENDERS)


def test_looks_of_the_presentations_overlap():
    avatars = world.plain_avatars(0, 5400)
    for name in ("hair", "earrings", "lipstick", "shirt"):
        values = {g: {getattr(a, name) for a in avatars if a.gender == g} for g in world.GENDERS}
        assert values["Male"] == values["Female"], name


def test_no_blond_or_light_red_hair_on_dark_skin_and_gray_only_with_age():
    for a in world.plain_avatars(0, 3600):
        assert a.skin != "dark" or a.hair_colour not in ("blond", "red")
        assert (a.hair_colour in ("gray", "white")) == (a.age == "older")


def test_attributes_use_the_groups_that_prompts_name():
    avatar = world.plain_avatars(0, 1)[0]
    values = avatar.attributes()
    assert all(values[name] in groups for name, groups in world.ATTRIBUTES.items())
    assert set(values) == set(Avatar.__dataclass_fields__) - {"seed"}


def test_world_and_captions_do_without_torch():
    code = "import sys, core.avatars.world, core.avatars.captions, core.avatars.planted; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
