"""The prompts that debiasing methods are fitted on, in the words that the demo model knows."""

from __future__ import annotations

from itertools import product
from typing import Any

from core.avatars.captions import OPENINGS, article
from core.avatars.world import AGES, BACKGROUNDS, GENDERS, SKINS, WORDS

SCHEMA = 1
THINGS = ("wall", "hat", "scarf", "shirt", "background")
"""Things without a person that captions name."""
DETAILS = ("glasses", "no glasses", "a smile", "a neutral expression", "a hat", "a scarf", "short hair", "curly hair")
"""What the captions say of anybody, whoever it is."""
SCENE_OPENINGS = ("a photo of", "a picture of", "an image of", "a drawing of")
PEOPLE = ("person", "face", "human")
GROUP_DETAILS = (
    "",
    *(f" with {detail}" for detail in DETAILS[:4]),
    *(f" on {article(b)} background" for b in BACKGROUNDS),
)
WORD_OF_GROUP = {
    "gender": {"Male": "male", "Female": "female"},
    "age": {"young": "young", "middle-aged": "middle-aged", "older": "older"},
    "skin": {skin: f"{skin}-skinned" for skin in SKINS},
}
PHRASE_OF_GROUP: dict[str, dict[str, tuple[str, ...]]] = {
    "gender": {"Male": ("man", "male person"), "Female": ("woman", "female person")},
    "age": {"young": ("young person",), "middle-aged": ("middle-aged person",), "older": ("older person",)},
    "skin": {skin: (f"{skin}-skinned person",) for skin in SKINS},
}


def diverse_prompts() -> dict[str, Any]:
    """Things and people of which nothing is said that tells gender, age or skin."""
    things = [f"{o} {article(f'{c} {t}')}" for o, c, t in product(SCENE_OPENINGS, BACKGROUNDS, THINGS)]
    people = [f"{o} {article(p)} with {d}" for o, p, d in product(SCENE_OPENINGS, PEOPLE, DETAILS)]
    places = [f"a photo of {article(p)} on {article(b)} background" for p, b in product(PEOPLE, BACKGROUNDS)]
    both = [f"a photo of a person with {d} on {article(b)} background" for d, b in product(DETAILS, BACKGROUNDS)]
    return {"schema": SCHEMA, "name": "default-diverse", "prompts": things + people + places + both}


def group_prompts() -> dict[str, Any]:
    """The same sentences said of every group, row by row."""
    assert set(PHRASE_OF_GROUP["gender"]) == set(GENDERS) and set(PHRASE_OF_GROUP["age"]) == set(AGES)
    attributes = {
        attribute: {
            group: {"word": WORD_OF_GROUP[attribute][group], "prompts": _said_of(phrases)}
            for group, phrases in groups.items()
        }
        for attribute, groups in PHRASE_OF_GROUP.items()
    }
    return {"schema": SCHEMA, "name": "default-groups", "attributes": attributes}


def _said_of(phrases: tuple[str, ...]) -> list[str]:
    plain = [f"{o} {article(p)}" for o, p in product(OPENINGS, phrases)]
    return plain + [f"a photo of {article(p)}{detail}" for p, detail in product(phrases, GROUP_DETAILS)]


def paraphrase_templates() -> dict[str, Any]:
    """Other wordings of any prompt; of words with a synonym, that synonym too."""
    others = ("{}", "a photo of the face of {}", "a picture of the face of {}", "a portrait photo of {}")
    queries = {
        f"a photo of {article(row.word)}": [f"a photo of {article(synonym)}" for synonym in row.synonyms]
        for row in WORDS
        if row.kind == "role" and row.synonyms
    }
    templates = [f"{opening} {{}}" for opening in OPENINGS] + list(others)
    named = {"schema": SCHEMA, "name": "default-paraphrases", "openings": list(OPENINGS)}
    return named | {"templates": templates, "queries": queries}
