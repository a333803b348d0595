"""Controls beside an effect, and the price of it."""

import json

import numpy as np
import pytest

from core import ranking
from core.config import Edit, InputError
from core.ranking import RankRequest
from core.retrieval import search
from core.scene import Bench, Scene
from core.statistics import auc
from core.zeroshot import PromptSet
from tests.tiny import CAPTIONS, IMAGES, QUERY, TinyBackbone, busy_neurons, dense_codes, sae_file

PROMPTS = ["a photo of a pilot", "a photo of a nurse", "a photo of a baker"]
CLASSES = PromptSet.from_json(
    {
        "schema": 1,
        "templates": ["a photo of {}", "a picture of {}"],
        "attributes": {
            "gender": {"Male": ["a man"], "Female": ["a woman"]},
            "size": {"big": ["a big one"], "small": ["a small one"]},
            "elsewhere": {"a": ["a"], "b": ["b"]},
        },
    },
    "test",
)


def request(gallery=IMAGES, side=None, attach="pooled", **choices) -> tuple[RankRequest, dict]:
    """A request that switches the three busiest neurons of a side, and the SAE for it."""
    side = side or gallery.side
    file = sae_file(side, attach)
    if side == gallery.side:
        neurons = busy_neurons(gallery, file)
    else:
        z = dense_codes(TinyBackbone().encode_texts([QUERY], (attach,))[attach], file)
        neurons = tuple(int(j) for j in np.argsort(-z[0])[:3])
    choices = {"attribute": "gender", "query": QUERY, "k": 50, "null_draws": 200, **choices}
    return RankRequest(edits={side: Edit(neurons)}, **choices), {side: file}


# -------------------------------------------------------------------------------------------------- controls


@pytest.mark.parametrize("gallery", [IMAGES, CAPTIONS], ids=["images", "captions"])
@pytest.mark.parametrize("attach", ["pooled", "residual"])
def test_arms_of_the_controls(gallery, attach):
    asked, saes = request(gallery, attach=attach)
    result = ranking.controls(Scene(gallery, saes, TinyBackbone()), asked, PROMPTS, draws=20)
    for arm, edits in ((result.original, {}), (result.chosen, asked.edits)):
        for prompt, value in zip(PROMPTS, arm.by_prompt, strict=True):
            alone = RankRequest("gender", prompt, k=50, edits=edits, null_draws=200)
            found = ranking.rank(Scene(gallery, saes, TinyBackbone()), alone)
            single = found.after or found.before
            assert single.metrics["max_skew"].estimate == pytest.approx(value, abs=1e-12)
        assert arm.max_skew.estimate == pytest.approx(np.mean(arm.by_prompt))
        assert arm.max_skew.n == 3 and arm.max_skew.lo <= arm.max_skew.estimate <= arm.max_skew.hi
    assert result.original.cosine == 1.0 and result.original.rows_changed == 0
    assert result.reconstruction_only.rows_changed == gallery.n and result.reconstruction_only.cosine < 1.0
    assert len(result.random) == 20 and len({arm.edits[gallery.side].neurons for arm in result.random}) > 10
    chosen = set(asked.edits[gallery.side].neurons)
    for arm in result.random:
        neurons = arm.edits[gallery.side].neurons
        assert len(neurons) == 3 and not chosen & set(neurons)
    lo, hi = result.band
    assert lo <= np.mean([arm.points.estimate for arm in result.random]) <= hi
    # the lean is that of the leading group: its mean share over the prompts less its share of the searched rows
    shares = [
        ranking.rank(Scene(gallery, saes, TinyBackbone()), RankRequest("gender", p, k=50)).before.shares
        for p in PROMPTS
    ]
    numbers = gallery.group_numbers("gender")
    base = (numbers == gallery.groups("gender").index(result.group)).sum() / (numbers >= 0).sum()
    mean = np.mean([share[result.group].estimate for share in shares])
    assert result.original.points.estimate == pytest.approx(mean - base) and mean >= base
    assert 1 / 21 <= result.p_value <= 1.0


def test_controls_as_json_of_one_prompt():
    asked, saes = request()
    document = ranking.controls(Scene(IMAGES, saes, TinyBackbone()), asked).to_json()
    document = json.loads(json.dumps(document, allow_nan=False))
    assert {"original", "reconstruction_only", "chosen", "random"} <= set(document)
    assert len(document["original"]["max_skew"]["null"]) == 2
    assert len(document["random"]["draws"]) == document["random"]["n"] == 20
    assert document["random"]["lo"] <= document["random"]["mean"] <= document["random"]["hi"]


def test_controls_of_an_edited_query_draw_among_what_fires_on_the_prompts():
    asked, saes = request(side="text")
    result = ranking.controls(Scene(IMAGES, saes, TinyBackbone()), asked, [QUERY], draws=3)
    fires = set(np.flatnonzero(dense_codes(TinyBackbone().encode_texts([QUERY])["pooled"], saes["text"])[0]).tolist())
    assert all(set(arm.edits["text"].neurons) <= fires for arm in result.random)
    assert result.original.cosine == result.chosen.cosine == 1.0


def test_controls_need_a_neuron_and_report_progress():
    with pytest.raises(InputError, match="at least one neuron"):
        ranking.controls(Scene(IMAGES, model=TinyBackbone()), RankRequest("gender", QUERY))
    asked, saes = request()
    seen = []
    ranking.controls(Scene(IMAGES, saes, TinyBackbone()), asked, draws=2, progress=lambda *step: seen.append(step))
    assert [done for done, _, _ in seen] == list(range(7)) and seen[-1][1] == 6
    bench = Bench()
    again = [
        ranking.controls(Scene(IMAGES, saes, TinyBackbone(), bench=b), asked, draws=2).to_json()
        for b in (Bench(), bench, bench)
    ]
    assert again[0] == again[1] == again[2]


# ------------------------------------------------------------------------------------------------------ cost


@pytest.mark.parametrize("side", ["image", "text"])
def test_cost_is_measured_before_and_after(side):
    asked, saes = request(side=side)
    result = ranking.utility_cost(Scene(IMAGES, saes, TinyBackbone()), asked, CLASSES)
    assert set(result.zeroshot) == {"size"}  # gender is edited, and the gallery has no "elsewhere"
    cost = result.zeroshot["size"]
    change = cost.after.accuracy.estimate - cost.before.accuracy.estimate
    assert cost.difference.accuracy.estimate == pytest.approx(change)
    assert cost.before.n == IMAGES.n
    assert set(result.explicit) == {"a photo of a man", "a photo of a woman"}
    if side == "text":
        assert result.rows_changed == 0 and result.cosine_mean == 1.0
    else:
        assert 0 < result.rows_changed < IMAGES.n and result.cosine_min < result.cosine_mean < 1.0


def test_explicit_queries_are_the_auc_of_their_group():
    asked, saes = request()
    cost = ranking.utility_cost(Scene(IMAGES, saes, TinyBackbone()), asked, explicit={"a photo of a man": "Male"})
    found = cost.explicit["a photo of a man"]
    query = TinyBackbone().encode_texts(["a photo of a man"])["pooled"][0]
    labels = IMAGES.group_numbers("gender")
    searched = search(IMAGES.unit(), query, IMAGES.n)
    scores = np.empty(IMAGES.n)
    scores[searched.rows] = searched.scores
    assert found.before.estimate == pytest.approx(auc(scores[labels >= 0], labels[labels >= 0] == 1), abs=1e-6)
    assert found.difference.estimate == pytest.approx(found.after.estimate - found.before.estimate)
    assert found.difference.lo <= found.difference.estimate <= found.difference.hi


def test_cost_of_nothing_is_nothing():
    _, saes = request()
    nothing = RankRequest("gender", QUERY, edits={"image": Edit()}, k=50)
    result = ranking.utility_cost(Scene(IMAGES, saes, TinyBackbone()), nothing, CLASSES)
    assert result.zeroshot["size"].difference.accuracy.estimate == 0.0
    assert all(cost.difference.estimate == 0.0 for cost in result.explicit.values())
    assert (result.cosine_mean, result.cosine_min, result.rows_changed) == (1.0, 1.0, 0)


def test_what_cannot_be_computed_says_why_in_its_place():
    asked, saes = request()
    explicit = {"a photo of a man": "Male", QUERY: "Other"}
    document = ranking.utility_cost(Scene(IMAGES, saes), asked, CLASSES, explicit).to_json()
    document = json.loads(json.dumps(document, allow_nan=False))
    assert (
        document["zeroshot"]["size"]["estimate"] is None
        and "a photo of a big one" in document["zeroshot"]["size"]["reason"]
    )
    assert "known prompts" in document["explicit"]["a photo of a man"]["before"]["reason"]
    assert document["explicit"][QUERY]["after"] == {"estimate": None, "reason": "no searched row is Other"}


def test_cost_needs_an_edit():
    with pytest.raises(InputError, match="no edit"):
        ranking.utility_cost(Scene(IMAGES, model=TinyBackbone()), RankRequest("gender", QUERY))


# --------------------------------------------------------------------------- the rival, changes, and what leaks


def test_every_arm_has_its_paired_change_and_null_band():
    asked, saes = request()
    for prompts in (PROMPTS, None):
        result = ranking.controls(Scene(IMAGES, saes, TinyBackbone()), asked, prompts, draws=2)
        original = result.original
        assert (original.change.estimate, original.change.lo, original.change.hi) == (0.0, 0.0, 0.0)
        for arm in (result.chosen, result.reconstruction_only, *result.random):
            expected = arm.max_skew.estimate - original.max_skew.estimate
            assert arm.change.estimate == pytest.approx(expected, abs=1e-9)
            assert arm.change.lo <= arm.change.estimate <= arm.change.hi
            assert (
                arm.max_skew.null is not None and arm.max_skew.null.lo <= arm.max_skew.null.mean <= arm.max_skew.null.hi
            )


def test_the_projection_stands_beside_or_says_why_not():
    asked, saes = request()
    result = ranking.controls(Scene(IMAGES, saes, TinyBackbone()), asked, PROMPTS, draws=2)
    document = result.to_json()["projection"]
    if result.projection is None:
        assert document == {"estimate": None, "reason": result.projection_reason} and result.projection_reason
    else:
        assert document["name"] == "mean-difference projection" and result.projection.rows_changed > 0


def test_leakage_stands_in_the_cost_and_nothing_changes_where_nothing_is_moved():
    asked, saes = request()
    found = ranking.utility_cost(Scene(IMAGES, saes, TinyBackbone()), asked, CLASSES)
    left = found.to_json()["leakage"]
    assert left["attribute"] == "gender" and "evaluation half" in left["rows"]
    labels = IMAGES.group_numbers("gender")[IMAGES.rows("evaluation")]
    for arm in ("before", "after"):
        assert left[arm]["lo"] <= left[arm]["estimate"] <= left[arm]["hi"] and left[arm]["n"] == (labels >= 0).sum()
    # planted in the tiny world: the first column of the residual stream moves with gender
    assert left["before"]["lo"] > 0.5
    idle = RankRequest("gender", QUERY, k=50, edits={"image": Edit(asked.edits["image"].neurons, strength=0.0)})
    same = ranking.utility_cost(Scene(IMAGES, saes, TinyBackbone()), idle, CLASSES).leakage
    assert (same.difference.estimate, same.difference.lo, same.difference.hi) == (0.0, 0.0, 0.0)
