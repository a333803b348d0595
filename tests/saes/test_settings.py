"""Settings beside foreign weights are understood, refused by name, or named as unknown; never passed over."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core.cli import main
from core.config import InputError
from core.saes.exchange import read_foreign
from core.saes.formats.settings import is_none, unread

D, F = 6, 12
SAELENS = {
    "d_in": D,
    "d_sae": F,
    "apply_b_dec_to_input": True,
    "normalize_activations": "none",
    "architecture": "standard",
}


def arrays(seed: int = 0) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    shapes = {"W_enc": (D, F), "b_enc": (F,), "W_dec": (F, D), "b_dec": (D,)}
    return {name: torch.randn(*shape, generator=draw) for name, shape in shapes.items()}


def saelens(folder: Path, **cfg: Any) -> Path:
    folder.mkdir(exist_ok=True)
    save_file(arrays(), folder / "sae_weights.safetensors")
    (folder / "cfg.json").write_text(json.dumps(SAELENS | cfg))
    return folder


def prisma(folder: Path, inside: dict[str, Any] | None = None, **config: Any) -> Path:
    folder.mkdir(exist_ok=True)
    torch.save({"cfg": inside or {}, "state_dict": arrays()}, folder / "weights.pt")
    (folder / "config.json").write_text(json.dumps({"architecture": "standard", "d_in": D, "d_sae": F, **config}))
    return folder


def test_what_saelens_itself_writes_beside_the_weights_does_not_confuse(tmp_path: Path) -> None:
    folder = saelens(tmp_path / "sae")
    save_file({"sparsity": torch.zeros(F)}, folder / "sparsity.safetensors")
    torch.save({"state": {}}, folder / "optimizer.pt")
    read, path = read_foreign(folder)
    assert path.name == "sae_weights.safetensors" and read.config.arch == "relu"


def test_a_normalisation_of_each_row_is_refused_with_advice_that_can_be_followed(tmp_path: Path) -> None:
    for make, name in ((saelens, "cfg.json"), (prisma, "config.json")):
        with pytest.raises(InputError, match="normalize_activations 'layer_norm'") as error:
            read_foreign(make(tmp_path / make.__name__, normalize_activations="layer_norm"))
        assert name in str(error.value) and "fold" not in str(error.value)
    with pytest.raises(InputError, match="can fold the scale"):
        read_foreign(saelens(tmp_path / "scaled", normalize_activations="expected_average_only_in"))


@pytest.mark.parametrize("nothing", [None, "none", "None", "", False, "null"])
def test_synonyms_of_none_are_none(tmp_path: Path, nothing: Any) -> None:
    assert is_none(nothing)
    read, _ = read_foreign(saelens(tmp_path / "sae", normalize_activations=nothing, reshape_activations=nothing))
    assert read.config.arch == "relu"


def test_an_activation_beside_the_weights_is_used(tmp_path: Path) -> None:
    folder = prisma(tmp_path / "sae", activation_fn_str="topk", activation_fn_kwargs={"k": 4})
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(5, D)).astype(np.float32))
    assert main(["sae", "import", str(folder), "--out", f"{tmp_path}/ours"]) == 0
    assert main(["sae", "encode", f"{tmp_path}/ours", "--in", f"{tmp_path}/x.npy", "--out", f"{tmp_path}/z.npz"]) == 0
    found = np.load(tmp_path / "z.npz")["z"]
    named = arrays()
    pre = (torch.from_numpy(np.load(tmp_path / "x.npy")) - named["b_dec"]) @ named["W_enc"] + named["b_enc"]
    values, places = pre.topk(4, dim=1)
    right = torch.zeros_like(pre).scatter(1, places, values.relu())
    assert np.allclose(found, right.numpy(), atol=1e-5)
    with pytest.raises(InputError, match="activation 'gelu'"):
        read_foreign(prisma(tmp_path / "gelu", activation_fn_str="gelu"))


@pytest.mark.parametrize("key", ["is_transcoder", "use_error_term", "layer_norm", "whiten"])
def test_every_key_that_changes_numbers_is_refused_by_name(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError, match=key):
        read_foreign(prisma(tmp_path / "inside", inside={key: True}))
    with pytest.raises(InputError, match=key):
        read_foreign(saelens(tmp_path / "beside", **{key: True}))


def test_a_scale_that_is_not_folded_in_is_refused(tmp_path: Path) -> None:
    folder = saelens(tmp_path / "sae")
    (folder / "activation_scaler.json").write_text('{"scaling_factor": 3.5}')
    with pytest.raises(InputError, match=r"scales the input by 3\.5"):
        read_foreign(folder)
    (folder / "activation_scaler.json").write_text('{"scaling_factor": null}')
    assert read_foreign(folder)[0].config.arch == "relu"


def test_keys_that_nobody_knows_are_said(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert unread({"l1_coefficient": 1.0, "frobnicate": 3, "other": None}) == ["frobnicate"]
    assert main(["sae", "import", str(saelens(tmp_path / "sae", frobnicate=3)), "--out", f"{tmp_path}/ours"]) == 0
    assert "'frobnicate' beside the weights is not known" in capsys.readouterr().err
