"""What a method is fitted on: where its texts are read, whose prompts they are, which labelled rows it looks at."""

from dataclasses import replace

import numpy as np
import pytest

from core.config import InputError
from core.interventions import INTERVENTIONS
from core.prompts import CLOSED, OPEN, shipped_book
from core.ranking import RankRequest
from core.ranking.fitting import Fitter
from core.scene import Scene
from tests.tiny import IMAGES, QUERY, TinyBackbone, sae_file


class Closed(TinyBackbone):
    known_words = frozenset({"a", "photo"})


class Open(TinyBackbone):
    known_words = None


def fitter(*saes: tuple[str, str], model: TinyBackbone | None = None, **more: object) -> Fitter:
    given = {side: sae_file(side, attach) for side, attach in saes}
    return Fitter(Scene(IMAGES, given, model or Open()), RankRequest("gender", QUERY, **more))


@pytest.mark.parametrize(
    ("method", "saes", "both"),
    [
        ("sem-b", [("text", "residual")], True),
        ("sem-b", [("text", "pooled")], False),
        ("sem-b", [("image", "residual")], False),
        ("sem-b", [], False),
        ("orth-proj", [("text", "residual")], False),
        ("mean-difference", [("text", "residual")], False),
        ("sp-topk", [("text", "residual"), ("image", "residual")], False),
        ("neuron-edit", [("text", "residual"), ("image", "residual")], False),
    ],
)
def test_texts_are_read_where_the_text_sae_of_a_method_works(method: str, saes: list, both: bool) -> None:
    found = fitter(*saes).attaches(INTERVENTIONS.get(method))
    assert found == (("pooled", "residual") if both else ("pooled",))


def test_prompts_are_in_words_that_the_model_knows_unless_others_were_given() -> None:
    assert fitter(model=Closed()).book == shipped_book(CLOSED)
    assert fitter(model=Open()).book == shipped_book(OPEN) != shipped_book(CLOSED)
    own = replace(shipped_book(OPEN), name="own")
    assert fitter(model=Closed(), prompts=own).book is own


def test_helpful_pairs_are_told_two_by_two_or_missed() -> None:
    book = replace(shipped_book(OPEN), helpful=(("a", "b"), ("c", "d"), ("e", "f")))
    said = fitter(prompts=book)._said("helpful")
    assert (said.texts, said.sizes) == (("a", "b", "c", "d", "e", "f"), (2, 2, 2))
    with pytest.raises(InputError, match="no helpful pairs"):
        fitter(prompts=replace(book, helpful=()))._said("helpful")


def test_groups_are_named_by_the_book_where_its_prompts_can_be_embedded() -> None:
    book = shipped_book(OPEN)
    one = fitter()
    assert one.group_texts == book.group_texts("gender", one.groups, " x ") != {}


def test_labelled_rows_are_those_of_known_group_taken_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = IMAGES.rows("probe")
    known = probe[IMAGES.group_numbers("gender")[probe] >= 0]
    found = fitter().labelled
    np.testing.assert_array_equal(found.rows, known)
    np.testing.assert_array_equal(found.labels, IMAGES.group_numbers("gender")[known])
    monkeypatch.setattr("core.ranking.fitting.MOST_REFERENCES", 5)
    few = fitter().labelled.rows
    np.testing.assert_array_equal(few, known[(np.arange(5) * (len(known) - 1)) // 4])
    assert (few[0], few[-1]) == (known[0], known[-1])
