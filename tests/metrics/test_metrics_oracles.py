"""Parity with the published implementations: values recorded from them, at 1e-10."""

import numpy as np
import pytest
from scipy import stats

from core.metrics import RANKING_METRICS, top_rows
from core.verify.own.metrics import ndkl_of
from tests.recorded import oracle

TOLERANCE = 1e-10
METRIC = {name: RANKING_METRICS.get(name)() for name in ("max_skew", "min_skew", "ndkl", "kl", "bias_at_k")}
CASES = ["two_ties", "two", "seven_ties", "seven", "separated", "all_tied", "single_label"]


@pytest.mark.parametrize("case", CASES)
def test_berg_mode(case):
    data = oracle("metrics_ranking")
    scores, labels = data[f"{case}_scores"], data[f"{case}_labels"]
    n_groups = int(labels.max()) + 1
    targets = {
        "eq_opp": np.full(n_groups, 1 / n_groups),
        "dem_par": np.bincount(labels, minlength=n_groups) / len(labels),
    }
    for i, k in enumerate(data[f"{case}_k"]):
        rows = top_rows(scores, int(k), keep_ties=True)
        assert len(rows) == data[f"{case}_n_top"][i]
        for kind, target in targets.items():
            for name, recorded in (("max_skew", "maxskew"), ("min_skew", "minskew"), ("ndkl", "ndkl")):
                value = float(METRIC[name](labels[rows], target, "berg", k=int(k)))
                assert value == pytest.approx(data[f"{case}_{recorded}_{kind}"][i], abs=TOLERANCE), (name, kind, k)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("prior", ["gallery", "skewed"])
def test_sem_mode(case, prior):
    data = oracle("metrics_ranking")
    scores, labels, target = data[f"{case}_scores"], data[f"{case}_labels"], data[f"{case}_{prior}_prior"]
    for i, k in enumerate(data[f"{case}_k"]):
        ranked = labels[top_rows(scores, int(k))]
        assert float(METRIC["kl"](ranked, target, "sem")) == pytest.approx(data[f"{case}_{prior}_kl"][i], abs=TOLERANCE)
        assert float(METRIC["max_skew"](ranked, target, "sem")) == pytest.approx(
            data[f"{case}_{prior}_max_skew"][i], abs=TOLERANCE
        )


def test_sem_retrieval_chain():
    data = oracle("metrics_ranking")
    images, texts, labels, k = data["ret_image_emb"], data["ret_text_emb"], data["ret_bias_label"], int(data["ret_K"])
    scores = texts @ (images / np.linalg.norm(images, axis=1, keepdims=True)).T
    ranked = np.stack([top_rows(row, k) for row in scores])
    np.testing.assert_array_equal(ranked, data["ret_topk_index"])
    prior = np.bincount(labels) / len(labels)
    relevant = np.stack([(data["ret_target_label"][rows, q] != 1).astype(int) for q, rows in enumerate(ranked)])
    values = np.stack(
        [
            METRIC["kl"](labels[ranked], prior, "sem"),
            METRIC["max_skew"](labels[ranked], prior, "sem"),
            RANKING_METRICS.get("precision_at_k")()(relevant, np.array([0.5, 0.5])),
        ],
        axis=-1,
    )
    np.testing.assert_allclose(values, data["ret_per_query"], atol=TOLERANCE)
    np.testing.assert_allclose(values.mean(axis=0), data["ret_mean"], atol=TOLERANCE)
    half_width = stats.sem(values, axis=0) * stats.t.ppf(0.975, len(values) - 1)
    np.testing.assert_allclose(half_width, data["ret_ci95"], atol=TOLERANCE)


def test_sem_mode_where_the_prior_is_zero():
    recorded = oracle("metrics_ranking")["edge_prior0"]
    ranked = np.array([0, 0, 1])
    for row, prior in enumerate(([0.5, 0.5, 0.0], [1.0, 0.0, 0.0])):
        values = [float(METRIC[name](ranked, np.array(prior), "sem")) for name in ("kl", "max_skew")]
        np.testing.assert_allclose(values, recorded[row], atol=TOLERANCE)


def test_visogender():
    data = oracle("metrics_biask")
    for scores, gender, i in zip(data["viso_logits"], data["viso_gender"], range(4), strict=True):
        groups, labels = np.unique(gender, return_inverse=True)
        target = np.bincount(labels) / len(labels)
        ranked = labels[top_rows(scores, len(scores))]
        for k in range(1, 21):
            assert float(METRIC["max_skew"](ranked[:k], target)) == pytest.approx(
                data["viso_maxskew"][i, k - 1], abs=TOLERANCE
            )
            assert float(METRIC["min_skew"](ranked[:k], target)) == pytest.approx(
                data["viso_minskew"][i, k - 1], abs=TOLERANCE
            )
            assert float(METRIC["bias_at_k"](ranked[:k], target)) == pytest.approx(
                data["viso_bias"][i, k - 1], abs=TOLERANCE
            )
        assert float(METRIC["ndkl"](ranked, target)) == pytest.approx(data["viso_ndkl"][i], abs=TOLERANCE)
        assert groups[0] == 0 and groups[1] == 1


def test_gensynth():
    data = oracle("metrics_biask")
    half = np.array([0.5, 0.5])
    for i, (scores, labels) in enumerate(zip(data["gen_scores"], data["gen_labels"], strict=True)):
        ranked = labels[top_rows(scores, len(scores))]
        for j, k in enumerate(data["gen_bias_k"]):
            assert float(METRIC["bias_at_k"](ranked[:k], half)) == pytest.approx(data["gen_bias"][i, j], abs=TOLERANCE)
        known = ranked[ranked >= 0]
        prior = np.bincount(known, minlength=2) / len(known)
        for j, k in enumerate(data["gen_skew_k"]):
            top = known[:k]
            present = np.bincount(top, minlength=2) > 0  # that code skips groups that are absent from the top k
            skew = np.log(np.bincount(top, minlength=2)[present] / k / prior[present]).max()
            assert skew == pytest.approx(data["gen_maxskew"][i, j], abs=TOLERANCE)
            assert float(METRIC["max_skew"](top, prior)) == pytest.approx(data["gen_maxskew"][i, j], abs=TOLERANCE)


def test_visogender_bias_count():
    """The recorded code counts places: +1 for the first five candidates, -1 for the last five, 0 between them."""
    data = oracle("metrics_biask")
    half, metric = np.array([0.5, 0.5]), RANKING_METRICS.get("bias_count_at_k")()
    place = np.repeat([0, -1, 1], [5, 10, 5])
    for scores, recorded in zip(data["viso_logits"], data["viso_bias_count"], strict=True):
        ranked = place[top_rows(scores, len(scores))]
        for k in range(1, 21):
            assert float(metric(ranked[:k], half)) == pytest.approx(recorded[k - 1], abs=TOLERANCE)


@pytest.mark.parametrize(("groups", "k"), [(2, 1), (3, 7), (20, 40), (130, 30)])
def test_ndkl_of_known_rows_is_that_of_lists_with_an_unknown_one(groups, k):
    """Groups that one whole number can count together, and more than it can."""
    rng = np.random.default_rng(k)
    target = rng.dirichlet(np.full(groups, 3.0))
    lists = rng.integers(0, groups, size=(70, k))
    longer = np.concatenate([lists, np.full((70, 1), -1)], axis=1)
    np.testing.assert_allclose(METRIC["ndkl"](lists, target), METRIC["ndkl"](longer, target), atol=1e-12)
    np.testing.assert_allclose(METRIC["ndkl"](lists, target), ndkl_of(longer, target), atol=1e-12)
    np.testing.assert_allclose(ndkl_of(lists, target), ndkl_of(longer, target), atol=1e-12)
