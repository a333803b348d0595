"""What defines each debiasing method, and the recorded values of the published ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import Edit, InputError
from core.interventions import INTERVENTIONS, Evidence, Material, References, Texts
from core.interventions.bend import equalised, prototypes, step1_rows
from core.interventions.orth_cali import Calibration, differences
from core.interventions.prism import train_prism
from core.interventions.sem_scores import Ranks, SEMScores, bias_sensitivity, lower_median, modulated, modulation
from core.interventions.sp_topk import group_spread
from core.interventions.subspaces import mean_differences, row_space, without
from core.units import unit
from tests.interventions.test_contract import D, applied, evidence, material, rows, small_sae
from tests.recorded import oracle


def on_arrays(name: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    method = INTERVENTIONS.get(name)()
    return method.on_arrays({key: arrays[key] for key in (*method.array_names, "lam") if key in arrays})


def close(a: np.ndarray, b: np.ndarray, atol: float) -> None:
    np.testing.assert_allclose(a, b, rtol=0, atol=atol)


# ------------------------------------------------------------------------------------------------ recorded


@pytest.mark.parametrize("case", ["sem_2class_even", "sem_7class_odd", "sem_exact_ties"])
@pytest.mark.parametrize(("method", "prefix"), [("sem-i", "SEM_i"), ("sem-b", "SEM_b"), ("sem-bi", "SEM_bi")])
def test_sem_as_recorded(case, method, prefix):
    data = oracle(case)
    found = on_arrays(method, data)
    close(found["Sc"], data[f"{prefix}_Sc"], 2e-7)
    close(found["M"], data[f"{prefix}_M"], 4e-7)
    if f"{prefix}_Sb" in data:
        close(found["Sb"], data[f"{prefix}_Sb"], 2e-7)
    for ours, theirs in (("h", "h"), ("hdeb", "hdeb"), ("out", "z")):
        close(found[ours], data[f"{prefix}_{theirs}"], 5e-6)
    if case == "sem_exact_ties":
        np.testing.assert_array_equal(found["h"], data[f"{prefix}_h"])


def test_projections_as_recorded():
    data = oracle("orth_proj_cali")
    close(on_arrays("orth-proj", data)["out"], data["norm_orth_proj"], 1e-6)
    close(on_arrays("orth-cali", data)["out"], data["norm_orth_cali"], 1e-6)
    blocks = np.split(data["candidate_emb"].astype(np.float64), len(data["query_emb"]))
    raw = Calibration.of(data["spurious_emb"], np.concatenate([differences(b) for b in blocks]), float(data["lam"]))
    for name in ("P0", "M", "P"):
        close(getattr(raw, name), data[f"raw_{name}"], 1e-10)


def test_roboshot_as_recorded():
    data, none = oracle("roboshot"), np.zeros((0, 2, 48), dtype=np.float32)
    close(on_arrays("roboshot", data)["out"], data["out_both"], 1e-6)
    close(on_arrays("roboshot", {**data, "helpful_emb": none})["out"], data["out_reject_only"], 1e-6)
    close(on_arrays("roboshot", {**data, "harmful_emb": none})["out"], data["out_accept_only"], 1e-6)


def test_prism_mini_as_recorded():
    data = oracle("prism_mini")
    found = on_arrays("prism-mini", data)
    close(found["text_out"], data["text_out"], 1e-6)
    close(found["image_out"], data["image_out"], 1e-6)


def test_bendvlm_as_recorded():
    data = oracle("bendvlm_2class")
    found = on_arrays("bendvlm", data)
    close(found["e0"], data["e0"], 1e-6)
    close(found["out"], data["out"], 1e-6)
    close(found["step2_prototypes"], data["step2_prototypes"], 1e-6)


def test_bendvlm_with_dependent_rows_is_cut_at_their_rank():
    data = oracle("bendvlm_7class")
    close(on_arrays("bendvlm", data)["e0"], data["e0_rankcut"], 1e-6)
    anchors = prototypes(data["e0"], data["ref_emb"], data["ref_label"], int(data["num_neighbors"]))
    close(anchors, data["step2_prototypes"], 1e-12)
    close(equalised(data["e0"], anchors), data["out"], 1e-6)


@pytest.mark.parametrize("case", ["bendsem_2class", "bendsem_7class"])
def test_bendsem_as_recorded(case):
    data = oracle(case)
    found = on_arrays("bendsem", data)
    close(found["e0"], data["e0"], 5e-6)
    close(found["out"], data["closed_form"], 1e-6)
    close(found["out"], data["out"], 2e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("gamma", ["0", "2.5"])
def test_attach_as_recorded(alpha, gamma):
    data = oracle("debiaslens_attach")
    found = on_arrays("neuron-edit", {**data, "alpha": np.array(alpha), "gamma": np.array(float(gamma))})["out"]
    close(found, data[f"out_g{gamma}_a{alpha:g}"], 1e-5)
    if alpha == 0:
        np.testing.assert_array_equal(found, data["h"])


# ----------------------------------------------------------------------------------------------------- SEM


def literal_sem(sae, diverse, classes, wordings):
    """SEM_bi in float64, neuron by neuron, straight from the definition."""

    def latents(x):
        W, b, c = (p.detach().numpy().astype(np.float64) for p in (sae.W_enc, sae.b_enc, sae.b_dec))
        return np.maximum((x.astype(np.float64) - c) @ W + b, 0)

    def median(H):
        return np.sort(H, axis=0)[(len(H) - 1) // 2]

    def rank(A, v):
        return np.array([sum(A[i, j] < v[j] for i in range(len(A))) / len(A) for j in range(A.shape[1])])

    H, G, own = latents(diverse), [latents(c) for c in classes], latents(wordings)
    S_b = np.zeros(H.shape[1])
    for c, group in enumerate(G):
        others = np.concatenate([g for i, g in enumerate(G) if i != c])
        S_b = np.maximum(S_b, np.minimum(rank(H, median(group)), rank(others, median(group))))
    M = (1 + rank(H, median(own)) - S_b) ** 2
    return (own[0] * M + (1 - M) * median(H)) @ sae.W_dec.numpy().astype(np.float64) + sae.b_dec.numpy()


def test_sem_bi_is_its_definition_row_by_row():
    given, m = evidence(), material()
    found = applied("sem-bi", m, given)
    expected = [
        literal_sem(given.sae, given.texts["diverse"].x, given.texts["bias"].blocks("x"), w) for w in m.paraphrases
    ]
    close(found, np.stack(expected), 2e-5)


def test_the_short_way_of_plain_relu_saes_equals_the_long_one():
    given, m = evidence(), material()
    method = INTERVENTIONS.get("sem-bi")()
    fitted = method.fit(given)
    long = SEMScores(fitted.diverse, fitted.bias, encoder=None)
    close(method(m, fitted=fitted), method(m, fitted=long), 5e-6)


def test_sem_reads_other_architectures_by_their_own_rule():
    sae = small_sae("batch-topk")
    found = applied("sem-b", material(sae=sae), evidence(sae))
    plain = applied("sem-b", material(), evidence())
    assert np.isfinite(found).all() and np.abs(found - plain).max() > 0.01


def test_equal_scores_leave_the_latents_alone():
    h, m_div = np.array([0.0, 1.5, 3.0]), np.array([1.0, 0.0, 2.0])
    S = np.array([0.2, 0.5, 1.0])
    np.testing.assert_array_equal(modulated(h, modulation(S, S), m_div), h)
    np.testing.assert_array_equal(modulated(h, modulation(np.zeros(3), None), m_div), m_div)


@settings(deadline=None, max_examples=60)
@given(
    H=st.integers(1, 9).flatmap(
        lambda n: st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=n, max_size=n)
    ),
    v=st.lists(st.integers(0, 4), min_size=4, max_size=4),
)
def test_ranks_and_lower_medians_count_with_ties(H, v):
    H, v = np.array(H, dtype=np.float32), np.array(v, dtype=np.float32)
    np.testing.assert_allclose(Ranks.of(H)(v), (v > H).sum(axis=0) / len(H), rtol=1e-6)
    middle = np.sort(H, axis=0)[(len(H) - 1) // 2]
    np.testing.assert_array_equal(lower_median(H), middle)
    np.testing.assert_array_equal(Ranks.of(H).lower_median, middle)
    np.testing.assert_array_equal(Ranks.of(H)(v[[3, 1]], np.array([3, 1])), Ranks.of(H)(v)[[3, 1]])


def test_bias_scores_need_a_class_above_everyday_and_above_the_others():
    general = Ranks.of(np.array([[1.0, 1.0, 1.0]] * 4, dtype=np.float32))
    classes = [np.array([[2.0, 2.0, 0.5]] * 3, dtype=np.float32), np.array([[0.0, 2.0, 0.0]] * 5, dtype=np.float32)]
    np.testing.assert_array_equal(bias_sensitivity(general, classes), [1.0, 0.0, 0.0])


# ---------------------------------------------------------------------------------------------- projections


def test_projections_leave_nothing_of_what_they_remove():
    given = evidence()
    spurious = unit(given.texts["spurious"].pooled)
    for name in ("orth-proj", "prism-mini"):
        close(unit(applied(name, material(), given)) @ spurious.T, 0.0, 1e-6)
    edited = applied("mean-difference", replace_pooled(given.references.pooled), given)
    close(mean_differences_of_raw(edited, given), 0.0, 1e-4)


def replace_pooled(pooled: np.ndarray) -> Material:
    return Material("image", pooled)


def mean_differences_of_raw(edited: np.ndarray, given: Evidence) -> np.ndarray:
    """Differences of group means of the edited rows, each divided by the length it had before."""
    rows_ = edited / np.linalg.norm(given.references.pooled, axis=1, keepdims=True)
    means = np.stack([rows_[given.references.labels == g].mean(axis=0) for g in range(3)])
    return means - means[0]


def test_the_mean_difference_of_texts_is_gone_from_the_query():
    given = evidence()
    texts = given.texts["bias"]
    gaps = mean_differences(texts.pooled, np.repeat(np.arange(3), texts.sizes))
    close(applied("mean-difference-text", material(), given) @ gaps.T, 0.0, 1e-5)


def test_dependent_rows_span_no_more_than_independent_ones():
    given = rows(3, 0)
    repeated = np.concatenate([given, given[:1] * 2, (given[0] + given[1])[None]])
    assert row_space(repeated).shape == (D, 3) and row_space(np.zeros((2, D))).shape == (D, 0)
    close(without(np.eye(D), row_space(repeated)), without(np.eye(D), row_space(given)), 1e-6)


def test_calibration_between_its_limits():
    """lam = 0 is the projection; with lam to infinity nothing of any pair's difference is left."""
    given = evidence()
    spurious = unit(given.texts["spurious"].pooled)
    gaps = np.concatenate([differences(unit(b)) for b in given.texts["contents"].blocks()])
    close(Calibration.of(spurious, gaps, 0.0).P, np.eye(D) - row_space(spurious) @ row_space(spurious).T, 1e-12)
    for lam in (1.0, 1e4, 1e8):
        alone = Calibration.of(spurious[:0], gaps, lam).P
        # a singular value s of the differences becomes s / (1 + lam s^2 / m), at most sqrt(m / lam) / 2
        assert np.linalg.norm(gaps @ alone.T, 2) <= np.sqrt(len(gaps) / lam) / 2 + 1e-9


def test_roboshot_removes_harmful_and_doubles_helpful_directions():
    given = evidence()
    fitted = INTERVENTIONS.get("roboshot")().fit(given)
    harmful, helpful = fitted.harmful, fitted.helpful
    only = type(fitted)(harmful, helpful[:, :0])
    x = rows(5, 9, np.float64)
    close(only(x) @ harmful, 0.0, 1e-10)
    close(fitted(x) @ helpful, 2 * only(x) @ helpful, 1e-10)


# ------------------------------------------------------------------------------------------------- BendVLM


def test_bent_queries_are_equally_near_to_every_group():
    given, m = evidence(), material()
    method = INTERVENTIONS.get("bendvlm")()
    fitted = method.fit(given)
    found = method(m, fitted=fitted)
    close(np.linalg.norm(found, axis=1), 1.0, 1e-6)
    for query, variants, bent in zip(m.pooled, m.augmented, found, strict=True):
        V = row_space(step1_rows(given.texts["spurious"].pooled, [variants]))
        e0 = unit(without(unit(query), V))
        likeness = prototypes(e0[None], fitted.references, fitted.labels, fitted.k) @ bent
        close(likeness, likeness[0], 1e-6)


def test_no_other_bent_query_is_nearer():
    rng = np.random.default_rng(0)
    e0, anchors = unit(rng.normal(size=(1, D))), rng.normal(size=(4, D))
    best = equalised(e0, anchors)[0]
    free = rng.normal(size=(500, D))
    V = row_space(anchors[1:] - anchors[0])
    others = unit(without(free + 3 * best, V))
    assert (others @ e0[0]).max() <= best @ e0[0] + 1e-12


def test_prototypes_by_hand():
    references = unit(np.array([[1, 0.0], [1, 0.2], [0, 1.0], [1, 1.0], [0.5, 1.0]]))
    labels = np.array([4, 4, 7, 7, 7])
    found = prototypes(np.array([[3.0, 0.0]]), references, labels, 1)
    close(found, references[[0, 3]], 1e-12)
    every = prototypes(np.array([[3.0, 0.0]]), references, labels, 99)
    close(every, [references[:2].mean(axis=0), references[2:].mean(axis=0)], 1e-12)


# ------------------------------------------------------------------------------- PRISM, S&P Top-K and SFID


def test_prism_learns_and_learns_the_same_again():
    texts = evidence().texts["contents"]
    first, second = train_prism(texts.pooled, texts.sizes, steps=80), train_prism(texts.pooled, texts.sizes, steps=80)
    np.testing.assert_array_equal(first.W, second.W)
    assert first.losses[-1] < 0.5 * first.losses[0]
    before, after = (differences(unit(b)) for b in (texts.blocks()[0], texts.blocks()[0] @ first.W.T))
    assert np.linalg.norm(after, axis=1).max() < np.linalg.norm(before, axis=1).max()


@pytest.mark.parametrize("sizes", [(3,), (2, 3), (1, 1, 1)])
def test_prism_needs_contents_said_of_the_same_groups(sizes):
    with pytest.raises(InputError, match="each said of the same two or more groups"):
        train_prism(rows(sum(sizes), 0), sizes, steps=1)


def test_selected_encoder_directions_are_gone():
    given, m = evidence(), material()
    W = given.sae.W_enc.numpy()
    found = applied("sp-topk", m, given, Edit((1, 3, 5)))
    close(found @ W[:, [1, 3, 5]], 0.0, 2e-5)
    method = INTERVENTIONS.get("sp-topk")()
    selected = list(method.fit(given).selected)
    close(applied("sp-topk", m, given, Edit()) @ W[:, selected], 0.0, 2e-5)
    spread = group_spread(given.references.x @ W, given.references.labels)
    assert set(selected) == set(np.argsort(-spread)[:8])


def test_spread_by_hand():
    values = np.array([[0.0, 5.0], [2.0, 5.0], [10.0, 5.0], [12.0, 5.0]])
    np.testing.assert_allclose(group_spread(values, np.array([0, 0, 1, 1])), [10.0, 0.0])


def test_sfid_overwrites_the_telling_columns_alone():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, D)).astype(np.float32)
    labels = rng.integers(0, 2, 400)
    x[:, [3, 8]] += 2.0 * labels[:, None]
    method = INTERVENTIONS.get("sfid")()
    fitted = method.fit(Evidence(references=References(x, labels)))
    assert set(fitted.columns) == {3, 8}, "of 24 columns two are replaced, in proportion to 50 of 512"
    found = method(Material("image", x), fitted=fitted)
    kept = [j for j in range(D) if j not in (3, 8)]
    np.testing.assert_array_equal(found[:, kept], x[:, kept])
    share = found / np.linalg.norm(x, axis=1, keepdims=True)
    close(share[:, [3, 8]], np.tile(fitted.values, (400, 1)), 1e-6)


def test_blocks_must_hold_all_texts():
    with pytest.raises(InputError, match="blocks of 3 texts"):
        Texts(rows(4, 0), (1, 2))
