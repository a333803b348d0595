"""Items and prompts under an edit, by the formulas of `verify`, against those that rankings are made of."""

from types import SimpleNamespace

import numpy as np
import pytest

from core.config import Edit
from core.ranking import RankRequest
from core.ranking.rows import part_of
from core.saes.frozen import FrozenFile
from core.scene import Scene
from core.verify.carried import items_of, vectors_of
from core.verify.rankings import Rankings, unit
from tests.tiny import CAPTIONS, IMAGES, QUERY, READOUT, TinyBackbone, TinyGallery, busy_neurons, sae_file

FORMS = ("error-preserving", "blend")


def scene(attach: str, gallery: TinyGallery = IMAGES) -> Scene:
    saes = {side: FrozenFile.of(sae_file(side, attach)) for side in ("image", "text")}
    return Scene(gallery, saes, TinyBackbone())


def rankings(opened: Scene) -> Rankings:
    return Rankings(SimpleNamespace(k=20), SimpleNamespace(scene=opened, gallery=opened.gallery))


def request(method: str = "neuron-edit", **edits: Edit) -> RankRequest:
    return RankRequest("gender", QUERY, k=20, edits=edits, method=method, half="evaluation")


@pytest.mark.parametrize("attach", ["pooled", "residual"])
@pytest.mark.parametrize(("method", "form"), [*(("neuron-edit", form) for form in FORMS), ("reconstruction-only", "")])
def test_a_prompt_and_the_items_are_edited_by_the_formula(attach: str, method: str, form: str) -> None:
    opened = scene(attach)
    active = np.flatnonzero(opened.saes["text"].sae.encode(texts(attach))[0])[:2]
    edits = [Edit(tuple(int(j) for j in active)), Edit(busy_neurons(IMAGES, sae_file("image", attach), 2), 0.7)]
    if form:
        edits = [Edit(one.neurons, one.strength, form=form) for one in edits]
    asked = request(method, text=edits[0], image=edits[1])
    own = rankings(opened)
    expected = unit(vectors_of(opened, asked, [QUERY]).astype(np.float64))[0]
    np.testing.assert_allclose(own._query(asked), expected, atol=2e-6)
    plain = unit(vectors_of(opened, request("identity"), [QUERY]).astype(np.float64))[0]
    assert np.abs(own._query(asked) - plain).max() > 1e-3
    np.testing.assert_allclose(own._query(request()), plain, atol=2e-6)
    part = part_of(opened, asked)
    one = SimpleNamespace(part=part, request=asked)
    index = items_of(opened, asked).index
    for at in (slice(0, 7), slice(5, part.n)):
        moved = unit(own._edited(one, edits[1], at))
        np.testing.assert_allclose(moved, index.unit_at(np.arange(part.n)[at]), atol=2e-6)


def texts(attach: str) -> np.ndarray:
    return TinyBackbone().encode_texts([QUERY], (attach,))[attach]


@pytest.mark.parametrize("attach", ["pooled", "residual"])
def test_what_an_edit_leaves_alone_is_as_it_was_stored(attach: str) -> None:
    """A neuron that is off everywhere is switched: not a bit of a row or of the prompt moves."""
    opened = scene(attach)
    z = [opened.saes["image"].sae.encode(IMAGES.embeddings(attach)), opened.saes["text"].sae.encode(texts(attach))]
    rows = np.flatnonzero(np.arange(IMAGES.n) % 2 == 1)
    quiet = [int(np.argmin((codes > 0).sum(axis=0))) for codes in (z[0][rows], z[1])]
    edits = {"image": Edit((quiet[0],)), "text": Edit((quiet[1],))}
    own, asked = rankings(opened), request(**edits)
    part = part_of(opened, asked)
    moved = own._edited(SimpleNamespace(part=part, request=asked), edits["image"], slice(0, part.n))
    still = z[0][part.rows, quiet[0]] == 0
    assert still.any()
    np.testing.assert_array_equal(moved[still], IMAGES.embeddings()[part.rows][still].astype(np.float64))
    stored = TinyBackbone().encode_texts([QUERY])["pooled"].astype(np.float64)
    np.testing.assert_array_equal(own._query(asked), unit(stored)[0])


def test_what_moves_in_one_column_has_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, asked = scene("residual"), request(text=Edit((0,)), image=Edit((0,)))
    own, part = rankings(opened), part_of(opened, asked)
    monkeypatch.setattr("core.verify.rankings.edited", lambda x, *_: x + np.eye(1, x.shape[1]))
    moved = own._edited(SimpleNamespace(part=part, request=asked), Edit((0,)), slice(0, 9))
    x = IMAGES.residual[part.rows[:9]].astype(np.float64)
    np.testing.assert_allclose(moved, READOUT(x + np.eye(1, x.shape[1])), rtol=1e-6)
    q = texts("residual").astype(np.float64)
    np.testing.assert_allclose(own._query(asked), unit(READOUT(q + np.eye(1, q.shape[1])))[0], rtol=1e-6)


def test_captions_are_searched_by_the_prompt_as_it_is() -> None:
    opened = scene("pooled", CAPTIONS)
    asked = request(text=Edit(busy_neurons(CAPTIONS, sae_file("text", "pooled"), 2)))
    plain = TinyBackbone().encode_texts([QUERY])["pooled"].astype(np.float64)
    np.testing.assert_allclose(rankings(opened)._query(asked), unit(plain)[0], atol=1e-7)


def test_codes_that_nobody_stored_are_computed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.verify.rankings.BLOCK", 32)
    opened = scene("residual")
    part, sae = part_of(opened, request()), opened.saes["image"]
    found = rankings(opened)._codes(part, sae, slice(0, part.n))
    np.testing.assert_array_equal(found.toarray(), sae.sae.encode(IMAGES.residual[part.rows]))
