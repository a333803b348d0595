"""Texts to token numbers, behind one face for closed and open vocabularies."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from core.backbones.vocabulary import CompactVocabulary
from core.config import digest_of


class Tokens(Protocol):
    """A tokenizer with its context length."""

    known_words: list[str] | None
    """The closed word list, None for an open vocabulary."""
    digest: str
    """Equal digests give every text the same token numbers."""

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """Token numbers int64 (n, context)."""

    def unknown_words(self, text: str) -> list[str]:
        """Words outside the closed word list."""

    def truncated(self, text: str) -> bool:
        """True where `text` does not fit."""


class CompactTokens:
    """The closed word list of a small model."""

    def __init__(self, vocabulary: CompactVocabulary, context: int) -> None:
        self._vocabulary, self._context = vocabulary, context
        self.known_words: list[str] | None = vocabulary.words
        self.digest = digest_of({"kind": "compact", "vocabulary": vocabulary.digest, "context": context})

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        return self._vocabulary(texts, self._context)

    def unknown_words(self, text: str) -> list[str]:
        return self._vocabulary.unknown_words(text)

    def truncated(self, text: str) -> bool:
        return len(self._vocabulary.encode(text)) + 2 > self._context


class OpenTokens:
    """One of open_clip's own tokenizers: CLIP's BPE, or a Hugging Face one."""

    def __init__(self, tokenizer: Any, context: int, source: str) -> None:
        self._tokenizer, self._context = tokenizer, context
        self.known_words: list[str] | None = None
        kind = type(tokenizer).__name__
        self._bpe = kind == "SimpleTokenizer"
        identity = {"kind": kind, "context": context, "clean": getattr(tokenizer.clean_fn, "__name__", "")}
        self.digest = digest_of(identity | ({"size": tokenizer.vocab_size} if self._bpe else {"source": source}))

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        return self._tokenizer(list(texts), context_length=self._context)

    def unknown_words(self, text: str) -> list[str]:
        return []

    def truncated(self, text: str) -> bool:
        if self._bpe:
            return len(self._tokenizer.encode(text)) + 2 > self._context
        cleaned = self._tokenizer.clean_fn(text)
        return len(self._tokenizer.tokenizer(cleaned)["input_ids"]) > self._context
