"""The word list of a small model: which words it knows, and their token numbers."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from core.config import InputError, digest_of
from core.reading import read_json

PAD, START, UNKNOWN_WORD, FIRST_PIECE = 0, 1, 2, 3
PIECES = re.compile(r"\w+(?:[-']\w+)*|[^\w\s]")
JOINERS = re.compile(r"[-']")


def plain(text: str) -> str:
    """Lower case, one form for every character that has several (curly apostrophes, full-width letters)."""
    return unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'")


class CompactVocabulary:
    """Tokenizer of a model that knows a closed list of words.

    Every known word is split into the pieces (BPE ids) that open_clip's own tokenizer gives it; only the pieces that
    occur are kept and numbered anew, so that a small model needs a small embedding table:
    0 pad, 1 start, 2 unknown word, 3 ... one number a piece in the order of the BPE ids, last = end. End is the
    highest number because open_clip's text tower reads the position of the largest token.

    A word outside the list becomes one "unknown word" token; punctuation outside the list is skipped, so that
    "a doctor." and "a doctor" are the same prompt.

    Parameters
    ----------
    words : known words, any case; punctuation marks may be listed too.
    token_ids : the BPE ids of each word, in the order of `words`.
    """

    def __init__(self, words: Sequence[str], token_ids: Sequence[Sequence[int]]) -> None:
        if len(words) != len(token_ids):
            raise InputError(f"a vocabulary had {len(words)} words and {len(token_ids)} lists of token ids")
        pairs = zip(map(plain, words), token_ids, strict=True)
        bpe = dict(sorted((word, tuple(int(i) for i in ids)) for word, ids in pairs))
        for word, ids in bpe.items():
            if not ids or PIECES.fullmatch(word) is None:
                raise InputError(f"{word!r} with token ids {list(ids)} is not one word; list single words")
        if not bpe:
            raise InputError("a vocabulary had no words; expected at least one")
        self._bpe = bpe
        compact = {piece: FIRST_PIECE + i for i, piece in enumerate(sorted({i for ids in bpe.values() for i in ids}))}
        self._ids = {word: tuple(compact[i] for i in ids) for word, ids in bpe.items()}
        self.end = FIRST_PIECE + len(compact)

    @classmethod
    def from_words(cls, words: Iterable[str], encode: Callable[[str], Sequence[int]]) -> "CompactVocabulary":
        """Vocabulary of `words`; `encode` gives the BPE ids of one word (`open_clip_models.bpe_encode`)."""
        kept = sorted({plain(word) for word in words})
        return cls(kept, [encode(word) for word in kept])

    @property
    def words(self) -> list[str]:
        """Known words, lower-case, sorted."""
        return list(self._ids)

    @property
    def size(self) -> int:
        """How many token numbers there are: the rows of the model's embedding table."""
        return self.end + 1

    @property
    def digest(self) -> str:
        """SHA-256 of the words and their ids: equal digests tokenize every text equally."""
        return digest_of({word: list(ids) for word, ids in self._bpe.items()})

    def unknown_words(self, text: str) -> list[str]:
        """Words of `text` that are not in the list, in order, once each; of "well-known" only the unknown half."""
        unknown: dict[str, None] = {}
        for word in self._parts(text):
            if word not in self._ids and any(c.isalnum() for c in word):
                unknown[word] = None
        return list(unknown)

    def encode(self, text: str) -> list[int]:
        """Token numbers of `text` without start, end and padding."""
        ids: list[int] = []
        for word in self._parts(text):
            known = self._ids.get(word)
            if known is not None:
                ids.extend(known)
            elif any(c.isalnum() for c in word):
                ids.append(UNKNOWN_WORD)
        return ids

    def __call__(self, texts: str | Sequence[str], context_length: int) -> torch.Tensor:
        """Token numbers, int64 (n, context_length): start, words, end, then 0.

        Text that does not fit is cut and still ends with the end token, as open_clip cuts it.
        """
        texts = [texts] if isinstance(texts, str) else texts
        table = np.zeros((len(texts), context_length), dtype=np.int64)
        for row, text in enumerate(texts):
            ids = [START, *self.encode(text)][: context_length - 1]
            table[row, : len(ids)] = ids
            table[row, len(ids)] = self.end
        return torch.from_numpy(table)

    def save(self, path: Path) -> None:
        """Write `vocabulary.json`: {"schema": 1, "words": [...], "token_ids": [[...] a word]}."""
        value = {"schema": 1, "words": self.words, "token_ids": [list(ids) for ids in self._bpe.values()]}
        Path(path).write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "CompactVocabulary":
        """Read what `save` wrote; InputError naming the file where it is something else."""
        try:
            value = read_json(path)
            schema, words, ids = value["schema"], value["words"], value["token_ids"]
            if schema != 1:
                raise InputError(f"schema {schema}; this version reads schema 1")
            return cls(words, ids)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is not a vocabulary of schema, words, token_ids: {error!r}") from None

    def _parts(self, text: str) -> Iterable[str]:
        """Known words whole; the others split at hyphens and apostrophes; the possessive 's dropped."""
        for piece in PIECES.findall(plain(text)):
            if piece in self._ids or not JOINERS.search(piece):
                yield piece
            else:
                yield from JOINERS.split(piece.removesuffix("'s"))
