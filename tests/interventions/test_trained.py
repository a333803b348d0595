"""Methods that are trained or that cut somewhere: by a second implementation, and at their borders."""

import warnings
from itertools import combinations

import numpy as np
import pytest
import scipy.sparse as sparse
from sklearn.ensemble import RandomForestClassifier

from core.config import NOTHING, Edit, InputError
from core.interventions import INTERVENTIONS, Evidence, Material, References, Texts, matched_random_edits
from core.interventions import prism as prism_module
from core.interventions import sfid as sfid_module
from core.interventions.bend import step1_rows
from core.interventions.bendvlm import BendFit
from core.interventions.neuron_edit import edit_tokens
from core.interventions.prism import _pairs, train_prism
from core.interventions.roboshot import _directions, _paired
from core.interventions.sem_scores import ReLUEncoder, SEMScores
from core.interventions.sp_topk import group_spread
from core.interventions.subspaces import remainder, row_space, unit, without
from tests.interventions.test_contract import D, applied, evidence, material, rows, small_sae

EPS = float(np.finfo(np.float32).eps)


# ------------------------------------------------------------------------------------------ PRISM


def prism_loss(W: np.ndarray, texts: np.ndarray, contents: int, groups: int) -> float:
    y = unit(unit(texts) @ W.T).reshape(contents, groups, -1)
    near = [y[c, a] @ y[c, b] for c in range(contents) for a, b in combinations(range(groups), 2)]
    far = [y[a, g] @ y[b, g] for g in range(groups) for a, b in combinations(range(contents), 2)]
    return float(np.mean(1 - np.array(near)) + np.mean(np.maximum(np.array(far) - 0.5, 0)))


@pytest.mark.parametrize(("contents", "groups"), [(2, 2), (3, 2), (2, 3)])
def test_prism_is_adam_on_its_loss(contents, groups):
    """Gradients by differences, Adam from its paper, rates that fade out as half a cosine."""
    d, steps, rate, floor, h = 4, 4, 4e-3, 3e-2, 1e-6
    texts = np.random.default_rng(1).normal(size=(contents * groups, d)) + 1.5
    found = train_prism(texts, (groups,) * contents, steps=steps)
    W, m, v, losses = np.eye(d), np.zeros((d, d)), np.zeros((d, d)), []
    for step in range(steps):
        losses.append(prism_loss(W, texts, contents, groups))
        g = np.empty((d, d))
        for i, j in np.ndindex(d, d):
            off = np.zeros((d, d))
            off[i, j] = h
            ends = [prism_loss(W + sign * off, texts, contents, groups) for sign in (1, -1)]
            g[i, j] = (ends[0] - ends[1]) / (2 * h)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        right = m / (1 - 0.9 ** (step + 1)), v / (1 - 0.999 ** (step + 1))
        W = W - rate * (1 + np.cos(np.pi * step / steps)) / 2 * right[0] / (np.sqrt(right[1]) + floor)
    losses.append(prism_loss(W, texts, contents, groups))
    np.testing.assert_allclose(found.losses, losses, atol=1e-7)
    np.testing.assert_allclose(found.W, W, atol=1e-7)
    assert found.nbytes == found.W.nbytes + found.losses.nbytes


def test_prism_trains_for_as_long_as_it_says():
    texts = rows(4, 0)
    assert len(train_prism(texts, (2, 2)).losses) == prism_module.STEPS + 1 == 301
    none = train_prism(texts, (2, 2), steps=0)
    np.testing.assert_array_equal(none.W, np.eye(D))
    assert len(none.losses) == 1


@pytest.mark.parametrize("sizes", [(2,), (2, 3), (1, 1), ()])
def test_prism_refuses_texts_without_pairs(sizes):
    with pytest.raises(InputError, match="at least two contents"):
        train_prism(rows(sum(sizes), 0), sizes, steps=1)


def test_prism_pairs():
    near, far = _pairs(2, 3, np.random.default_rng(0))
    assert near.tolist() == [[0, 1], [0, 2], [1, 2], [3, 4], [3, 5], [4, 5]]
    assert far.tolist() == [[0, 3], [1, 4], [2, 5]]
    near, far = _pairs(100, 2, np.random.default_rng(0))
    assert len(near) == 100 and len(far) == 4096 == len(np.unique(far, axis=0))
    assert ((far[:, 0] - far[:, 1]) % 2 == 0).all() and (np.diff(far[:, 0] % 2) >= 0).all()
    whole = _pairs(64, 2, np.random.default_rng(0))[1]
    assert len(whole) == 2 * 64 * 63 // 2


def test_prism_changes_both_sides_by_its_map():
    given, m = evidence(), material()
    fitted = INTERVENTIONS.get("prism")().fit(given)
    np.testing.assert_allclose(applied("prism", m, given), m.pooled @ fitted.W.T, atol=2e-4)


# ------------------------------------------------------------------------------------------ SFID


def expected_sfid(x: np.ndarray, labels: np.ndarray, trees: int, m: int, unsure: float) -> tuple[np.ndarray, ...]:
    u = unit(x)
    forest = RandomForestClassifier(trees, oob_score=True, random_state=0).fit(u, labels)
    chance = forest.oob_decision_function_.max(axis=1)
    unclear = np.array([p < unsure for p in chance])
    if not unclear.any():
        finite = np.where(np.isnan(chance), 1.0, chance)
        unclear = finite <= np.quantile(finite, 0.1)
    columns = sorted(sorted(range(x.shape[1]), key=lambda j: -forest.feature_importances_[j])[:m])
    return np.array(columns), u[unclear][:, columns].mean(axis=0)


@pytest.mark.parametrize(
    ("trees", "unsure", "apart"), [(100, 0.7, 0.6), (3, 0.7, 0.6), (12, 0.75, 0.6), (100, 0.7, 40.0), (20, 0.0, 0.6)]
)
def test_sfid_replaces_by_the_unclear_items(trees, unsure, apart, monkeypatch):
    """With few trees some items are never out of bag: they are no unclear ones; a border value is none either."""
    monkeypatch.setattr(sfid_module, "UNSURE", unsure)
    if trees != 100:
        monkeypatch.setattr(sfid_module, "TREES", trees)
    rng = np.random.default_rng(2)
    x, labels = rng.normal(size=(80, 20)), rng.integers(0, 3, 80)
    x[:, 5] += apart * labels
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = INTERVENTIONS.get("sfid")().fit(Evidence(references=References(x, labels)))
        columns, values = expected_sfid(x, labels, trees, 2, unsure)
    np.testing.assert_array_equal(fitted.columns, columns)
    np.testing.assert_allclose(fitted.values, values, atol=1e-12)


def test_the_unclear_border_is_the_published_one():
    assert (sfid_module.UNSURE, sfid_module.MOST_COLUMNS, sfid_module.OF_COLUMNS, sfid_module.TREES) == (
        0.7,
        50,
        512,
        100,
    )


@pytest.mark.parametrize(("d", "m"), [(4, 1), (5, 1), (323, 32), (512, 50), (600, 50)])
def test_sfid_replaces_columns_in_proportion(d, m, monkeypatch):
    monkeypatch.setattr(sfid_module, "TREES", 2)
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = Evidence(references=References(rng.normal(size=(20, d)), np.arange(20) % 2))
        assert len(INTERVENTIONS.get("sfid")().fit(given).columns) == m


# ------------------------------------------------------------------------------------------ cuts and directions


def test_a_basis_is_cut_at_the_rank_of_float32():
    """The border is s_1 max(n, d) eps, whichever of n and d is larger."""
    for n, d in ((2, 50), (50, 2)):
        for times, kept in ((0.7, 1), (1.4, 2)):
            given = np.zeros((n, d))
            given[0, 0], given[1, 1] = 3.0, 3.0 * 50 * EPS * times
            assert row_space(given).shape == (d, kept)
    one = row_space(np.array([[3.0, 4.0]]))
    np.testing.assert_allclose(one, [[0.6], [0.8]])
    assert row_space(np.zeros((1, 4))).shape == (4, 0) == row_space(np.zeros((0, 4))).shape
    wide = row_space(rows(3, 0))
    np.testing.assert_allclose(wide.T @ wide, np.eye(3), atol=1e-12)


def test_only_what_rounding_left_is_nothing():
    before = np.array([[3.0, 4.0], [3.0, 4.0], [0.0, 0.0]])
    after = np.array([[0.0, 5.0 * NOTHING * 1.5], [5.0 * NOTHING * 0.5, 0.0], [1.0, 0.0]])
    found = remainder(before, after)
    np.testing.assert_array_equal(found, [after[0], [0.0, 0.0], after[2]])
    kept = remainder(before[:1], after[:1])
    np.testing.assert_array_equal(kept, after[:1])
    np.testing.assert_array_equal(remainder(before[0], after[1]), [0.0, 0.0])
    np.testing.assert_array_equal(remainder(before[0], after[0]), after[0])
    assert without(np.ones((2, 3), np.float16), np.eye(3)[:, :1]).dtype == np.float32
    np.testing.assert_array_equal(unit(np.zeros((1, 3))), np.zeros((1, 3)))


def test_spread_is_0_where_a_column_does_not_vary_inside_the_groups():
    """Its deviation is compared with the largest of the group means, not with the smallest."""
    labels = np.array([0, 0, 1, 1])
    values = np.array([[0.0, 0.0, 2.0], [0.0, 0.0, 4.0], [1.0, 1.0, 8.0], [1.0 + NOTHING / 4, 1.0 + NOTHING * 9, 6.0]])
    found = group_spread(values, labels)
    assert found[0] == 0.0 and found[1] > 0.0 and found[2] == pytest.approx(4.0)
    assert (group_spread(np.zeros((4, 2)), labels) == 0).all()
    three = group_spread(np.array([[0.0], [2.0], [5.0], [7.0], [1.0], [3.0]]), np.array([0, 0, 1, 1, 2, 2]))
    assert three[0] == pytest.approx(5.0)
    wide = group_spread(np.array([[0.0, -900.0], [4.0, -900.02], [10.0, -800.0], [14.0, -800.02]]), labels)
    assert wide.tolist() == [5.0, 0.0]


def test_the_eight_neurons_of_the_largest_spread_are_selected():
    given = evidence()
    fitted = INTERVENTIONS.get("sp-topk")().fit(given)
    spread = group_spread(given.references.x.astype(np.float64) @ given.sae.arrays()["W_enc"], given.references.labels)
    assert fitted.selected == tuple(np.argsort(-spread)[:8])
    with pytest.raises(InputError, match="neuron 64"):
        INTERVENTIONS.get("sp-topk")()(material(), Edit((64,)), fitted)


def test_step_1_of_bendvlm_by_hand():
    found = step1_rows(np.array([[2.0, 0.0]]), [np.array([[3.0, 0.0], [0.0, 1.0], [0.0, -2.0]])])
    np.testing.assert_allclose(found, [[1, 0], [0.5, -0.5], [0.5, 0.5], [0, 1]])
    assert step1_rows(np.zeros((0, 2)), [np.eye(2)]).tolist() == [[0.5, -0.5]]


def test_bendvlm_needs_two_group_prompts_and_two_labelled_items():
    method = INTERVENTIONS.get("bendvlm")()
    arrays = {"query_emb": rows(1, 0), "spurious_emb": rows(2, 1), "augmentation_emb": rows(2, 2)}
    arrays |= {"ref_emb": rows(2, 3), "ref_label": np.array([0, 1]), "num_neighbors": np.array(1)}
    assert method.on_arrays(arrays)["out"].shape == (1, D)
    with pytest.raises(InputError, match=r"'spurious_emb' .* at least 2 rows"):
        method.on_arrays(arrays | {"spurious_emb": rows(1, 1), "augmentation_emb": rows(1, 2)})
    with pytest.raises(InputError, match=r"'ref_emb' .* at least 2 rows"):
        method.on_arrays(arrays | {"ref_emb": rows(1, 3), "ref_label": np.array([0])})
    with pytest.raises(InputError, match="at least two classes"):
        method.on_arrays(arrays | {"ref_label": np.array([1, 1])})
    with pytest.raises(InputError, match="2 labels"):
        method.on_arrays(arrays | {"ref_label": np.array([0, 1, 1])})
    with pytest.raises(InputError, match="2 rows, one for each query and group"):
        method.on_arrays(arrays | {"augmentation_emb": rows(3, 2)})


def test_neighbours_of_bendvlm_as_published():
    x = rows(12, 0)
    for groups, k in ((2, 100), (3, 10), (4, 10)):
        found = BendFit.of(Evidence(references=References(x, np.arange(12) % groups)))
        assert found.k == k and found.spurious.shape == (0, D)
        np.testing.assert_allclose(np.linalg.norm(found.references, axis=1), 1.0)


def test_roboshot_cuts_small_differences():
    """The border is a share of .005 of the largest, however many rows or columns there are."""
    for n, d in ((2, 9), (30, 9)):
        for share, kept in ((0.0045, 1), (0.0055, 2)):
            given = np.zeros((n, d))
            given[0, 0], given[1, 1] = 2.0, 2.0 * share
            assert _directions(given).shape == (d, kept)


def test_roboshot_pairs_rows_or_means():
    a, b = rows(3, 0, np.float64), rows(3, 1, np.float64)
    np.testing.assert_allclose(_paired(a, b), a - b)
    np.testing.assert_allclose(_paired(a, b[:2]), (a.mean(axis=0) - b[:2].mean(axis=0))[None])
    texts = {"bias": Texts(np.concatenate([a, b]).astype(np.float32), (3, 3))}
    fitted = INTERVENTIONS.get("roboshot")().fit(Evidence(texts=texts))
    assert fitted.helpful.shape == (D, 0)
    V = row_space(a - b)
    np.testing.assert_allclose(fitted.harmful @ fitted.harmful.T, V @ V.T, atol=1e-5)


def test_roboshot_strengthens_the_differences_of_helpful_pairs():
    bias, pairs = rows(4, 0), rows(4, 1)
    texts = {"bias": Texts(bias, (2, 2)), "helpful": Texts(pairs, (2, 2))}
    fitted = INTERVENTIONS.get("roboshot")().fit(Evidence(texts=texts))
    V = row_space(np.stack([pairs[0] - pairs[1], pairs[2] - pairs[3]]))
    np.testing.assert_allclose(fitted.helpful @ fitted.helpful.T, V @ V.T, atol=1e-5)


def test_roboshot_refuses_what_are_no_pairs():
    arrays = {"image_emb": rows(2, 0), "harmful_emb": np.ones((1, 3, D)), "helpful_emb": np.ones((1, 2, D))}
    with pytest.raises(InputError, match=r"pairs \(n, 2, d\)"):
        INTERVENTIONS.get("roboshot")().on_arrays(arrays)


def test_a_neuron_of_its_own_value_beside_one_that_is_switched_off():
    """Values 0 and .7: rows where both are off get what the second is set to."""
    m = material()
    edit = Edit((3, 5), gammas=(0.0, 0.7), strengths=(1.0, 0.5))
    z, W = m.codes.toarray(), m.sae.arrays()["W_dec"]
    expected = m.pooled - np.outer(z[:, 3], W[3]) - np.outer(0.5 * (z[:, 5] - 0.7), W[5])
    np.testing.assert_allclose(INTERVENTIONS.get("neuron-edit")()(m, edit), expected, atol=1e-5)


def test_a_code_at_its_threshold_is_off_and_tokens_are_switched_off():
    W = np.eye(2)
    arrays = {"h": np.array([[2.0, 3.0]]), "sae_W_enc": W, "sae_b_enc": np.zeros(2), "sae_W_dec": W}
    arrays |= {"sae_b_dec": np.zeros(2), "sae_threshold": np.array(2.0), "selected": np.zeros(0)}
    arrays |= {"alpha": np.array(1.0), "gamma": np.array(0.0)}
    assert INTERVENTIONS.get("neuron-edit")().on_arrays(arrays)["out"].tolist() == [[0.0, 3.0]]
    h = np.array([[2.0, 3.0]])
    assert edit_tokens(h, h, W, np.ones(2), np.array([1]), 0.5).tolist() == [[2.5, 2.0]]


# ------------------------------------------------------------------------------------------ SEM, random neurons


def test_the_short_way_is_for_plain_relu_alone():
    assert ReLUEncoder.of(small_sae()) is not None and ReLUEncoder.of(small_sae("batch-topk")) is None
    encoder, sae, x = ReLUEncoder.of(small_sae()), small_sae().arrays(), rows(3, 5)
    own = np.maximum((x - sae["b_dec"]) @ sae["W_enc"] + sae["b_enc"], 0)
    np.testing.assert_allclose(encoder(x[0]), own[0], atol=1e-4)
    np.testing.assert_allclose(encoder.at(x, np.array([4, 1])), own[:, [4, 1]], atol=1e-4)


def test_without_classes_there_is_no_bias_score():
    found = SEMScores.of(np.abs(rows(5, 0)))
    assert found.bias.shape == (D,) and (found.bias == 0).all()


def test_random_neurons_are_among_the_16_of_the_nearest_rates():
    """Rates double from neuron to neuron but for the last, whose nearest are then in order; dead ones count half."""
    fired = np.array([2**j for j in range(12)] + [round(2 ** (j + 0.4)) for j in range(4, 12)])
    codes = sparse.csc_matrix((np.arange(4096)[:, None] < fired).astype(np.float32))
    for chosen in (0, 6, 19):
        log = np.log(fired)
        others = [j for j in range(20) if j != chosen]
        nearest = sorted(others, key=lambda j: abs(log[j] - log[chosen]))[:16]
        draws = matched_random_edits(codes, Edit((chosen,)), draws=400, seed=1)
        assert {edit.neurons[0] for edit in draws} == set(nearest)
    assert len(matched_random_edits(codes, Edit((1,)))) == 20
    assert matched_random_edits(codes, Edit((1,))) == matched_random_edits(codes, Edit((1,)), seed=0)


def test_a_dead_chosen_neuron_counts_as_one_that_fires_half_a_time():
    fired = np.array([0] + [1] * 16 + [4000] * 5)
    codes = sparse.csc_matrix((np.arange(4096)[:, None] < fired).astype(np.float32))
    draws = matched_random_edits(codes, Edit((0,)), draws=60)
    assert all(1 <= edit.neurons[0] <= 16 for edit in draws)
    all_free = matched_random_edits(codes, Edit((0, 1)), draws=3, exclude=range(4, 20))
    assert all(set(edit.neurons) <= {2, 3, 20, 21} and len(set(edit.neurons)) == 2 for edit in all_free)
    assert Material("image", rows(1, 0)).codes is None
