"""Controls: every arm's numbers again from the embeddings, by hand."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sparse

from core import ranking
from core.config import Edit, InputError
from core.interventions import matched_random_edits
from core.metrics import RANKING_METRICS, target_distribution
from core.ranking import RankRequest
from core.ranking.arms import EDITED, ORIGINAL, PROJECTION, RECONSTRUCTION
from core.ranking.controls import MEAN_NULL_DRAWS, ControlArm, ControlsResult
from core.scene import Scene
from core.statistics import depth_for, list_draws, mean_estimate, most_ahead, null_of_mean
from tests.tiny import IMAGES, QUERY, TinyBackbone, busy_neurons, dense_codes, sae_file

PROMPTS = ["a photo of a nurse", "a photo of a pilot", "a photo of a cook"]
FILE, K, SEED = sae_file("image", "pooled"), 30, 4
EDIT = Edit(busy_neurons(IMAGES, FILE, 2))
GIVEN = {"edits": {"image": EDIT}, "k": K, "seed": SEED, "null_draws": 100, "half": "evaluation"}
ROWS = IMAGES.rows("evaluation")
LABELS = IMAGES.group_numbers("gender")[ROWS]
COUNTS = np.array([(g == LABELS).sum() for g in range(2)])
X = IMAGES.embeddings("pooled")[ROWS].astype(np.float64)


def scene() -> Scene:
    return Scene(IMAGES, {"image": FILE}, TinyBackbone())


def queries(prompts: list[str]) -> np.ndarray:
    vectors = TinyBackbone().encode_texts(prompts)["pooled"].astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def moved(edit: Edit | None, method: str = "neuron-edit") -> np.ndarray:
    if edit is None:
        return X
    z = dense_codes(IMAGES.embeddings("pooled")[ROWS], FILE).astype(np.float64)
    arrays = {name: a.astype(np.float64) for name, a in FILE.sae.arrays().items()}
    if method == "reconstruction-only":
        return z @ arrays["W_dec"] + arrays["b_dec"]
    return X - z[:, list(edit.neurons)] @ arrays["W_dec"][list(edit.neurons)]


def rankings(x: np.ndarray, prompts: list[str]) -> np.ndarray:
    cosines = queries(prompts) @ (x / np.linalg.norm(x, axis=1, keepdims=True)).T
    return np.argsort(-cosines, axis=1, kind="stable")[:, : depth_for(K)]


def shares(ranked: np.ndarray) -> np.ndarray:
    own = LABELS[ranked[:, :K]]
    counts = np.stack([(own == g).sum(axis=1) for g in range(2)], axis=1)
    return counts / counts.sum(axis=1, keepdims=True)


def asked(prompts: list[str] | None = None, draws: int = 2, **choices: object) -> ControlsResult:
    request = RankRequest("gender", PROMPTS[0], **(GIVEN | choices))
    return ranking.controls(scene(), request, prompts, draws)


def arms_of(found: ControlsResult) -> list[tuple[ControlArm, np.ndarray]]:
    arms = [(found.original, moved(None)), (found.reconstruction_only, moved(EDIT, "reconstruction-only"))]
    return [*arms, (found.chosen, moved(EDIT)), *((arm, moved(arm.edits["image"])) for arm in found.random)]


@pytest.mark.parametrize("target", ["gallery", "uniform"])
def test_every_arm_over_several_prompts(target: str) -> None:
    found = asked(PROMPTS, target=target)
    original = rankings(X, PROMPTS)
    asks = target_distribution(target, IMAGES.groups("gender"), COUNTS)
    leading = [most_ahead(COUNTS, [int((LABELS[top[:K]] == g).sum()) for g in range(2)]) for top in original]
    assert found.group == " and ".join(dict.fromkeys(IMAGES.groups("gender")[g] for g in leading))
    assert found.prompts == tuple(PROMPTS)
    base, own = (COUNTS / COUNTS.sum())[leading], (np.arange(3), leading)
    metric = RANKING_METRICS.get("max_skew")()
    for arm, x in arms_of(found):
        ranked = rankings(x, PROMPTS)
        values = metric(LABELS[ranked[:, :K]], asks)
        both = np.stack([original, ranked])
        drawn = list_draws(both, LABELS, K, 2, 100, SEED)
        drawn_shares = drawn.shares[:, :, *own]
        old, new = np.moveaxis(drawn.values(metric, asks), 1, 0)
        lean = shares(ranked)[own] - base
        expected = {
            "points": mean_estimate(lean, drawn_shares[:, 1] - base, SEED),
            "points_change": mean_estimate(
                shares(ranked)[own] - shares(original)[own], drawn_shares[:, 1] - drawn_shares[:, 0], SEED
            ),
            "max_skew": mean_estimate(values, new, SEED, (0.0, np.inf)),
            "change": mean_estimate(values - metric(LABELS[original[:, :K]], asks), new - old, SEED),
        }
        for name, one in expected.items():
            said = getattr(arm, name)
            assert (said.estimate, said.lo, said.hi) == pytest.approx((one.estimate, one.lo, one.hi), abs=1e-6), name
        assert arm.size == pytest.approx(np.abs(lean).mean()) and arm.by_prompt == pytest.approx(tuple(values))
        cosine = (X * x).sum(axis=1) / np.linalg.norm(X, axis=1) / np.linalg.norm(x, axis=1)
        assert arm.cosine == pytest.approx(cosine.mean(), abs=1e-5)
        assert arm.rows_changed == (np.abs(x - X).max(axis=1) > 0).sum()
        if target == "gallery":
            band, null = null_of_mean(metric, ranked[:, :K], LABELS, asks, MEAN_NULL_DRAWS, SEED)[0], arm.max_skew.null
            assert (null.lo, null.hi) == pytest.approx((band.lo, band.hi))
        else:
            assert arm.max_skew.null is None


def test_one_prompt_has_the_numbers_of_its_ranking() -> None:
    found, original = asked(), rankings(X, PROMPTS[:1])
    request = RankRequest("gender", PROMPTS[0], **GIVEN)
    for arm, x in arms_of(found)[1:]:
        method = "reconstruction-only" if arm is found.reconstruction_only else "neuron-edit"
        one = ranking.rank(scene(), replace(request, edits=arm.edits, method=method))
        g = IMAGES.groups("gender").index(found.group)
        assert arm.points == one.after.numbers.lean.groups[g].points
        assert arm.max_skew == one.after.metrics["max_skew"] and arm.change == one.difference.metrics["max_skew"]
        assert arm.points_change == one.difference.shares[found.group]
        assert arm.size == pytest.approx(abs(shares(rankings(x, PROMPTS[:1]))[0, g] - COUNTS[g] / COUNTS.sum()))
    assert found.original.points_change.estimate == 0.0 == found.original.change.estimate
    assert found.prompts == (PROMPTS[0],) and found.original.cosine == 1.0 and found.original.rows_changed == 0
    assert len(original) == 1


def test_random_neurons_are_matched_on_the_searched_rows() -> None:
    z = sparse.csc_matrix(dense_codes(IMAGES.embeddings("pooled")[ROWS], FILE))
    expected = matched_random_edits(z, EDIT, 3, SEED)
    assert [arm.edits["image"] for arm in asked(draws=3).random] == expected
    request = RankRequest("gender", PROMPTS[0], **GIVEN)
    out = expected[0].neurons[0]
    given = {"draws": 3, "exclude": {"image": [out]}}
    found = ranking.controls(scene(), request, **given)
    assert all(out not in arm.edits["image"].neurons for arm in found.random)


def test_the_projection_beside_them() -> None:
    found = asked(PROMPTS[:2])
    probe = IMAGES.rows("probe")
    known = probe[IMAGES.group_numbers("gender")[probe] >= 0]
    unit = IMAGES.embeddings("pooled")[known].astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    labels = IMAGES.group_numbers("gender")[known]
    gap = unit[labels == 0].mean(axis=0) - unit[labels == 1].mean(axis=0)
    x = X - np.outer(X @ gap, gap) / (gap @ gap)
    lean = shares(rankings(x, PROMPTS[:2]))
    base = COUNTS / COUNTS.sum()
    assert found.projection.size == pytest.approx(np.abs(lean - base).mean(), abs=1e-6)
    assert found.projection.name == "mean-difference projection" and found.projection_reason is None
    assert found.projection.rows_changed == len(X)


def test_what_is_refused_and_what_is_said_on_the_way() -> None:
    request = RankRequest("gender", QUERY, **(GIVEN | {"edits": {}}))
    with pytest.raises(InputError, match="choose at least one neuron"):
        ranking.controls(scene(), request)
    with pytest.raises(InputError, match="choose at least one neuron"):
        ranking.controls(scene(), replace(request, edits={"image": Edit()}))
    said: list[tuple[int, int, str]] = []
    choices = {"draws": 2, "progress": lambda *one: said.append(one)}
    ranking.controls(scene(), replace(request, edits={"image": EDIT}), **choices)
    names = [ORIGINAL, EDITED, RECONSTRUCTION, "random 1", "random 2"]
    own = [one for one in said if one[1] == 6]
    assert own == [(i, 6, name) for i, name in enumerate([*names, PROJECTION, "controls"])]


def test_the_document() -> None:
    found = asked(PROMPTS[:2])
    document = found.to_json()
    assert document["prompts"] == PROMPTS[:2] and document["random"]["n"] == 2
    estimates = [arm.points.estimate for arm in found.random]
    assert document["random"]["mean"] == pytest.approx(np.mean(estimates))
    assert found.band == (min(estimates), max(estimates))
    said = document["chosen"]
    assert said["size"] == found.chosen.size and said["edits"] == {"image": EDIT.to_json()}
    assert said["points"] == found.chosen.points.to_json() and said["by_prompt"] == list(found.chosen.by_prompt)
    missing = replace(found, projection=None, projection_reason="why").to_json()
    assert missing["projection"] == {"estimate": None, "reason": "why"}
