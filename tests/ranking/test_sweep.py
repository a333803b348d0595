"""A sweep is many rankings at once: every point is what asking for it alone gives."""

from dataclasses import replace

import numpy as np
import pytest

from core import ranking
from core.config import Edit, InputError
from core.ranking import RankRequest, sweep
from core.scene import Scene
from tests.tiny import CAPTIONS, IMAGES, QUERY, TinyBackbone, TinyGallery, busy_neurons, sae_file

K = 50


def asked(gallery, attach: str, **choices) -> tuple[RankRequest, dict]:
    own = gallery.side
    saes = (
        {own: sae_file(own, attach), "text": sae_file("text", attach)}
        if own == "image"
        else {"text": sae_file("text", attach)}
    )
    edits = {own: Edit(busy_neurons(gallery, saes[own])), **choices.pop("edits", {})}
    return RankRequest(attribute="gender", query=QUERY, k=K, null_draws=100, edits=edits, **choices), saes


def alone(gallery, request: RankRequest, saes: dict) -> ranking.RankResult:
    return ranking.rank(Scene(gallery, saes, TinyBackbone()), request)


@pytest.mark.parametrize("attach", ["pooled", "residual"])
@pytest.mark.parametrize("gallery", [IMAGES, CAPTIONS], ids=["images", "captions"])
@pytest.mark.parametrize("over", ["strength", "alpha"])
def test_every_point_is_the_ranking_of_its_own(gallery, attach, over):
    request, saes = asked(gallery, attach, half="evaluation")
    if gallery is IMAGES:
        request = replace(request, edits={**request.edits, "text": Edit((1, 2))})
    found = sweep(Scene(gallery, saes, TinyBackbone()), request, over, [1.0, 0.0, 0.3, 0.3])
    assert [point.value for point in found.points] == [0.0, 0.3, 1.0]
    for point in found.points:
        of = {"strength": point.value} if over == "strength" else {"form": "blend", "alpha": point.value}
        edits = {side: replace(edit, **of) for side, edit in request.edits.items()}
        one = alone(gallery, replace(request, edits=edits), saes)
        assert point.before == one.before.metrics["max_skew"]
        assert point.after == one.after.metrics["max_skew"]
        assert {g: s.estimate for g, s in point.shares.items()} == {g: s.estimate for g, s in one.after.shares.items()}
        assert point.cosine == pytest.approx(one.difference.cosine.estimate, abs=1e-12)
    first = found.points[0]
    assert first.after == first.before and first.cosine == 1.0
    assert found.points[-1].cosine < 0.999


def test_over_k():
    request, saes = asked(IMAGES, "pooled")
    found = sweep(Scene(IMAGES, saes, TinyBackbone()), request, "k", [10, 1, 400, 37], metric="kl")
    for point in found.points:
        one = alone(IMAGES, replace(request, k=int(point.value)), saes)
        assert (point.before, point.after) == (one.before.metrics["kl"], one.after.metrics["kl"])
        assert point.after.n == sum(s is not None for s in one.after.groups)


def test_a_shared_bench_and_the_order_of_values_change_nothing():
    request, saes = asked(IMAGES, "pooled")
    scene = Scene(IMAGES, saes, TinyBackbone())
    first = sweep(scene, request, "strength", [0.2, 0.9])
    again = sweep(scene, request, "strength", [0.9, 0.5, 0.2])
    assert first.points == (again.points[0], again.points[2])


@pytest.mark.parametrize(
    ("over", "values", "choices", "message"),
    [
        ("tau", [0.5], {}, "scale of a sweep was 'tau'"),
        ("strength", [], {}, "no value was given"),
        ("strength", [1.5], {}, "the strength to sweep over was 1.5; expected numbers from 0 to 1"),
        ("k", [2.5], {}, "expected whole numbers"),
        ("k", [401], {}, "k was 401; expected 1 to 400"),
        ("strength", [0.5], {"metric": "ndkl"}, "depends on the order"),
        ("strength", [0.5], {"edits": {}}, "needs an edit of neurons"),
        ("strength", [0.5], {"method": "orth-proj"}, "needs an edit of neurons"),
    ],
)
def test_refused(over, values, choices, message):
    request, saes = asked(IMAGES, "pooled")
    metric = choices.pop("metric", "max_skew")
    with pytest.raises(InputError, match=message):
        sweep(Scene(IMAGES, saes, TinyBackbone()), replace(request, **choices), over, values, metric=metric)


class People(TinyGallery):
    """Four rows of each person, who are retrieved and labelled by themselves."""

    together = "person"

    def clusters(self):
        return np.arange(self.n) // 4

    def labels(self, attribute):
        return self.clusters().astype(str).astype(object) if attribute == "person" else super().labels(attribute)


def test_where_rows_belong_together_every_point_is_tested_by_whole_ones():
    people = People(seed=5)
    request, saes = asked(people, "pooled")
    scene = Scene(people, saes, TinyBackbone())
    point = sweep(scene, request, "strength", [1.0]).points[0]
    alone = ranking.rank(scene, request)
    assert point.lean_before == alone.before.numbers.lean and point.lean_after == alone.after.numbers.lean
    assert point.lean_before.design_effect is not None
