"""Why a query leans: every part is found again by editing the rows and ranking them anew."""

from dataclasses import fields, replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from core.config import Edit, InputError
from core.edits import EditChoice, choose_edits
from core.edits.choosing import by_attribution, by_rule, by_search
from core.edits.probe_set import explained_set, probe_set
from core.edits.why import WhyResult, confirm, find_smallest, why
from core.interventions import INTERVENTIONS
from core.metrics import RANKING_METRICS, top_rows
from core.ranking import RankRequest
from core.scene import Scene
from core.statistics import lean_of
from tests.edits.test_score_gap import QUERIES, probe
from tests.tiny import TinyBackbone, TinyGallery, sae_file

QUERY = "a photo of a pilot"
REQUEST = RankRequest("gender", QUERY, k=40, target="uniform", half="evaluation")


@pytest.mark.parametrize("attach", ["pooled", "residual"])
def test_every_part_of_a_gap(attach):
    scene = Scene(TinyGallery(), {"image": sae_file("image", attach)}, TinyBackbone())
    found = why(scene, REQUEST, top=6)
    rows = explained_set(scene, REQUEST)
    assert (rows.part.rows % 2 == 1).all() and rows.k == found.k == 40 and rows.part.n == found.n
    query = QUERIES[1]
    group = rows.leading_group(query)
    labels = rows.part.labels
    first, rest = labels == group, (labels >= 0) & (labels != group)

    def ranked(edit: Edit) -> tuple[float, float]:
        x = INTERVENTIONS.get("neuron-edit")()(rows.material, edit).astype(np.float64)
        scores = x @ query / np.linalg.norm(x, axis=1)
        skew = RANKING_METRICS.get("max_skew")()(labels[top_rows(scores, rows.k)], rows.part.target)
        return scores[first].mean() - scores[rest].mean(), float(skew)

    gap, skew = ranked(Edit())
    assert found.group == rows.part.groups[group] and found.skew == pytest.approx(skew) and found.leans
    assert found.first_order is (attach == "residual")
    stored = np.asarray(rows.material.pooled, np.float64) @ query
    assert found.attribution.gap == pytest.approx(stored[first].mean() - stored[rest].mean(), rel=1e-5)
    assert found.share_of(found.attribution.gap / 2) == pytest.approx(0.5)
    sizes = np.abs(found.attribution.contributions)
    assert [pull.neuron for pull in found.pulls] == np.argsort(-sizes, kind="stable")[:6].tolist()
    for pull in found.pulls:
        after, skew = ranked(Edit((pull.neuron,)))
        assert pull.closed == pytest.approx(1 - after / gap, abs=1e-5) and pull.skew == pytest.approx(skew, abs=1e-9)
        assert pull.share == pytest.approx(found.attribution.contributions[pull.neuron] / found.attribution.gap)
    counts = [int((labels == g).sum()) for g in range(2)]
    assert list(found.group_counts.values()) == counts
    scores = np.asarray(rows.material.pooled, np.float64) @ query / rows.lengths
    top = labels[top_rows(scores, 40)]
    assert found.lean == lean_of(counts, [int((top == g).sum()) for g in range(2)])
    given = {one.name: getattr(found, one.name) for one in fields(found) if one.name != "leans"}
    assert WhyResult(**given).leans
    said = found.to_json()
    assert said["explained"] == pytest.approx(float(found.attribution.contributions.sum()))
    assert said["gap"]["estimate"] == pytest.approx(said["explained"] + said["rest"]["estimate"], rel=1e-6)


def test_a_query_that_leans_to_nobody_has_no_shares(monkeypatch):
    """Rows that are all alike: no group is nearer to the query than another."""

    class Alike(TinyGallery):
        def embeddings(self, attach: str = "pooled") -> np.ndarray:
            return np.tile(super().embeddings(attach)[:1], (self.n, 1))

    found = why(Scene(Alike(), {"image": sae_file("image", "pooled")}, TinyBackbone()), REQUEST)
    assert not found.leans and found.share_of(0.1) is None
    assert all(pull.share is None and pull.closed is None for pull in found.pulls)


def test_a_path_for_the_query_or_for_several():
    scene = Scene(TinyGallery(), {"image": sae_file("image", "pooled")}, TinyBackbone())
    given = (scene, REQUEST, 0.1)
    alone = find_smallest(*given, size=3)
    assert alone == find_smallest(*given, size=3, queries=[QUERY])
    by_number = replace(REQUEST, query=None, query_embedding=tuple(QUERIES[1].tolist()))
    same = find_smallest(replace(scene, model=None), by_number, 0.1, size=3)
    assert [p.edit for p in same.points] == [p.edit for p in alone.points]
    with pytest.raises(InputError, match="explicit queries name Nobody; the probe rows hold Female, Male"):
        find_smallest(*given, explicit={"x": "Nobody"})
    named = find_smallest(*given, size=2, explicit={"a photo of a man": "Male"})
    assert all(len(point.explicit) == 1 for point in named.points)


def test_an_edit_is_confirmed_on_the_evaluation_half():
    scene = Scene(TinyGallery(), {"image": sae_file("image", "pooled")}, TinyBackbone())
    edit = Edit((3, 5))
    found = confirm(scene, replace(REQUEST, half="probe"), edit, draws=2)
    assert found.result.request.half == "evaluation" and found.result.request.edits == {"image": edit}
    said = found.to_json()
    assert said["half"] == "evaluation" and set(said["rivals"]) == {
        "published rule, tau 0.5",
        "mean-difference projection",
    }
    assert found.cost.explicit == {}, "a query that nobody asked about has no price"
    refused = replace(found, rivals={"a rule": "no group has a neuron"}).to_json()["rivals"]
    assert refused == {"a rule": {"estimate": None, "reason": "no group has a neuron"}}
    moved = said["rivals"]["mean-difference projection"]
    assert moved["max_skew"]["estimate"] >= 0 and moved["cosine"] < 1


# ------------------------------------------------------------------------------------------ choices


def test_one_set_for_all_holds_only_neurons_that_pull_towards_the_groups():
    p = probe()
    means = np.mean([p.attribution(q, p.leading_group(q)).contributions for q in QUERIES], axis=0)
    found = by_attribution(p, EditChoice("attribution", size=48, per_query=False), QUERIES)
    assert set(found[0].neurons) == {int(j) for j in np.flatnonzero(means > 0)} and found[0] == found[1]
    best = by_attribution(p, EditChoice("attribution", size=3, per_query=False), QUERIES)
    assert set(best[0].neurons) == {int(j) for j in np.argsort(-means)[:3]}
    said = []
    by_attribution(p, EditChoice("attribution", size=3), QUERIES, lambda done, of, what: said.append((done, of)))
    assert said == [(0, 2), (1, 2), (2, 2)]


def test_searches_that_miss_their_target_are_counted():
    p = probe()
    one = EditChoice("smallest", target_skew=0.0, size=2, per_query=False)
    assert by_search(p, one, QUERIES[:1]).notes == ("the search did not reach a skew of 0 on the probe rows",)
    each = by_search(p, replace(one, per_query=True), QUERIES).notes
    assert each == ("2 of 2 searches did not reach a skew of 0 on the probe rows",)
    easy = by_search(p, replace(one, target_skew=9.0, strength=0.5, alpha=0.25), QUERIES)
    assert easy.notes == () and easy[0].strength == 0.5 and easy[0].alpha == 0.25 and len(easy) == 2


@pytest.mark.parametrize("tau", [0, 1, 0.0, 1.0])
def test_shares_may_be_none_and_all(tau):
    assert EditChoice("rule", tau=tau).tau == tau
    assert EditChoice("smallest", target_skew=0).target_skew == 0


@pytest.mark.parametrize(
    "given", [{"tau": 1.01}, {"tau": -0.01}, {"tau": True}, {"top": 0}, {"size": True}, {"top": 1.5}]
)
def test_choices_out_of_bounds(given):
    with pytest.raises(InputError, match=next(iter(given))):
        EditChoice("rule", **given)


def test_the_probe_rows_k_is_at_least_one_and_at_most_all():
    scene = Scene(TinyGallery(), {"image": sae_file("image", "pooled")}, TinyBackbone())
    for k, own in ((1, 1), (9999, 200)):
        asked = replace(REQUEST, k=k, half="all")
        assert probe_set(scene, asked).k == own


def test_neurons_are_found_in_the_probe_gallery_and_k_is_the_same_share_of_it():
    gallery, partner = TinyGallery(), TinyGallery(n=120, seed=5)
    saes, asked = {"image": sae_file("image", "pooled")}, replace(REQUEST, k=40)
    scene = Scene(gallery, saes, TinyBackbone(), partner)
    found = probe_set(scene, asked)
    assert found.part.n == 60 and found.k == 12, "40 of 200 searched rows are a fifth"
    choice = EditChoice("rule", tau=0.1, top=3)
    edits = choose_edits(scene, choice, asked, [QUERY])
    assert edits[0] == choice.edit(by_rule(found, choice)[0])
    assert edits[0] != choose_edits(Scene(partner, saes, TinyBackbone(), gallery), choice, asked, [QUERY])[0]


def test_a_group_may_lead_though_its_mean_lies_lower():
    """Half of the men are all that the query wants, the other half its opposite: there is a gap, below 0."""

    class Split(TinyGallery):
        def embeddings(self, attach: str = "pooled") -> np.ndarray:
            q, across = QUERIES[1], np.cross(QUERIES[1][:3], [1.0, 0, 0])
            beside = np.zeros(12)
            beside[:3] = across / np.linalg.norm(across)
            men, turned = self.group_numbers("gender") == 1, np.where(np.arange(self.n) // 2 % 2, 1.0, -1.0)
            rows = np.where(men[:, None], turned[:, None] * q, 0.5 * q + beside)
            return (rows + 1e-3 * np.random.default_rng(0).normal(size=(self.n, 12))).astype(np.float32)

    scene = Scene(Split(), {"image": sae_file("image", "pooled")}, TinyBackbone())
    found = why(scene, replace(REQUEST, k=20), top=1)
    assert found.group == "Male" and found.attribution.gap < -0.2 and found.leans
    assert found.pulls[0].share is not None and found.pulls[0].closed is not None


def test_the_probe_gallery_and_the_size_are_handed_on(monkeypatch):
    module = import_module("core.edits.why")
    saes = {"image": sae_file("image", "pooled")}
    scene = Scene(TinyGallery(), saes, TinyBackbone(), TinyGallery(n=120, seed=5))
    asked: list[Any] = []
    monkeypatch.setattr(module, "smallest_edit", lambda *given: asked.append(given))
    find_smallest(scene, REQUEST, 0.2)
    (probe_rows, _, target, size, explicit, _) = asked[0]
    assert (probe_rows.part.n, target, size, explicit) == (60, 0.2, 16, [])
    monkeypatch.setattr(module, "by_rule", lambda rows, choice: asked.append((rows, choice)) or ((3, 5), ()))
    found = confirm(scene, replace(REQUEST, half="probe"), Edit((3,)), {"a photo of a man": "Male"}, draws=2)
    assert {query: cost.group for query, cost in found.cost.explicit.items()} == {"a photo of a man": "Male"}
    rows, choice = asked[1]
    assert rows.part.n == 60 and choice.rule == "published" and choice.tau == 0.5
    rule = found.rivals["published rule, tau 0.5"]
    assert rule.request.edits == {"image": Edit((3, 5))} and rule.request.half == "evaluation"
