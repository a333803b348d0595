"""A direction taken out of the items: the lists are those of the method that does so, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest

from core.edits import direction_out
from core.gallery import open_gallery
from core.neurons import mean_direction
from core.ranking import RankRequest, rank
from core.scene import Scene
from core.units import unit


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(open_gallery("default"))


def test_before_is_the_ranking_and_after_is_that_of_the_mean_difference(scene: Scene) -> None:
    probe = scene.probe
    rows = scene.probe_rows()
    labels = probe.labels("gender")[rows]
    known = np.array([label is not None for label in labels])
    assert len(probe.groups("gender")) == 2, "with two groups the method deletes this one direction"
    v = mean_direction(probe.embeddings()[rows[known]], labels[known] == probe.groups("gender")[0])
    request = RankRequest("gender", query_embedding=scene.gallery.unit()[5], k=100, half="evaluation")
    out = direction_out(scene, request, 3 * v)
    method = rank(scene, replace(request, method="mean-difference"))
    assert method.after is not None
    assert out.before.lean == method.before.numbers.lean
    assert out.after.lean == method.after.numbers.lean
    assert method.difference is not None and out.change.effect == method.difference.effect
    assert out.change.to_json() == method.difference.change.to_json(), "as deep as a resample reaches, and no deeper"
    assert out.after.lean != out.before.lean, "else nothing was taken out"
    assert out.part.n == len(scene.gallery.rows("evaluation"))


def test_a_list_of_nearly_all_rows_is_no_deeper_than_there_are_rows(scene: Scene) -> None:
    n = len(scene.gallery.rows("evaluation"))
    request = RankRequest("gender", query_embedding=scene.gallery.unit()[5], k=n - 1, half="evaluation", null_draws=2)
    out = direction_out(scene, request, scene.gallery.unit()[7])
    assert sum(group.retrieved for group in out.after.lean.groups) + out.after.unknown == n - 1


def test_any_direction_is_taken_out_of_items_alone(scene: Scene) -> None:
    x = scene.gallery.unit()
    request = RankRequest("gender", query_embedding=unit(x[0]), k=50, half="evaluation")
    noise = np.linalg.svd(x[:64].astype(float), full_matrices=True)[2][-1]
    few = direction_out(scene, request, noise)
    rows = scene.gallery.rows("evaluation")
    left = x[rows] - np.outer(x[rows] @ noise, noise)
    order = np.argsort(-(unit(left) @ unit(x[0])), kind="stable")[:50]
    counted = np.bincount(few.part.labels[order][few.part.labels[order] >= 0], minlength=len(few.part.groups))
    assert [group.retrieved for group in few.after.lean.groups] == counted.tolist()
