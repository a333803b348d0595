"""What does not belong to a gallery is said in one short line, and nothing is said where it does."""

from dataclasses import replace

import pytest

from core.config import Fingerprint
from core.ui.session import cache, fit
from core.ui.session.state import AppState
from tests.ui.world import make_world

MADE_FOR = Fingerprint("small", "a" * 64, "image", "pooled", 128, preprocess="p" * 64, normalised=False)
OTHERS = {
    "another model": replace(MADE_FOR, model="RN50", weights="b" * 64, d=1024),
    "other embeddings": replace(MADE_FOR, normalised=True),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make_world(tmp_path_factory.mktemp("world"))


def test_what_fits_is_passed_over_in_silence() -> None:
    assert fit.reason("mine", MADE_FOR, 128, MADE_FOR, "this gallery") is None
    assert fit.reason("mine", None, 128, MADE_FOR, "this gallery") is None


@pytest.mark.parametrize("what", OTHERS)
def test_what_does_not_fit_is_one_short_sentence(what: str) -> None:
    said = fit.reason("mine", MADE_FOR, 128, OTHERS[what], "this gallery")
    assert said is not None and what in said and "mine" in said and len(said) < 120


def test_columns_decide_where_nothing_else_is_known() -> None:
    said = fit.reason("mine", None, 64, MADE_FOR, "this gallery")
    assert said is not None and "d = 64" in said and "d = 128" in said


def test_the_sides_of_a_gallery(world: dict[str, str]) -> None:
    card, searched = cache.sae_card(world["image"]), cache.gallery(world["searched"])
    assert fit.own_side(card, searched) is None
    assert fit.own_side(cache.sae(world["image"]), searched) is None
    strange = replace(card, d_in=card.d_in + 1, fingerprint=None)
    assert fit.own_side(strange, searched) and fit.other_side(strange, searched)


def test_another_model_than_the_gallery_s_is_named(world: dict[str, str]) -> None:
    searched = cache.gallery(world["searched"])
    made_by = searched.fingerprint("pooled").model
    assert fit.chosen_model(AppState(model=made_by), searched) is None
    assert made_by in (fit.chosen_model(AppState(model="some-other"), searched) or "")
