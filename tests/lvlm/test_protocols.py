"""Protocols: what is asked follows from (seed, picture, word); options as recorded; every answer has its letter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.lvlm.book import read_book
from core.lvlm.protocol import PROTOCOLS
from core.lvlm.protocols.vla import draw_options

ORACLE = np.load(Path(__file__).parents[1] / "oracles" / "lvlm_scoring.npz")
WORDS = ("doctor", "nurse", "kind", "strong")


@pytest.mark.parametrize(
    ("name", "seed", "wordings", "unsure"),
    [
        ("options_unsure_seed42", 42, 5, True),
        ("options_unsure_seed7", 7, 5, True),
        ("options_unsure_fixedwording_seed42", 42, None, True),
        ("options_yesno_seed42", 42, None, False),
    ],
)
def test_recorded_orders_of_options(name: str, seed: int, wordings: int | None, unsure: bool) -> None:
    rng, recorded = np.random.default_rng(seed), ORACLE[name]
    drawn = [draw_options(rng, wordings, unsure) for _ in range(len(recorded))]
    np.testing.assert_array_equal([places for places, _ in drawn], recorded[:, :3])
    if wordings:
        np.testing.assert_array_equal([wording for _, wording in drawn], recorded[:, 3])


@pytest.mark.parametrize("name", list(PROTOCOLS))
@pytest.mark.parametrize("closed", [True, False])
def test_every_protocol(name: str, closed: bool) -> None:
    protocol, book = PROTOCOLS.get(name)(), read_book()
    assert protocol.title and protocol.paper and len(protocol.plain) > 60
    for word in protocol.words(WORDS):
        made = protocol.questions(word, 3, 0, book, closed)
        assert len(made) == protocol.per_word
        assert made == protocol.questions(word, 3, 0, book, closed)
        for question in made:
            assert question.about == word and set(question.answers) <= set(protocol.answers)
            if question.said[0] in "ABC":
                for answer, letter in zip(question.answers, question.said, strict=True):
                    option = question.text.split(f" {letter}. ")[1].split(" A. ")[0].split(" B. ")[0].split(" C. ")[0]
                    own = dict(zip(("first", "second"), word.split(" / "), strict=False)) if " / " in word else {}
                    if answer == "unsure":
                        assert option in book.unsure
                    else:
                        assert option == own.get(answer, answer)


def test_orders_change_from_picture_to_picture_and_balance() -> None:
    protocol, book = PROTOCOLS.get("vla")(), read_book()
    letters = [q.said[0] for i in range(300) for q in protocol.questions("doctor", i, 0, book, True)]
    counts = np.array([letters.count(letter) for letter in "ABC"])
    assert (np.abs(counts / len(letters) - 1 / 3) < 0.07).all()


def test_pairs_need_scenes_and_two_words_make_one_question() -> None:
    assert PROTOCOLS.get("pairs").needs_scenes and not PROTOCOLS.get("direct").needs_scenes
    assert PROTOCOLS.get("sbbench")().words(WORDS) == ["doctor / nurse", "kind / strong"]


def test_phrases() -> None:
    book = read_book()
    assert [book.phrase(w) for w in ("doctor", "engineer", "strong", "brilliant", "ceo")] == [
        "a doctor",
        "an engineer",
        "strong",
        "brilliant",
        "a ceo",
    ]
