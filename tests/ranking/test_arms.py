"""The plan of a comparison: which arms there are, in which order, and which neurons the random ones switch."""

from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import pytest

from core.config import Edit, InputError
from core.interventions import INTERVENTIONS
from core.ranking import RankRequest, controls
from core.ranking.arms import (
    EDITED,
    ORIGINAL,
    PROJECTION,
    RANDOM_DRAWS,
    RECONSTRUCTION,
    all_arms,
    both_arms,
    moves_items,
)
from core.ranking.queries import Queries, embed_query
from core.scene import Scene
from tests.tiny import CAPTIONS, IMAGES, QUERY, TinyBackbone, busy_neurons, dense_codes, sae_file

SAES = {side: sae_file(side, "pooled") for side in ("image", "text")}
SCENE = Scene(IMAGES, SAES, TinyBackbone())
EDIT = Edit(busy_neurons(IMAGES, SAES["image"]), strength=0.6)
ASKED = RankRequest("gender", QUERY, k=40, edits={"image": EDIT}, null_draws=50)
TEXT_CODES = dense_codes(TinyBackbone().encode_texts([QUERY])["pooled"], SAES["text"])[0]
FIRING_TEXT = np.flatnonzero(TEXT_CODES)


def unasked() -> NoReturn:
    pytest.fail("queries were embedded, and none is edited")


def asked_query(request: RankRequest, scene: Scene = SCENE) -> Any:
    return lambda: embed_query(scene, request)


def names(*given: Any, **more: Any) -> list[str]:
    return [arm.name for arm in all_arms(*given, **more)]


# ------------------------------------------------------------------------------------------------------- the list


def test_the_arms_of_an_edit_in_their_order() -> None:
    arms = all_arms(SCENE, ASKED, unasked, draws=3)
    random = ["random 1", "random 2", "random 3"]
    assert [arm.name for arm in arms] == [
        "original", "edited", "reconstruction only", *random, "mean-difference projection",
    ]  # fmt: skip
    assert [arm.method for arm in arms] == [
        "identity", "neuron-edit", "reconstruction-only", *["neuron-edit"] * 3, "mean-difference",
    ]  # fmt: skip
    assert [dict(arm.edits) for arm in (*arms[:3], arms[-1])] == [{}, {"image": EDIT}, {"image": EDIT}, {}]
    assert [(arm.name, arm.method, arm.edits) for arm in arms[:2]] == [
        (arm.name, arm.method, arm.edits) for arm in both_arms(ASKED)
    ]
    assert len(all_arms(SCENE, ASKED, unasked)) == 4 + RANDOM_DRAWS


def test_an_arm_asks_the_same_question() -> None:
    for arm in all_arms(SCENE, ASKED, unasked, draws=1):
        asked = arm.of(ASKED)
        assert (asked.method, asked.edits) == (arm.method, arm.edits)
        assert replace(asked, method=ASKED.method, edits=ASKED.edits) == ASKED
    assert not both_arms(ASKED)[0].of(ASKED).edits


def test_where_nothing_is_asked_there_is_the_original_alone() -> None:
    nothing = replace(ASKED, edits={})
    assert names(SCENE, nothing, unasked) == [arm.name for arm in both_arms(nothing)] == [ORIGINAL]


@pytest.mark.parametrize("method", ["orth-proj", "sp-topk", "sem-b", "prism", "reconstruction-only", "identity"])
def test_a_method_without_neurons_has_no_random_ones_beside_it(method: str) -> None:
    assert names(SCENE, replace(ASKED, edits={}, method=method), unasked) == [ORIGINAL, EDITED, PROJECTION]


def test_an_edit_of_no_neuron_has_no_random_ones_beside_it() -> None:
    assert names(SCENE, replace(ASKED, edits={"image": Edit()}), unasked) == [ORIGINAL, EDITED, PROJECTION]


def test_the_projection_is_not_compared_with_itself() -> None:
    assert names(SCENE, replace(ASKED, edits={}, method="mean-difference"), unasked) == [ORIGINAL, EDITED]


def test_a_projection_that_cannot_be_fitted_is_no_arm() -> None:
    """Men alone have no difference of means."""
    found = names(SCENE, replace(ASKED, where={"gender": "Male"}), unasked, draws=1)
    assert found == [ORIGINAL, EDITED, RECONSTRUCTION, "random 1"]


def test_the_controls_are_this_plan() -> None:
    seen: list[tuple] = []
    found = controls(SCENE, ASKED, draws=2, progress=lambda *step: seen.append(step))
    plan = names(SCENE, ASKED, unasked, draws=2)
    assert [name for *_, name in seen] == [*plan, "controls"] and {total for _, total, _ in seen} == {len(plan)}
    arms = [found.original, found.chosen, found.reconstruction_only, *found.random, found.projection]
    assert [arm.name for arm in arms] == plan


# ------------------------------------------------------------------------------------------------ random neurons


def random_edits(arms: list, side: str = "image") -> list[Edit]:
    return [arm.edits[side] for arm in arms if arm.name.startswith("random")]


def test_random_neurons_are_others_that_fire_switched_in_the_same_manner() -> None:
    live = set(np.flatnonzero((dense_codes(IMAGES.embeddings(), SAES["image"]) > 0).any(axis=0)).tolist())
    excluded = sorted(live - set(EDIT.neurons))[:5]
    found = random_edits(all_arms(SCENE, ASKED, unasked, 30, {"image": excluded}))
    assert len(found) == 30 and len(set(found)) > 1
    for edit in found:
        assert len(edit.neurons) == len(EDIT.neurons)
        assert set(edit.neurons) <= live - {*EDIT.neurons, *excluded}
        assert replace(edit, neurons=EDIT.neurons) == EDIT
    free = random_edits(all_arms(SCENE, ASKED, unasked, 30))
    assert set(excluded) & {j for edit in free for j in edit.neurons}, "they are drawn where nothing excludes them"


def test_draws_follow_the_seed_and_not_their_number() -> None:
    few, many = (random_edits(all_arms(SCENE, ASKED, unasked, draws)) for draws in (2, 6))
    assert few == many[:2] == random_edits(all_arms(SCENE, ASKED, unasked, 2))
    assert few != random_edits(all_arms(SCENE, replace(ASKED, seed=1), unasked, 2))


def test_an_edited_query_draws_among_what_fires_on_the_queries() -> None:
    request = replace(ASKED, edits={"text": Edit(tuple(FIRING_TEXT[:2].tolist()))})
    calls: list[Queries] = []

    def queries() -> Queries:
        calls.append(embed_query(SCENE, request))
        return calls[-1]

    arms = all_arms(SCENE, request, queries, 5)
    assert calls and all(set(edit.neurons) <= set(FIRING_TEXT[2:].tolist()) for edit in random_edits(arms, "text"))
    with pytest.raises(InputError, match="only 0 other live neurons are there"):
        all_arms(SCENE, replace(ASKED, edits={"text": Edit(tuple(FIRING_TEXT.tolist()))}), queries)


def test_both_sides_are_drawn_anew_and_a_side_without_neurons_stays() -> None:
    text = Edit((int(FIRING_TEXT[0]),))
    request = replace(ASKED, edits={"image": EDIT, "text": text})
    arms = all_arms(SCENE, request, asked_query(request), 4)
    for image, words in zip(random_edits(arms), random_edits(arms, "text"), strict=True):
        assert not set(image.neurons) & set(EDIT.neurons) and words.neurons != text.neurons
    alone = random_edits(all_arms(SCENE, ASKED, unasked, 4))
    assert random_edits(arms) == alone, "one side's draws do not depend on the other's"
    idle = replace(ASKED, edits={"image": EDIT, "text": Edit()})
    assert random_edits(all_arms(SCENE, idle, unasked, 2), "text") == [Edit()] * 2


def test_captions_are_items_and_not_queries() -> None:
    scene = Scene(CAPTIONS, SAES, TinyBackbone())
    request = replace(ASKED, edits={"text": Edit(busy_neurons(CAPTIONS, SAES["text"]))})
    assert len(random_edits(all_arms(scene, request, unasked, 3), "text")) == 3


# ------------------------------------------------------------------------------------------------ what moves items


@pytest.mark.parametrize(
    ("method", "edits", "moves"),
    [
        ("neuron-edit", {"image": EDIT}, True),
        ("neuron-edit", {"text": EDIT}, False),
        ("neuron-edit", {}, False),
        ("reconstruction-only", {"image": EDIT}, True),
        ("reconstruction-only", {"text": EDIT}, False),
        ("reconstruction-only", {}, True),
        ("sp-topk", {"text": EDIT}, True),
        ("mean-difference", {}, True),
        ("prism", {"image": EDIT}, True),
        ("orth-proj", {"image": EDIT}, False),
    ],
)
def test_what_moves_the_items(method: str, edits: dict, moves: bool) -> None:
    request = replace(ASKED, method=method, edits=edits)
    assert moves_items(INTERVENTIONS.get(method), edits.get("image"), request) is moves
