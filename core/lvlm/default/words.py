"""The closed word list of the default's model, as a real tokenizer of transformers: one word, one number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.avatars.world import WORDS
from core.lvlm.default import questions as asked
from core.lvlm.library import tokenizers, transformers

PAD, UNKNOWN, START, END, IMAGE, USER, ASSISTANT = (
    "<pad>",
    "<unk>",
    "<start>",
    "<end>",
    "<image>",
    "user:",
    "assistant:",
)
SPECIAL = (PAD, UNKNOWN, START, END, IMAGE, USER, ASSISTANT)
CHAT_TEMPLATE = (
    "{{ '<start>' }}{% for message in messages %}{{ message['role'] + ': ' }}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<image>' }}{% else %}{{ ' ' + part['text'] + ' ' }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)
"""<start> user: <image> QUESTION assistant:"""
_MARKED = {letter: chr(ord("ⓐ") + number) for number, letter in enumerate(asked.LETTERS)}
"""An option's letter inside the tokenizer: texts are read in lower case, where "A" would be the article."""


def word_list() -> list[str]:
    """Every word of every question and answer, sorted; punctuation and option letters included."""
    templates = [*asked.PERSON_TEMPLATES, *asked.PAIR_TEMPLATES, asked.FIND_TEMPLATE, *asked.UNSURE_WORDINGS]
    templates += [template for group in asked.SEEN_TEMPLATES.values() for template in group]
    words = {word for text in templates for word in text.replace("?", " ? ").replace("{}", " ").split()}
    words |= {*asked.ANSWERS, "a", "an", "or", *(row.word for row in WORDS), *_MARKED.values()}
    return sorted(words | {value for values in asked.VALUES.values() for value in values})


def new_tokenizer() -> Any:
    """The tokenizer: lower case, one token a word, "A." (or "A" alone) read as the letter of an option."""
    lib = tokenizers()
    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *word_list()))}
    core = lib.Tokenizer(lib.models.WordLevel(vocabulary, unk_token=UNKNOWN))
    marks = [
        lib.normalizers.Replace(lib.Regex(rf"\b{letter}(?:[.):]|\s*$)"), f" {mark} ")
        for letter, mark in _MARKED.items()
    ]
    core.normalizer = lib.normalizers.Sequence([*marks, lib.normalizers.Lowercase()])
    core.pre_tokenizer = lib.pre_tokenizers.Whitespace()
    letters = [lib.decoders.Replace(mark, letter) for letter, mark in _MARKED.items()]
    core.decoder = lib.decoders.Sequence(
        [*letters, lib.decoders.WordPiece(prefix="##", cleanup=False)]
    )  # joins by blanks
    return transformers().PreTrainedTokenizerFast(tokenizer_object=core, **_SETTINGS)


def saved_tokenizer(path: Path) -> Any:
    """The tokenizer from its file."""
    return transformers().PreTrainedTokenizerFast(tokenizer_file=str(path), **_SETTINGS)


_SETTINGS: dict[str, Any] = {
    "pad_token": PAD,
    "unk_token": UNKNOWN,
    "bos_token": START,
    "eos_token": END,
    "additional_special_tokens": [IMAGE, USER, ASSISTANT],
    "chat_template": CHAT_TEMPLATE,
    "model_max_length": 256,
    "padding_side": "right",
}
