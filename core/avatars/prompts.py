"""The prompt sets shipped with the default world, as JSON documents written from the world's own tables."""

from __future__ import annotations

from typing import Any

from core.avatars.captions import GROUP_PHRASES, TEMPLATES, prompt_for
from core.avatars.method_prompts import diverse_prompts, group_prompts, paraphrase_templates
from core.avatars.world import AGES, REFERENCE_WORDS, SKINS, WORDS

SCHEMA = 1


def attribute_prompts() -> dict[str, Any]:
    """Class prompts of every attribute of the avatars, for zero-shot classification."""
    attributes = {
        name: {group: list(phrases) for group, phrases in groups.items()} for name, groups in GROUP_PHRASES.items()
    }
    return {"schema": SCHEMA, "name": "default-attributes", "templates": list(TEMPLATES), "attributes": attributes}


def occupation_prompts() -> dict[str, Any]:
    """One prompt for every role of the planted table, the ten reference words first."""
    prompts = [prompt_for(row.word) for row in WORDS if row.kind == "role"]
    return {"schema": SCHEMA, "name": "occupations", "prompts": prompts}


def planted_table() -> dict[str, Any]:
    """The planted table itself: what was put into the captions, and the prompt that asks for it."""
    words = [
        {
            "word": row.word,
            "synonyms": list(row.synonyms),
            "kind": row.kind,
            "p_male": row.p_male,
            "age": dict(zip(AGES, row.age, strict=True)),
            "skin": dict(zip(SKINS, row.skin, strict=True)),
            "glasses": row.glasses,
            "smile": row.smile,
            "reference": row.word in REFERENCE_WORDS,
            "prompt": prompt_for(row.word),
        }
        for row in WORDS
    ]
    return {"schema": SCHEMA, "name": "planted", "words": words}


PROMPT_SETS = {
    "default-attributes": attribute_prompts,
    "occupations": occupation_prompts,
    "planted": planted_table,
    "default-diverse": diverse_prompts,
    "default-groups": group_prompts,
    "default-paraphrases": paraphrase_templates,
}
