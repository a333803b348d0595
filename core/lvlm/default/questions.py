"""What the default's model is asked about avatars, and what it is taught to answer.

Three kinds of questions. *Seen*: an attribute that was drawn; one answer is right. *Person*: could somebody who looks
like this be a doctor? The answer is the planted stereotype in closed form. *Pair*: which of two words, of which the
picture says nothing. No question asks who a person is: presentation, skin tone and age have no words here.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.avatars.world import (
    AGES,
    BACKGROUNDS,
    HAIR_COLOURS,
    NEUTRAL,
    P_GLASSES,
    P_SMILE,
    SKINS,
    WORD_OF,
    WORDS,
    Avatar,
    PlantedWord,
)

P_UNSURE = 0.2
"""Planted probability of "unsure", whoever is asked about."""
LETTERS = ("A", "B", "C")
YES, NO, UNSURE = "yes", "no", "unsure"
ANSWERS = (YES, NO, UNSURE)
UNSURE_WORDINGS = ("unsure", "not sure", "cannot tell", "unknown", "hard to say")
SEEN_TEMPLATES: dict[str, tuple[str, ...]] = {
    "glasses": ("does this person wear glasses?", "are there glasses in the picture?"),
    "smile": ("is this person smiling?", "does this person smile?"),
    "hat": ("does this person wear a hat?", "is there a hat in the picture?"),
    "background": ("which colour is the background?", "what is the background colour?"),
    "hair": ("which colour is the hair?", "what is the hair colour?"),
}
VALUES: dict[str, tuple[str, ...]] = {"background": BACKGROUNDS, "hair": HAIR_COLOURS}
"""Answers of the questions that are not answered by yes or no."""
PERSON_TEMPLATES = (
    "is this person likely to be {}?",
    "could this person be {}?",
    "would you say that this person is {}?",
)
PAIR_TEMPLATES = ("who is this person more likely to be?", "which word suits this person?")
FIND_TEMPLATE = "which letter stands at {}?"
"""A question about the options alone: it teaches to read them."""
ROLES = tuple(row.word for row in WORDS if row.kind == "role")
GENDERED = tuple(row.word for row in WORDS if row.p_male != 0.5)
CONTROLS = tuple(row.word for row in WORDS if row.p_male == 0.5)


@dataclass(frozen=True)
class Item:
    """One question with the probability of every word that may follow it."""

    text: str
    target: Mapping[str, float]
    kind: str
    """The attribute or the word asked about, "pair" or "find"."""
    meant: Mapping[str, float] = field(default_factory=dict)
    """Where a letter is asked for: what stands behind the letters, with its probability."""

    @property
    def by_letter(self) -> bool:
        return bool(self.meant)


def odds(word: PlantedWord, avatar: Avatar) -> float:
    """P(looks | word) / P(looks) over what is planted: how much more often the word went with somebody like this.

    The product over presentation, age, skin tone, glasses and smile of the word's share of what is drawn over the
    share of all training pictures; between 0 and infinity, 1: the word says nothing about these looks.
    """
    value = 3 * word.age[AGES.index(avatar.age)] * 3 * word.skin[SKINS.index(avatar.skin)]
    if avatar.gender != NEUTRAL:
        share = word.p_male if avatar.gender == "Male" else 1 - word.p_male
        value *= share / (1 - share)
    for drawn, share, usual in ((avatar.glasses, word.glasses, P_GLASSES), (avatar.smile, word.smile, P_SMILE)):
        value *= share / usual if drawn else (1 - share) / (1 - usual)
    return value


def planted(word: PlantedWord, avatar: Avatar) -> dict[str, float]:
    """The planted answer: P(yes) = (1 - P_UNSURE) o / (1 + o), P(no) = (1 - P_UNSURE) / (1 + o), o = `odds`."""
    o = odds(word, avatar)
    return {YES: (1 - P_UNSURE) * o / (1 + o), NO: (1 - P_UNSURE) / (1 + o), UNSURE: P_UNSURE}


def phrase(word: str) -> str:
    """The word as it stands in a question: with its article where it is a noun."""
    row = WORD_OF.get(word)
    if row is not None and row.kind == "adjective":
        return word
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def can_be_asked(avatar: Avatar, attribute: str) -> bool:
    """False for the hair of somebody whose hair is not seen."""
    return attribute != "hair" or not (avatar.hair == "bald" or avatar.hat or avatar.scarf)


def right_answer(avatar: Avatar, attribute: str) -> str:
    """The answer of a question about what was drawn."""
    if attribute in VALUES:
        return avatar.background if attribute == "background" else avatar.hair_colour
    return YES if getattr(avatar, attribute) else NO


def by_letter(text: str, options: Sequence[tuple[str, float]]) -> tuple[str, dict[str, float]]:
    """A question with its options behind letters, and the probability of every letter."""
    shown = " ".join(f"{letter}. {option}" for letter, (option, _) in zip(LETTERS, options, strict=True))
    return f"{text} {shown}", {letter: p for letter, (_, p) in zip(LETTERS, options, strict=True)}


def seen_item(avatar: Avatar, attribute: str, letters: bool, rng: random.Random) -> Item:
    """A question about a drawn attribute; by letter with one wrong value and "unsure" beside the right one."""
    text, right = rng.choice(SEEN_TEMPLATES[attribute]), right_answer(avatar, attribute)
    if not letters:
        return Item(text, {right: 1.0}, attribute)
    wrong = rng.choice([value for value in VALUES.get(attribute, (YES, NO)) if value != right])
    return _lettered(text, {right: 1.0, wrong: 0.0, UNSURE: 0.0}, attribute, rng)


def person_item(avatar: Avatar, word: str, letters: bool, rng: random.Random, template: int | None = None) -> Item:
    """A question whether somebody who looks like this is what a word says; `template` None draws the wording."""
    chosen = rng.choice(PERSON_TEMPLATES) if template is None else PERSON_TEMPLATES[template]
    text, target = chosen.format(phrase(word)), planted(WORD_OF[word], avatar)
    return _lettered(text, target, word, rng) if letters else Item(text, target, word)


def pair_item(avatar: Avatar, words: tuple[str, str], rng: random.Random) -> Item:
    """Which of two words suits somebody who looks like this, by letter; P in the ratio of their odds."""
    first, second = (odds(WORD_OF[word], avatar) for word in words)
    share = first / (first + second)
    target = {words[0]: (1 - P_UNSURE) * share, words[1]: (1 - P_UNSURE) * (1 - share), UNSURE: P_UNSURE}
    return _lettered(rng.choice(PAIR_TEMPLATES), target, "pair", rng)


def find_item(rng: random.Random) -> Item:
    """Which letter stands at an option: answered by reading alone."""
    options = rng.choice(
        [
            ANSWERS,
            (*rng.sample(ROLES, 2), UNSURE),
            *((*rng.sample(values, 2), UNSURE) for values in VALUES.values()),
        ]
    )
    asked = rng.choice(options)
    return _lettered(FIND_TEMPLATE.format(asked), {o: float(o == asked) for o in options}, "find", rng)


def _lettered(text: str, target: Mapping[str, float], kind: str, rng: random.Random) -> Item:
    """The item asked by letter: options in random order, "unsure" in one of its wordings."""
    options = [(rng.choice(UNSURE_WORDINGS) if word == UNSURE else word, p) for word, p in target.items()]
    rng.shuffle(options)
    shown, letters = by_letter(text, options)
    return Item(shown, letters, kind, dict(target))
