"""SAE folders: whole, recognised, never unpickled, and refusing embeddings they were not made for."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from sae_helpers import cone, random_sae

from core.config import Fingerprint, InputError, digest_of
from core.saes.checkpoint import load_sae, save_sae
from core.saes.frozen import load_frozen
from tests.recorded import ORACLES

MADE_FOR = Fingerprint("ViT-B-32", "a" * 64, "image", "pooled", 12, "b" * 64, False, False)


@pytest.fixture
def folder(tmp_path):
    save_sae(tmp_path / "sae", random_sae("topk"), "mine", MADE_FOR, {"steps": 3}, {"fvu": 0.1}, "c" * 64)
    return tmp_path / "sae"


def test_everything_said_comes_back(folder):
    file = load_sae(folder)
    assert (file.name, file.fingerprint, file.gallery) == ("mine", MADE_FOR, "c" * 64)
    assert (file.training, file.quality, file.side, file.attach) == ({"steps": 3}, {"fvu": 0.1}, "image", "pooled")
    assert not any(p.requires_grad for p in file.sae.parameters()) and not file.sae.training


def test_the_same_sae_gives_the_same_bytes(folder, tmp_path):
    save_sae(tmp_path / "again", random_sae("topk"), "mine", MADE_FOR, {"steps": 3}, {"fvu": 0.1}, "c" * 64)
    for name in ("config.json", "weights.safetensors"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_what_an_earlier_version_wrote_keeps_its_digest_and_its_rule(folder, tmp_path):
    """It named groups for every architecture, and no rule."""
    document = json.loads((folder / "config.json").read_text())
    del document["rule"]
    document["config"]["group_fractions"] = [0.5, 0.5]
    (folder / "config.json").write_text(json.dumps(document))
    loaded, frozen = load_sae(folder), load_frozen(folder)
    expected = {"schema": 1, "weights": document["weights"], "config": document["config"]}
    assert loaded.digest == frozen.digest == digest_of(expected)
    assert loaded.sae.config.to_json() == frozen.sae.config.to_json() == document["config"]
    x = cone(9, 12)
    np.testing.assert_allclose(frozen.sae.encode(x), loaded.sae.encode(torch.from_numpy(x)).numpy(), atol=1e-5)
    again = save_sae(tmp_path / "again", loaded.sae, "mine", MADE_FOR)
    assert again.digest == loaded.digest


def test_the_digest_is_that_of_the_codes(folder, tmp_path):
    sae = random_sae("topk")
    assert save_sae(tmp_path / "b", sae, "renamed").digest == load_sae(folder).digest
    sae.b_enc.data[3] += 1
    assert save_sae(tmp_path / "c", sae, "mine").digest != load_sae(folder).digest


def test_shipped_by_name(folder, monkeypatch):
    monkeypatch.setattr("core.saes.folder.ASSETS", folder.parent / "assets")
    (folder.parent / "assets" / "saes").mkdir(parents=True)
    folder.rename(folder.parent / "assets" / "saes" / "default-image")
    assert load_sae("default-image").name == "mine"
    with pytest.raises(InputError, match="default-image"):
        load_sae("defalt")


def test_refuses_other_embeddings_and_names_both(folder):
    file = load_sae(folder)
    assert file.require(MADE_FOR) == []
    assert file.require(replace(MADE_FOR, normalised=None)) == ["normalised"]
    for change in ({"weights": "d" * 64}, {"attach": "residual"}, {"side": "text"}, {"normalised": True}):
        with pytest.raises(InputError, match=r"'mine'.*the gallery 'faces'"):
            file.require(replace(MADE_FOR, **change), "the gallery 'faces'")


def test_a_foreign_sae_is_unsure_of_everything_but_the_width(tmp_path):
    file = save_sae(tmp_path / "s", random_sae("topk"), "foreign")
    assert set(file.require(MADE_FOR)) == set(MADE_FOR.to_json()) - {"d"}
    with pytest.raises(InputError, match="12 columns"):
        file.require(replace(MADE_FOR, d=13))


def test_damage_is_named(folder, tmp_path):
    weights = folder / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(InputError, match=r"weights\.safetensors is not the file"):
        load_sae(folder)
    weights.write_bytes(whole)
    document = json.loads((folder / "config.json").read_text())
    for change, message in (
        ({"schema": 2}, "schema 2"),
        ({"config": {**document["config"], "arch": "topkk"}}, "did you mean 'topk'"),
        ({"config": {**document["config"], "kk": 3}}, "unknown settings kk"),
        ({"config": 3}, "config.json is damaged"),
    ):
        (folder / "config.json").write_text(json.dumps({**document, **change}))
        with pytest.raises(InputError, match=message):
            load_sae(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(InputError, match="is no JSON"):
        load_sae(folder)
    with pytest.raises(InputError, match="is no SAE folder"):
        load_sae(tmp_path)


class Hostile:
    def __reduce__(self):
        return (print, ("run by the pickle",))


def trainer_folder(tmp_path, state) -> str:
    folder = tmp_path / "run" / "trainer_0"
    folder.mkdir(parents=True)
    trainer = {"dict_class": "AutoEncoderTopK", "activation_dim": 2, "dict_size": 3, "k": 1}
    (folder / "config.json").write_text(json.dumps({"trainer": trainer}))
    torch.save(state, folder / "ae.pt")
    return folder


def test_a_hostile_pickle_is_refused_and_not_run(tmp_path, capsys):
    folder = trainer_folder(tmp_path, {"encoder.weight": Hostile()})
    with pytest.raises(InputError, match=r"ae\.pt.*could run code"):
        load_sae(folder)
    (folder / "ae.pt").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(InputError, match=r"ae\.pt"):
        load_sae(folder)
    assert "run by the pickle" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"step": 3, "ae": {}, "optimizer": {}}, "interrupted training"),
        ({"k": torch.tensor(1)}, "no tensor 'encoder.weight'"),
        ([torch.zeros(2)], "no bare state dict"),
    ],
)
def test_what_is_no_finished_state_dict_is_said(tmp_path, state, message):
    with pytest.raises(InputError, match=message):
        load_sae(trainer_folder(tmp_path, state))


def test_foreign_weights_become_ours_bit_equal(tmp_path):
    if not ORACLES.exists():
        pytest.skip(f"recorded checkpoints are not here: {ORACLES}")
    foreign = load_sae(ORACLES / "ckpt" / "sap_topk" / "trainer_0")
    ours = save_sae(tmp_path / "ours", foreign.sae, foreign.name)
    for name, value in foreign.sae.arrays().items():
        assert np.array_equal(value, ours.sae.arrays()[name])
