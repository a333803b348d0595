"""One item: its places, its attributes, and its neighbours by the plain product."""

import numpy as np
import pytest

from core.config import UNKNOWN
from core.gallery import open_gallery
from core.ui.compare import item
from core.ui.session import results
from core.ui.session.state import AppState

pytestmark = pytest.mark.usefixtures("small_model")


def test_neighbours_are_those_of_the_plain_product(world: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = open_gallery(world["searched"])
    rows = np.asarray(gallery.embeddings("pooled"), dtype=np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    scores = rows @ rows[5]
    expected = [int(i) for i in np.argsort(-scores, kind="stable") if i != 5][:8]
    for block in (7, 100_000):
        monkeypatch.setattr(item, "SEARCHED_AT_ONCE", block)
        found = item.neighbours(gallery, 5)
        np.testing.assert_allclose([score for _, score in found], scores[expected], atol=1e-6)
        assert 5 not in [row for row, _ in found]


def test_places_and_attributes_are_those_of_the_lists_and_the_table(world: dict[str, str]) -> None:
    state = AppState(gallery=world["searched"], model="small", query="a photo of a doctor", k=10)
    ranked = results.ranking(results.without_method(results.asked(state, "gender")))
    gallery = open_gallery(world["searched"])
    row = int(ranked.before.rows[3])
    assert item.places({"before": ranked.before}, row)["before"].startswith("4 of 10, score ")
    outside = next(i for i in range(gallery.n) if i not in ranked.before.rows)
    assert item.places({"before": ranked.before}, outside) == {"before": "not among the nearest 10"}
    for i in range(gallery.n):
        label = gallery.labels("gender")[i]
        assert item.attributes(gallery, i)["gender"] == (UNKNOWN if label is None else label)
