"""Clamping: every published reading as recorded, and ours, which reaches the value that it is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from core.config import Edit, InputError
from core.lvlm.clamping import sae_clamp
from core.lvlm.token_method import METHODS, Evidence, TokenEdit
from core.saes.base import new_sae, sae_config

ORACLE = np.load(Path(__file__).parents[1] / "oracles" / "lm_sae_clamp.npz")
BASE = {name: ORACLE[name] for name in ("W_enc", "W_dec", "b_enc", "threshold", "h")}
RECORDED = {
    "constant_sae": "constant",
    "conditional_per_input": "per-input",
    "conditional_per_token": "per-token",
    "clamping": "clamping",
    "conditional_clamping": "conditional-clamping",
}


def clamp(mode: str, feature, scale, **more):
    return sae_clamp({**BASE, "feature": np.array(feature), "scale": np.array(scale), "mode": np.array(mode), **more})[
        "out"
    ]


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("i", range(4))
def test_published_readings(name: str, i: int) -> None:
    out = clamp(RECORDED[name], ORACLE["features"][0], ORACLE["scales"][i])
    np.testing.assert_allclose(out, ORACLE[f"{name}_jumprelu_s{i}"], rtol=0, atol=5e-6)


@pytest.mark.parametrize("name", ["conditional_per_input", "conditional_per_token", "conditional_clamping"])
@pytest.mark.parametrize("i", range(2))
def test_the_fixed_threshold_of_saes_without_one(name: str, i: int) -> None:
    arrays = {k: v for k, v in BASE.items() if k != "threshold"}
    feature, scale = ORACLE["features"][0], ORACLE["scales"][i]
    out = sae_clamp({**arrays, "feature": feature, "scale": scale, "mode": np.array(RECORDED[name])})["out"]
    np.testing.assert_allclose(out, ORACLE[f"{name}_fixed5_s{i}"], rtol=0, atol=5e-6)


def test_published_features_one_after_the_other() -> None:
    features = ORACLE["features"]
    there, back = clamp("clamping", features, [0.0, 2.0]), clamp("clamping", features[::-1], [2.0, 0.0])
    np.testing.assert_allclose(there, ORACLE["sequential_clamping"], rtol=0, atol=5e-6)
    np.testing.assert_allclose(back, ORACLE["sequential_clamping_reversed"], rtol=0, atol=5e-6)
    assert np.abs(there - back).max() > 0.1


def test_ours_and_its_order() -> None:
    arrays = {name: value.astype(np.float64) for name, value in BASE.items()}
    feature = ORACLE["features"][0]
    for i in range(2):
        out = sae_clamp({**arrays, "feature": feature, "scale": ORACLE["scales"][i], "mode": np.array("ours")})["out"]
        np.testing.assert_allclose(out, ORACLE[f"own_error_preserving_clamp_s{i}"], rtol=0, atol=1e-12)
    features = ORACLE["features"]
    there, back = clamp("ours", features, [0.0, 2.0]), clamp("ours", features[::-1], [2.0, 0.0])
    np.testing.assert_allclose(there, back, rtol=0, atol=1e-6)


def test_no_feature_is_nothing() -> None:
    np.testing.assert_array_equal(clamp("ours", np.zeros(0), np.zeros(0)), BASE["h"])


def test_the_method_on_tokens_is_the_published_reading() -> None:
    sae = new_sae(sae_config("relu", 16, 20, 4))
    sae.load_arrays(
        {"W_enc": BASE["W_enc"], "b_enc": BASE["b_enc"], "W_dec": BASE["W_dec"], "b_dec": np.zeros(16, np.float32)}
    )
    edit = Edit((int(ORACLE["features"][0]),), gamma=float(ORACLE["scales"][1]))
    method = METHODS.get("clamp")().fit(Evidence(sae.frozen()), TokenEdit(edit))
    out = method(torch.from_numpy(BASE["h"]), "place")
    np.testing.assert_allclose(out.numpy(), ORACLE["clamping_jumprelu_s1"], rtol=0, atol=5e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mode": np.array("hard")}, "hard"),
        ({"feature": np.array(20)}, "below 20"),
        ({"scale": np.ones(3)}, "one a feature"),
    ],
)
def test_bad_arrays(change: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        sae_clamp({**BASE, "feature": np.array(1), "scale": np.array(0.0), "mode": np.array("clamping"), **change})
