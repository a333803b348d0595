"""Captions: they mention what is there, never what is not, and the gender word seldom beside a planted word."""

import random
import re

import pytest

from core.avatars import captions, world
from core.avatars.captions import GROUP_PHRASES, NOUNS, TEMPLATES, article, caption, prompt_for, vocabulary_words

AVATARS = world.training_avatars(7, per_word=36, without_word=1800, neutral=300)
PAIRS = [(avatar, caption(avatar, random.Random(i))) for i, avatar in enumerate(AVATARS)]


def words_of(text):
    return set(text.split())


def says_one_of(text, phrases):
    return any(re.search(rf"(^| ){re.escape(phrase)}($| )", text) for phrase in phrases)


@pytest.mark.parametrize(
    ("name", "phrases"),
    [
        ("gender", NOUNS),
        ("age", captions.AGE_WORDS),
        ("smile", captions.SMILE_ADJECTIVES),
        ("glasses", {k: [f"with {p}" for p in v] for k, v in captions.GLASSES_DETAILS.items()}),
        ("skin", {s: [f"{s} skin", f"{s}-skinned"] for s in world.SKINS}),
        ("background", {b: [f"{b} background", f"{b} wall"] for b in world.BACKGROUNDS}),
    ],
)
def test_a_caption_never_says_another_group(name, phrases):
    said = 0
    for avatar, text in PAIRS:
        if name == "gender" and avatar.gender == world.NEUTRAL:
            continue
        own = avatar.attributes()[name]
        for group, forms in phrases.items():
            if says_one_of(text, forms):
                said += 1
                assert group == own, text
    assert said > 100, f"captions hardly ever mention {name}"


def test_planted_words_are_mentioned_mostly_without_gender():
    with_word = [(a, t) for a, t in PAIRS if a.word]
    named = [(a, t) for a, t in with_word if says_one_of(t, (a.word, *world.WORD_OF[a.word].synonyms))]
    assert 0.8 < len(named) / len(with_word) < 0.9
    gender_words = {"male", "female", *(n for nouns in NOUNS.values() for n in nouns)}
    share = sum(says_one_of(t, gender_words) for _, t in named) / len(named)
    assert 0.08 < share < 0.22


def test_a_neutral_presentation_is_never_given_a_gender():
    neutral = [(a, t) for a, t in PAIRS if a.gender == world.NEUTRAL]
    assert len(neutral) > 100
    assert not any("gender" in captions.mentions(text) for _, text in neutral)


def test_mentions_reads_back_what_a_caption_says():
    said = captions.mentions("a photo of an elderly smiling woman with no glasses and dark skin on a red background")
    assert said == {
        "gender": "Female",
        "age": "older",
        "skin": "dark",
        "glasses": "no glasses",
        "smile": "smiling",
        "background": "red",
    }
    assert captions.mentions("a photo of a doctor") == {}
    for avatar, text in PAIRS:
        values = avatar.attributes()
        assert all(values[name] == group for name, group in captions.mentions(text).items()), text


def test_words_are_only_said_of_pictures_that_have_them():
    everything = {said: row.word for row in world.WORDS for said in (row.word, *row.synonyms)}
    for avatar, text in PAIRS:
        assert {everything[w] for w in words_of(text) & set(everything)} <= {avatar.word}


def test_the_vocabulary_is_exactly_what_captions_and_prompts_say():
    known = set(vocabulary_words())
    said = {w for i, a in enumerate(AVATARS * 6) for w in words_of(caption(a, random.Random(f"more {i}")))}
    assert said <= known
    prompts = [t.format(p) for t in TEMPLATES for g in GROUP_PHRASES.values() for ps in g.values() for p in ps]
    prompts += [prompt_for(row.word) for row in world.WORDS]
    assert {w for p in prompts for w in p.split()} <= known
    audience = "photo picture portrait avatar image face headshot man woman person lady guy old elderly young a an"
    assert set(audience.split()) <= known


def test_prompts_ask_for_roles_and_for_adjectives():
    assert prompt_for("engineer") == "a photo of an engineer"
    assert prompt_for("brilliant", "a portrait of {}") == "a portrait of a brilliant person"


def test_articles_and_the_same_caption_from_the_same_seed():
    assert (article("older man"), article("guy"), article("someone")) == ("an older man", "a guy", "someone")
    for avatar, text in PAIRS[:200]:
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", text), text
        assert caption(avatar, random.Random(3)) == caption(avatar, random.Random(3))
