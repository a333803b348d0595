"""LEACE, INLP and SPD: what a linear reader reads afterwards, and recorded values."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from core.interventions import INTERVENTIONS, Evidence, Material, References, Texts
from core.interventions.inlp import nullspace, nullspaces
from core.interventions.leace import eraser, shrunk
from core.interventions.sfid import guessing, unclear
from core.units import unit
from tests.interventions.test_contract import GROUPS, D, evidence, rows
from tests.recorded import case_of, oracle

LEACE_DATA, INLP_DATA = oracle("leace"), oracle("inlp")
LEACE, INLP, SPD = (INTERVENTIONS.get(name)() for name in ("leace", "inlp", "spd"))


def close(a: np.ndarray, b: np.ndarray, atol: float) -> None:
    np.testing.assert_allclose(a, b, rtol=0, atol=atol)


# ------------------------------------------------------------------------------------------ LEACE


@pytest.mark.parametrize("case", ["two", "onehot", "singleton", "wide", "constant", "weak", "anisotropic", "unit"])
def test_leace_as_recorded(case):
    data = case_of(LEACE_DATA, case)
    found = LEACE.on_arrays(data)
    close(found["P"], data["default_P"], 1e-12)
    close(found["bias"], data["mean_x"], 1e-12)
    if "default_out" in data:
        close(found["out"], data["default_out"], 1e-12)
    if "unseen_out" in data:
        close(found["unseen_out"], data["unseen_out"], 1e-12)
    plain = LEACE.on_arrays({**data, "covariance": np.array("plain")})
    close(plain["P"], data["plain_P"], 1e-8 if case == "unit" else 1e-12)


def test_the_rest_of_leace_as_recorded():
    close(shrunk(LEACE_DATA["shrinkage_in"], int(LEACE_DATA["shrinkage_n"])), LEACE_DATA["shrinkage_out"], 1e-12)
    close(eraser(LEACE_DATA["weak_x"], LEACE_DATA["weak_z"], 1e-6).P, LEACE_DATA["weak_small_tol_P"], 1e-12)


@pytest.mark.parametrize("covariance", ["shrunk", "plain"])
@pytest.mark.parametrize("groups", [2, 3])
def test_no_linear_reader_is_left_on_the_fitting_rows(groups, covariance):
    """Group means are equal, P is a projection that keeps the mean, and a fitted probe is at chance."""
    rng = np.random.default_rng(groups)
    y = rng.choice(groups, 200, p=[0.6, 0.4] if groups == 2 else [0.5, 0.3, 0.2])
    x = rng.normal(size=(200, 8)) @ rng.normal(size=(8, 8)) + 2 * rng.normal(size=(groups, 8))[y]
    found = eraser(x, (y[:, None] == np.arange(groups)).astype(float), covariance=covariance)
    out, P = found(x), found.P
    close(np.stack([out[y == g].mean(axis=0) for g in range(groups)]), np.tile(x.mean(axis=0), (groups, 1)), 1e-11)
    close(P @ P, P, 1e-11)
    close(P @ ((x - x.mean(axis=0)).T @ np.eye(groups)[y]), 0.0, 1e-9)
    assert len(found.read) == groups - 1 == round(8 - np.trace(P))
    for g in range(groups):
        probe = LogisticRegression(tol=1e-12, max_iter=5000, solver="newton-cg")
        assert auc(probe, x, y == g) > 0.8
        assert auc(probe, out, y == g) == pytest.approx(0.5, abs=0.02), "a constant is as good as any linear score"
        np.testing.assert_allclose(probe.coef_, 0.0, atol=1e-6)


def auc(probe: LogisticRegression, x: np.ndarray, y: np.ndarray) -> float:
    """Of a probe fitted on the same rows; scores that differ by rounding are equal."""
    return roc_auc_score(y, probe.fit(x, y).decision_function(x).round(6))


def test_leace_erases_from_the_unit_rows_of_the_probe_half():
    given = evidence()
    fitted = LEACE.fit(given)
    own = Material("image", given.references.pooled)
    out = LEACE(own, fitted=fitted).astype(np.float64)
    erased = out / np.linalg.norm(own.pooled, axis=1, keepdims=True)
    means = np.stack([erased[given.references.labels == g].mean(axis=0) for g in range(GROUPS)])
    close(means, means[:1].repeat(GROUPS, axis=0), 1e-6)
    close(erased, fitted(unit(own.pooled)), 1e-6)


def test_where_groups_do_not_differ_nothing_moves():
    x = np.tile(rows(10, 0), (2, 1))
    same = Evidence(references=References(x, np.repeat([0, 1], 10)))
    np.testing.assert_array_equal(LEACE(Material("image", x), fitted=LEACE.fit(same)), x)


# ------------------------------------------------------------------------------------------ INLP


@pytest.mark.parametrize("case", ["two", "notauto", "threshold", "none_passes", "multi"])
def test_inlp_as_recorded(case):
    settings = {"settings_C_tol_maxiter": INLP_DATA["settings_C_tol_maxiter"]}
    data = case_of(INLP_DATA, case)
    found = INLP.on_arrays({**case_of(INLP_DATA, "two"), **data, **settings})
    close(found["P"], data["P"], 1e-5)
    np.testing.assert_array_equal(found["dev_accuracy"], data["dev_accuracy"])
    assert found["n_kept"] == data["n_kept"] == len(found["W"])
    if "W" in data:
        close(found["W"], data["W"], 1e-5)


@pytest.mark.parametrize("groups", [2, 3])
def test_no_reader_of_inlp_reads_what_is_left(groups):
    rng = np.random.default_rng(groups)
    y = rng.integers(0, groups, 300)
    x = unit(rng.normal(size=(300, 10)) + 2 * np.eye(groups, 10)[y])
    V = nullspace(x, y, rounds=10)
    close(V.T @ V, np.eye(V.shape[1]), 1e-12)
    left = x - (x @ V) @ V.T
    majority = np.bincount(y).max() / len(y)
    probe = LogisticRegression(C=1.0, tol=1e-8, max_iter=5000)
    assert probe.fit(x, y).score(x, y) > 0.8 and probe.fit(left, y).score(left, y) <= majority
    assert 0 < nullspace(x, y, rounds=1).shape[1] == groups - 1 <= V.shape[1] < 10
    assert nullspace(x, y, rounds=0).shape[1] == 0


def test_the_path_of_inlp_ends_where_the_method_does():
    rng = np.random.default_rng(5)
    y = rng.integers(0, 2, 300)
    x = unit(rng.normal(size=(300, 10)) + 2 * np.eye(2, 10)[y])
    path = list(nullspaces(x, y, 4))
    assert [V.shape[1] for V in path] == list(range(1, len(path) + 1))
    np.testing.assert_array_equal(path[-1], nullspace(x, y, rounds=4))
    np.testing.assert_array_equal(path[0], nullspace(x, y, rounds=1))
    assert list(nullspaces(x, y, 0)) == []


# ------------------------------------------------------------------------------------------ LEACE on the text


def test_no_linear_reader_tells_the_group_prompts_apart():
    """The groups' means of the prompts are equal afterwards, a fitted probe is at chance, and each keeps its length."""
    method, given = INTERVENTIONS.get("leace-text")(), evidence()
    texts = given.texts["bias"]
    after = method(Material("text", texts.pooled), fitted=method.fit(given))
    length = np.linalg.norm(texts.pooled, axis=1, keepdims=True)
    units = after / length
    means = np.stack([units[texts.labels == g].mean(axis=0) for g in range(GROUPS)])
    close(means, np.tile(unit(texts.pooled).mean(axis=0), (GROUPS, 1)), 2e-6)
    probe = LogisticRegression(C=1e6, max_iter=5000).fit(units, texts.labels)
    assert probe.score(units, texts.labels) <= np.bincount(texts.labels).max() / len(texts.labels) + 1e-9
    assert method.changes == "query" and not method.needs.references


def test_where_prompts_of_groups_are_alike_no_query_moves():
    method, given = INTERVENTIONS.get("leace-text")(), evidence()
    same = np.tile(rows(5, 9), (3, 1))
    fitted = method.fit(replace(given, texts={"bias": Texts(same, (5, 5, 5))}))
    np.testing.assert_array_equal(method(Material("text", rows(4, 2)), fitted=fitted), rows(4, 2))


# ------------------------------------------------------------------------------------------ SPD


def test_everybody_gets_the_same_in_the_subspace():
    """(I - P)(u' - m) = 0 and P u' = P u, with INLP's P and the mean of the unclear items."""
    given = evidence()
    fitted, m = SPD.fit(given), Material("image", rows(9, 7))
    u = unit(given.references.pooled)
    mean = u[unclear(guessing(u, given.references.labels))].mean(axis=0)
    found = SPD(m, fitted=fitted) / np.linalg.norm(m.pooled, axis=1, keepdims=True)
    close((found - mean) @ fitted.V, 0.0, 1e-6)
    rest = np.eye(D) - fitted.V @ fitted.V.T
    close(found @ rest, unit(m.pooled) @ rest, 1e-6)
    close(np.abs(fitted.V.T @ INLP.fit(given)) - np.eye(fitted.V.shape[1]), 0.0, 1e-9)
