"""`apply` and `rank --method` as a person meets them."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.cli import main
from core.interventions import INTERVENTIONS, on_arrays
from tests.cli.test_cli import document, refused

D, F = 12, 40


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """Small inputs of every method: one query with a single wording, three unequal classes, dependent rows."""
    rng = np.random.default_rng(seed)

    def rows(*shape: int) -> np.ndarray:
        return (rng.normal(size=(*shape, D)) + 1).astype(np.float32)

    labels = np.array([0] * 9 + [3] * 4 + [5] * 7)
    spurious = rows(3)
    spurious[2] = spurious[0]
    return {
        **{"sae_bpre": rows(), "sae_encoder_weight": rows(F), "sae_encoder_bias": rng.normal(size=F)},
        **{"sae_decoder_weight": rows(F).T.copy(), "emb_diverse": rows(8), "emb_query": rows(2)},
        **{"emb_paraphrase": rows(4), "n_paraphrase": np.array([1, 3]), "emb_bias": rows(9)},
        **{"n_bias": np.array([4, 2, 3]), "ref_emb": rows(20), "ref_label": labels, "num_neighbors": np.array(5)},
        **{"query_emb": rows(2), "spurious_emb": spurious, "augmentation_emb": rows(6), "candidate_emb": rows(6)},
        **{"harmful_emb": rows(3, 2), "helpful_emb": rows(2, 2), "image_emb": rows(5), "h": rows(2, 3)},
        **{"sae_W_enc": rows(F).T.copy(), "sae_b_enc": rng.normal(size=F), "sae_W_dec": rows(F), "sae_b_dec": rows()},
        **{"sae_threshold": np.array(0.1), "selected": np.array([1, 5]), "alpha": np.array(0.5), "gamma": np.array(0)},
        **{"prompt_emb": rows(7), "prompt_class": np.array([0, 0, 0, 0, 1, 1, 1]), "text_emb": rows(2)},
        **{"prompt_group": np.array([0, 0, 1, 2, 0, 1, 2]), "x": rows(20), "z": np.eye(2)[(labels > 0) * 1]},
        **{"svd_tol": np.array(0.01), "Xtrain": rows(20), "ytrain": labels, "Xdev": rows(6), "ydev": labels[6:12]},
        **{"n_iterations": np.array(2), "autoregressive": np.array(1), "min_accuracy": np.array(0.0)},
        **{"settings_C_tol_maxiter": np.array([1.0, 1e-8, 200]), "image_features": rows(20), "text_features": rows(3)},
        **{"gender": labels, "n": np.array(9)},
        **{f"encoder.{part}": weight for part, weight in layers(rng, 2 * D).items()},
        **{f"decoder.{part}": weight for part, weight in layers(rng, D).items()},
        **{"image": rows(4), "eps": rows(4), "noise": rng.normal(size=(4, D // 2)), "normalise": np.array(1)},
    }


def layers(rng: np.random.Generator, out: int) -> dict[str, np.ndarray]:
    """Weights of one side of ZSDebias."""
    shapes = {"0.weight": (D, D), "0.bias": D, "1.weight": D, "1.bias": D, "4.weight": (out, D), "4.bias": out}
    return {part: rng.normal(size=shape) for part, shape in shapes.items()}


PROMISED = {
    "closed-form": {"text_out", "image_out", "projector_parallel", "rank"},
    "leace": {"P", "bias", "out"},
    "inlp": {"P", "W", "dev_accuracy", "n_kept"},
    "zsdebias": {"mu", "logvar", "out"},
    "clip-clip": {"mi", "order", "similarity"},
}
WHOLE = {"rank", "n_kept", "order"}
"""Results that are counts or places."""


def given(folder: Path, **changed) -> str:
    np.savez(folder / "in.npz", **{**arrays(), **changed})
    return str(folder / "in.npz")


@pytest.mark.parametrize("method", on_arrays())
def test_every_method_on_arrays_gives_what_it_promises(method, tmp_path):
    out = tmp_path / "deep" / "out.npz"
    assert main(["apply", method, "--in", given(tmp_path), "--out", str(out)]) == 0
    found = dict(np.load(out, allow_pickle=False))
    promised = PROMISED.get(method, {"text_out", "image_out"} if "text_out" in found else {"out"})
    assert promised <= set(found)
    numbers = {name for name, a in found.items() if a.dtype.kind != "f"}
    assert numbers <= WHOLE and all(np.isfinite(a).all() for a in found.values())
    if method.startswith("sem"):
        assert {"Sc", "Sb", "M", "h", "hdeb"} <= set(found)
    if method in ("bendvlm", "bendsem"):
        np.testing.assert_allclose(np.linalg.norm(found["out"], axis=1), 1, atol=1e-6)
        likeness = found["out"] @ found["step2_prototypes"].T
        np.testing.assert_allclose(likeness, likeness[:, :1].repeat(3, axis=1), atol=1e-6)
    assert sorted(p.name for p in out.parent.iterdir()) == ["out.npz"], "nothing else is left behind"


@pytest.mark.parametrize("method", on_arrays())
def test_every_missing_array_is_named(method, capsys, tmp_path):
    for name in INTERVENTIONS.get(method).array_names:
        some = {key: value for key, value in arrays().items() if key != name}
        np.savez(tmp_path / "some.npz", **some)
        out = tmp_path / "out.npz"
        line = refused(capsys, "apply", method, "--in", str(tmp_path / "some.npz"), "--out", str(out))
        assert name in line and "some.npz" in line and not out.exists()


@pytest.mark.parametrize(
    ("method", "changed", "said"),
    [
        ("sem-b", {"emb_query": np.ones((2, D + 1))}, "a last axis of 12"),
        ("sem-b", {"n_bias": np.array([4, 2])}, "a sum of 9"),
        ("sem-b", {"n_bias": np.array([9])}, "at least two classes"),
        ("sem-bi", {"n_paraphrase": np.array([4])}, "one a query"),
        ("sem-i", {"n_paraphrase": np.array([4, 0])}, "at least 1"),
        ("sem-i", {"emb_diverse": np.full((8, D), np.nan)}, "NaN"),
        ("sem-i", {"emb_diverse": np.zeros((0, D))}, "at least 1 rows"),
        ("sem-bi", {"sae_decoder_weight": np.ones((D + 1, F))}, "12 rows"),
        ("bendvlm", {"ref_label": np.zeros(20)}, "at least two classes"),
        ("bendvlm", {"ref_label": np.zeros(19)}, "20 labels"),
        ("bendsem", {"num_neighbors": np.array(0)}, "a number from 1"),
        ("bendvlm", {"augmentation_emb": np.ones((5, D))}, "6 rows"),
        ("orth-cali", {"candidate_emb": np.ones((5, D))}, "6 rows"),
        ("orth-cali", {"lam": np.array(-1.0)}, "a number from 0"),
        ("roboshot", {"harmful_emb": np.ones((3, 3, D))}, "pairs"),
        ("neuron-edit", {"selected": np.array([F])}, "below 40"),
        ("neuron-edit", {"alpha": np.array(1.5)}, "from 0 to 1"),
        ("prism-mini", {"query_emb": np.array(["a", "b"])}, "real numbers"),
        ("closed-form", {"prompt_group": np.zeros(7)}, "at least two groups"),
        ("closed-form", {"prompt_class": np.zeros(6)}, "7 numbers"),
        ("closed-form", {"prototypes": np.ones((1, D))}, "at least 2 rows"),
        ("leace", {"z": np.ones((19, 1))}, "20 rows"),
        ("leace", {"covariance": np.array("diagonal")}, "expected shrunk or plain"),
        ("inlp", {"ytrain": np.zeros(20)}, "at least two groups"),
        ("inlp", {"ydev": np.zeros(5)}, "6 labels"),
        ("inlp", {"autoregressive": np.array(2)}, "from 0 to 1"),
        ("zsdebias", {"eps": np.ones((3, D))}, "4 rows"),
        ("zsdebias", {"noise": np.ones((4, D))}, "a last axis of 6"),
        ("zsdebias", {"encoder.4.weight": np.ones((D, D))}, "24 rows"),
        ("zsdebias", {"normalise": np.array(2)}, "from 0 to 1"),
        ("clip-clip", {"n": np.array(D + 1)}, "at most 12 columns"),
        ("clip-clip", {"gender": np.zeros(3)}, "20 labels"),
        ("mean-difference", {}, "cannot be applied to bare arrays"),
        ("sem_bi", {}, "did you mean 'sem-bi'"),
    ],
)
def test_wrong_arrays_are_one_line(method, changed, said, capsys, tmp_path):
    line = refused(capsys, "apply", method, "--in", given(tmp_path, **changed), "--out", str(tmp_path / "out.npz"))
    assert said in line and sorted(p.name for p in tmp_path.iterdir()) == ["in.npz"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not whole", b"text"])
def test_a_file_that_is_no_npz_is_named(content, capsys, tmp_path):
    (tmp_path / "in.npz").write_bytes(content)
    line = refused(capsys, "apply", "sem-b", "--in", str(tmp_path / "in.npz"), "--out", str(tmp_path / "out.npz"))
    assert "in.npz" in line and "expected an .npz file" in line


def test_a_file_without_arrays_is_named(capsys, tmp_path):
    np.savez(tmp_path / "in.npz")
    line = refused(capsys, "apply", "sem-b", "--in", str(tmp_path / "in.npz"), "--out", str(tmp_path / "out.npz"))
    assert "in.npz" in line and "arrays given: none" in line


def test_rank_takes_the_shipped_sae_where_a_method_needs_one(capsys):
    question = ["rank", "--gallery", "default", "--query", "a photo of a doctor", "--attribute", "gender", "--k", "50"]
    found = document(capsys, *question, "--method", "sem-bi")
    assert found["after"]["max_skew"]["estimate"] < found["before"]["max_skew"]["estimate"]
    assert set(found["digests"]["saes"]) == {"text"} and found["digests"]["evidence"]
    assert found["method"] == "sem-bi" and found["edits"] == {} and json.dumps(found)
