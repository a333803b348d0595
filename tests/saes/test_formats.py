"""Files of other projects: recognised by contents, equal codes in and out, nothing of them run."""

import json
import os
import pickle
import shutil
import struct
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from sae_helpers import cone, random_sae

from core.config import InputError
from core.saes.base import SAES
from core.saes.checkpoint import load_foreign, load_sae, save_sae
from core.saes.exchange import export_sae
from core.saes.formats.base import FORMATS, writable
from tests.recorded import ORACLES, oracle

TRAINED = [f"{run}/trainer_0" for run in ("dl_matryoshka", "sap_matryoshka", "sap_batchtopk", "sap_topk")]
FILES = {
    **{run: (f"{run}/io.npz", 1e-5, 1e-5) for run in TRAINED},
    **{f"{run}/checkpoints/ae_60.pt": (f"{run}/checkpoints/io_60.npz", 1e-5, 1e-5) for run in TRAINED},
    **{run: (f"{run}/io.npz", 1e-5, 1e-5) for run in ("sem", "saelens_standard", "saelens_topk", "saelens_jumprelu")},
    **{run: (f"{run}/io.npz", 1e-6, 2e-5) for run in ("wolodja_msae_rw", "wolodja_topk")},
}
PLAIN_ONLY = ("sem", "msae")


@pytest.mark.parametrize("name", FILES)
def test_recorded_files_in_and_out_again(name, tmp_path):
    io, z_tolerance, x_tolerance = FILES[name]
    data = oracle(f"ckpt/{io}")
    file, x = load_sae(ORACLES / "ckpt" / name), torch.from_numpy(data["x"])
    z, x_hat = file.sae.encode(x), file.sae(x)
    np.testing.assert_allclose(z, data.get("z", data.get("z_full")), atol=z_tolerance)
    np.testing.assert_allclose(x_hat, data.get("x_hat", data.get("x_hat_full")), atol=x_tolerance)
    assert file.fingerprint is None

    ours = save_sae(tmp_path / "ours", file.sae, file.name, training=file.training)
    assert torch.equal(ours.sae.encode(x), z)
    written = 0
    for form in writable():
        if form in PLAIN_ONLY and file.sae.config.arch not in ("relu", "msae"):
            continue
        export_sae(ours.sae, form, tmp_path / form)
        again = load_sae(tmp_path / form)
        assert again.training["format"] == form
        torch.testing.assert_close(again.sae.encode(x), z, atol=1e-6, rtol=0)
        torch.testing.assert_close(again.sae(x), x_hat, atol=1e-5, rtol=0)
        written += 1
    assert written >= 2


@pytest.mark.parametrize("arch", SAES.names())
@pytest.mark.parametrize("form", ["dictionary-learning", "sem", "msae", "saelens"])
def test_every_architecture_leaves_with_its_codes_or_not_at_all(arch, form, tmp_path):
    sae, x = random_sae(arch).frozen(), torch.from_numpy(cone(9, 12))
    if form in PLAIN_ONLY and arch not in ("relu", "msae"):
        with pytest.raises(InputError, match="plain ReLU"):
            export_sae(sae, form, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        return
    export_sae(sae, form, tmp_path / "out")
    again = load_sae(tmp_path / "out").sae
    torch.testing.assert_close(again.encode(x), sae.encode(x), atol=1e-5, rtol=0)
    torch.testing.assert_close(again(x), sae(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("arch", "leaves_as"), [("topk", "topk"), ("batch-topk", "batch-topk"), ("msae", "relu")])
def test_what_nobody_knows_leaves_as_what_runs_by_its_rule(arch, leaves_as, tmp_path):
    sae, x = random_sae(arch).frozen(), torch.from_numpy(cone(9, 12))
    sae.config = replace(sae.config, arch="made-up")
    for form in ("dictionary-learning", "saelens"):
        export_sae(sae, form, tmp_path / form)
        again = load_sae(tmp_path / form).sae
        torch.testing.assert_close(again.encode(x), sae.encode(x), atol=1e-5, rtol=0)
    assert load_sae(tmp_path / "dictionary-learning").sae.config.arch == leaves_as
    sae.rule = None
    with pytest.raises(InputError, match="cannot say the rule of 'made-up'"):
        export_sae(sae, "saelens", tmp_path / "none")


def test_names_do_not_matter(tmp_path):
    for form, weights in (("sem", "a.bin"), ("msae", "b.dat"), ("dictionary-learning", "c")):
        arch = "msae" if form in PLAIN_ONLY else "matryoshka-batch-topk"
        sae, x = random_sae(arch).frozen(), torch.from_numpy(cone(9, 12))
        export_sae(sae, form, tmp_path / form)
        found = next(path for path in (tmp_path / form).iterdir() if path.suffix != ".json")
        renamed = shutil.move(found, tmp_path / weights)
        file = load_sae(renamed)
        assert file.training["format"] == form and file.sae.config.arch == arch
        torch.testing.assert_close(file.sae.encode(x), sae.encode(x))


def test_levels_come_from_sems_file_name_where_they_fit(tmp_path):
    sae = random_sae("msae").frozen()
    (made,) = export_sae(sae, "sem", tmp_path / "sem")
    assert made.name == "MSAE_unknown_12_40_5x10_reverse.pth"
    assert load_sae(made).sae.levels == (5, 10)
    other = shutil.copy(made, tmp_path / "MSAE_unknown_99_40_5x10_reverse.pth")
    assert load_sae(other).sae.levels == (40,)


def test_a_bare_file_that_does_not_tell_its_rule_asks(tmp_path):
    for arch in ("topk", "batch-topk"):
        sae, x = random_sae(arch).frozen(), torch.from_numpy(cone(9, 12))
        (bare,) = export_sae(sae, "dictionary-learning", tmp_path / f"{arch}.pt")
        with pytest.raises(InputError, match="--arch topk or --arch batch-topk"):
            load_sae(bare)
        torch.testing.assert_close(load_foreign(bare, arch=arch).sae.encode(x), sae.encode(x))


def test_mean_and_scale_are_folded_in(tmp_path):
    rng = torch.Generator().manual_seed(0)
    model = {
        "pre_bias": torch.randn(6, generator=rng),
        "encoder": torch.randn(6, 20, generator=rng),
        "latent_bias": torch.randn(20, generator=rng),
    }
    mean, scale = torch.randn(6, generator=rng), 0.3
    torch.save({"model": model, "mean_center": mean, "scaling_factor": scale, "target_norm": 2.4}, tmp_path / "tied")
    file, x = load_sae(tmp_path / "tied"), torch.from_numpy(cone(9, 6))
    z = (((x - mean) * scale - model["pre_bias"]) @ model["encoder"] + model["latent_bias"]).relu()
    torch.testing.assert_close(file.sae.encode(x), z, atol=1e-5, rtol=1e-5)
    expected = (z @ model["encoder"].T + model["pre_bias"]) / scale + mean
    torch.testing.assert_close(file.sae(x), expected, atol=1e-4, rtol=1e-5)


def test_saelens_variants(tmp_path):
    """Half precision, no b_dec before, decoder norms in the codes; what is not known is refused."""
    sae, x = random_sae("topk").frozen(), torch.from_numpy(cone(9, 12))
    export_sae(sae, "saelens", tmp_path / "lens")
    weights, settings = tmp_path / "lens" / "sae_weights.safetensors", tmp_path / "lens" / "cfg.json"
    state, cfg = safetensors.torch.load_file(weights), json.loads(settings.read_text())
    norm = torch.linspace(0.5, 2, 40)
    state["W_dec"] = state["W_dec"] * norm[:, None]
    safetensors.torch.save_file(state, weights)
    settings.write_text(json.dumps({**cfg, "apply_b_dec_to_input": False, "rescale_acts_by_decoder_norm": True}))
    pre = (x @ state["W_enc"] + state["b_enc"]) * state["W_dec"].norm(dim=1)
    largest = pre.relu().topk(5, dim=1)
    z = torch.zeros_like(pre).scatter(1, largest.indices, largest.values)
    file = load_sae(tmp_path / "lens")
    torch.testing.assert_close(file.sae.encode(x), z, atol=1e-4, rtol=1e-5)
    expected = (z / state["W_dec"].norm(dim=1)) @ state["W_dec"] + state["b_dec"]
    torch.testing.assert_close(file.sae(x), expected, atol=1e-4, rtol=1e-5)
    for change, message in (
        ({"architecture": "gated"}, "gated"),
        ({"normalize_activations": "layer_norm"}, "layer_norm"),
        ({"k": "many"}, "whole number"),
    ):
        settings.write_text(json.dumps({**cfg, **change}))
        with pytest.raises(InputError, match=message):
            load_sae(tmp_path / "lens")
    settings.unlink()
    with pytest.raises(InputError, match=r"cfg\.json"):
        load_sae(tmp_path / "lens")


class Called:
    def __reduce__(self):
        return (os.mkdir, ("made-by-the-pickle",))


class Printed:
    def __reduce__(self):
        return (print, ("run by the pickle",))


def patchsae(tmp_path, cfg):
    sae = random_sae("relu").frozen()
    torch.save({"cfg": cfg, "state_dict": {n: torch.tensor(v) for n, v in sae.arrays().items()}}, tmp_path / "p.pt")
    return sae


def test_patchsae_keeps_its_object_shut(tmp_path):
    module = types.ModuleType("patch_config")
    module.Config = type("Config", (), {"__module__": "patch_config"})
    sys.modules["patch_config"] = module
    try:
        cfg = module.Config()
        cfg.d_in, cfg.dtype, cfg.nested = 12, torch.float32, {"lr": 1e-3}
        sae = patchsae(tmp_path, cfg)
    finally:
        del sys.modules["patch_config"]
    file, x = load_sae(tmp_path / "p.pt"), torch.from_numpy(cone(9, 12))
    assert torch.equal(file.sae.encode(x), sae.encode(x)) and file.training == {"format": "patchsae"}
    assert "patch_config" not in sys.modules


@pytest.mark.parametrize("hostile", [Called(), Printed(), [Called()], {"a": Printed()}])
def test_hostile_pickles_are_refused_and_not_run(hostile, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    patchsae(tmp_path, hostile)
    with pytest.raises(InputError, match=r"p\.pt .*could run code"):
        load_sae(tmp_path / "p.pt")
    for value in (hostile, {"bpre": hostile}):
        torch.save(value, tmp_path / "q.pth")
        with pytest.raises(InputError, match=r"q\.pth .*could run code"):
            load_sae(tmp_path / "q.pth")
        (tmp_path / "r.pth").write_bytes(pickle.dumps(value, protocol=2))
        with pytest.raises(InputError, match=r"r\.pth"):
            load_sae(tmp_path / "r.pth")
    assert "run by the pickle" not in capsys.readouterr().out and not (tmp_path / "made-by-the-pickle").exists()


def test_damaged_files_are_one_clear_line(tmp_path):
    (made,) = export_sae(random_sae("msae").frozen(), "sem", tmp_path / "sem")
    whole = made.read_bytes()
    lens = tmp_path / "lens"
    export_sae(random_sae("relu").frozen(), "saelens", lens)
    tensors = (lens / "sae_weights.safetensors").read_bytes()
    for name, content in {
        "half.pth": whole[: len(whole) // 2],
        "bent.pth": whole[:200] + b"\xff" * 40 + whole[240:],
        "empty.pth": b"",
        "text.pth": b"not an SAE",
        "half.safetensors": tensors[: len(tensors) // 2],
        "header.safetensors": struct.pack("<Q", 3 * 2**30) + tensors[8:],
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError, match=name.replace(".", r"\.")) as caught:
            load_sae(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder.weight": torch.zeros(3)}, r"encoder\.weight.*shape \(3,\)"),
        ({"encoder.bias": torch.zeros(7)}, r"b_enc have shape \(7,\)"),
        ({"decoder.weight": torch.full((12, 40), float("nan"))}, "NaN"),
        ({"bpre": [1.0]}, "is no tensor"),
    ],
)
def test_wrong_weights_are_named(change, message, tmp_path):
    (made,) = export_sae(random_sae("msae").frozen(), "sem", tmp_path / "sem")
    torch.save({**torch.load(made, weights_only=True), **change}, made)
    with pytest.raises(InputError, match=message):
        load_sae(made)


def test_a_given_format_is_checked_and_places_are_not_overwritten(tmp_path):
    (made,) = export_sae(random_sae("msae").frozen(), "sem", tmp_path / "sem")
    assert load_foreign(made, "sem").sae.config.arch == "msae"
    with pytest.raises(InputError, match="looks like sem"):
        load_foreign(made, "saelens")
    with pytest.raises(InputError, match="did you mean 'sem'"):
        load_foreign(made, "semm")
    with pytest.raises(InputError, match="exists already"):
        export_sae(random_sae("msae"), "sem", tmp_path / "sem")
    with pytest.raises(InputError, match="for reading only"):
        export_sae(random_sae("relu"), "patchsae", tmp_path / "p")
    shutil.copy(made, tmp_path / "sem" / "second.pth")
    with pytest.raises(InputError, match="several files"):
        load_sae(tmp_path / "sem")
    assert set(writable()) == set(FORMATS.names()) - {"patchsae"}
