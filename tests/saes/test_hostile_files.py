"""Files that are broken or made to harm: one clear line each, nothing run, nothing written, no memory filled."""

import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from sae_helpers import random_sae

from core.cli import main
from core.config import InputError
from core.saes.checkpoint import load_sae, save_sae
from core.saes.exchange import export_sae
from core.store import file_digest, write_json


class Called:
    def __reduce__(self):
        return (os.mkdir, ("made-by-the-pickle",))


def own(folder: Path) -> Path:
    save_sae(folder, random_sae("topk").frozen(), "ours")
    return folder


def rewritten(folder: Path, content: bytes) -> None:
    """Other weights, and a config.json that says so."""
    (folder / "weights.safetensors").write_bytes(content)
    configured(folder, weights=file_digest(folder / "weights.safetensors"))


def configured(folder: Path, **changes) -> None:
    document = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", {**document, **changes})


def shaped(folder: Path, **changes) -> None:
    configured(folder, config={**json.loads((folder / "config.json").read_text())["config"], **changes})


def tensors(folder: Path, **changes) -> bytes:
    return safetensors.torch.save({**safetensors.torch.load_file(folder / "weights.safetensors"), **changes})


def half(folder: Path) -> None:
    whole = (folder / "weights.safetensors").read_bytes()
    rewritten(folder, whole[: len(whole) // 2])


def header(folder: Path) -> None:
    rewritten(folder, struct.pack("<Q", 3 * 2**30) + (folder / "weights.safetensors").read_bytes()[8:])


def deep(folder: Path) -> None:
    (folder / "config.json").write_text("[" * 200_000)


OWN = {
    "truncated": half,
    "truncated unannounced": lambda folder: os.truncate(folder / "weights.safetensors", 100),
    "a header of 3 GB": header,
    "a wrong shape": lambda folder: rewritten(folder, tensors(folder, b_enc=torch.zeros(7))),
    "a wrong matrix": lambda folder: rewritten(folder, tensors(folder, W_enc=torch.zeros(12, 41))),
    "NaN": lambda folder: rewritten(folder, tensors(folder, W_dec=torch.full((40, 12), float("nan")))),
    "infinity": lambda folder: rewritten(folder, tensors(folder, b_dec=torch.full((12,), float("inf")))),
    "a pickle": lambda folder: rewritten(folder, pickle.dumps(Called())),
    "no weights": lambda folder: rewritten(folder, b""),
    "a surplus array": lambda folder: rewritten(folder, tensors(folder, more=torch.zeros(2))),
    "claims a trillion neurons": lambda folder: shaped(folder, d_sae=10**12),
    "claims a trillion columns": lambda folder: shaped(folder, d_in=10**12),
    "half a neuron": lambda folder: shaped(folder, d_sae=40.5),
    "neurons in words": lambda folder: shaped(folder, d_sae="forty"),
    "true neurons": lambda folder: shaped(folder, k=True),
    "no config": lambda folder: configured(folder, config=None),
    "nested without end": deep,
    "no object": lambda folder: (folder / "config.json").write_text("[]"),
}


def expanded(folder: Path) -> None:
    content = {"bpre": torch.zeros(12), "encoder.weight": torch.zeros(1).expand(10**6, 10**6)}
    content |= {"encoder.bias": torch.zeros(40), "decoder.weight": torch.zeros(12, 40)}
    torch.save(content, folder / "w.pth")


def saved(folder: Path, **changes) -> None:
    content = {"bpre": torch.zeros(12), "encoder.weight": torch.zeros(40, 12), "encoder.bias": torch.zeros(40)}
    torch.save({**content, "decoder.weight": torch.zeros(12, 40), **changes}, folder / "w.pth")


def bomb(folder: Path) -> None:
    saved(folder)
    with zipfile.ZipFile(folder / "w.pth") as whole, zipfile.ZipFile(folder / "b.pth", "w", zipfile.ZIP_DEFLATED) as z:
        for name in whole.namelist():
            z.writestr(name, bytes(20_000_000) if name.endswith("/0") else whole.read(name))
    os.remove(folder / "w.pth")


def lens(folder: Path, content) -> None:
    export_sae(random_sae("relu").frozen(), "saelens", folder / "lens")
    content(folder / "lens")


def cut(folder: Path) -> None:
    os.truncate(folder / "sae_weights.safetensors", 300)


def claims(folder: Path) -> None:
    raw = (folder / "sae_weights.safetensors").read_bytes()
    (folder / "sae_weights.safetensors").write_bytes(struct.pack("<Q", 3 * 2**30) + raw[8:])


FOREIGN = {
    "numbers without end": expanded,
    "a packed bomb": bomb,
    "a tensor without numbers": lambda folder: saved(folder, bpre=torch.zeros(12, device="meta")),
    "a sparse tensor": lambda folder: saved(folder, **{"encoder.weight": torch.eye(40, 12).to_sparse()}),
    "complex numbers": lambda folder: saved(folder, bpre=torch.zeros(12, dtype=torch.complex64)),
    "NaN": lambda folder: saved(folder, bpre=torch.full((12,), float("nan"))),
    "a wrong shape": lambda folder: saved(folder, bpre=torch.zeros(13)),
    "no matrix": lambda folder: saved(folder, **{"encoder.weight": torch.tensor(3.0)}),
    "code": lambda folder: torch.save({"bpre": Called()}, folder / "w.pth"),
    "code in an old pickle": lambda folder: (folder / "w.pth").write_bytes(pickle.dumps(Called())),
    "safetensors, truncated": lambda folder: lens(folder, cut),
    "safetensors, a header of 3 GB": lambda folder: lens(folder, claims),
    "nothing": lambda folder: (folder / "w.pth").write_bytes(b""),
}


def only(folder: Path) -> Path:
    return next(path for path in folder.iterdir() if path.name != "out")


@pytest.fixture(params=[*(("own", name) for name in OWN), *(("foreign", name) for name in FOREIGN)], ids=" ".join)
def hostile(request, tmp_path, monkeypatch) -> Path:
    """A folder or file that must be refused; the working folder is where a pickle would leave its trace."""
    monkeypatch.chdir(tmp_path)
    kind, name = request.param
    if kind == "own":
        OWN[name](own(tmp_path / "ours"))
        return tmp_path / "ours"
    FOREIGN[name](tmp_path)
    return only(tmp_path)


def test_the_command_line_refuses_in_one_line_and_leaves_nothing(hostile, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*"))
    for arguments in (["import", hostile, "--out", tmp_path / "out"], ["export", hostile, "--format", "saelens"]):
        extra = ["--out", str(tmp_path / "out")] if arguments[0] == "export" else []
        if arguments[0] == "import" and (hostile / "weights.safetensors").exists():
            continue  # a folder of ours is not imported; it is read by every other verb
        assert main(["sae", *map(str, arguments), *extra]) == 2
        captured = capsys.readouterr()
        lines = captured.err.splitlines()
        assert captured.out == "" and len(lines) == 1 and hostile.name in lines[0], captured.err
        assert "Traceback" not in lines[0]
    assert sorted(tmp_path.rglob("*")) == before


def test_the_page_refuses_in_one_line_and_keeps_its_choice(hostile, monkeypatch):
    from core.ui.data import choosing
    from core.ui.session import cache
    from core.ui.session.state import AppState

    state = AppState()
    saes = {"image": str(hostile), "text": choosing.NONE}
    monkeypatch.setattr(cache, "gallery", lambda name: None)
    with pytest.raises(InputError) as refused:
        choosing._use(state, "default", choosing.PARTNER, "default", saes, choosing.BEST)
    assert "\n" not in str(refused.value) and hostile.name in str(refused.value)
    assert state == AppState()


VALUES = [None, True, -1, 0, 2.5, 10**30, float("nan"), "many", [], {}, [1] * 50, "\x00"]


@pytest.mark.parametrize("arch", ["matryoshka-batch-topk", "batch-topk", "topk", "relu", "jumprelu"])
@pytest.mark.parametrize("form", ["dictionary-learning", "saelens"])
def test_whatever_a_settings_file_says_it_loads_or_is_refused(arch, form, tmp_path):
    export_sae(random_sae(arch).frozen(), form, tmp_path / "sae")
    (path,) = (tmp_path / "sae").rglob("*.json")
    said = json.loads(path.read_text())

    def places(value, way=()):
        yield way
        if isinstance(value, dict):
            for key, part in value.items():
                yield from places(part, (*way, key))

    for way in places(said):
        for value in VALUES:
            changed = json.loads(json.dumps(said))
            inside = changed
            for key in way[:-1]:
                inside = inside[key]
            if way:
                inside[way[-1]] = value
            else:
                changed = value
            path.write_text(json.dumps(changed))
            try:
                loaded = load_sae(tmp_path / "sae").sae
                assert loaded.W_enc.shape == (12, 40) and np.isfinite(loaded.arrays()["W_dec"]).all()
            except InputError as error:
                assert "\n" not in str(error)
