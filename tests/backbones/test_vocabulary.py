"""The compact vocabulary is CLIP's own tokenizer with renumbered tokens, and says what it does not know."""

import json
import random
import time
from pathlib import Path

import pytest
import torch

from core.backbones.open_clip_models import bpe_encode
from core.backbones.vocabulary import START, UNKNOWN_WORD, CompactVocabulary
from core.config import InputError

WORDS = [
    "a",
    "photo",
    "of",
    "Man",
    "woman",
    "middle-aged",
    "photographer",
    "don't",
    "60",
    "the",
    "glasses",
    "year",
    "old",
]


@pytest.fixture(scope="module")
def vocabulary() -> CompactVocabulary:
    return CompactVocabulary.from_words(WORDS, bpe_encode)


def test_known_text_is_open_clips_tokens_renumbered(vocabulary: CompactVocabulary) -> None:
    """On texts of known words there is a strictly rising map from BPE ids, and end is the largest token."""
    draw = random.Random(3)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(0, 9))) for _ in range(300)]
    pairs = {pair for t in texts for pair in zip(bpe_encode(t), vocabulary.encode(t), strict=True)}
    renumbered = dict(sorted(pairs))
    assert len(renumbered) == len(pairs)
    assert list(renumbered.values()) == list(range(3, vocabulary.size - 1))
    table = vocabulary(texts, 40)
    assert table.dtype == torch.int64
    assert (table[:, 0] == START).all()
    ends = table.argmax(dim=1)
    assert (table[torch.arange(300), ends] == vocabulary.size - 1).all()
    assert ends.tolist() == [1 + len(bpe_encode(t)) for t in texts]


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("A photo of a MAN.", []),
        ("a photo of an astronaut, an Astronaut!", ["an", "astronaut"]),
        ("the middle-aged woman's glasses", []),
        ("a well-old man", ["well"]),
        ("a 60 year old", []),
        ("don’t", []),
        ("... !?", []),
        ("", []),
    ],
)
def test_unknown_words(vocabulary: CompactVocabulary, text: str, unknown: list[str]) -> None:
    assert vocabulary.unknown_words(text) == unknown
    assert (UNKNOWN_WORD in vocabulary.encode(text)) == bool(unknown)


def test_punctuation_and_case_do_not_change_a_prompt(vocabulary: CompactVocabulary) -> None:
    assert vocabulary.encode("A photo, of a Man!") == vocabulary.encode("a photo of a man")


def test_long_text_is_cut_and_still_ended(vocabulary: CompactVocabulary) -> None:
    table = vocabulary(["man " * 50, "man"], 8)
    assert table.shape == (2, 8)
    assert table[0, -1] == vocabulary.end
    assert table[1].tolist() == [START, *vocabulary.encode("man"), vocabulary.end, 0, 0, 0, 0, 0]


def test_saving_and_reading(vocabulary: CompactVocabulary, tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.json"
    vocabulary.save(path)
    again = CompactVocabulary.load(path)
    assert again.words == vocabulary.words == sorted(w.lower() for w in WORDS)
    assert (again.digest, again.size) == (vocabulary.digest, vocabulary.size)
    assert torch.equal(again(WORDS, 9), vocabulary(WORDS, 9))
    assert set(json.loads(path.read_text())) == {"schema", "words", "token_ids"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": 2, "words": ["a"], "token_ids": [[1]]}',
        '{"schema": 1, "words": ["a b"], "token_ids": [[1]]}',
    ],
)
def test_broken_files_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "vocabulary.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"vocabulary\.json"):
        CompactVocabulary.load(path)


def test_forty_thousand_captions_take_a_moment(vocabulary: CompactVocabulary) -> None:
    texts = ["a photo of the middle-aged woman, a photographer with glasses"] * 40_000
    start = time.process_time()
    vocabulary(texts, 24)
    assert time.process_time() - start < 5
