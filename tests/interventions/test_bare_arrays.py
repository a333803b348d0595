"""Bare arrays are read or refused, and what methods say they need is what they need."""

import numpy as np
import pytest

from core.config import InputError
from core.interventions import INTERVENTIONS, Evidence, Material, References, Texts
from core.interventions.arrays import Reader
from core.interventions.orth_cali import LAMBDA, Calibration, differences
from core.interventions.subspaces import row_space, unit
from tests.interventions.test_contract import GROUPS, D, F, evidence, material, rows, small_sae

RNG = np.random.default_rng(0)


def reader(**arrays: object) -> Reader:
    return Reader(arrays, "method")  # type: ignore[arg-type]


def refused(match: str, name: str, *arguments: object, **arrays: object) -> None:
    with pytest.raises(InputError, match=match):
        getattr(reader(**arrays), name)("a", *arguments)


def test_axes_and_types():
    assert reader(a=[1, 2]).array("a").dtype == np.float64 and reader(a=np.ones(2, np.float16)).array("a").dtype == "f4"
    refused(r"arrays given: none", "array")
    refused(r"arrays given: b, c", "array", c=1, b=2)
    refused(r"type .*expected real numbers", "array", a=["x"])
    refused(r"shape \(2,\); expected 2 axes", "array", 2, a=[1, 2])
    refused(r"a last axis of 3", "array", 1, 3, a=[1, 2])
    refused(r"a last axis of 3", "array", None, 3, a=1.0)
    for bad in (np.nan, np.inf, -np.inf):
        refused("NaN or infinity", "array", a=[1.0, bad])
    assert reader(a=np.ones((2, 3))).array("a", 2, 3).shape == (2, 3)


def test_matrices_have_rows():
    refused("at least 1 rows", "matrix", 3, a=np.ones((0, 3)))
    refused("at least 2 rows", "matrix", 3, 2, a=np.ones((1, 3)))
    assert len(reader(a=np.ones((1, 3))).matrix("a", 3)) == 1 and len(reader(a=np.ones((2, 3))).matrix("a", 3, 2)) == 2
    refused("a last axis of 4", "vector", 4, a=[1.0, 2.0])
    assert reader(a=[1.0, 2.0]).vector("a", 2).tolist() == [1.0, 2.0]


def test_numbers_and_counts():
    for shape in ((), (1,), (1, 1)):
        assert reader(a=np.full(shape, 0.25)).number("a", 0.25, 0.25) == 0.25
    refused("has 0.25; expected a number from 0.3 to 1", "number", 0.3, 1.0, a=0.25)
    refused("has 1.5; expected a number from 0.3 to 1", "number", 0.3, 1.0, a=1.5)
    refused(r"has shape \(2,\); expected one number", "number", a=[1.0, 2.0])
    assert reader(a=1).count("a") == 1 and reader(a=3.0).count("a") == 3
    for wrong in (0, 0.5, 1.5, -1):
        refused(f"has {wrong}", "count", a=wrong)


def test_whole_numbers():
    assert reader(a=[0.0, 4.0]).whole("a").dtype == np.int64
    refused("whole numbers", "whole", a=[0.0, 0.5])
    assert reader(a=[0, 4]).indices("a", 5).tolist() == [0, 4] and not len(reader(a=[]).indices("a", 5))
    for wrong in ([0, 5], [-1, 4], [-3, -2]):
        refused("numbers below 5", "indices", 5, a=wrong)
    assert reader(a=[1, 2]).sizes("a", 3, "b") == [1, 2]
    for wrong in ([], [0, 3], [4, -1]):
        refused("at least 1", "sizes", 3, "b", a=wrong)
    refused("a sum of 4, the rows of b", "sizes", 4, "b", a=[1, 2])


# ------------------------------------------------------------------------------------------ what methods need

NEEDS = {
    "clip-clip": ("both", ["references"]),
    "closed-form": ("both", ["bias"]),
    "difference-projection": ("both", ["bias"]),
    "head-ablation": ("items", ["references", "pictures, and the vision transformer that embedded them"]),
    "inlp": ("items", ["references"]),
    "leace": ("items", ["references"]),
    "leace-text": ("query", ["bias"]),
    "spd": ("items", ["references", "training"]),
    "wring": ("both", ["bias"]),
    "zsdebias": ("items", ["bias", "references", "training"]),
    "bendsem": ("query", ["an SAE", "diverse", "bias", "paraphrases", "references"]),
    "bendvlm": ("query", ["references"]),
    "identity": ("items", []),
    "mean-difference": ("items", ["references"]),
    "mean-difference-text": ("query", ["bias"]),
    "neuron-edit": ("edit", ["chosen neurons", "an SAE"]),
    "orth-cali": ("query", ["spurious", "contents"]),
    "orth-proj": ("query", ["spurious"]),
    "prism": ("both", ["contents", "training"]),
    "prism-mini": ("both", ["spurious"]),
    "reconstruction-only": ("edit", ["an SAE"]),
    "roboshot": ("items", ["bias"]),
    "sem-b": ("query", ["an SAE", "diverse", "bias"]),
    "sem-bi": ("query", ["an SAE", "diverse", "bias", "paraphrases"]),
    "sem-i": ("query", ["an SAE", "diverse", "paraphrases"]),
    "sfid": ("items", ["references", "training"]),
    "sp-topk": ("items", ["an SAE", "references"]),
}
WORDS = {
    "diverse": "diverse prompts",
    "bias": "prompts of every group",
    "spurious": "one plain prompt of every group",
    "contents": "contents said of every group",
    "paraphrases": "paraphrases of the query",
    "references": "labelled items of the probe half",
    "training": "a short training",
}


@pytest.mark.parametrize("name", list(INTERVENTIONS))
def test_what_each_method_changes_and_needs(name):
    method = INTERVENTIONS.get(name)
    changes, needs = NEEDS[name]
    assert method.changes == changes and sorted(method.needs.words()) == sorted(WORDS.get(one, one) for one in needs)
    assert method.random is (name == "zsdebias"), "one alone draws when it is asked"


# ------------------------------------------------------------------------------------------ material


def test_memory_of_what_is_kept(tmp_path):
    m = material()
    codes = m.codes
    assert m.nbytes == codes.data.nbytes + codes.indices.nbytes + m.pooled.nbytes
    own = Material("text", m.pooled, at_sae=m.pooled + 1)
    assert own.nbytes == 2 * m.pooled.nbytes
    np.save(tmp_path / "x.npy", m.pooled)
    assert Material("text", np.load(tmp_path / "x.npy", mmap_mode="r")).nbytes == 0
    scores = INTERVENTIONS.get("sem-bi")().fit(evidence())
    assert scores.nbytes == scores.diverse.ordered.nbytes + scores.bias.nbytes + scores.encoder.directions.nbytes
    assert type(scores)(scores.diverse, scores.bias).nbytes == scores.diverse.ordered.nbytes + scores.bias.nbytes
    for name, arrays in {
        "roboshot": ("harmful", "helpful"),
        "sfid": ("columns", "values"),
        "sp-topk": ("W_enc",),
        "bendvlm": ("references", "labels", "spurious"),
        "clip-clip": ("order",),
        "leace": ("mean", "read", "write"),
        "spd": ("V", "constant"),
        "wring": ("V", "w"),
    }.items():
        found = INTERVENTIONS.get(name)().fit(evidence())
        assert found.nbytes == sum(getattr(found, array).nbytes for array in arrays)
    fitted = INTERVENTIONS.get("orth-cali")().fit(evidence())
    assert fitted.nbytes == fitted.P.nbytes + fitted.P0.nbytes + fitted.M.nbytes


def test_some_rows_of_a_material():
    m = material()
    some = m.at(np.array([4, 1]))
    np.testing.assert_array_equal(some.pooled, m.pooled[[4, 1]])
    np.testing.assert_array_equal(some.codes.toarray(), m.codes.toarray()[[4, 1]])
    assert some.paraphrases is None and some.augmented is None
    assert Material("text", m.pooled).at(slice(0, 2)).codes is None
    for lacking in ({"codes": m.codes}, {"sae": small_sae()}):
        with pytest.raises(InputError, match="needs an SAE of that side"):
            Material("text", m.pooled, **lacking).require_codes()


def test_a_residual_of_which_nothing_is_left_has_no_embedding():
    m = Material("image", rows(3, 0)[:, :5], "residual", rows(3, 0), readout=lambda x: x[:, :5] + 7.0)
    x = rows(2, 1)
    x[1], x[0, 3] = 0, 0
    found = m.embedded(x, np.array([2, 0]))
    np.testing.assert_allclose(found[2], x[0, :5] + 7.0)
    np.testing.assert_array_equal(found[[0, 1]], [np.zeros(5), m.pooled[1]])


def test_blocks_and_references_at_the_attach_point():
    texts = Texts(rows(3, 0), (1, 2), rows(3, 1))
    assert [len(block) for block in texts.blocks()] == [1, 2]
    np.testing.assert_array_equal(texts.blocks("x")[1], rows(3, 1)[1:])
    np.testing.assert_array_equal(texts.blocks()[1], rows(3, 0)[1:])
    given = References(rows(2, 0), np.array([0, 1]), rows(2, 1))
    np.testing.assert_array_equal(given.x, rows(2, 1))
    np.testing.assert_array_equal(References(rows(2, 0), np.array([0, 1])).x, rows(2, 0))
    assert Evidence().references is None


# ------------------------------------------------------------------------------------------ Orth-Cali


def cali(lam: float | None = None) -> tuple[dict[str, np.ndarray], np.ndarray]:
    query, spurious = rows(2, 1, np.float64), rows(3, 2, np.float64)
    arrays = {"query_emb": query, "spurious_emb": spurious, "candidate_emb": rows(6, 3, np.float64)}
    found = INTERVENTIONS.get("orth-cali")().on_arrays(arrays | ({} if lam is None else {"lam": np.array(lam)}))
    return arrays, found["out"]


@pytest.mark.parametrize("lam", [None, 0.0, 3.0])
def test_orth_cali_is_its_formula(lam):
    """P0 (lam M + I)^-1 with an explicit inverse, M the mean over all pairs; lam is 1000 where none is given."""
    arrays, found = cali(lam)
    unit_spurious = unit(arrays["spurious_emb"])
    P0 = np.eye(D) - unit_spurious.T @ np.linalg.inv(unit_spurious @ unit_spurious.T) @ unit_spurious
    blocks = unit(arrays["candidate_emb"]).reshape(2, 3, D)
    pairs = [np.outer(b[i] - b[j], b[i] - b[j]) for b in blocks for i, j in ((0, 1), (0, 2), (1, 2))]
    P = P0 @ np.linalg.inv((1000.0 if lam is None else lam) * sum(pairs) / 6 + np.eye(D))
    np.testing.assert_allclose(found, unit(unit(arrays["query_emb"]) @ P.T), atol=1e-9)


def test_orth_cali_refuses_what_makes_no_pairs():
    method, (arrays, _) = INTERVENTIONS.get("orth-cali")(), cali()
    with pytest.raises(InputError, match="6 rows, one for each query and spurious prompt"):
        method.on_arrays(arrays | {"candidate_emb": rows(5, 3)})
    with pytest.raises(InputError, match="at least two rows"):
        method.on_arrays(arrays | {"spurious_emb": rows(1, 3), "candidate_emb": rows(2, 3)})
    with pytest.raises(InputError, match="lam"):
        method.on_arrays(arrays | {"lam": np.array(-1.0)})
    two = arrays | {"spurious_emb": rows(2, 3), "candidate_emb": rows(4, 3)}
    assert method.on_arrays(two)["out"].shape == (2, D)


def test_orth_cali_is_fitted_on_unit_texts():
    given = evidence()
    fitted = INTERVENTIONS.get("orth-cali")().fit(given)
    pairs = np.concatenate([differences(unit(block)) for block in given.texts["contents"].blocks()])
    assert LAMBDA == 1000.0 and len(pairs) == 5 * GROUPS
    own = Calibration.of(unit(given.texts["spurious"].pooled), pairs, 1000.0)
    V = row_space(unit(given.texts["spurious"].pooled))
    np.testing.assert_allclose(fitted.P, own.P, atol=1e-12)
    np.testing.assert_allclose(fitted.M, sum(np.outer(p, p) for p in pairs) / len(pairs), atol=1e-12)
    np.testing.assert_allclose(fitted.P0, np.eye(D) - V @ V.T, atol=1e-12)
    assert small_sae().arrays()["W_enc"].shape == (D, F)
