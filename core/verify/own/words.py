"""Whether a prompt says anything to a model, from its own letters and the words that the model does not know."""

from collections.abc import Mapping, Sequence
from typing import Any

AROUND = {
    *("a", "an", "the", "of", "in", "on", "at", "by", "with", "this", "that", "is"),
    *("photo", "photograph", "picture", "image", "portrait", "drawing"),
}
"""Words that stand around what a prompt is about."""


def words_document(prompts: Sequence[str], recorded: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The block `unknown_words`.

    Parameters
    ----------
    recorded : the block `texts`, compared with the model where it is at hand; None: no model embedded the prompts.
    """
    listed = recorded["unknown_words"] if recorded is not None else {}
    found = []
    for prompt in prompts:
        unknown, reason = list(listed.get(prompt, [])), None
        left = _words(prompt)
        if not left:
            reason = "it holds no word"
        elif unknown:
            strange = {part for word in unknown for part in [word.lower(), *_words(word)]}
            if not [word for word in left if word not in strange and word not in AROUND]:
                reason = "the model knows none of the words that it is about"
        if unknown or reason:
            found.append({"prompt": prompt, "words": unknown, "interpreted": reason is None, "reason": reason})
    return found


def _words(text: str) -> list[str]:
    """Runs of letters and digits, lower case; an apostrophe between two of them joins them."""
    found, word = [], ""
    for i, sign in enumerate(text):
        joins = sign == "'" and word and "'" not in word and i + 1 < len(text) and text[i + 1].isalnum()
        if sign.isalnum() or joins:
            word += sign
            continue
        found.append(word)
        word = ""
    return [word.lower() for word in [*found, word] if word]
