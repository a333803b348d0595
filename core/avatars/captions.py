"""Captions of avatars: what a person might write under such a picture, drawn anew at every use.

A caption mentions only some of what can be seen, and never contradicts it. A planted word is mentioned without any
gender word in most of its captions: what the model learns about it, it learns from the pictures it goes with.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from core.avatars.world import ATTRIBUTES, BACKGROUNDS, HAIR_COLOURS, NEUTRAL, SHIRTS, WORD_OF, WORDS, Avatar

P_WORD = 0.85
"""How often a picture that has a planted word is captioned with it."""
P_WORD_WITH_GENDER = 0.15
"""How often such a caption also says the gender presentation."""
P_SYNONYM = 0.35
P_GENDER_NOUN = 0.65
"""How often a caption without planted word says man or woman instead of person."""
_COUNT_OF_DETAILS = (0.22, 0.32, 0.26, 0.14, 0.06)
"""Probability of 0, 1, 2, ... details beside the noun."""

OPENINGS = (
    "a photo of",
    "a picture of",
    "a portrait of",
    "an image of",
    "an avatar of",
    "a headshot of",
    "the face of",
    "a drawing of",
)
NOUNS = {
    "Male": ("man", "man", "man", "guy", "gentleman", "male person", "male"),
    "Female": ("woman", "woman", "woman", "lady", "female person", "female", "gal"),
}
NEUTRAL_NOUNS = ("person", "person", "person", "face", "human", "adult", "someone")
GENDER_ADJECTIVES = {"Male": "male", "Female": "female"}
AGE_WORDS = {
    "young": ("young",),
    "middle-aged": ("middle-aged", "middle-aged", "mature"),
    "older": ("older", "elderly", "old", "senior"),
}
SMILE_ADJECTIVES = {
    "smiling": ("smiling", "smiling", "happy", "laughing", "cheerful"),
    "neutral": ("serious", "serious", "unsmiling", "neutral"),
}
SMILE_DETAILS = {
    "smiling": ("a smile", "a big smile", "a smiling face"),
    "neutral": ("a neutral expression", "a serious face", "no smile"),
}
GLASSES_DETAILS = {
    "glasses": ("glasses", "glasses", "eyeglasses", "spectacles"),
    "no glasses": ("no glasses", "no glasses", "no eyeglasses"),
}
SKIN_FORMS = ("{} skin", "{} skin tone", "a {} skin tone")
HAIR_PHRASES = {
    "bald": ("a bald head", "no hair"),
    "buzz": ("very short {c} hair", "cropped {c} hair"),
    "short": ("short {c} hair",),
    "swept": ("short {c} hair", "swept {c} hair"),
    "curly": ("curly {c} hair",),
    "bob": ("a {c} bob", "medium {c} hair"),
    "long": ("long {c} hair",),
    "bun": ("{c} hair in a bun", "tied {c} hair"),
    "locs": ("{c} locs", "{c} dreadlocks"),
}
BEARD_PHRASES = {"beard": "a beard", "stubble": "stubble", "moustache": "a moustache"}
BACKGROUND_FORMS = ("on {} background", "on {} background", "with {} background", "in front of {} wall")


def article(phrase: str) -> str:
    """The phrase with its indefinite article, in the spelling used by all captions and prompts."""
    if phrase == "someone":
        return phrase
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _skin_adjective(avatar: Avatar, rng: random.Random) -> str:
    return f"{avatar.skin}-skinned"


def _age_adjective(avatar: Avatar, rng: random.Random) -> str:
    return rng.choice(AGE_WORDS[avatar.age])


def _smile_adjective(avatar: Avatar, rng: random.Random) -> str:
    return rng.choice(SMILE_ADJECTIVES["smiling" if avatar.smile else "neutral"])


def _smile_detail(avatar: Avatar, rng: random.Random) -> str:
    return rng.choice(SMILE_DETAILS["smiling" if avatar.smile else "neutral"])


def _glasses_detail(avatar: Avatar, rng: random.Random) -> str:
    return rng.choice(GLASSES_DETAILS["glasses" if avatar.glasses else "no glasses"])


def _skin_detail(avatar: Avatar, rng: random.Random) -> str:
    return rng.choice(SKIN_FORMS).format(avatar.skin)


def _hair_detail(avatar: Avatar, rng: random.Random) -> str:
    phrase = rng.choice(HAIR_PHRASES[avatar.hair])
    if rng.random() < 0.3 and avatar.hair not in ("bald", "bob", "locs"):
        return f"{avatar.hair_colour} hair"
    return phrase.format(c=avatar.hair_colour)


def _worn_detail(avatar: Avatar, rng: random.Random) -> str | None:
    """Beard, hat, scarf, jewellery or make-up, whichever there are; none of them is a detail that cannot be told."""
    worn = [rng.choice((BEARD_PHRASES[avatar.beard], "facial hair"))] if avatar.facial_hair else []
    worn += [phrase for phrase, there in (("a hat", avatar.hat), ("a scarf", avatar.scarf)) if there]
    worn += [name for name, there in (("earrings", avatar.earrings), ("lipstick", avatar.lipstick)) if there]
    if not avatar.attire:
        worn.append(f"{article(avatar.shirt)} shirt")
    return rng.choice(worn) if worn else None


Teller = Callable[[Avatar, random.Random], str | None]
_ADJECTIVES: tuple[tuple[Teller, float], ...] = ((_age_adjective, 3.0), (_smile_adjective, 1.6), (_skin_adjective, 0.7))
_DETAILS: tuple[tuple[Teller, float], ...] = (
    (_glasses_detail, 2.6),
    (_smile_detail, 1.2),
    (_skin_detail, 2.0),
    (_hair_detail, 1.8),
    (_worn_detail, 1.6),
)
_BACKGROUND = "background"


def _subject(avatar: Avatar, rng: random.Random) -> tuple[list[str], str]:
    """Adjectives and noun of the person: the planted word if it is mentioned, else man, woman or person."""
    gendered = avatar.gender != NEUTRAL and rng.random() < P_GENDER_NOUN
    noun = rng.choice(NOUNS[avatar.gender] if gendered else NEUTRAL_NOUNS)
    if avatar.word is None or rng.random() >= P_WORD:
        return [], noun
    row = WORD_OF[avatar.word]
    word = rng.choice(row.synonyms) if row.synonyms and rng.random() < P_SYNONYM else row.word
    with_gender = rng.random() < P_WORD_WITH_GENDER
    if row.kind == "adjective":
        return [word], rng.choice(NOUNS[avatar.gender]) if with_gender else "person"
    return ([GENDER_ADJECTIVES[avatar.gender]] if with_gender else []), word


def _pick_tellers(rng: random.Random, count: int) -> list[Teller | str]:
    """`count` different kinds of details, by weight."""
    pool: list[tuple[Teller | str, float]] = [*_ADJECTIVES, *_DETAILS, (_BACKGROUND, 2.0)]
    picked: list[Teller | str] = []
    for _ in range(count):
        index = rng.choices(range(len(pool)), [weight for _, weight in pool])[0]
        picked.append(pool.pop(index)[0])
    return picked


def caption(avatar: Avatar, rng: random.Random) -> str:
    """One caption of an avatar, in lower case."""
    count = rng.choices(range(len(_COUNT_OF_DETAILS)), _COUNT_OF_DETAILS)[0]
    tellers = _pick_tellers(rng, count)
    adjectives, noun = _subject(avatar, rng)
    told = [teller(avatar, rng) for teller, _ in _ADJECTIVES if teller in tellers]
    details = [teller(avatar, rng) for teller, _ in _DETAILS if teller in tellers]
    rng.shuffle(details)
    text = article(" ".join([*(t for t in told if t and noun != "someone"), *adjectives, noun]))
    named = [detail for detail in details if detail]
    if named:
        text += " with " + " and ".join(named)
    if _BACKGROUND in tellers:
        text += " " + rng.choice(BACKGROUND_FORMS).format(article(avatar.background))
    opening = rng.choice(OPENINGS[:3] if rng.random() < 0.6 else OPENINGS) if rng.random() < 0.85 else ""
    return f"{opening} {text}".strip()


def prompt_for(word: str, template: str = "a photo of {}") -> str:
    """The prompt that asks for a planted word: 'a photo of a doctor', 'a photo of a brilliant person'."""
    row = WORD_OF[word]
    return template.format(article(word if row.kind == "role" else f"{word} person"))


TEMPLATES = ("a photo of {}", "a portrait of {}", "a picture of {}", "an avatar of {}")
# How prompts name the groups of each attribute: the first phrase is the plainest one.
GROUP_PHRASES: dict[str, dict[str, tuple[str, ...]]] = {
    "gender": {"Male": ("a man", "a male person"), "Female": ("a woman", "a female person")},
    "age": {
        "young": ("a young person",),
        "middle-aged": ("a middle-aged person",),
        "older": ("an older person", "an elderly person"),
    },
    "skin": {name: (f"a person with {name} skin", f"a {name}-skinned person") for name in ATTRIBUTES["skin"]},
    "glasses": {name: (f"a person with {name}",) for name in ATTRIBUTES["glasses"]},
    "smile": {
        "smiling": ("a smiling person", "a person with a smile"),
        "neutral": ("a serious person", "a person with a neutral expression"),
    },
    "background": {name: (f"a person on {article(name)} background",) for name in BACKGROUNDS},
}


def vocabulary_words() -> tuple[str, ...]:
    """Every word that a caption or a prompt of this module can contain, sorted."""
    groups = (AGE_WORDS, SMILE_ADJECTIVES, SMILE_DETAILS, GLASSES_DETAILS, HAIR_PHRASES, NOUNS)
    phrases = [phrase for group in groups for options in group.values() for phrase in options]
    phrases += [*OPENINGS, *NEUTRAL_NOUNS, *GENDER_ADJECTIVES.values(), *SKIN_FORMS, *BEARD_PHRASES.values()]
    phrases += [*BACKGROUND_FORMS, *BACKGROUNDS, *HAIR_COLOURS, *SHIRTS, *TEMPLATES]
    phrases += [skin + form for skin in ATTRIBUTES["skin"] for form in ("", "-skinned")]
    phrases += [spelling for row in WORDS for spelling in (row.word, *row.synonyms)]
    phrases += ["a an and with hat scarf earrings lipstick shirt facial hair"]
    words = {word for phrase in phrases for word in phrase.replace("{c}", "").replace("{}", "").split()}
    return tuple(sorted(words - {"-skinned"}))


def mentions(text: str) -> dict[str, str]:
    """What a caption says of each attribute of `ATTRIBUTES`; an attribute it is silent about is not a key.

    It reads the captions of `caption`, not free text: every phrase there belongs to one group. Where one group's
    phrase lies inside another's ("glasses" in "no glasses", "a smile" beside "no smile") the later group counts.
    """
    padded = f" {text} "
    groups_said = {}
    for attribute, groups in _SAYING.items():
        for group, phrases in groups.items():
            if any(f" {phrase} " in padded for phrase in phrases):
                groups_said[attribute] = group
    return groups_said


_SAYING: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "gender": NOUNS,
    "age": AGE_WORDS,
    "skin": {skin: (f"{skin} skin", f"{skin}-skinned") for skin in ATTRIBUTES["skin"]},
    "glasses": GLASSES_DETAILS,
    "smile": {group: SMILE_ADJECTIVES[group] + SMILE_DETAILS[group] for group in SMILE_DETAILS},
    "background": {name: (f"{name} background", f"{name} wall") for name in BACKGROUNDS},
}
